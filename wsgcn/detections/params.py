"""What stage detections reads of params.yaml."""

from typing import Annotated

from pydantic import AfterValidator

from wsgcn.base.section import Part, Section, Text
from wsgcn.detections.joint_orders import JOINT_ORDERS, JointOrder
from wsgcn.detections.sources import SOURCES
from wsgcn.pose.skeleton import H36M17


def _known(source: str) -> str:
    if source not in SOURCES:
        raise ValueError(f"input should be one of {', '.join(SOURCES)}, found {source!r}")
    return source


AUTO = "auto"


def _known_order(joints: str) -> str:
    if joints != AUTO and joints not in JOINT_ORDERS:
        raise ValueError(f"input should be {AUTO} or one of {', '.join(JOINT_ORDERS)}, found {joints!r}")
    return joints


class DetectionsSection(Section):
    source: Annotated[str, AfterValidator(_known)]
    joints: Annotated[str, AfterValidator(_known_order)]
    path: Text

    @property
    def order(self) -> JointOrder | None:
        """The order that is named; None leaves it to the file."""
        return JOINT_ORDERS.get(self.joints)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Those of Human3.6M's 17 joints that such detections never have."""
        if self.order is None:
            return SOURCES[self.source].lacks
        return tuple(joint for joint in H36M17.joints if joint not in self.order.human36m_joints)


class DetectionsParams(Part):
    """Of stage detections."""

    detections: DetectionsSection
