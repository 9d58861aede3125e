"""VideoPose3D's `data_2d_h36m_<detector>.npz` (Pavllo et al. 2019): CPN, Detectron and HRNet detections.

`positions_2d` is a pickled {subject: {action: [one (T', K, 2 or 3) array a camera]}}, pixels, the cameras in
Human3.6M's order; `metadata` has num_joints, keypoints_symmetry (left and right joints) and layout_name.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.captures.human36m.cameras import SERIALS
from wsgcn.captures.human36m.quirks import canonical_take
from wsgcn.containers.npz import load_npz
from wsgcn.detections.base import DetectionReader, Wanted, converted
from wsgcn.detections.joint_orders import COCO, HUMAN36M_16, HUMAN36M_17, STACKED_HOURGLASS, JointOrder
from wsgcn.detections.locate import locate
from wsgcn.pose.store import Sequence2D

# by layout_name and num_joints; 'mpii' is the order of Stacked Hourglass
_ORDERS = {
    ("h36m", 17): HUMAN36M_17,
    ("h36m", 16): HUMAN36M_16,
    ("coco", 17): COCO,
    ("mpii", 16): STACKED_HOURGLASS,
}


def open_npz(path: Path, detector: str, *, order: JointOrder | None = None) -> DetectionReader:
    """The npz file of 'cpn', 'detectron' or 'hrnet'. Raises InputError: see `locate` and `VideoPose3D`."""
    pattern = f"data_2d_h36m_*{detector}*.npz"
    return VideoPose3D(locate(path, lambda entry: fnmatch(entry.name, pattern), pattern), order)


class VideoPose3D:
    """The content of such a file, read whole.

    Args:
        order: of its joints, in the place of what the metadata say, which may then be missing.

    Raises:
        InputError: the file is missing, damaged, no such file or would run code on loading, or its joint order is
            unknown.
    """

    def __init__(self, path: Path, order: JointOrder | None = None) -> None:
        self.origin = path
        content = load_npz(path)
        self._positions = _mapping(path, content, "positions_2d")
        if order is None and "metadata" not in content:
            raise InputError(
                f"{path}: has no metadata, which name the order of the joints; name it by detections.joints."
            )
        self._order = order or _joint_order(path, _mapping(path, content, "metadata"))
        self.joints = self._order.human36m_joints

    def sequences(self, wanted: Wanted) -> Iterator[Sequence2D]:
        """See `DetectionReader`."""
        for subject in self._positions:
            for name, by_camera in _mapping(self.origin, self._positions, subject).items():
                take = canonical_take(name, f"{self.origin}: {brief(subject, 40)}")
                if not wanted(subject, take):
                    continue
                is_array = isinstance(by_camera, np.ndarray) and by_camera.ndim > 0
                arrays = list(by_camera) if is_array or isinstance(by_camera, list | tuple) else []
                if len(arrays) != len(SERIALS):
                    raise InputError(
                        f"{self.origin}: {subject} {name} has {len(arrays)} arrays, "
                        f"expected one for each of the cameras {', '.join(SERIALS)}."
                    )
                for serial, keypoints in zip(SERIALS, arrays, strict=True):
                    if keypoints is not None:  # VideoPose3D's import scripts leave None for a camera without a file
                        yield converted(self.origin, self._order, subject, take, serial, keypoints)


def _mapping(path: Path, tree: Mapping[str, object], key: str) -> Mapping[str, Any]:
    value = tree.get(key)
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return value
    found = f"{key} of another kind ({type(value).__name__})" if key in tree else enumerated(tree)
    raise InputError(f"{path}: holds {found}, expected {key}, a dict with names as keys.")


def _joint_order(path: Path, metadata: Mapping[str, Any]) -> JointOrder:
    """By layout_name; where that says nothing, by the number of joints and which of them are left and right."""
    layout, joints = str(metadata.get("layout_name")), metadata.get("num_joints")
    if isinstance(joints, np.integer):
        joints = int(joints)
    if not isinstance(joints, int):
        raise InputError(f"{path}: metadata has num_joints {brief(joints, 40)!r}, expected a whole number.")
    if (layout, joints) in _ORDERS:
        return _ORDERS[layout, joints]
    is_known = any(layout == known for known, _ in _ORDERS)
    sides = _sides(metadata.get("keypoints_symmetry"))
    fitting = [order for (_, count), order in _ORDERS.items() if count == joints and order.sides == sides]
    if is_known or len(fitting) != 1:
        known = ", ".join(f"{name} with {count}" for name, count in _ORDERS)
        raise InputError(
            f"{path}: has {brief(joints, 40)} joints in the layout_name {brief(layout, 40)!r}, expected one of {known}."
        )
    return fitting[0]


def _sides(symmetry: object) -> tuple[tuple[int, ...], ...]:
    """[left joints, right joints] as `JointOrder.sides` has them; empty for anything else."""
    if not isinstance(symmetry, list | tuple) or not all(isinstance(side, list | tuple) for side in symmetry):
        return ()
    if not all(isinstance(joint, int | np.integer) for side in symmetry for joint in side):
        return ()
    return tuple(tuple(sorted(side)) for side in symmetry)
