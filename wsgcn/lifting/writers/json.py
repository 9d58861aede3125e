"""JSON: the metadata, and `poses`, one object a frame, null where there is none.

Coordinates are rounded to 1 µm, the 2D that was lifted, `keypoints_px`, to a hundredth of a pixel; a joint without 2D
is null.
"""

import json
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.files import atomic_path
from wsgcn.lifting.lifted import Lifted

_FRAMES = 1000  # that are Python's objects at a time


def write(lifted: Lifted, path: Path) -> None:
    """Raises InputError: the file cannot be written."""
    metadata = json.dumps(lifted.metadata, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        # one pose after the other: as Python's objects, an hour of them takes half a gigabyte
        file.write(f'{metadata.removesuffix("}")}, "poses": [')
        for row, pose in enumerate(_poses(lifted)):
            file.write((", " if row else "") + json.dumps(pose, allow_nan=False))
        file.write("]}\n")


def _poses(lifted: Lifted) -> Iterator[dict[str, Any]]:
    joints = lifted.skeleton.joints
    for start in range(0, len(lifted), _FRAMES):
        rows = lifted[start : start + _FRAMES]
        pose_T = _rounded(rows.pose_m, 6)
        root_T = None if rows.root_m is None else _rounded(rows.root_m, 6)
        point_TJ = _rounded(rows.keypoints_px.reshape(-1, 2), 2)
        interpolated_TJ, substituted_TJ = rows.interpolated.tolist(), rows.substituted.tolist()
        for row, (frame, missing) in enumerate(zip(rows.frames.tolist(), rows.missing.tolist(), strict=True)):
            pose: dict[str, Any] = {"frame": frame}
            if lifted.names is not None:
                pose["name"] = lifted.names[start + row]
            pose["missing"] = missing
            pose["interpolated"] = list(compress(joints, interpolated_TJ[row]))
            pose["substituted"] = list(compress(joints, substituted_TJ[row]))
            pose["pose_m"] = pose_T[row]
            if root_T is not None:
                pose["root_m"] = root_T[row]
            pose["keypoints_px"] = point_TJ[row * len(joints) : (row + 1) * len(joints)]
            yield pose


def _rounded(values_N: np.ndarray, decimals: int) -> list[list[Any] | None]:
    """By the first axis: the numbers, or None where one of them is NaN."""
    is_absent_N = np.isnan(values_N).reshape(len(values_N), -1).any(-1).tolist()
    rounded_N = np.round(values_N.astype(np.float64), decimals).tolist()
    return [None if is_absent else value for value, is_absent in zip(rounded_N, is_absent_N, strict=True)]
