"""What the first step of VideoPose3D's instructions writes for a video: `boxes`, `segments`, `keypoints`, `metadata`.

By Detectron and Detectron2 alike: `boxes[t][1]` is (N, 5), the fifth column a score, and `keypoints[t][1]` (N, 4, K)
of x, y, logit and probability, pixels, of the N people in frame t; class 0 is nobody. `metadata` has w and h. 17 joints
are COCO's. There are no tracks; people are in the order of their boxes' scores.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import COCO, JointOrder
from wsgcn.lifting.keypoints.base import joint_order, picture_size_of
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline

FORMAT = "detectron"
_PEOPLE = 1  # the class
_X, _Y, _LOGIT, _SCORE = range(4)


def matches(content: Mapping[str, object]) -> bool:
    return {"boxes", "keypoints"} <= content.keys()


def read(path: Path, content: Mapping[str, Any], order: JointOrder | None) -> InstanceFile:
    """Raises InputError: a part is of another form, or nobody is in any frame."""
    keypoints, boxes = _frames(path, content, "keypoints"), _frames(path, content, "boxes")
    if len(keypoints) != len(boxes):
        raise InputError(f"{path}: has boxes of {len(boxes)} frames, but keypoints of {len(keypoints)}.")
    instances = Instances(path)
    for frame, (points_N4K, boxes_N5) in enumerate(zip(keypoints, boxes, strict=True)):
        people, scores = _people(points_N4K), _people(boxes_N5)
        if people is None:
            continue
        is_whole = people.ndim == 3 and people.shape[1] == 4 and scores is not None and len(scores) == len(people)
        if not is_whole or scores is None or scores.ndim != 2 or scores.shape[1] < 5:
            raise InputError(
                f"{path}: frame {frame} has keypoints of the shape {people.shape}, expected (people, 4, joints) and a "
                "box for each."
            )
        triples_NK3 = people[:, [_X, _Y, _SCORE]].transpose(0, 2, 1)
        for triples_K3, box in zip(triples_NK3, scores, strict=True):
            instances.add(frame, triples_K3.ravel().tolist(), float(box[4]))
    if not len(instances):
        raise InputError(f"{path}: has nobody in any of its {len(keypoints)} frames.")
    known = joint_order(path, instances.joints, order, (COCO,), "the format")
    metadata = content.get("metadata")
    has_size = isinstance(metadata, dict) and {"w", "h"} <= metadata.keys()
    size = picture_size_of(path, metadata["w"], metadata["h"]) if isinstance(metadata, dict) and has_size else None
    return InstanceFile(FORMAT, known, instances, instances.tracks(Timeline(np.arange(len(keypoints)))), size)


def _frames(path: Path, content: Mapping[str, Any], name: str) -> Collection[Any]:
    found = content[name]
    if isinstance(found, np.ndarray) and found.ndim:
        return list(found)
    if isinstance(found, list | tuple):
        return found
    raise InputError(f"{path}: has {brief(type(found).__name__)} as {name}, expected a list of frames.")


def _people(frame: Any) -> np.ndarray | None:
    """What a frame has of people, None if there is nobody."""
    by_class = frame if isinstance(frame, list | tuple | np.ndarray) else ()
    people = by_class[_PEOPLE] if len(by_class) > _PEOPLE else None
    is_array = isinstance(people, np.ndarray) and people.dtype.kind in "fiu" and people.size > 0
    return people if is_array else None
