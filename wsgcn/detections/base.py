"""What every reader of 2D detections offers, and the checks and the conversion that all of them share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import JointOrder, confidence_to_human36m, to_human36m
from wsgcn.pose.store import Sequence2D

Wanted = Callable[[str, str], bool]  # of a subject and a take, by Human3.6M's names


class DetectionReader(Protocol):
    """One format of 2D detections."""

    @property
    def origin(self) -> Path:
        """The file or folder that is read, for messages."""

    @property
    def joints(self) -> tuple[str, ...]:
        """The J joints of every sequence, by Human3.6M's names."""

    def sequences(self, wanted: Wanted) -> Iterator[Sequence2D]:
        """Read the takes that are wanted, in the file's order and at the file's length, as (T', J, 2) pixels.

        `wanted` is asked about every take in the file, once or more; what it declines is not read.

        Raises:
            InputError: the file is missing, damaged or not of this format; a name in it is no action or camera of
                Human3.6M; or a wanted take has a wrong shape or joint count.
        """


def converted(
    origin: Path | str, order: JointOrder, subject: str, take: str, serial: str, keypoints: object
) -> Sequence2D:
    """A sequence in Human3.6M's joints from what a file holds for one take and camera.

    Args:
        origin: the file, for the error message.
        keypoints: should be a (T', K, 2) array of pixels, or (T', K, 3) with the detector's confidence.

    Raises:
        InputError: it has another shape, another joint count or no numbers.
    """
    expected = f"expected (frames, {len(order.joints)} joints, 2 or 3) numbers"
    where = f"{origin}: {subject} {take}, camera {serial}"
    if not isinstance(keypoints, np.ndarray) or keypoints.dtype.kind not in "fiu":
        raise InputError(f"{where}: holds {_kind(keypoints)}, {expected}.")
    if keypoints.ndim != 3 or keypoints.shape[1] != len(order.joints) or keypoints.shape[2] not in (2, 3):
        raise InputError(f"{where}: has the shape {keypoints.shape}, {expected}.")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is reported later, with its frames
        channels = keypoints.astype(np.float32, copy=False)
        confidence = confidence_to_human36m(order, channels[..., 2]) if channels.shape[2] == 3 else None
        return Sequence2D(subject, take, serial, to_human36m(order, channels[..., :2]), confidence)


def _kind(found: object) -> str:
    return f"an array of {found.dtype}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
