"""EvoSkeleton's 2D of Human3.6M (Li et al. 2020): twoDPose_HRN_train.npy and twoDPose_HRN_test.npy.

Each is a pickled {(subject, action, 'Directions 1.54138969.h5-sh'): (T', 64)}: x, y of Human3.6M's 32 joints, pixels,
of which the 17 in use were detected. The training subjects are in the one file and the test subjects in the other, so
a folder with both is one source.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, shown
from wsgcn.captures.human36m.cameras import SERIALS
from wsgcn.captures.human36m.quirks import canonical_take
from wsgcn.containers.npz import load_pickled_npy
from wsgcn.detections.base import DetectionReader, Wanted, converted
from wsgcn.detections.joint_orders import HUMAN36M_17, JointOrder
from wsgcn.detections.locate import locate
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX
from wsgcn.pose.store import Sequence2D

_FILES = "twoDPose_HRN_*.npy"
_NAME = re.compile(r"(?P<take>.+)\.(?P<serial>\d+)(\.h5)?(-sh)?")
_USED = [H36M32_INDEX[joint] for joint in H36M17.joints]
_JOINTS = 32


def open_npy(path: Path, *, order: JointOrder | None = None) -> DetectionReader:
    """One of the files, or the folder that holds them. Raises InputError: see `locate`, or an order is named."""
    if order is not None:
        raise InputError(f"detections.joints: is {order.name}, but {path} has Human3.6M's own; expected auto.")
    found = locate(path, lambda entry: entry.is_dir() and any(entry.glob(_FILES)), _FILES)
    return EvoSkeleton(found, sorted(found.glob(_FILES)) if found.is_dir() else [found])


class EvoSkeleton:
    """The files, read one after the other."""

    joints = HUMAN36M_17.human36m_joints

    def __init__(self, origin: Path, paths: list[Path]) -> None:
        self.origin, self._paths = origin, paths

    def sequences(self, wanted: Wanted) -> Iterator[Sequence2D]:
        """See `DetectionReader`."""
        for path in self._paths:
            tree = load_pickled_npy(path)
            if not isinstance(tree, dict):
                raise InputError(f"{path}: holds {_kind(tree)}, expected a dict of detections by subject and take.")
            for key, poses in tree.items():
                subject, take, serial = _names(path, key)
                if wanted(subject, take):
                    yield converted(path, HUMAN36M_17, subject, take, serial, _by_joint(poses))


def _names(path: Path, key: Any) -> tuple[str, str, str]:
    """Subject, take and camera."""
    match key:
        case (int() | np.integer() as subject, str(), str(name)) if matched := _NAME.fullmatch(name):
            take = canonical_take(matched["take"], f"{path}: {shown(key)}")
            if matched["serial"] in SERIALS:
                return f"S{subject}", take, matched["serial"]
    raise InputError(
        f"{path}: has the key {shown(key)}, expected (subject, action, '<take>.<camera>.h5') with one of the cameras "
        f"{', '.join(SERIALS)}."
    )


def _by_joint(poses: Any) -> Any:
    """(T', 17, 2) of a row for each frame; anything else as it is."""
    is_rows = isinstance(poses, np.ndarray) and poses.ndim == 2 and poses.shape[1] == 2 * _JOINTS
    return poses.reshape(-1, _JOINTS, 2)[:, _USED] if is_rows else poses


def _kind(found: object) -> str:
    return f"an array of the shape {brief(found.shape, 60)}" if isinstance(found, np.ndarray) else shown(found)
