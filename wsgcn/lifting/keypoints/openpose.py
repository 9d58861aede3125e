"""OpenPose's output: a folder with one JSON a frame, {people: [{pose_keypoints_2d, person_id}]}, or one such file.

25 joints are BODY_25's, 18 COCO-18's. OpenPose also has BODY_25B, which is told from BODY_25 by where its joints lie,
since the files do not say. A missing joint is 0, 0, 0; a frame without people is legal. `person_id` is [-1] without
tracking. The frame number is the last number in the file name.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import reading
from wsgcn.detections.joint_orders import BODY_25, COCO_18, JointOrder
from wsgcn.lifting.keypoints.base import frame_numbers, joint_order, plain_text, split_triples
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import load_json

FORMAT = "openpose"
KEYS = ("people",)
_SUFFIX = "_keypoints"
_OFF_CENTRE = 0.08  # parts of the person's extent; in real BODY_25 it is a third of that at most
_ENOUGH = 10_000  # instances to tell BODY_25 by


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """One file, one frame. Raises InputError: see `read_folder`."""
    return _read(path, path.parent, {0: path.name}, order)


def read_folder(path: Path, order: JointOrder | None) -> InstanceFile:
    """A folder.

    Raises:
        InputError: it holds no JSON, a file is none or not of this form, nobody is in any frame, or 25 joints are not
            in the order of BODY_25.
    """
    with reading(path, "folder"):
        names = sorted(file.name for file in path.glob("*.json"))
    if not names:
        raise InputError(f"{path}: is a folder without a JSON file, expected OpenPose's, one a frame.")
    stems = {name: f"{name.removesuffix('.json').removesuffix(_SUFFIX)}.json" for name in names}
    number_of = frame_numbers(stems.values())
    return _read(path, path, {number_of[stem]: name for name, stem in stems.items()}, order)


def _read(path: Path, folder: Path, files: dict[int, str], order: JointOrder | None) -> InstanceFile:
    """`files` are the names by the number of their frame."""
    instances = Instances(path)
    for frame, file in files.items():
        tree = load_json(folder / file)
        if not isinstance(tree, dict) or not isinstance(tree.get("people"), list):
            raise InputError(f"{folder / file}: has no list of people, expected a frame of OpenPose.")
        for person in tree["people"]:
            _add(instances, frame, person)
    if not len(instances):
        raise InputError(f"{path}: has nobody in any of its {len(files)} frames.")
    is_named = order is not None
    order = joint_order(path, instances.joints, order, (BODY_25, COCO_18), "the format")
    names = {frame: plain_text(path, name) for frame, name in files.items()}
    timeline = Timeline(Timeline().of(list(files)), names)
    if order is BODY_25 and not is_named:
        _check_body_25(path, split_triples(instances.values[:: 1 + len(instances) // _ENOUGH])[0])
    return InstanceFile(FORMAT, order, instances, instances.tracks(timeline))


def _add(instances: Instances, frame: int, person: Any) -> None:
    person = person if isinstance(person, dict) else {}
    flat, id = person.get("pose_keypoints_2d"), person.get("person_id")
    score = mean_score(flat[2::3]) if isinstance(flat, list) else 0
    instances.add(frame, flat, score, None if id in (-1, [-1]) else id)


def _check_body_25(path: Path, keypoints_NK2: np.ndarray) -> None:
    """In BODY_25 the MidHip lies between the hips and the Neck between the shoulders; in BODY_25B they are an elbow
    and an eye."""

    def off_centre(middle: str, left: str, right: str) -> np.ndarray:
        a, b, c = (keypoints_NK2[:, BODY_25.joints.index(joint)] for joint in (middle, left, right))
        return np.linalg.norm(a - (b + c) / 2, axis=-1)

    whole_NK2 = keypoints_NK2[np.isfinite(keypoints_NK2).any((1, 2))]
    if not len(whole_NK2):
        return
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is reported when it is lifted
        extent = np.median(np.linalg.norm(np.nanmax(whole_NK2, axis=1) - np.nanmin(whole_NK2, axis=1), axis=-1))
        off = np.fmax(off_centre("MidHip", "LHip", "RHip"), off_centre("Neck", "LShoulder", "RShoulder"))
    off = off[np.isfinite(off)]
    if len(off) and np.median(off) > _OFF_CENTRE * extent:
        raise InputError(
            f"{path}: has 25 joints that are not in the order of BODY_25 (MidHip lies off the hips, or Neck off the "
            "shoulders); name the order by joints, such as body_25b."
        )
