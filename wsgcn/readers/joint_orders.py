"""The joint orders of 2D files, and what each of them knows of Human3.6M's joints.

An order is the list of its joints and, where the names differ from Human3.6M's, of which of them a Human3.6M joint is
the mean. That makes every conversion a linear map, whose matrix is `JointOrder.weights`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wsgcn.skeleton import H36M16, H36M17


@dataclass(frozen=True)
class JointOrder:
    """K named joints of a detector or a file.

    Attributes:
        name: how parameters and messages call it.
        joints: the K joints in their order; a joint of Human3.6M's name is that joint.
        means: for each Human3.6M joint that is not among them by name, the joints whose mean stands for it.
    """

    name: str
    joints: tuple[str, ...]
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def human36m_joints(self) -> tuple[str, ...]:
        """The J joints of Human3.6M-17 that this order can give, in Human3.6M's order."""
        return tuple(joint for joint in H36M17.joints if joint in self.means or joint in self.joints)

    @cached_property
    def weights(self) -> np.ndarray:
        """(J, K) float32: a Human3.6M joint as a weighted sum of this order's joints; each row sums to 1."""
        weights = np.zeros((len(self.human36m_joints), len(self.joints)), dtype=np.float32)
        for row, joint in enumerate(self.human36m_joints):
            parts = self.means.get(joint, (joint,))
            for part in parts:
                weights[row, self.joints.index(part)] = 1 / len(parts)
        return weights

    @cached_property
    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The indices of the left and of the right joints, each in ascending order."""
        left, right = (tuple(k for k, joint in enumerate(self.joints) if joint[0] == side) for side in "LR")
        return left, right


def to_human36m(order: JointOrder, keypoints: np.ndarray) -> np.ndarray:
    """Points (..., K, C) in an order to Human3.6M's (..., J, C), the joints being `order.human36m_joints`.

    A joint that is not among the parts of another has no part in it, so that a missing one (NaN) does not spread.
    """
    converted = np.empty((*keypoints.shape[:-2], len(order.human36m_joints), keypoints.shape[-1]), keypoints.dtype)
    for row, weights in enumerate(order.weights):
        parts = np.flatnonzero(weights)
        if len(parts) == 1:
            converted[..., row, :] = keypoints[..., parts[0], :]
        else:
            converted[..., row, :] = (keypoints[..., parts, :] * weights[parts, None]).sum(-2)
    return converted


def confidence_to_human36m(order: JointOrder, confidence: np.ndarray) -> np.ndarray:
    """Confidences (..., K) to (..., J): a derived joint is as sure as the least sure of its parts."""
    return np.stack([confidence[..., weights > 0].min(-1) for weights in order.weights], axis=-1)


HUMAN36M_17 = JointOrder("h36m17", H36M17.joints)
HUMAN36M_16 = JointOrder("h36m16", H36M16.joints)

# Known bias: the slots called Spine, Thorax and Head are MPII's thorax, upper neck and head top. MPII's thorax in
# particular lies well above Human3.6M's Spine; there is nothing in the file to correct them with.
STACKED_HOURGLASS = JointOrder(
    "stacked_hourglass",
    (
        *("RFoot", "RKnee", "RHip", "LHip", "LKnee", "LFoot", "Hip", "Spine", "Thorax", "Head"),
        *("RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist"),
    ),
)

# Known bias: COCO marks faces, not skulls, so Head (the middle of the eyes) is lower than Human3.6M's; Spine is the
# middle of the trunk's straight line, where Human3.6M's follows the back.
COCO = JointOrder(
    "coco",
    (
        *("Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
        *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
    ),
    {
        "Hip": ("LHip", "RHip"),
        "RFoot": ("RAnkle",),
        "LFoot": ("LAnkle",),
        "Spine": ("LHip", "RHip", "LShoulder", "RShoulder"),
        "Thorax": ("LShoulder", "RShoulder"),
        "Neck/Nose": ("Nose",),
        "Head": ("LEye", "REye"),
    },
)

JOINT_ORDERS = {order.name: order for order in (HUMAN36M_17, HUMAN36M_16, STACKED_HOURGLASS, COCO)}
