import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import project, root_normal_inverse, solve_root
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton
from wsgcn.training.losses import bone_ends, bone_lengths, bone_loss, reprojection_loss, supervised_loss

INTRINSICS = [camera.intrinsics_screen for camera in human36m_cameras()["S1"].values()]


def poses(seed: int, count: int = 5, joints: int = 16) -> Tensor:
    """Root-relative poses (B, J, 3) of the size of a person, m, float64."""
    pose_BJ3 = torch.randn(count, joints, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.4
    return pose_BJ3 - pose_BJ3[:, :1]


def roots(seed: int, count: int = 5) -> Tensor:
    uniform = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (uniform - 0.5) * torch.tensor([2.0, 1.4, 2.0]) + torch.tensor([0.0, 0.0, 5.0])


def intrinsics(count: int = 5) -> Tensor:
    return torch.from_numpy(np.stack([INTRINSICS[sample % 4] for sample in range(count)]))


def bones_of(skeleton: Skeleton) -> Tensor:
    """The bones' ends, in the float64 of the poses here."""
    return bone_ends(torch.tensor(skeleton.bones), len(skeleton.joints)).double()


def turned(pose_BJ3: Tensor, seed: int) -> Tensor:
    """Each pose under a rotation of its own."""
    rotations = torch.from_numpy(Rotation.random(len(pose_BJ3), rng=seed).as_matrix())
    return pose_BJ3 @ rotations


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


# Supervised


def test_the_supervised_loss_is_a_mean_over_everything() -> None:
    predicted, truth = poses(0), poses(1)
    squares = [
        (p - t) ** 2
        for pose, true_pose in zip(predicted.tolist(), truth.tolist(), strict=True)
        for joint, true_joint in zip(pose, true_pose, strict=True)
        for p, t in zip(joint, true_joint, strict=True)
    ]
    assert len(squares) == 5 * 16 * 3
    assert supervised_loss(predicted, truth).item() == pytest.approx(mean(squares), rel=1e-12)
    assert supervised_loss(truth, truth).item() == 0


def test_an_error_of_a_tenth_of_a_metre_on_one_axis_costs_a_third_of_its_square() -> None:
    truth = poses(0)
    loss = supervised_loss(truth + torch.tensor([0.1, 0, 0]), truth)
    assert loss.item() == pytest.approx(0.01 / 3)


# Reprojection


def literal_reprojection_loss(predicted: Tensor, root: Tensor, keypoints: Tensor, camera: Tensor) -> float:
    squares = []
    for sample in range(len(predicted)):
        fx, fy, cx, cy, k1, k2, k3, p1, p2 = camera[sample].tolist()
        for joint in range(predicted.shape[1]):
            x_m, y_m, z_m = (predicted[sample, joint] + root[sample]).tolist()
            x, y = max(-1.0, min(1.0, x_m / z_m)), max(-1.0, min(1.0, y_m / z_m))
            r2 = x**2 + y**2
            factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * x + p2 * y
            u, v = fx * (x * factor + p1 * r2) + cx, fy * (y * factor + p2 * r2) + cy
            squares += [(u - keypoints[sample, joint, 0].item()) ** 2, (v - keypoints[sample, joint, 1].item()) ** 2]
    return mean(squares)


def test_the_reprojection_loss_agrees_with_a_literal_loop() -> None:
    predicted, root, camera = poses(2), roots(3), intrinsics()
    keypoints = torch.randn(5, 16, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    expected = literal_reprojection_loss(predicted, root, keypoints, camera)
    assert reprojection_loss(predicted, root, keypoints, camera).item() == pytest.approx(expected, rel=1e-12)


def test_the_reprojection_loss_of_exact_data_is_zero() -> None:
    truth, root, camera = poses(5), roots(6), intrinsics()
    keypoints = project(truth + root[:, None], camera)
    assert reprojection_loss(truth, root, keypoints, camera).item() < 1e-30
    assert reprojection_loss(truth + 0.01, root, keypoints, camera).item() > 1e-8


def test_with_the_solved_root_the_reprojection_loss_is_blind_to_size_and_sees_shape() -> None:
    truth, root, camera = poses(7), roots(8), intrinsics()
    points = truth + root[:, None]
    keypoints, uv = project(points, camera), points[..., :2] / points[..., 2:]
    inverse = torch.from_numpy(root_normal_inverse(uv.numpy()))

    def loss(pose: Tensor) -> float:
        return reprojection_loss(pose, solve_root(pose, uv, inverse), keypoints, camera).item()

    assert loss(truth) < 1e-20
    assert loss(1.3 * truth) < 1e-20
    assert loss(truth * torch.tensor([1.3, 1, 1])) > 1e-5


def test_the_reprojection_gradient_agrees_with_finite_differences() -> None:
    predicted, root, camera = poses(9, 2, 4).requires_grad_(), roots(10, 2).requires_grad_(), intrinsics(2)
    keypoints = torch.zeros(2, 4, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda predicted, root: reprojection_loss(predicted, root, keypoints, camera), (predicted, root)
    )


# Bones


@pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
def test_bone_lengths_agree_with_a_literal_loop(skeleton: Skeleton) -> None:
    pose_BJ3 = poses(11, joints=len(skeleton.joints))
    expected = [
        [math.dist(pose[child], pose[skeleton.parents[child]]) for child in range(1, len(skeleton.joints))]
        for pose in pose_BJ3.tolist()
    ]
    np.testing.assert_allclose(bone_lengths(pose_BJ3, bones_of(skeleton)).numpy(), expected, rtol=1e-12)


def test_bone_lengths_and_their_gradient_are_those_of_indexing_to_the_bit() -> None:
    """Selecting by a product costs no rounding; the order in which gradients meet at a joint is indexing's, too."""
    bones_E2 = torch.tensor(H36M16.bones)
    selected, indexed = (poses(24).float().requires_grad_() for _ in range(2))
    lengths_BE = bone_lengths(selected, bone_ends(bones_E2, 16))
    expected_BE = torch.linalg.vector_norm(
        indexed.index_select(1, bones_E2[:, 0]) - indexed.index_select(1, bones_E2[:, 1]), dim=-1
    )
    assert torch.equal(lengths_BE, expected_BE)
    lengths_BE.square().sum().backward()
    expected_BE.square().sum().backward()
    assert selected.grad is not None
    assert indexed.grad is not None
    assert torch.equal(selected.grad, indexed.grad)


@pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
def test_the_bone_loss_agrees_with_a_literal_loop(skeleton: Skeleton) -> None:
    joints = len(skeleton.joints)
    labelled, unlabelled = poses(12, 6, joints), 1.2 * poses(13, 4, joints)
    differences = []
    for child in range(1, joints):
        parent = skeleton.parents[child]
        labelled_m = mean([math.dist(pose[child], pose[parent]) for pose in labelled.tolist()])
        unlabelled_m = mean([math.dist(pose[child], pose[parent]) for pose in unlabelled.tolist()])
        differences.append(abs(labelled_m - unlabelled_m))
    loss = bone_loss(labelled, unlabelled, bones_of(skeleton))
    assert loss.item() == pytest.approx(mean(differences), rel=1e-12)
    assert loss.item() > 0.01


def test_the_bone_loss_is_blind_to_rotation_and_translation() -> None:
    labelled, unlabelled, bones = poses(14), poses(15), bones_of(H36M16)
    loss = bone_loss(labelled, unlabelled, bones).item()
    moved = turned(unlabelled, 16) + roots(17)[:, None]
    assert (moved - unlabelled).abs().max() > 1
    assert bone_loss(labelled, moved, bones).item() == pytest.approx(loss, rel=1e-12)
    assert bone_loss(turned(labelled, 18), unlabelled, bones).item() == pytest.approx(loss, rel=1e-12)
    assert bone_loss(labelled, turned(labelled, 19), bones).item() < 1e-15


def test_the_bone_loss_sees_scale() -> None:
    labelled, bones = poses(20), bones_of(H36M16)
    average_length_m = bone_lengths(labelled, bones).mean().item()
    loss = bone_loss(labelled, 1.1 * labelled, bones).item()
    assert loss == pytest.approx(0.1 * average_length_m, rel=1e-9)


def test_too_long_and_too_short_bones_do_not_cancel() -> None:
    labelled = torch.zeros(1, 3, 3)
    labelled[0, :, 0] = torch.tensor([0.0, 1.0, 2.0])
    unlabelled = torch.zeros(1, 3, 3)
    unlabelled[0, :, 0] = torch.tensor([0.0, 1.5, 2.0])
    bones = bone_ends(torch.tensor([[1, 0], [2, 1]]), joints=3)
    assert bone_loss(labelled, unlabelled, bones).item() == pytest.approx(0.5)


def test_the_bone_gradient_reaches_both_predictions() -> None:
    labelled, unlabelled = poses(21, 3, 4).requires_grad_(), poses(22, 2, 4).requires_grad_()
    bones = bone_ends(torch.tensor([[1, 0], [2, 1], [3, 2]]), joints=4).double()
    assert torch.autograd.gradcheck(
        lambda labelled, unlabelled: bone_loss(labelled, unlabelled, bones), (labelled, unlabelled)
    )
    bone_loss(labelled, unlabelled, bones).backward()
    assert labelled.grad is not None
    assert unlabelled.grad is not None
    assert (labelled.grad.norm(dim=(1, 2)) > 0).all()
    assert (unlabelled.grad.norm(dim=(1, 2)) > 0).all()


def test_a_bone_of_no_length_has_a_finite_gradient() -> None:
    labelled, unlabelled = torch.zeros(2, 16, 3, requires_grad=True), poses(23).float().requires_grad_()
    bone_loss(labelled, unlabelled, bones_of(H36M16).float()).backward()
    assert labelled.grad is not None
    assert unlabelled.grad is not None
    assert labelled.grad.isfinite().all()
    assert unlabelled.grad.isfinite().all()
