"""VideoPose3D's custom npz: `positions_2d[video]['custom']` is a list of (T, K, 2 or 3) arrays, pixels.

`metadata` has layout_name and num_joints, which name the joint order, and video_metadata[video] = {w, h}. A person is a
video; a list of several arrays gives `video/1`, `video/2`. Frames are counted from 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import COCO, HUMAN36M_16, HUMAN36M_17, STACKED_HOURGLASS, JointOrder
from wsgcn.lifting.keypoints.base import (
    MOST_VIDEOS,
    Person,
    Size,
    Track,
    joint_order,
    person_of,
    picture_size_of,
    plain_text,
    split_triples,
)

FORMAT = "videopose3d"

_ORDERS = {"h36m": (HUMAN36M_17, HUMAN36M_16), "coco": (COCO,), "mpii": (STACKED_HOURGLASS,)}  # by layout_name


def matches(content: Mapping[str, object]) -> bool:
    return "positions_2d" in content


@dataclass(frozen=True)
class Videos:
    """Such a file. Its tracks are made when they are asked for: many names may stand for the same array."""

    origin: Path
    order: JointOrder
    arrays: Mapping[str, np.ndarray]
    sizes: object
    format: str = FORMAT

    @cached_property
    def people(self) -> tuple[Person, ...]:
        return tuple(person_of(self.track(name)) for name in self.arrays)

    def track(self, person: str) -> Track:
        array = self.arrays[person]
        scored = array if array.shape[2] == 3 else np.concatenate([array, np.ones_like(array[..., :1])], axis=-1)
        size = _size(self.origin, self.sizes, person.split("/")[0])
        return Track(person, np.arange(len(array)), *split_triples(scored), size=size)


def read(path: Path, content: Mapping[str, Any], order: JointOrder | None) -> Videos:
    """Raises InputError: a part is missing or of another kind, or the joint order is neither named nor known."""
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    arrays = _arrays(path, content["positions_2d"])
    if not arrays:
        raise InputError(f"{path}: has no video in positions_2d.")
    count = next(iter(arrays.values())).shape[1]
    known = _ORDERS.get(str(metadata.get("layout_name")), ())
    order = joint_order(path, count, order, known, "its layout_name")
    for name, array in arrays.items():
        if array.shape[1] != count:
            found = f"{brief(name, 40)} has {array.shape[1]} joints"
            raise InputError(f"{path}: {found}, but other videos have {count}.")
    return Videos(path, order, arrays, metadata.get("video_metadata"))


def _arrays(path: Path, positions: Any) -> dict[str, np.ndarray]:
    """Each (T, K, C) array by the name of its video."""
    found: dict[str, np.ndarray] = {}
    for video, by_name in positions.items() if isinstance(positions, dict) else ():
        lists = by_name.values() if isinstance(by_name, dict) else ()
        arrays = list(islice(chain.from_iterable(each for each in lists if _is_list(each)), MOST_VIDEOS + 1))
        for number, array in enumerate(arrays, 1):
            called = plain_text(path, str(video))
            name = called if len(arrays) == 1 else f"{called}/{number}"
            shown, expected = f"{path}: {brief(name, 40)}", "expected a list of (frames, joints, 2 or 3) arrays"
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
                raise InputError(f"{shown} is no array of numbers, {expected}.")
            if array.ndim != 3 or array.shape[2] not in (2, 3) or not len(array):
                raise InputError(f"{shown} has the shape {array.shape}, {expected}.")
            found[name] = array
            if len(found) > MOST_VIDEOS:
                raise InputError(f"{path}: has more than {MOST_VIDEOS} videos in positions_2d.")
    return found


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _size(path: Path, sizes: Any, video: str) -> Size | None:
    entry = sizes.get(video) if isinstance(sizes, dict) else None
    if not isinstance(entry, dict) or not {"w", "h"} <= entry.keys():
        return None
    return picture_size_of(path, entry["w"], entry["h"])
