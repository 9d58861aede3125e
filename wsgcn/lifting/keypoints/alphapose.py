"""AlphaPose's results: a flat list of {image_id, category_id, keypoints, score}, `image_id` being a file name.

17 joints are COCO's, 26 and 136 Halpe's. With its tracker each entry has `idx`, the person; without, `idx` may be
there too and mean nothing: 0 for everybody, some in nested lists. The frame number is the last number in the file name.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import COCO, HALPE_26, HALPE_136, JointOrder
from wsgcn.lifting.keypoints.base import frame_numbers, joint_order, plain_text
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline
from wsgcn.lifting.keypoints.json_file import sections

FORMAT = "alphapose"


def matches(entry: Any) -> bool:
    return isinstance(entry, dict) and "keypoints" in entry and isinstance(entry.get("image_id"), str)


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of this form, or has another number of joints."""
    instances = Instances(path)
    pictures: dict[str, int] = {}
    for _, entries in sections(path):
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), str):
                raise InputError(f"{path}: has an entry without the name of its picture (image_id).")
            name = plain_text(path, entry["image_id"])
            picture = pictures.setdefault(name, len(pictures))
            instances.add(picture, entry.get("keypoints"), entry.get("score", 0), entry.get("idx"), place=name)
    order = joint_order(path, instances.joints, order, (COCO, HALPE_26, HALPE_136), "the format")
    number_of = frame_numbers(pictures)
    numbers = np.array([number_of[name] for name in pictures], dtype=np.int64)
    timeline = Timeline(names={number: name for name, number in number_of.items()})
    tracks = instances.tracks(timeline, numbers[instances.frames], repeats=True)
    return InstanceFile(FORMAT, order, instances, tracks)
