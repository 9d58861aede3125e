"""JSON: the metadata, and `poses`, one object a frame, null where there is none. Coordinates are rounded to 1 µm."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.files import write_atomically
from wsgcn.lifted import Lifted


def write(lifted: Lifted, path: Path) -> None:
    """Raises InputError: the file cannot be written."""
    joints = np.array(lifted.skeleton.joints)
    poses: list[dict[str, Any]] = []
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
        poses.append(pose)
    write_atomically(path, json.dumps({**lifted.metadata, "poses": poses}, allow_nan=False) + "\n")


def _rounded(values: np.ndarray) -> list[Any] | None:
    return None if np.isnan(values).any() else np.round(values.astype(np.float64), 6).tolist()
