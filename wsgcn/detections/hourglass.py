"""Stacked Hourglass detections as Martinez et al. (2017) published them: one HDF5 file a take and camera.

`S1/<folder>/Directions_1.54138969.h5`, dataset `poses` (T', 16, 2) pixels, in an archive or an unpacked tree.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.hdf5 import ForeignHdf5
from wsgcn.captures.human36m.cameras import SERIALS
from wsgcn.captures.human36m.quirks import canonical_take
from wsgcn.captures.human36m.take_files import TakeFiles
from wsgcn.containers.archives import ReadMembers, iter_tar, iter_zip
from wsgcn.detections.base import DetectionReader, Wanted, converted
from wsgcn.detections.joint_orders import STACKED_HOURGLASS, JointOrder
from wsgcn.detections.locate import locate
from wsgcn.pose.store import Sequence2D


def open_pretrained(path: Path, *, order: JointOrder | None = None) -> DetectionReader:
    """The pre-trained detector: `[h36m/]S*/StackedHourglass/` in h36m.zip or unpacked.

    Raises:
        InputError: see `locate`, or an order is named.
    """
    return _open(path, order, "h36m.zip", iter_zip, "StackedHourglass")


def open_finetuned(path: Path, *, order: JointOrder | None = None) -> DetectionReader:
    """The detector fine-tuned on Human3.6M: `S*/StackedHourglassFineTuned240/` in its tar.gz or unpacked.

    Raises:
        InputError: see `locate`, or an order is named.
    """
    return _open(path, order, "stacked_hourglass_fined_tuned_240.tar.gz", iter_tar, "StackedHourglassFineTuned240")


def _open(
    path: Path, order: JointOrder | None, archive: str, read_members: ReadMembers, folder: str
) -> DetectionReader:
    if order is not None:
        raise InputError(
            f"detections.joints: is {order.name}, but the files of this source have their own; expected auto."
        )

    def is_match(entry: Path) -> bool:
        return entry.name == archive or (entry.is_dir() and any(entry.glob(f"S*/{folder}")))

    found = locate(path, is_match, f"{archive} or folders S*/{folder}")
    return Hourglass(found, folder, _read_tree if found.is_dir() else read_members)


class Hourglass:
    """The files of one of the two detectors, read once from front to back."""

    joints = STACKED_HOURGLASS.human36m_joints

    def __init__(self, path: Path, folder: str, read_members: ReadMembers) -> None:
        self.origin = path
        self._files = TakeFiles(folder, ".h5", _decode)
        self._read_members = read_members

    def sequences(self, wanted: Wanted) -> Iterator[Sequence2D]:
        """See `DetectionReader`."""
        holds_takes = False
        for name, content in self._read_members(self.origin, lambda name: self._files.match(name) is not None):
            holds_takes = True
            matched = self._files.match(name)
            assert matched is not None
            origin = f"{self.origin}: {name}"
            take, _, serial = matched["take"].rpartition(".")
            if serial not in SERIALS:
                raise InputError(
                    f"{origin}: is of the camera {serial!r}, expected <take>.<camera>.h5 with one of "
                    f"{', '.join(SERIALS)}."
                )
            take = canonical_take(take, origin)
            if wanted(matched["subject"], take):
                keypoints_px = self._files.decode(content, origin)
                yield converted(self.origin, STACKED_HOURGLASS, matched["subject"], take, serial, keypoints_px)
        if not holds_takes:
            raise InputError(f"{self.origin}: holds no {self._files}.")


def _decode(content: bytes, origin: str) -> np.ndarray:
    with ForeignHdf5(content, origin) as file:
        return file.read("poses")


def _read_tree(root: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.glob("S*/*/*.h5")):
        name = path.relative_to(root).as_posix()
        if is_wanted(name):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
            yield name, content
