"""MMPose 1.x: a list of {frame_id, instances}, {meta_info, instance_info} with that list, or a picture's instances.

An instance has keypoints [[x, y], ...], keypoint_scores, bbox_score and, with tracking, track_id. `meta_info` names
the joints; the bare lists do not, so that their order must be named.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import JointOrder
from wsgcn.readers.keypoints.base import Instance, Timeline, Tracks, joint_order, order_of_names, tracks_of

FORMAT = "mmpose"


def matches(tree: Any) -> bool:
    if isinstance(tree, dict):
        return "instance_info" in tree
    first = tree[0] if isinstance(tree, list) and tree else None
    return isinstance(first, dict) and ("instances" in first or "keypoint_scores" in first)


def read(path: Path, tree: Any, order: JointOrder | None) -> Tracks:
    """Raises InputError: an entry is not of this form, or the joint order is neither named nor known."""
    entries = tree["instance_info"] if isinstance(tree, dict) else tree
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path}: has no list of frames, expected MMPose's {{frame_id, instances}}.")
    if entries and "keypoint_scores" in entries[0]:
        entries = [{"frame_id": 0, "instances": entries}]
    frames, instances = [], []
    for entry in entries:
        frame, people = entry.get("frame_id"), entry.get("instances")
        if not isinstance(frame, int) or not isinstance(people, list):
            raise InputError(f"{path}: has a frame with frame_id {frame!r}, expected a number and its instances.")
        frames.append(frame)
        instances += [_instance(path, frame, person) for person in people]
    if not instances:
        raise InputError(f"{path}: has nobody in any of its {len(frames)} frames.")
    known = order_of_names(_names(tree["meta_info"])) if isinstance(tree, dict) and "meta_info" in tree else None
    order = joint_order(path, len(instances[0].keypoints), order, [known] if known else [], "the format")
    timeline = Timeline(Timeline().of(frames).tolist())
    return Tracks(path, FORMAT, order, tracks_of(path, instances, order, timeline))


def _instance(path: Path, frame: int, person: Any) -> Instance:
    points = person.get("keypoints") if isinstance(person, dict) else None
    scores = person.get("keypoint_scores") if isinstance(person, dict) else None
    if not isinstance(points, list) or not isinstance(scores, list) or len(points) != len(scores):
        raise InputError(f"{path}: frame {frame} has an instance without as many keypoint_scores as keypoints.")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise InputError(f"{path}: frame {frame} has keypoints of another form than x, y.")
    track = person.get("track_id")
    return Instance(
        frame=frame,
        keypoints=[(*point, score) for point, score in zip(points, scores, strict=True)],
        score=_score(person.get("bbox_score"), scores),
        person=None if track is None else str(track),
    )


def _score(bbox_score: Any, scores: Sequence[Any]) -> float:
    if isinstance(bbox_score, list) and bbox_score:
        bbox_score = bbox_score[0]
    if isinstance(bbox_score, int | float):
        return float(bbox_score)
    return sum(score for score in scores if isinstance(score, int | float)) / max(len(scores), 1)


def _names(meta: Any) -> list[str]:
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict):
        return []
    return [str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0]))]
