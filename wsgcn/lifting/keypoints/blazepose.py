"""BlazePose's 33 landmarks (MediaPipe), as JSON or as an array (T, 33, 4).

JSON: a list with one entry a frame. An entry is the frame's 33 landmarks {x, y, visibility} (z is not read), null or []
where nobody is seen, or a list of people, each with 33 landmarks; it may stand under `pose_landmarks`. An array has x,
y, z, visibility in its last axis, and NaN or visibility 0 where nobody is seen.

The coordinates are MediaPipe's own, parts of the picture's width and height, or pixels: a person whose landmarks all
lie within 4 of the origin is not one in pixels. Frames are counted from 0. A visibility that is not there counts as 1.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import BLAZEPOSE_33, JointOrder
from wsgcn.lifting.keypoints.base import Track, Tracks, joint_order, split_triples
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import entries, sections

FORMAT = "blazepose"
_LARGEST_NORMALISED = 4.0


def matches(entry: Any) -> bool:
    """Whether it is a frame with somebody in it, who has 33 landmarks."""
    return any(_is_person(person) for person in (_people(entry) or [])[:1])


def matches_array(array: np.ndarray) -> bool:
    return array.ndim == 3 and array.shape[1:] == (len(BLAZEPOSE_33.joints), 4) and array.dtype.kind in "fiu"


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of this form, or nobody is in any frame."""
    order = joint_order(path, len(BLAZEPOSE_33.joints), order, (BLAZEPOSE_33,))
    instances, frames = Instances(path), 0
    for _, section in sections(path):
        for frame, entry in enumerate(entries(path, section, "the frames")):
            people = _people(entry)
            if people is None or not all(_is_person(person) for person in people):
                expected = "33 landmarks {x, y, visibility}, expected BlazePose's"
                raise InputError(f"{path}: frame {frame} has no {expected}.")
            for person in people:
                _add(instances, frame, person)
            frames = frame + 1
    if not len(instances):
        raise InputError(f"{path}: has nobody in it.")
    tracks = instances.tracks(Timeline(np.arange(frames)))
    return InstanceFile(FORMAT, order, instances, tracks, finish=_with_unit)


def read_array(path: Path, array: np.ndarray, order: JointOrder | None) -> Tracks:
    """(T, 33, 4) of x, y, z, visibility. Raises InputError: another order is named."""
    order = joint_order(path, array.shape[1], order, (BLAZEPOSE_33,))
    points, scores = split_triples(array[..., [0, 1, 3]])
    return Tracks(path, FORMAT, order, (_with_unit(Track("1", np.arange(len(array)), points, scores)),))


def _people(entry: Any) -> list[Any] | None:
    """The people of a frame; None if it is of another form."""
    if isinstance(entry, dict):
        entry = entry.get("pose_landmarks", ...)
    if entry is None or entry == []:
        return []
    if not isinstance(entry, list):
        return None
    return [entry] if isinstance(entry[0], dict) else [person for person in entry if person]


def _is_person(person: Any) -> bool:
    return (
        isinstance(person, list)
        and len(person) == len(BLAZEPOSE_33.joints)
        and all(isinstance(landmark, dict) and "x" in landmark and "y" in landmark for landmark in person)
    )


def _add(instances: Instances, frame: int, person: list[dict[str, Any]]) -> None:
    scores = [landmark.get("visibility", 1) for landmark in person]
    points = zip(person, scores, strict=True)
    values = [value for landmark, score in points for value in (landmark["x"], landmark["y"], score)]
    instances.add(frame, values, mean_score(scores))


def _with_unit(track: Track) -> Track:
    extent = np.nanmax(np.abs(track.keypoints), initial=0)
    is_normalised = bool(extent <= _LARGEST_NORMALISED)
    return Track(track.person, track.frames, track.keypoints, track.scores, normalised=is_normalised)
