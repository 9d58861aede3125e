"""OpenPose's output: a folder with one JSON a frame, {people: [{pose_keypoints_2d, person_id}]}, or one such file.

25 joints are BODY_25's, 18 COCO-18's. OpenPose also has BODY_25B, which is told from BODY_25 by where its joints lie,
since the files do not say. A missing joint is 0, 0, 0; a frame without people is legal. `person_id` is [-1] without
tracking. The frame number is the last number in the file name.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import BODY_25, COCO_18, JointOrder
from wsgcn.readers.keypoints.base import (
    Instance,
    Timeline,
    Tracks,
    chunks_of_three,
    frame_numbers,
    joint_order,
    load_json,
    tracks_of,
)

FORMAT = "openpose"
_SUFFIX = "_keypoints"
_OFF_CENTRE = 0.08  # parts of the person's extent; in real BODY_25 it is a third of that at most


def matches(tree: Any) -> bool:
    return isinstance(tree, dict) and isinstance(tree.get("people"), list)


def read(path: Path, tree: Any, order: JointOrder | None) -> Tracks:
    """One file, one frame. Raises InputError: see `read_folder`."""
    return _read(path, {0: tree}, {0: path.name}, order)


def read_folder(path: Path, order: JointOrder | None) -> Tracks:
    """A folder.

    Raises:
        InputError: it holds no JSON, a file is none or not of this form, nobody is in any frame, or 25 joints are not
            in the order of BODY_25.
    """
    files = {file.stem.removesuffix(_SUFFIX): file for file in sorted(path.glob("*.json"))}
    if not files:
        raise InputError(f"{path}: is a folder without a JSON file, expected OpenPose's, one a frame.")
    number_of = frame_numbers(f"{stem}.json" for stem in files)
    trees = {}
    for stem, file in files.items():
        trees[number_of[f"{stem}.json"]] = tree = load_json(file)
        if not matches(tree):
            raise InputError(f"{file}: has no list of people, expected a frame of OpenPose.")
    return _read(path, trees, {number_of[f"{stem}.json"]: file.name for stem, file in files.items()}, order)


def _read(path: Path, trees: dict[int, Any], names: dict[int, str], order: JointOrder | None) -> Tracks:
    instances = [_instance(path, frame, person) for frame, tree in trees.items() for person in tree["people"]]
    if not instances:
        raise InputError(f"{path}: has nobody in any of its {len(trees)} frames.")
    is_named = order is not None
    order = joint_order(path, len(instances[0].keypoints), order, (BODY_25, COCO_18), "the format")
    tracks = tracks_of(path, instances, order, Timeline(Timeline().of(trees).tolist(), names))
    if order is BODY_25 and not is_named:
        _check_body_25(path, np.concatenate([track.keypoints for track in tracks]))
    return Tracks(path, FORMAT, order, tracks)


def _instance(path: Path, frame: int, person: Any) -> Instance:
    flat = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
    triples = chunks_of_three(path, frame, flat)
    ids = person.get("person_id")
    id = ids[0] if isinstance(ids, list) and ids else ids
    scores = [float(score) for _, _, score in triples if isinstance(score, int | float)]
    return Instance(frame, triples, sum(scores) / max(len(scores), 1), None if id in (None, -1) else str(id))


def _check_body_25(path: Path, keypoints_NK2: np.ndarray) -> None:
    """In BODY_25 the MidHip lies between the hips and the Neck between the shoulders; in BODY_25B they are an elbow
    and an eye."""

    def off_centre(middle: str, left: str, right: str) -> np.ndarray:
        a, b, c = (keypoints_NK2[:, BODY_25.joints.index(joint)] for joint in (middle, left, right))
        return np.linalg.norm(a - (b + c) / 2, axis=-1)

    whole_NK2 = keypoints_NK2[~np.isnan(keypoints_NK2).all((1, 2))]
    extent = np.median(np.linalg.norm(np.nanmax(whole_NK2, axis=1) - np.nanmin(whole_NK2, axis=1), axis=-1))
    off = np.fmax(off_centre("MidHip", "LHip", "RHip"), off_centre("Neck", "LShoulder", "RShoulder"))
    off = off[np.isfinite(off)]
    if len(off) and np.median(off) > _OFF_CENTRE * extent:
        raise InputError(
            f"{path}: has 25 joints that are not in the order of BODY_25 (MidHip lies off the hips, or Neck off the "
            "shoulders); name the order by joints, such as body_25b."
        )
