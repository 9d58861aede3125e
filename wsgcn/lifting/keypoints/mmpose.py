"""MMPose 1.x: a list of {frame_id, instances}, {meta_info, instance_info} with that list, or a picture's instances.

An instance has keypoints [[x, y], ...], keypoint_scores, bbox_score and, with tracking, track_id. `meta_info` names
the joints; the bare lists do not, so that their order must be named, unless their number tells it: 26 are Halpe's, 133
COCO-WholeBody's.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import COCO_WHOLEBODY, HALPE_26, JointOrder
from wsgcn.lifting.keypoints.base import joint_order, order_of_names
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import entries, sections
from wsgcn.lifting.keypoints.points import whole

FORMAT = "mmpose"
KEYS = ("instance_info", "meta_info")
_BY_NUMBER = (HALPE_26, COCO_WHOLEBODY)


def matches(entry: Any) -> bool:
    return isinstance(entry, dict) and ("instances" in entry or "keypoint_scores" in entry)


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of this form, or the joint order is neither named nor known."""
    instances, frames, known = Instances(path), array("q"), None
    for key, section in sections(path):
        if key in (None, "instance_info"):
            for entry in entries(path, section, "the list of frames"):
                if not isinstance(entry, dict):
                    raise InputError(f"{path}: has no list of frames, expected MMPose's {{frame_id, instances}}.")
                one_picture = "keypoint_scores" in entry and "instances" not in entry
                said, people = (0, [entry]) if one_picture else (entry.get("frame_id"), entry.get("instances"))
                frame = whole(said)
                if frame is None or not isinstance(people, list | None):
                    found = f"{path}: has a frame with frame_id {brief(said, 40)}"
                    raise InputError(f"{found}, expected a number and its instances.")
                frames.append(frame)
                for person in people or ():
                    if person is not None:
                        _add(instances, frame, person)
        elif key == "meta_info":
            known = order_of_names(_names(section), FORMAT)
    if not len(instances):
        raise InputError(f"{path}: has nobody in any of its {len(frames)} frames.")
    order = joint_order(path, instances.joints, order, [known] if known else _BY_NUMBER, "the format")
    timeline = Timeline(Timeline().of(np.frombuffer(frames, dtype=np.int64)))
    return InstanceFile(FORMAT, order, instances, instances.tracks(timeline))


def _add(instances: Instances, frame: int, person: Any) -> None:
    points = person.get("keypoints") if isinstance(person, dict) else None
    scores = person.get("keypoint_scores") if isinstance(person, dict) else None
    if isinstance(person, dict) and (points is None or points == []):
        return
    where = f"{instances.origin}: frame {frame} has"
    if not isinstance(points, list) or not isinstance(scores, list) or len(points) != len(scores):
        raise InputError(f"{where} an instance without as many keypoint_scores as keypoints.")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise InputError(f"{where} keypoints of another form than x, y.")
    values = [value for (x, y), score in zip(points, scores, strict=True) for value in (x, y, score)]
    instances.add(frame, values, _score(person.get("bbox_score"), scores), person.get("track_id"))


def _score(bbox_score: Any, scores: Sequence[Any]) -> float:
    if isinstance(bbox_score, list) and bbox_score:
        bbox_score = bbox_score[0]
    return bbox_score if isinstance(bbox_score, int | float) else mean_score(scores)


def _names(meta: Any) -> list[str]:
    """The joints in the order of their numbers; none where the numbers are not all there."""
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict):
        return []
    return [str(names.get(str(number))) for number in range(len(names))]
