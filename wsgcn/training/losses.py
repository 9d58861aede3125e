"""The training losses, as pure functions of tensors.

All are means over everything, poses in metres, pictures in normalised screen units.
"""

import torch
from torch import Tensor

from wsgcn.pose.camera import project


def supervised_loss(predicted_BJ3: Tensor, truth_BJ3: Tensor) -> Tensor:
    """Mean squared error of root-relative poses, in m^2, over batch, joints and axes."""
    return torch.nn.functional.mse_loss(predicted_BJ3, truth_BJ3)


def reprojection_loss(predicted_BJ3: Tensor, root_B3: Tensor, keypoints_BJ2: Tensor, intrinsics_B9: Tensor) -> Tensor:
    """Mean squared distance between the 2D input and the projection of the pose placed at its root.

    Args:
        predicted_BJ3: root-relative poses, m, camera axes.
        root_B3: where the root stands in the camera frame, m: the truth, or `solve_root`'s answer.
        keypoints_BJ2: the 2D input in normalised screen units.
        intrinsics_B9: in normalised screen units, with distortion, see `wsgcn.pose.camera`.

    Returns:
        A scalar in squared screen units, the mean over batch, joints and both axes.
    """
    return torch.nn.functional.mse_loss(project(predicted_BJ3 + root_B3[:, None], intrinsics_B9), keypoints_BJ2)


def bone_ends(bones_E2: Tensor, joints: int) -> Tensor:
    """Bones, given as (child, parent) joint indices (E, 2), as the selections (2, E, J) of children and of parents."""
    return torch.nn.functional.one_hot(bones_E2.T, joints).float()


def bone_lengths(pose_BJ3: Tensor, ends_2EJ: Tensor) -> Tensor:
    """Lengths (B, E) of the bones of `bone_ends`.

    The joints are selected by a product, which is exact. The gradient of indexing would have CUDA sort the indices at
    every step, because its results are to repeat.
    """
    child_BE3, parent_BE3 = ends_2EJ[0] @ pose_BJ3, ends_2EJ[1] @ pose_BJ3
    return torch.linalg.vector_norm(child_BE3 - parent_BE3, dim=-1)


def bone_loss(labelled_BJ3: Tensor, unlabelled_BJ3: Tensor, ends_2EJ: Tensor) -> Tensor:
    """Mean over the bones of |mean length in the labelled batch's prediction - mean length in the unlabelled one's|.

    In metres. It sees lengths alone, so it is blind to rotation; gradients reach both predictions.
    """
    labelled_E = bone_lengths(labelled_BJ3, ends_2EJ).mean(0)
    unlabelled_E = bone_lengths(unlabelled_BJ3, ends_2EJ).mean(0)
    return (labelled_E - unlabelled_E).abs().mean()
