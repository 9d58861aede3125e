"""The errors of predicted poses: pure functions of arrays in metres, and the table of those that are reported.

Every result is in millimetres or a share. A new metric is a line in METRICS. Each function takes root-relative poses
(T, J, 3) in metres and gives one number a frame, a mean over all J joints with the root among them (its error is zero
where both poses are relative to it), as the published figures count them. Computed in float64, a batch of frames at a
time: memory follows the number of frames given.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wsgcn.pose.skeleton import Skeleton

# The thresholds of the area under the PCK curve (Mehta et al. 2017): 0 to 150 mm in steps of 5.
AUC_THRESHOLDS_MM = np.linspace(0, 150, 31)
PCK_THRESHOLD_MM = 150.0


def joint_errors_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """Distance of each joint, (T, J), mm."""
    return 1000 * np.linalg.norm(predicted_TJ3.astype(np.float64) - truth_TJ3, axis=-1)


def mpjpe_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """Mean per-joint position error (T,), mm: protocol 1 of Human3.6M."""
    return joint_errors_mm(predicted_TJ3, truth_TJ3).mean(-1)


def n_mpjpe_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """MPJPE (T,), mm, after scaling each prediction best onto its truth (Rhodin et al. 2018)."""
    predicted_TJ3, truth_TJ3 = predicted_TJ3.astype(np.float64), truth_TJ3.astype(np.float64)
    scale_T = _ratio((predicted_TJ3 * truth_TJ3).sum((1, 2)), (predicted_TJ3**2).sum((1, 2)))
    return mpjpe_mm(scale_T[:, None, None] * predicted_TJ3, truth_TJ3)


def p_mpjpe_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """MPJPE (T,), mm, after the similarity that fits each prediction best onto its truth: protocol 2 of Human3.6M.

    Rotation, scale and shift; reflections are excluded.
    """
    return mpjpe_mm(similarity_aligned(predicted_TJ3, truth_TJ3), truth_TJ3)


def similarity_aligned(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """Each prediction moved onto its truth by rotation, scale and shift in the least-squares sense (Umeyama 1991).

    Returns:
        (T, J, 3) float64. A prediction whose joints all coincide becomes the truth's centre.
    """
    predicted_TJ3, truth_TJ3 = predicted_TJ3.astype(np.float64), truth_TJ3.astype(np.float64)
    predicted_centre = predicted_TJ3.mean(1, keepdims=True)
    truth_centre = truth_TJ3.mean(1, keepdims=True)
    predicted_TJ3 = predicted_TJ3 - predicted_centre
    covariance_T33 = np.swapaxes(predicted_TJ3, 1, 2) @ (truth_TJ3 - truth_centre)
    u, singular_values_T3, vt = np.linalg.svd(covariance_T33)
    # The best orthogonal matrix may be a reflection; flipping its weakest axis gives the best rotation.
    flip_T = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= flip_T[:, None]
    singular_values_T3[:, 2] *= flip_T
    scale_T = _ratio(singular_values_T3.sum(1), (predicted_TJ3**2).sum((1, 2)))
    return scale_T[:, None, None] * (predicted_TJ3 @ (u @ vt)) + truth_centre


def pck(errors_TJ: np.ndarray, threshold_mm: float = PCK_THRESHOLD_MM) -> np.ndarray:
    """Share of correct keypoints (T,): joints whose error is below the threshold."""
    return (errors_TJ < threshold_mm).mean(-1)


def auc(errors_TJ: np.ndarray) -> np.ndarray:
    """Area under the curve of `pck` (T,): its mean over AUC_THRESHOLDS_MM."""
    # A joint counts at each threshold above its error; for sorted thresholds that is a search, not 31 comparisons.
    thresholds_below = np.searchsorted(AUC_THRESHOLDS_MM, errors_TJ, side="right")
    return (1 - thresholds_below / len(AUC_THRESHOLDS_MM)).mean(-1)


def bone_length_errors_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Mean over the bones of |predicted length - true length| (T,), mm; blind to how the bones are turned."""
    child_E, parent_E = np.array(skeleton.bones).T
    lengths_m = [
        np.linalg.norm(pose_TJ3[:, child_E] - pose_TJ3[:, parent_E], axis=-1)
        for pose_TJ3 in (predicted_TJ3.astype(np.float64), truth_TJ3.astype(np.float64))
    ]
    return 1000 * np.abs(lengths_m[0] - lengths_m[1]).mean(-1)


def velocity_errors_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """Mean per-joint velocity error (T - 1,), mm a frame, of consecutive frames (Pavllo et al. 2019)."""
    difference_TJ3 = predicted_TJ3.astype(np.float64) - truth_TJ3
    return 1000 * np.linalg.norm(np.diff(difference_TJ3, axis=0), axis=-1).mean(-1)


def acceleration_errors_mm(predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray) -> np.ndarray:
    """Mean per-joint acceleration error (T - 2,), mm a frame a frame: of second differences (Kanazawa et al. 2019)."""
    difference_TJ3 = predicted_TJ3.astype(np.float64) - truth_TJ3
    return 1000 * np.linalg.norm(np.diff(difference_TJ3, n=2, axis=0), axis=-1).mean(-1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, 0 where the denominator is."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """An error that is reported.

    Attributes:
        name: of its key in metrics/evaluation.json and its column in metrics/actions.csv, with its unit.
        words: what it is called in print.
        compute: its values, one a frame, from prediction and truth (T, J, 3) and their skeleton.
        is_of_motion: whether it looks from frame to frame, and so must see a sequence as a whole.
    """

    name: str
    words: str
    compute: Callable[[np.ndarray, np.ndarray, Skeleton], np.ndarray]
    is_of_motion: bool = False


METRICS = (
    Metric(name="mpjpe_mm", words="MPJPE mm", compute=lambda p, t, _: mpjpe_mm(p, t)),
    Metric(name="p_mpjpe_mm", words="P-MPJPE mm", compute=lambda p, t, _: p_mpjpe_mm(p, t)),
    Metric(name="n_mpjpe_mm", words="N-MPJPE mm", compute=lambda p, t, _: n_mpjpe_mm(p, t)),
    Metric(name="pck_150mm", words="PCK@150", compute=lambda p, t, _: pck(joint_errors_mm(p, t))),
    Metric(name="auc_0_150mm", words="AUC", compute=lambda p, t, _: auc(joint_errors_mm(p, t))),
    Metric(
        name="mpjve_mm_per_frame",
        words="MPJVE mm/frame",
        compute=lambda p, t, _: velocity_errors_mm(p, t),
        is_of_motion=True,
    ),
    Metric(
        name="acceleration_error_mm_per_frame2",
        words="accel. mm/frame2",
        compute=lambda p, t, _: acceleration_errors_mm(p, t),
        is_of_motion=True,
    ),
    Metric(name="bone_length_error_mm", words="bones mm", compute=bone_length_errors_mm),
)
