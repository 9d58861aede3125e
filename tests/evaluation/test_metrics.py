import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from wsgcn.evaluation.metrics import (
    AUC_THRESHOLDS_MM,
    acceleration_errors_mm,
    auc,
    bone_length_errors_mm,
    joint_errors_mm,
    mpjpe_mm,
    n_mpjpe_mm,
    p_mpjpe_mm,
    pck,
    similarity_aligned,
    velocity_errors_mm,
)
from wsgcn.pose.skeleton import H36M16


def poses(seed: int, frames: int = 20, joints: int = 16) -> np.ndarray:
    """Root-relative poses (T, J, 3) of the size of a person, m: chiral, as 16 random points are."""
    pose_TJ3 = np.random.default_rng(seed).normal(0, 0.4, (frames, joints, 3))
    return pose_TJ3 - pose_TJ3[:, :1]


def rotations(seed: int, frames: int = 20) -> np.ndarray:
    return Rotation.random(frames, rng=seed).as_matrix()


def literal_p_mpjpe_mm(predicted_J3: np.ndarray, truth_J3: np.ndarray) -> float:
    """One frame: SciPy's best rotation, then the best scale along it."""
    predicted = predicted_J3 - predicted_J3.mean(0)
    truth = truth_J3 - truth_J3.mean(0)
    rotation, _ = Rotation.align_vectors(truth, predicted)
    turned = rotation.apply(predicted)
    scale = (turned * truth).sum() / (turned**2).sum()
    return float(np.mean([1000 * math.dist(p, t) for p, t in zip(scale * turned, truth, strict=True)]))


# MPJPE


def test_joint_errors_are_distances_in_millimetres() -> None:
    truth = np.zeros((2, 3, 3))
    predicted = np.array([[[0, 0, 0], [0.003, 0.004, 0], [0, 0, -1]], [[0.001, 0.002, 0.002], [0, 0, 0], [1, 1, 1]]])
    expected = [[0, 5, 1000], [3, 0, 1000 * math.sqrt(3)]]
    np.testing.assert_allclose(joint_errors_mm(predicted, truth), expected, rtol=1e-12)


def test_mpjpe_is_the_mean_over_all_joints_of_a_frame() -> None:
    truth = poses(0, frames=2, joints=4)
    predicted = truth.copy()
    predicted[0, 1] += [0.003, 0.004, 0]  # 5 mm on one of four joints
    predicted[1, :] += [0, 0.02, 0]
    np.testing.assert_allclose(mpjpe_mm(predicted, truth), [1.25, 20], rtol=1e-12)


def test_single_precision_input_is_measured_in_double() -> None:
    truth = poses(1).astype(np.float32)
    predicted = (truth + np.float32(1e-4)).astype(np.float32)
    errors_mm = mpjpe_mm(predicted, truth)
    assert errors_mm.dtype == np.float64
    np.testing.assert_allclose(errors_mm, mpjpe_mm(predicted.astype(float), truth.astype(float)), rtol=1e-15)


# N-MPJPE


def test_n_mpjpe_is_blind_to_scale() -> None:
    truth = poses(2)
    factor_T = np.linspace(0.2, 5, len(truth))[:, None, None]
    np.testing.assert_allclose(n_mpjpe_mm(factor_T * truth, truth), 0, atol=1e-10)


def test_n_mpjpe_sees_shift_and_rotation() -> None:
    truth = poses(3)
    assert n_mpjpe_mm(truth + np.array([0.1, 0, 0]), truth).min() > 10
    assert n_mpjpe_mm(truth @ rotations(4), truth).min() > 10


def test_n_mpjpe_scales_best_in_the_least_squares_sense() -> None:
    # The prediction (2, 0, 0), (0, 1, 0) for (1, 0, 0), (0, 2, 0): scale (2 + 2) / (4 + 1), so 0.6 m and 1.2 m.
    predicted = np.array([[[2.0, 0, 0], [0, 1, 0]]])
    truth = np.array([[[1.0, 0, 0], [0, 2, 0]]])
    np.testing.assert_allclose(n_mpjpe_mm(predicted, truth), [900], rtol=1e-12)


def test_n_mpjpe_agrees_with_a_literal_loop() -> None:
    predicted, truth = poses(5), poses(6)
    expected = []
    for p, t in zip(predicted, truth, strict=True):
        scale = np.linalg.lstsq(p.reshape(-1, 1), t.ravel())[0][0]
        expected.append(np.mean([1000 * math.dist(scale * a, b) for a, b in zip(p, t, strict=True)]))
    np.testing.assert_allclose(n_mpjpe_mm(predicted, truth), expected, rtol=1e-12)


# P-MPJPE


def test_p_mpjpe_is_zero_under_rotation_scale_and_shift() -> None:
    truth = poses(7)
    generator = np.random.default_rng(8)
    scale_T = generator.uniform(0.2, 5, len(truth))[:, None, None]
    shift_T = generator.normal(0, 3, (len(truth), 1, 3))
    np.testing.assert_allclose(p_mpjpe_mm(truth @ rotations(9), truth), 0, atol=1e-9)
    np.testing.assert_allclose(p_mpjpe_mm(scale_T * truth, truth), 0, atol=1e-9)
    np.testing.assert_allclose(p_mpjpe_mm(truth + shift_T, truth), 0, atol=1e-9)
    np.testing.assert_allclose(p_mpjpe_mm(scale_T * truth @ rotations(10) + shift_T, truth), 0, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_p_mpjpe_is_not_zero_under_reflection(axis: int) -> None:
    truth = poses(11)
    mirrored = truth.copy()
    mirrored[..., axis] *= -1
    assert p_mpjpe_mm(mirrored, truth).min() > 50
    assert p_mpjpe_mm(-truth, truth).min() > 50


def test_a_flat_pose_may_be_turned_over() -> None:
    truth = poses(12) * [1, 1, 0]
    mirrored = truth * [-1, 1, 1]
    np.testing.assert_allclose(p_mpjpe_mm(mirrored, truth), 0, atol=1e-9)


def test_p_mpjpe_agrees_with_scipys_rotation_frame_by_frame() -> None:
    truth = poses(13, frames=40)
    predicted = truth + np.random.default_rng(14).normal(0, 0.3, truth.shape)
    predicted[::2] *= [-1, 1, 1]  # every other frame asks for a reflection, which it must not get
    expected = [literal_p_mpjpe_mm(p, t) for p, t in zip(predicted, truth, strict=True)]
    np.testing.assert_allclose(p_mpjpe_mm(predicted, truth), expected, rtol=1e-9)


@pytest.mark.parametrize("mirrored", [False, True])
def test_no_similarity_fits_better_than_the_aligned_one(mirrored: bool) -> None:
    truth = poses(15, frames=1)
    predicted = truth + np.random.default_rng(16).normal(0, 0.2, truth.shape)
    predicted = predicted * [-1, 1, 1] if mirrored else predicted

    def squared_error(parameters: np.ndarray) -> float:
        rotation = Rotation.from_rotvec(parameters[:3]).as_matrix()
        moved = math.exp(parameters[3]) * predicted[0] @ rotation + parameters[4:]
        return float(((moved - truth[0]) ** 2).sum())

    generator = np.random.default_rng(17)
    starts = [np.concatenate((Rotation.random(rng=generator).as_rotvec(), np.zeros(4))) for _ in range(12)]
    best = min(minimize(squared_error, start).fun for start in starts)
    aligned = float(((similarity_aligned(predicted, truth) - truth) ** 2).sum())
    assert aligned == pytest.approx(best, rel=1e-6)


def test_alignment_keeps_the_shape_of_the_prediction() -> None:
    predicted, truth = poses(18), poses(19)
    aligned = similarity_aligned(predicted, truth)

    def shape(pose_TJ3: np.ndarray) -> np.ndarray:
        distances_TJJ = np.linalg.norm(pose_TJ3[:, :, None] - pose_TJ3[:, None], axis=-1)
        return distances_TJJ / distances_TJJ.max((1, 2), keepdims=True)

    np.testing.assert_allclose(shape(aligned), shape(predicted), atol=1e-12)
    centred, before = aligned - aligned.mean(1, keepdims=True), predicted - predicted.mean(1, keepdims=True)
    assert (np.linalg.det(np.linalg.pinv(before) @ centred) > 0).all(), "no frame was reflected"


# PCK and AUC


def test_pck_counts_the_joints_below_the_threshold() -> None:
    errors_TJ = np.array([[0.0, 149.999, 150.0, 300.0], [10.0, 20.0, 30.0, 40.0]])
    np.testing.assert_array_equal(pck(errors_TJ), [0.5, 1])
    np.testing.assert_array_equal(pck(errors_TJ, 30.0), [0.25, 0.5])


def test_pck_agrees_with_a_literal_loop() -> None:
    errors_TJ = np.random.default_rng(20).uniform(0, 300, (30, 16))
    expected = [sum(error < 150 for error in frame) / 16 for frame in errors_TJ.tolist()]
    np.testing.assert_allclose(pck(errors_TJ), expected, rtol=1e-12)
    assert 0 < np.mean(expected) < 1


def test_the_thresholds_run_from_0_to_150_mm_in_steps_of_5() -> None:
    assert AUC_THRESHOLDS_MM.tolist() == [5.0 * step for step in range(31)]


def test_auc_is_the_mean_of_pck_over_the_thresholds_edges_included() -> None:
    generator = np.random.default_rng(21)
    errors_TJ = np.concatenate(
        (
            generator.uniform(0, 300, (20, 16)),
            generator.choice(AUC_THRESHOLDS_MM, (10, 16)),  # exactly on a threshold
            np.nextafter(generator.choice(AUC_THRESHOLDS_MM[1:], (10, 16)), 0),  # a hair below one
        )
    )
    expected = [
        sum(sum(error < 5 * step for error in frame) / 16 for step in range(31)) / 31 for frame in errors_TJ.tolist()
    ]
    np.testing.assert_allclose(auc(errors_TJ), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        auc(errors_TJ), np.mean([pck(errors_TJ, threshold) for threshold in AUC_THRESHOLDS_MM], axis=0), atol=1e-12
    )


def test_auc_of_known_errors() -> None:
    # An error of 0 is below 30 of the 31 thresholds (not below 0 mm), one of 75 mm below 15, one of 150 mm below none.
    errors_TJ = np.array([[0.0, 0.0], [75.0, 75.0], [150.0, 1000.0], [0.0, 75.0]])
    np.testing.assert_allclose(auc(errors_TJ), [30 / 31, 15 / 31, 0, 22.5 / 31], atol=1e-15)


# Velocity


def test_the_velocity_error_is_the_distance_of_the_steps() -> None:
    truth = np.zeros((3, 2, 3))
    truth[1:, 0, 0] = [0.010, 0.020]  # joint 0 moves on by 10 mm a frame
    predicted = np.zeros((3, 2, 3))
    predicted[2, 0, 1] = 0.0  # and the prediction stands still,
    predicted[2, 1, 2] = 0.004  # but for joint 1, which jumps 4 mm in the last frame
    np.testing.assert_allclose(velocity_errors_mm(predicted, truth), [5, 7], rtol=1e-12)


def test_the_velocity_error_is_blind_to_a_constant_offset() -> None:
    truth = poses(22)
    np.testing.assert_allclose(velocity_errors_mm(truth + np.array([0.3, -0.1, 2]), truth), 0, atol=1e-11)


def test_the_velocity_error_agrees_with_a_literal_loop() -> None:
    predicted, truth = poses(23), poses(24)
    expected = [
        np.mean(
            [1000 * math.dist(predicted[t + 1, j] - predicted[t, j], truth[t + 1, j] - truth[t, j]) for j in range(16)]
        )
        for t in range(19)
    ]
    np.testing.assert_allclose(velocity_errors_mm(predicted, truth), expected, rtol=1e-12)


def test_the_acceleration_error_is_that_of_second_differences() -> None:
    predicted, truth = poses(23), poses(24)
    error = 1000 * (predicted - truth)
    expected = [np.linalg.norm(error[t] - 2 * error[t + 1] + error[t + 2], axis=-1).mean() for t in range(18)]
    np.testing.assert_allclose(acceleration_errors_mm(predicted, truth), expected, rtol=1e-9)
    steady = truth + np.arange(20)[:, None, None] * np.array([0.01, -0.02, 0.03])
    np.testing.assert_allclose(acceleration_errors_mm(steady, truth), 0, atol=1e-9)
    assert acceleration_errors_mm(truth[:2], truth[:2]).shape == (0,)


def test_one_frame_has_no_velocity() -> None:
    assert velocity_errors_mm(poses(25, frames=1), poses(26, frames=1)).shape == (0,)


# Degenerate poses

REAL = poses(27, frames=3)
FLAT = REAL * [1, 1, 0]
LINE = REAL * [1, 0, 0]
POINT = np.broadcast_to([[[0.1]], [[-0.2]], [[1 / 3]]], REAL.shape)
ZERO = np.zeros_like(REAL)


@pytest.mark.parametrize("metric", [mpjpe_mm, n_mpjpe_mm, p_mpjpe_mm, velocity_errors_mm])
@pytest.mark.parametrize("predicted", [REAL, FLAT, LINE, POINT, ZERO], ids=["real", "flat", "line", "point", "zero"])
@pytest.mark.parametrize("truth", [REAL, FLAT, LINE, POINT, ZERO], ids=["real", "flat", "line", "point", "zero"])
def test_degenerate_poses_give_finite_errors(metric: object, predicted: np.ndarray, truth: np.ndarray) -> None:
    errors_mm = metric(predicted, truth)  # type: ignore[operator]
    assert np.isfinite(errors_mm).all()
    assert (errors_mm >= 0).all()
    assert (errors_mm < 5000).all()


@pytest.mark.parametrize("predicted", [POINT, ZERO], ids=["point", "zero"])
def test_a_prediction_of_one_point_is_aligned_to_the_truths_centre(predicted: np.ndarray) -> None:
    centre = np.broadcast_to(REAL.mean(1, keepdims=True), REAL.shape)
    np.testing.assert_allclose(similarity_aligned(predicted, REAL), centre, atol=1e-12)


def test_the_measured_poses_are_left_as_they_were() -> None:
    predicted, truth = poses(28), poses(29)
    before = predicted.copy(), truth.copy()
    for metric in (mpjpe_mm, n_mpjpe_mm, p_mpjpe_mm, velocity_errors_mm):
        metric(predicted, truth)
    np.testing.assert_array_equal(predicted, before[0])
    np.testing.assert_array_equal(truth, before[1])


# Bone lengths


def test_the_bone_length_error_agrees_with_a_literal_loop() -> None:
    predicted, truth = poses(1), poses(2)
    expected = [
        np.mean(
            [
                abs(math.dist(p[child], p[parent]) - math.dist(t[child], t[parent])) * 1000
                for child, parent in H36M16.bones
            ]
        )
        for p, t in zip(predicted, truth, strict=True)
    ]
    np.testing.assert_allclose(bone_length_errors_mm(predicted, truth, H36M16), expected, rtol=1e-12)


def test_the_bone_length_error_sees_size_and_not_how_bones_are_turned() -> None:
    truth = poses(3)
    turned = np.einsum("tij,tkj->tki", rotations(4), truth)
    np.testing.assert_allclose(bone_length_errors_mm(turned, truth, H36M16), 0, atol=1e-9)
    lengths = [np.linalg.norm(truth[:, child] - truth[:, parent], axis=-1) for child, parent in H36M16.bones]
    np.testing.assert_allclose(
        bone_length_errors_mm(1.1 * truth, truth, H36M16), 100 * np.mean(lengths, axis=0), rtol=1e-9
    )
