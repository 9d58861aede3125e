"""The values of `detections.source`; a new one is a line here."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from wsgcn.detections.base import DetectionReader
from wsgcn.detections.evoskeleton import open_npy
from wsgcn.detections.hourglass import open_finetuned, open_pretrained
from wsgcn.detections.joint_orders import STACKED_HOURGLASS, JointOrder
from wsgcn.detections.videopose3d import open_npz
from wsgcn.pose.skeleton import H36M17


class Open(Protocol):
    """How to open a source."""

    def __call__(self, path: Path, *, order: JointOrder | None) -> DetectionReader: ...


@dataclass(frozen=True)
class Source:
    """Where 2D comes from.

    Attributes:
        words: what it is.
        open: how to open the file or folder that detections.path names, with the order that detections.joints names;
            it raises InputError where the file cannot be read or has an order of its own. None for the projections of
            poses.h5, for which no file is read.
        joints: the joints that it can have at most.
    """

    words: str
    open: Open | None
    joints: tuple[str, ...] = H36M17.joints

    @property
    def lacks(self) -> tuple[str, ...]:
        """Those of Human3.6M's 17 joints that it never has."""
        return tuple(joint for joint in H36M17.joints if joint not in self.joints)


_HOURGLASS = STACKED_HOURGLASS.human36m_joints

SOURCES = {
    "gt": Source("exact projections of the motion capture", None),
    "hourglass_pretrained": Source("Stacked Hourglass, pre-trained", open_pretrained, _HOURGLASS),
    "hourglass_finetuned": Source("Stacked Hourglass, fine-tuned on Human3.6M", open_finetuned, _HOURGLASS),
    "cpn": Source("CPN, fine-tuned on Human3.6M", partial(open_npz, detector="cpn")),
    "detectron": Source("Detectron", partial(open_npz, detector="detectron")),
    "hrnet": Source("HRNet", partial(open_npz, detector="hrnet")),
    "evoskeleton": Source("EvoSkeleton's HRNet, trained on Human3.6M", open_npy),
}
