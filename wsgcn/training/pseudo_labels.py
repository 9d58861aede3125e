"""3D for 2D without labels: a lift made to agree with the 2D and with bodies whose bones keep their lengths.

What a network gets wrong on a frame is mostly depth and size. The 2D of many frames of one person says more than that
of one: every joint lies on its viewing ray, and every bone is as long in one frame as in all the others. So the lifted
joints are put on their rays, each person's bone lengths are taken from all frames together, and the depths are moved
along the rays until the bones have them. The lift decides which of two joints is nearer, and the size.

Where calibrated cameras saw the same instant, `triangulate` needs no lift.

Camera frames: metres, x right, y down, z forward. uv are undistorted normalised coordinates (x/z, y/z). All is float64.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from wsgcn.model.cpu.threads import one_thread_in_torch, threads
from wsgcn.pose.skeleton import Skeleton

_ROOT_SD_M = 0.5  # of the root's depth from the lifted one: what decides on the person's size
# Rounds of lengths from depths, and depths from lengths: how much less firmly lengths that are not yet right are held,
# and the iterations of Levenberg-Marquardt.
_ROUNDS = ((2, 6), (2, 6), (1, 12))
_FRAMES = 512  # that are fitted together on the CPU: what is in work stays in a core's caches


def rays(uv_NJ2: Tensor) -> Tensor:
    """Viewing rays (N, J, 3) of depth 1; times a depth they are joints in the camera frame."""
    return torch.cat((uv_NJ2, torch.ones_like(uv_NJ2[..., :1])), dim=-1)


def symmetric_lengths(positions_NJ3: Tensor, person_N: Tensor, persons: int, skeleton: Skeleton) -> Tensor:
    """The length of each bone of each person (persons, E), m, left and right alike.

    The mean of the middle half of all frames and both sides: a lift that failed does not move it. A person without
    frames has lengths that are NaN.
    """
    child, parent = (list(joints) for joints in zip(*skeleton.bones, strict=True))
    lengths_NE = torch.linalg.vector_norm(positions_NJ3[:, child] - positions_NJ3[:, parent], dim=-1)
    image = [joint - 1 for joint in skeleton.mirror[1:]]  # bones stand in the order of their children 1 ... J - 1
    by_person = []
    for person in range(persons):
        lengths_FE = lengths_NE[person_N == person]
        sorted_FE = torch.cat((lengths_FE, lengths_FE[:, image])).sort(0).values
        quarter = len(sorted_FE) // 4
        by_person.append(sorted_FE[quarter : len(sorted_FE) - quarter].mean(0))
    return torch.stack(by_person)


def consistent_depths(
    lifted_NJ: Tensor,
    uv_NJ2: Tensor,
    person_N: Tensor,
    persons: int,
    skeleton: Skeleton,
    bone_sd_m: float,
    depth_sd_m: float,
) -> Tensor:
    """The depths (N, J), m, near the lifted ones with which each person's bones keep their lengths.

    Args:
        lifted_NJ: m, where the lift puts the joints on their rays.
        uv_NJ2: of the 2D.
        person_N: index of the person, in [0, persons).
        bone_sd_m: how far a bone may be from its person's length, a standard deviation.
        depth_sd_m: likewise a joint's depth, relative to the root's, from the lifted one.
    """
    rays_NJ3, depth_NJ = rays(uv_NJ2), lifted_NJ
    for looseness, iterations in _ROUNDS:
        lengths_PE = symmetric_lengths(depth_NJ[..., None] * rays_NJ3, person_N, persons, skeleton)
        sd_m = looseness * bone_sd_m
        fit = partial(_fit, skeleton, sd_m, depth_sd_m, iterations)
        depth_NJ = _in_parts(fit, lifted_NJ, rays_NJ3, lengths_PE[person_N])
    return depth_NJ


def _in_parts(fit: Callable[..., Tensor], *of_frames: Tensor) -> Tensor:
    """A fit that takes each frame by itself: on the CPU in as many threads as there are, which changes no bit."""
    if of_frames[0].device.type != "cpu":
        return fit(*of_frames)
    with one_thread_in_torch(), ThreadPoolExecutor(threads()) as pool:
        return torch.cat(list(pool.map(fit, *(tensor.split(_FRAMES) for tensor in of_frames))))


def _fit(
    skeleton: Skeleton,
    bone_sd_m: float,
    depth_sd_m: float,
    iterations: int,
    lifted_NJ: Tensor,
    rays_NJ3: Tensor,
    lengths_NE: Tensor,
) -> Tensor:
    """Levenberg-Marquardt on the depths of every frame at once, each with its own damping."""
    joints = lifted_NJ.shape[1]
    ends_EJ = lifted_NJ.new_zeros(len(skeleton.bones), joints)
    for bone, (child, parent) in enumerate(skeleton.bones):
        ends_EJ[bone, child], ends_EJ[bone, parent] = 1, -1
    # Rows of the prior: the root's depth, and every other joint's relative to it.
    prior_JJ = torch.eye(joints, dtype=lifted_NJ.dtype, device=lifted_NJ.device) / depth_sd_m
    prior_JJ[:, 0] = -1 / depth_sd_m
    prior_JJ[0, 0] = 1 / _ROOT_SD_M
    prior_normal_JJ = prior_JJ.T @ prior_JJ

    def residuals(depth_NJ: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        bones_NE3 = ends_EJ @ (depth_NJ[..., None] * rays_NJ3)
        norm_NE = torch.linalg.vector_norm(bones_NE3, dim=-1).clamp(min=1e-6)
        bone_NE = (norm_NE - lengths_NE) / bone_sd_m
        prior_NJ = (depth_NJ - lifted_NJ) @ prior_JJ.T
        return bones_NE3 / norm_NE[..., None], bone_NE, prior_NJ, (bone_NE**2).sum(1) + (prior_NJ**2).sum(1)

    depth_NJ = lifted_NJ
    directions_NE3, bone_NE, prior_NJ, misfit_N = residuals(depth_NJ)
    damping_N = torch.full_like(misfit_N, 1e-3)
    for _ in range(iterations):
        jacobian_NEJ = directions_NE3 @ rays_NJ3.mT * ends_EJ / bone_sd_m
        normal_NJJ = jacobian_NEJ.mT @ jacobian_NEJ + prior_normal_JJ
        gradient_NJ = (jacobian_NEJ * bone_NE[..., None]).sum(1) + prior_NJ @ prior_JJ
        damped_NJJ = normal_NJJ + torch.diag_embed(normal_NJJ.diagonal(dim1=1, dim2=2) * damping_N[:, None])
        trial_NJ = depth_NJ - torch.linalg.solve(damped_NJJ, gradient_NJ)
        trial_directions_NE3, trial_bone_NE, trial_prior_NJ, trial_misfit_N = residuals(trial_NJ)
        is_better_N = trial_misfit_N < misfit_N
        is_better_N1 = is_better_N[:, None]
        depth_NJ = torch.where(is_better_N1, trial_NJ, depth_NJ)
        directions_NE3 = torch.where(is_better_N1[..., None], trial_directions_NE3, directions_NE3)
        bone_NE = torch.where(is_better_N1, trial_bone_NE, bone_NE)
        prior_NJ = torch.where(is_better_N1, trial_prior_NJ, prior_NJ)
        misfit_N = torch.where(is_better_N, trial_misfit_N, misfit_N)
        damping_N = (damping_N * torch.where(is_better_N, 0.3, 4.0)).clamp(1e-6, 1e6)
    return depth_NJ


def triangulate(uv_VNJ2: Tensor, rotation_VN33: Tensor, translation_VN3: Tensor) -> Tensor:
    """World joints (N, J, 3), m, of instants that V calibrated cameras saw: the points nearest to all viewing rays.

    Args:
        uv_VNJ2: by view.
        rotation_VN33: world to camera axes.
        translation_VN3: the cameras' places, m.
    """
    directions_VNJ3 = torch.nn.functional.normalize(rays(uv_VNJ2) @ rotation_VN33, dim=-1)
    eye_33 = torch.eye(3, dtype=uv_VNJ2.dtype, device=uv_VNJ2.device)
    across_VNJ33 = eye_33 - directions_VNJ3[..., None] * directions_VNJ3[..., None, :]
    moment_NJ3 = (across_VNJ33 @ translation_VN3[:, :, None, :, None]).sum(0)[..., 0]
    return torch.linalg.solve(across_VNJ33.sum(0), moment_NJ3)


def smooth_motion(positions_STJ3: Tensor, sd_frames: float) -> Tensor:
    """Joints (S, T, J, 3) of sequences, each coordinate's way smoothed by a Gaussian; the ends are repeated."""
    reach = math.ceil(3 * sd_frames)
    offset_K = torch.arange(-reach, reach + 1, dtype=positions_STJ3.dtype, device=positions_STJ3.device)
    weight_K = torch.exp(-0.5 * (offset_K / sd_frames) ** 2)
    way_S1T = positions_STJ3.flatten(2).transpose(1, 2).flatten(0, 1)[:, None]
    padded_S1T = torch.nn.functional.pad(way_S1T, (reach, reach), mode="replicate")
    smooth_S1T = torch.nn.functional.conv1d(padded_S1T, (weight_K / weight_K.sum())[None, None])
    sequences, frames = positions_STJ3.shape[:2]
    return smooth_S1T.view(sequences, -1, frames).transpose(1, 2).reshape(positions_STJ3.shape)


def stand_at_heights(positions_STJ3: Tensor, lowest_ST: Tensor) -> Tensor:
    """World sequences (S, T, J, 3), m, of one frame or more, each moved along the vertical as a whole.

    Until the medians of their lowest joints' heights are those of these (S, T), m.
    """
    rise_S = lowest_ST.median(1).values - positions_STJ3[..., 2].amin(2).median(1).values
    return torch.cat((positions_STJ3[..., :2], positions_STJ3[..., 2:] + rise_S[:, None, None, None]), -1)
