"""JSON: the metadata, and `poses`, one object a frame, null where there is none.

Coordinates are rounded to 1 µm, the 2D that was lifted, `keypoints_px`, to a hundredth of a pixel; a joint without 2D
is null.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.files import atomic_path
from wsgcn.lifting.lifted import Lifted


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
    joints = np.array(lifted.skeleton.joints)
    for row, frame in enumerate(lifted.frames.tolist()):
        pose: dict[str, Any] = {"frame": frame}
        if lifted.names is not None:
            pose["name"] = lifted.names[row]
        pose["missing"] = bool(lifted.missing[row])
        pose["interpolated"] = joints[lifted.interpolated[row]].tolist()
        pose["substituted"] = joints[lifted.substituted[row]].tolist()
        pose["pose_m"] = _rounded(lifted.pose_m[row])
        if lifted.root_m is not None:
            pose["root_m"] = _rounded(lifted.root_m[row])
        pose["keypoints_px"] = [
            None if np.isnan(point).any() else np.round(point.astype(np.float64), 2).tolist()
            for point in lifted.keypoints_px[row]
        ]
        yield pose


def _rounded(values: np.ndarray) -> list[Any] | None:
    return None if np.isnan(values).any() else np.round(values.astype(np.float64), 6).tolist()
