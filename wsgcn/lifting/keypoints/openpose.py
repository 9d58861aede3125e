"""OpenPose's output: a folder with one JSON a frame, {people: [{pose_keypoints_2d, person_id}]}, or one such file.

Version 1.0 says `pose_keypoints`. A person may be null, or have null keypoints. With `keypoint_scale` 3 the values are
parts of the picture; 4, from -1 to 1, is told by what is negative, and put into parts.

25 joints are BODY_25's, 18 COCO-18's. OpenPose also has BODY_25B, which is told from BODY_25 by where its joints lie,
since the files do not say. A missing joint is 0, 0, 0; a frame without people is legal. `person_id` is [-1] without
tracking. The frame number is the last number in the file name.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.detections.joint_orders import BODY_25, COCO_18, JointOrder
from wsgcn.lifting.keypoints.base import frame_numbers, joint_order, looks_normalised, plain_text, split_triples
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import load_json
from wsgcn.lifting.keypoints.points import id_of

FORMAT = "openpose"
KEYS = ("people",)
_KEYPOINTS = ("pose_keypoints_2d", "pose_keypoints")  # of a person; the second in version 1.0
_SUFFIX = "_keypoints"
_OFF_CENTRE = 0.08  # parts of the person's extent; in real BODY_25 it is a third of that at most
_ENOUGH = 10_000  # instances to tell BODY_25 and the scale by
_CLEARLY_NEGATIVE = -0.1  # parts of the picture


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """One file, one frame. Raises InputError: see `read_folder`."""
    return _read(path, path.parent, {0: path.name}, order)


def read_folder(path: Path, names: list[str], order: JointOrder | None) -> InstanceFile:
    """The JSON files of a folder, by their names.

    Raises:
        InputError: a file is no JSON or not of this form, nobody is in any frame, or 25 joints are not in the order of
            BODY_25.
    """
    stems = {name: f"{name.removesuffix('.json').removesuffix(_SUFFIX)}.json" for name in names}
    number_of = frame_numbers(stems.values())
    return _read(path, path, {number_of[stem]: name for name, stem in stems.items()}, order)


def _read(path: Path, folder: Path, files: dict[int, str], order: JointOrder | None) -> InstanceFile:
    """`files` are the names by the number of their frame."""
    instances = Instances(path)
    for frame, file in files.items():
        tree = load_json(folder / file)
        if not isinstance(tree, dict) or not isinstance(tree.get("people"), list):
            found = f"the keys {enumerated(tree)}" if isinstance(tree, dict) else f"a {type(tree).__name__} at its top"
            raise InputError(f"{folder / file}: has no list of people, expected a frame of OpenPose; it has {found}.")
        for person in tree["people"]:
            _add(instances, frame, person)
    if not len(instances):
        raise InputError(f"{path}: has nobody in any of its {len(files)} frames.")
    is_named = order is not None
    order = joint_order(path, instances.joints, order, (BODY_25, COCO_18), "the format")
    names = {frame: plain_text(path, name) for frame, name in files.items()}
    timeline = Timeline(Timeline().of(list(files)), names)
    some_NK2 = some_points(instances)
    if order is BODY_25 and not is_named and not is_body_25(some_NK2):
        raise InputError(
            f"{path}: has 25 joints that are not in the order of BODY_25 (MidHip lies off the hips, or Neck off the "
            "shoulders); name the order by joints, such as body_25b."
        )
    _into_parts(instances.values, some_NK2)
    return InstanceFile(FORMAT, order, instances, instances.tracks(timeline))


def _add(instances: Instances, frame: int, person: Any) -> None:
    if person is None:
        return
    key = next((key for key in _KEYPOINTS if key in person), None) if isinstance(person, dict) else None
    if key is None:
        found = f"with {enumerated(person)}" if isinstance(person, dict) else f"that is {brief(person, 40)}"
        raise InputError(f"{instances.origin}: frame {frame} has a person {found}, expected {_KEYPOINTS[0]}.")
    flat = person[key]
    score = mean_score(flat[2::3]) if isinstance(flat, list) else 0
    instances.add(frame, flat, score, id_of(person))


def _into_parts(values_NK3: np.ndarray, points: np.ndarray) -> None:
    """Values from -1 to 1 between the picture's corners become parts of the picture, in place; others stay.

    Args:
        points: some of them, NaN where missing.
    """
    if looks_normalised(points) and np.nanmin(points, initial=0) < _CLEARLY_NEGATIVE:
        values_NK3[..., :2] = (values_NK3[..., :2] + 1) / 2


def is_body_25(keypoints_NK2: np.ndarray) -> bool:
    """Whether the first joints are BODY_25's, of which the MidHip lies between the hips and the Neck between the
    shoulders. In BODY_25B they are an elbow and an eye, and COCO-18 has the right hip in the place of the MidHip.

    Args:
        keypoints_NK2: at least 13 joints, NaN where missing. Without anything to see they are.
    """

    def off_centre(middle: str, left: str, right: str) -> np.ndarray:
        a, b, c = (keypoints_NK2[:, BODY_25.joints.index(joint)] for joint in (middle, left, right))
        return np.linalg.norm(a - (b + c) / 2, axis=-1)

    whole_NK2 = keypoints_NK2[np.isfinite(keypoints_NK2).any((1, 2))]
    if not len(whole_NK2):
        return True
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is reported when it is lifted
        extent = np.median(np.linalg.norm(np.nanmax(whole_NK2, axis=1) - np.nanmin(whole_NK2, axis=1), axis=-1))
        off = np.fmax(off_centre("MidHip", "LHip", "RHip"), off_centre("Neck", "LShoulder", "RShoulder"))
    off = off[np.isfinite(off)]
    return not len(off) or bool(np.median(off) <= _OFF_CENTRE * extent)


def some_points(instances: Instances) -> np.ndarray:
    """(N, K, 2) some of them, NaN where missing, to tell by what they are."""
    return split_triples(instances.values[:: 1 + len(instances) // _ENOUGH])[0]
