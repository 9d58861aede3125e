"""Where joints that a detector did not find are put, for networks that have learnt to expect it.

A missing joint lies where its parent lies: a bone without length, which no pose has by itself for long. So the input
keeps its shape, and every network can learn what it means (`augmentation.missing`).
"""

import torch
from torch import Tensor

from wsgcn.pose.skeleton import Skeleton

# What may stand for a missing root, the nearest and least one-sided first.
_FOR_ROOT = ("Spine", "Thorax", "Head", "RHip", "LHip", "RShoulder", "LShoulder", "RKnee", "LKnee")


def fill_missing(keypoints_BJ2: Tensor, is_missing_BJ: Tensor, skeleton: Skeleton) -> Tensor:
    """Put each missing joint on its parent, and a missing root on the first of some joints that is there.

    Args:
        keypoints_BJ2: in any unit; what stands at a missing joint, such as NaN, is not used.
        is_missing_BJ: bool.

    Returns:
        (B, J, 2); a pose that lacks the root and all that may stand for it keeps what stands there.
    """
    found = list(keypoints_BJ2.unbind(1))
    is_missing = [missing_B[:, None] for missing_B in is_missing_BJ.unbind(1)]
    root = found[0]
    for joint in reversed([skeleton.joints.index(name) for name in _FOR_ROOT]):
        root = torch.where(is_missing[joint], root, found[joint])
    filled = [torch.where(is_missing[0], root, found[0])]
    for child, parent in skeleton.bones:
        filled.append(torch.where(is_missing[child], filled[parent], found[child]))
    return torch.stack(filled, dim=1)
