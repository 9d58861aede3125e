"""VideoPose3D's custom npz: `positions_2d[video]['custom']` is a list of (T, K, 2 or 3) arrays, pixels.

`metadata` has layout_name and num_joints, which name the joint order, and video_metadata[video] = {w, h}. A person is a
video; a list of several arrays gives `video/1`, `video/2`. Frames are counted from 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import COCO, HUMAN36M_16, HUMAN36M_17, STACKED_HOURGLASS, JointOrder
from wsgcn.readers.keypoints.base import Size, Track, Tracks, joint_order, split_triples

FORMAT = "videopose3d"

_ORDERS = {"h36m": (HUMAN36M_17, HUMAN36M_16), "coco": (COCO,), "mpii": (STACKED_HOURGLASS,)}  # by layout_name


def matches(content: Mapping[str, object]) -> bool:
    return "positions_2d" in content


def read(path: Path, content: Mapping[str, Any], order: JointOrder | None) -> Tracks:
    """Raises InputError: a part is missing or of another kind, or the joint order is neither named nor known."""
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    arrays = _arrays(path, content["positions_2d"])
    if not arrays:
        raise InputError(f"{path}: has no video in positions_2d.")
    count = next(iter(arrays.values())).shape[1]
    known = _ORDERS.get(str(metadata.get("layout_name")), ())
    order = joint_order(path, count, order, known, "its layout_name")
    sizes = metadata.get("video_metadata")
    tracks = []
    for name, array in arrays.items():
        if array.shape[1] != count:
            raise InputError(f"{path}: {name} has {array.shape[1]} joints, but other videos have {count}.")
        scored = array if array.shape[2] == 3 else np.concatenate([array, np.ones_like(array[..., :1])], axis=-1)
        points, scores = split_triples(scored)
        size = _size(sizes, name.split("/")[0])
        tracks.append(Track(name, np.arange(len(array)), points, scores, size=size))
    return Tracks(path, FORMAT, order, tuple(tracks))


def _arrays(path: Path, positions: Any) -> dict[str, np.ndarray]:
    """Each (T, K, C) array by the name of its video."""
    found: dict[str, np.ndarray] = {}
    for video, by_name in positions.items() if isinstance(positions, dict) else ():
        arrays = [array for each in by_name.values() for array in each] if isinstance(by_name, dict) else []
        for number, array in enumerate(arrays, 1):
            name = str(video) if len(arrays) == 1 else f"{video}/{number}"
            expected = "expected a list of (frames, joints, 2 or 3) arrays"
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
                raise InputError(f"{path}: {name} is no array of numbers, {expected}.")
            if array.ndim != 3 or array.shape[2] not in (2, 3) or not len(array):
                raise InputError(f"{path}: {name} has the shape {array.shape}, {expected}.")
            found[name] = array
    return found


def _size(sizes: Any, video: str) -> Size | None:
    entry = sizes.get(video) if isinstance(sizes, dict) else None
    return (int(entry["w"]), int(entry["h"])) if isinstance(entry, dict) and {"w", "h"} <= entry.keys() else None
