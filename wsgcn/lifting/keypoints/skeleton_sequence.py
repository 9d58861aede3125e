"""Skeleton sequences: {data: [{frame_index, skeleton: [{pose, score}]}]}, GAST-Net's and Kinetics-skeleton's.

GAST-Net: `pose` is [[x, y], ...] of COCO's 17 joints, pixels, `score` [[s], ...]. Kinetics-skeleton (Yan et al. 2018):
`pose` is x, y, x, y, ... of OpenPose's 18 joints, parts of the picture, `score` s, s, ...; a joint with 0 is missing.
"""

from array import array
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import COCO, COCO_18, JointOrder
from wsgcn.lifting.keypoints.base import joint_order
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import entries, sections
from wsgcn.lifting.keypoints.points import frame_of, id_of, triples_of

FORMAT = "skeleton_sequence"


def matches(entry: Any) -> bool:
    """Whether it is a frame."""
    people = entry.get("skeleton") if isinstance(entry, dict) else None
    return isinstance(people, list) and "frame_index" in entry


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of this form, or nobody is in any frame."""
    instances, frames = Instances(path), array("q")
    for key, section in sections(path):
        if key not in (None, "data"):
            continue
        for index, entry in enumerate(entries(path, section, "data")):
            people = entry.get("skeleton") if isinstance(entry, dict) else None
            if not isinstance(people, list | None):
                raise InputError(
                    f"{path}: frame {index} has {brief(people, 40)} as skeleton, expected a list of people."
                )
            frame = frame_of(entry, index)
            frames.append(frame)
            for person in people or ():
                _add(instances, frame, person)
    if not len(instances):
        raise InputError(f"{path}: has nobody in any of its {len(frames)} frames.")
    order = joint_order(path, instances.joints, order, (COCO, COCO_18), "the format")
    timeline = Timeline(Timeline().of(np.frombuffer(frames, dtype=np.int64)))
    return InstanceFile(FORMAT, order, instances, instances.tracks(timeline))


def _add(instances: Instances, frame: int, person: Any) -> None:
    if person is None:
        return
    pose, score = (person.get("pose"), person.get("score")) if isinstance(person, dict) else (person, None)
    triples = triples_of(pose, score) if pose else []
    if triples is None or not isinstance(person, dict):
        raise InputError(f"{instances.origin}: frame {frame} has a person without pose and score.")
    instances.add(frame, triples, mean_score(triples[2::3]), id_of(person))
