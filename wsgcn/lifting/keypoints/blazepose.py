"""BlazePose's 33 landmarks (MediaPipe), as JSON or as an array (T, 33, 4).

JSON: a list with one entry a frame, at the top or under any key ("frames"). An entry is the frame's 33 landmarks, null
or [] where nobody is seen, or a list of people, each with 33 landmarks; it may stand under any of the names that
Python, JavaScript, protobuf and TensorFlow.js give it (`pose_landmarks`, `poseLandmarks`, `landmarks`, `landmark`,
`keypoints`), one in the other. A landmark is {x, y, visibility} (`score`, `presence` likewise; z is not read) or [x, y,
z, visibility]; instead of a list of 33 an object may name them (`LEFT_SHOULDER`). World landmarks are metres from the
hip and no 2D. An array has x, y, z, visibility in its last axis, and NaN or visibility 0 where nobody is seen.

The coordinates are MediaPipe's own, parts of the picture's width and height, or pixels: where all lie within 4 of the
origin they are no pixels. A frame's number is what it says itself, or its place. A visibility that is not there counts
as 1.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import BLAZEPOSE_33, JointOrder
from wsgcn.lifting.keypoints.base import Track, Tracks, joint_name, joint_order, looks_normalised, split_triples
from wsgcn.lifting.keypoints.frames import Frames, frames_in, is_frame_name, one_frame
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, mean_score
from wsgcn.lifting.keypoints.json_file import sections
from wsgcn.lifting.keypoints.points import id_of, triples_of

FORMAT = "blazepose"
_KEYS = (
    "pose_landmarks",
    "poseLandmarks",
    "landmarks",
    "landmark",
    "keypoints",
    "normalized_landmarks",
    "pose",
    "poses",
)
_FRAMES = ("frames", "data", "results")
_WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks", "keypoints3D")
_DEEPEST = 6
_JOINTS = len(BLAZEPOSE_33.joints)


def matches(entry: Any) -> bool:
    """Whether it is a frame with somebody in it, who has 33 landmarks."""
    return bool(_people(entry))


def matches_world(entry: Any) -> bool:
    """Whether it is a frame of world landmarks alone."""
    return isinstance(entry, dict) and any(entry.get(key) for key in _WORLD) and not _people(entry)


def matches_any(entry: Any) -> bool:
    """Whether `read` reads it, or says why not: a frame, or a landmark of the only one."""
    return matches(entry) or matches_world(entry) or (isinstance(entry, dict) and {"x", "y", "z"} <= entry.keys())


def matches_array(array: np.ndarray) -> bool:
    return array.ndim == 3 and array.shape[1:] == (_JOINTS, 4) and array.dtype.kind in "fiu"


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of this form or has world landmarks alone, or nobody is in any frame."""
    order = joint_order(path, _JOINTS, order, (BLAZEPOSE_33,))
    instances, frames = Instances(path), Frames(path)
    for key, section in sections(path):
        if key in _WORLD:
            continue
        # under other keys may stand what is said of the clip: its size, its rate
        must_match = key is None or key in (*_KEYS, *_FRAMES) or is_frame_name(key)
        for frame, entry in frames_in(path, key, _one_frame_as_list(path, section)):
            people = _people(entry)
            if must_match or people:
                _add(instances, frames.place(frame), frame, entry, people)
    if not len(instances):
        raise InputError(f"{path}: has nobody in it.")
    tracks = instances.tracks(frames.timeline(), frames.numbers[instances.frames], repeats=True)
    return InstanceFile(FORMAT, order, instances, tracks)


def read_array(path: Path, array: np.ndarray, order: JointOrder | None) -> Tracks:
    """(T, 33, 4) of x, y, z, visibility. Raises InputError: another order is named."""
    order = joint_order(path, array.shape[1], order, (BLAZEPOSE_33,))
    points, scores = split_triples(array[..., [0, 1, 3]])
    track = Track("1", np.arange(len(array)), points, scores, normalised=looks_normalised(points))
    return Tracks(path, FORMAT, order, (track,))


def _one_frame_as_list(path: Path, section: Any) -> Any:
    """A list of landmarks at the top is the only frame."""
    if not isinstance(section, Iterator):
        return section
    start = list(islice(section, 1))
    if start and isinstance(start[0], dict) and "x" in start[0]:
        return [one_frame(path, chain(start, section))]
    return chain(start, section)


def _people(entry: Any, deep: int = 0) -> list[tuple[Any, Any]] | None:
    """The landmarks of each person of a frame, with the id of their track; None if it is of another form."""
    if entry is None or entry == []:
        return []
    if deep > _DEEPEST:
        return None
    if _triples(entry) is not None:
        return [(entry, None)]
    if isinstance(entry, dict):
        found = next((entry[key] for key in _KEYS if key in entry), ...)
        people = None if found is ... else _people(found, deep + 1)
        return [(people[0][0], id_of(entry))] if people and len(people) == 1 and deep else people
    if not isinstance(entry, list):
        return None
    people_of_each = [_people(each, deep + 1) for each in entry]
    if any(people is None for people in people_of_each):
        return None
    return [person for people in people_of_each for person in people or ()]


def _triples(person: Any) -> list[Any] | None:
    """x, y, visibility of each of the 33 landmarks; None if it is no person."""
    if isinstance(person, dict) and len(person) >= _JOINTS:
        named = {joint_name(str(name)): landmark for name, landmark in person.items()}
        person = [named[joint] for joint in BLAZEPOSE_33.joints] if set(BLAZEPOSE_33.joints) <= set(named) else None
    if not isinstance(person, list) or len(person) != _JOINTS:
        return None
    if not all(isinstance(landmark, dict) or _is_with_z(landmark) for landmark in person):
        return None
    return triples_of(person, None, _JOINTS)


def _is_with_z(landmark: Any) -> bool:
    return isinstance(landmark, list) and len(landmark) == 4


def _add(instances: Instances, place: int, frame: int | str, entry: Any, people: list[tuple[Any, Any]] | None) -> None:
    where = f"{instances.origin}: frame {brief(frame, 40)}"
    if people is None and matches_world(entry):
        raise InputError(
            f"{where} has world landmarks, metres from the hip, and no others; expected the landmarks in the picture."
        )
    if people is None:
        raise InputError(f"{where} has no 33 landmarks {{x, y, visibility}}, expected BlazePose's.")
    for person, id in people:
        triples = _triples(person)
        assert triples is not None
        instances.add(place, triples, mean_score(triples[2::3]), id, place=frame)
