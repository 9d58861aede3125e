"""The joint orders of 2D files, and what each of them knows of Human3.6M's joints.

An order is the list of its joints and, where the names differ from Human3.6M's, of which of them a Human3.6M joint is
the mean. That makes every conversion a linear map, whose matrix is `JointOrder.weights`. What an order cannot know of
Human3.6M's joints is said in its `bias`, and goes into every output that was made with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from wsgcn.pose.skeleton import H36M16, H36M17


@dataclass(frozen=True)
class JointOrder:
    """K named joints of a detector or a file.

    Attributes:
        name: how parameters and messages call it.
        joints: the K joints in their order; a joint of Human3.6M's name is that joint.
        means: for each Human3.6M joint that is not among them by name, the joints whose mean stands for it.
        substitutes: for a Human3.6M joint, what may stand for it in a frame that lacks it, the best first; each is
            again joints whose mean is taken. Only `substitute` uses them.
        bias: what the conversion cannot know, as a sentence; empty if nothing.
    """

    name: str
    joints: tuple[str, ...]
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    substitutes: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    bias: str = ""

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


def substitute(order: JointOrder, keypoints: np.ndarray, converted: np.ndarray) -> np.ndarray:
    """Fill joints of a conversion that are missing (NaN) with what the order names as their substitutes, in place.

    Args:
        keypoints: (..., K, C), as `to_human36m` had them.
        converted: (..., J, C), what it gave.

    Returns:
        (..., J) bool: the joints that were filled.
    """
    filled = np.zeros(converted.shape[:-1], dtype=bool)
    for joint, choices in order.substitutes.items():
        row = order.human36m_joints.index(joint)
        for parts in choices:
            value = keypoints[..., [order.joints.index(part) for part in parts], :].mean(-2)
            use = np.isnan(converted[..., row, :]).any(-1) & ~np.isnan(value).any(-1)
            converted[use, row] = value[use]
            filled[..., row] |= use
    return filled


HUMAN36M_17 = JointOrder("h36m17", H36M17.joints)
HUMAN36M_16 = JointOrder("h36m16", H36M16.joints)

# From behind or in profile a detector sees no eyes, or one; the ears are about as high.
_FROM_FACE: dict[str, tuple[tuple[str, ...], ...]] = {
    "Head": (("LEar", "REar"), ("LEye",), ("REye",), ("LEar",), ("REar",), ("Nose",)),
    "Neck/Nose": (("LEye", "REye"), ("LEar", "REar"), ("LEar",), ("REar",)),
}
_TRUNK_FROM_LIMBS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Hip": (("LHip", "RHip"),),
    "Thorax": (("LShoulder", "RShoulder"),),
    "Spine": (("LHip", "RHip", "LShoulder", "RShoulder"),),
}
_FACE_BIAS = "Head is the middle of the eyes, lower and further forward than Human3.6M's top of the skull"
_SPINE_BIAS = "Spine is the middle of the straight line from hips to shoulders, where Human3.6M's follows the back"

STACKED_HOURGLASS = JointOrder(
    "stacked_hourglass",
    (
        *("RFoot", "RKnee", "RHip", "LHip", "LKnee", "LFoot", "Hip", "Spine", "Thorax", "Head"),
        *("RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist"),
    ),
    bias="Spine, Thorax and Head are MPII's thorax, upper neck and head top; the first lies above Human3.6M's Spine",
)

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
    _FROM_FACE,
    f"{_FACE_BIAS}; {_SPINE_BIAS}",
)

# OpenPose's Neck is the middle of the shoulders.
COCO_18 = JointOrder(
    "coco_18",
    (
        *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"),
        *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
    ),
    dict(COCO.means) | {"Thorax": ("Neck",)},
    _FROM_FACE | {"Thorax": _TRUNK_FROM_LIMBS["Thorax"]},
    COCO.bias,
)

BODY_25 = JointOrder(
    "body_25",
    (
        *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"),
        *("MidHip", "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
        *("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"),
    ),
    dict(COCO.means) | {"Hip": ("MidHip",), "Spine": ("MidHip", "Neck"), "Thorax": ("Neck",)},
    _FROM_FACE | _TRUNK_FROM_LIMBS,
    COCO.bias,
)

# As files of 18 joints have them that were cut from it.
BODY_25_FIRST_18 = replace(
    BODY_25,
    name="body_25_first_18",
    joints=BODY_25.joints[:18],
    substitutes={
        joint: tuple(parts for parts in choices if "LEar" not in parts)
        for joint, choices in BODY_25.substitutes.items()
    },
)

# OpenPose's second model of 25 joints: COCO's, two of MPII's and the feet.
BODY_25B = JointOrder(
    "body_25b",
    (
        *COCO.joints,
        *("UpperNeck", "HeadTop", "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"),
    ),
    dict(COCO.means) | {"Head": ("HeadTop",)},
    _FROM_FACE,
    _SPINE_BIAS,
)

# Halpe's Neck is at the height of the shoulders, its Head the top of the skull.
HALPE_26 = JointOrder(
    "halpe_26",
    (
        *COCO.joints,
        *("Head", "Neck", "Hip", "LBigToe", "RBigToe", "LSmallToe", "RSmallToe", "LHeel", "RHeel"),
    ),
    {
        "RFoot": ("RAnkle",),
        "LFoot": ("LAnkle",),
        "Spine": ("Hip", "Neck"),
        "Thorax": ("Neck",),
        "Neck/Nose": ("Nose",),
    },
    _FROM_FACE | _TRUNK_FROM_LIMBS,
    _SPINE_BIAS,
)

# Halpe's full body: the 26, then 68 points of the face and 21 of each hand, of which nothing is used.
HALPE_136 = JointOrder(
    "halpe_136",
    (
        *HALPE_26.joints,
        *(f"Face{number}" for number in range(68)),
        *(f"{side}Hand{number}" for side in "LR" for number in range(21)),
    ),
    HALPE_26.means,
    HALPE_26.substitutes,
    HALPE_26.bias,
)

# COCO's full body: the 17, six of the feet, 68 points of the face and 21 of each hand (Jin et al. 2020).
COCO_WHOLEBODY = JointOrder(
    "coco_wholebody",
    (
        *COCO.joints,
        *("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"),
        *(f"Face{number}" for number in range(68)),
        *(f"{side}Hand{number}" for side in "LR" for number in range(21)),
    ),
    COCO.means,
    COCO.substitutes,
    COCO.bias,
)

BLAZEPOSE_33 = JointOrder(
    "blazepose_33",
    (
        *("Nose", "LEyeInner", "LEye", "LEyeOuter", "REyeInner", "REye", "REyeOuter", "LEar", "REar"),
        *("LMouth", "RMouth", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
        *("LPinky", "RPinky", "LIndex", "RIndex", "LThumb", "RThumb"),
        *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle", "LHeel", "RHeel", "LFootIndex", "RFootIndex"),
    ),
    COCO.means,
    _FROM_FACE,
    COCO.bias,
)

# The same slots as STACKED_HOURGLASS, each put where it lies on the body: for checkpoints that were trained with true
# joints. One that was trained with Stacked Hourglass wants that order.
MPII = JointOrder(
    "mpii",
    (
        *("RAnkle", "RKnee", "RHip", "LHip", "LKnee", "LAnkle", "Pelvis", "Thorax", "UpperNeck", "HeadTop"),
        *("RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist"),
    ),
    {
        "Hip": ("Pelvis",),
        "RFoot": ("RAnkle",),
        "LFoot": ("LAnkle",),
        "Spine": ("Pelvis", "Thorax"),
        "Neck/Nose": ("UpperNeck",),
        "Head": ("HeadTop",),
    },
    bias=f"Neck/Nose is the upper neck, further back than Human3.6M's; {_SPINE_BIAS}",
)

JOINT_ORDERS = {
    order.name: order
    for order in (
        *(HUMAN36M_17, HUMAN36M_16, COCO, COCO_18, BODY_25, BODY_25B, HALPE_26, HALPE_136, COCO_WHOLEBODY),
        *(BLAZEPOSE_33, MPII, STACKED_HOURGLASS),
    )
}

# Of which joints a Human3.6M joint is the mean in an order that is known by its joints' names alone, the best first.
_MEANS_BY_NAME: dict[str, tuple[tuple[str, ...], ...]] = {
    "Hip": (("MidHip",), ("Pelvis",), ("LHip", "RHip")),
    "RFoot": (("RAnkle",),),
    "LFoot": (("LAnkle",),),
    "Spine": (("LHip", "RHip", "LShoulder", "RShoulder"),),
    "Thorax": (("Neck",), ("LShoulder", "RShoulder")),
    "Neck/Nose": (("Nose",),),
    "Head": (("HeadTop",), ("LEye", "REye")),
}


def order_by_names(name: str, joints: tuple[str, ...]) -> JointOrder | None:
    """The order of these joints, called as in the orders above; None if a limb is missing or one is named twice."""
    means = {
        joint: next((parts for parts in choices if set(parts) <= set(joints)), ())
        for joint, choices in _MEANS_BY_NAME.items()
        if joint not in joints
    }
    order = JointOrder(name, joints, {joint: parts for joint, parts in means.items() if parts})
    if len(set(joints)) < len(joints) or not set(H36M16.joints) <= set(order.human36m_joints):
        return None
    substitutes = {
        joint: possible
        for joint, choices in (_FROM_FACE | _TRUNK_FROM_LIMBS).items()
        if joint in order.human36m_joints
        and (possible := tuple(parts for parts in choices if set(parts) <= set(joints)))
    }
    biases = (_FACE_BIAS if "LEye" in means.get("Head", ()) else "", _SPINE_BIAS if means.get("Spine") else "")
    return JointOrder(name, joints, order.means, substitutes, "; ".join(bias for bias in biases if bias))
