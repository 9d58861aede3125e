"""All metrics of Human3.6M's 0.54 million test poses, and the rate at which they are predicted."""

from pathlib import Path

import numpy as np

from benchmarks.capture import TEST_SUBJECTS, full_size_params, prepared
from benchmarks.processes import in_fresh_process, memory_gb
from benchmarks.report import Measurement, median_and_spread, seconds
from wsgcn.evaluation.evaluate import ErrorSums
from wsgcn.model.networks import build_network
from wsgcn.model.predict import predict
from wsgcn.model.runtime import prepare
from wsgcn.pose.sequences import relative_truth, takes_of
from wsgcn.pose.skeleton import SKELETONS, Skeleton
from wsgcn.pose.store import Detections, Poses
from wsgcn.training.sets import load_labelled

_REPEATS = 3
_MOST_S = 15.0
_PREDICTED_TAKES = 1
_ERROR_M = 0.05  # standard deviation of the made-up predictions

Sequence3D = tuple[str, np.ndarray, np.ndarray]  # action, predicted and true poses (T, J, 3)


def measure() -> list[Measurement]:
    poses_path, detections_path = in_fresh_process(prepared)
    runs = [in_fresh_process(_metrics, poses_path, detections_path) for _ in range(_REPEATS)]
    metrics_s, metrics_spread = median_and_spread([run_s for run_s, _, _ in runs])
    growth_gb, growth_spread = median_and_spread([run_gb for _, run_gb, _ in runs])
    rate, rate_spread = in_fresh_process(_prediction_rate, poses_path, detections_path)
    return [
        Measurement(
            "all metrics of the test poses",
            metrics_s,
            "s",
            metrics_spread,
            f"< {_MOST_S:.0f} s",
            metrics_s < _MOST_S,
            f"{runs[0][2]:,} poses, Procrustes included",
        ),
        Measurement(
            "memory that they add",
            1000 * growth_gb,
            "MB",
            (1000 * growth_spread[0], 1000 * growth_spread[1]),
            note="its peak beyond that of reading a sequence; a batch is in work at a time",
        ),
        Measurement("predicting", rate, "poses/s", rate_spread, note="the rest of the evaluation's time"),
    ]


def _metrics(poses_path: Path, detections_path: Path) -> tuple[float, float, int]:
    """Seconds, growth of memory and poses; the poses are in memory before."""
    params = full_size_params()
    skeleton = SKELETONS[params.data.skeleton]
    sequences = _test_sequences(poses_path, detections_path, skeleton)
    before_gb = memory_gb("VmHWM")
    errors = ErrorSums(skeleton, sorted({action for action, _, _ in sequences}))

    def add_all() -> None:
        for action, predicted_TJ3, truth_TJ3 in sequences:
            errors.add(action, predicted_TJ3, truth_TJ3, params.evaluate.batch)
        errors.means()

    metrics_s = seconds(add_all)
    return metrics_s, memory_gb("VmHWM") - before_gb, errors.frames


def _test_sequences(poses_path: Path, detections_path: Path, skeleton: Skeleton) -> list[Sequence3D]:
    """The true poses of the test subjects in every camera, and others near them for predictions."""
    rng = np.random.default_rng(0)
    sequences = []
    with Poses(poses_path) as poses, Detections(detections_path) as detections:
        for subject, take in takes_of(detections, TEST_SUBJECTS):
            positions_m = poses.positions_m(subject, take)
            for serial in detections.serials(subject, take):
                camera = detections.camera(subject, serial)
                truth_TJ3 = relative_truth(positions_m, camera, skeleton)
                noise_TJ3 = rng.standard_normal(truth_TJ3.shape, dtype=np.float32)
                sequences.append((poses.action(subject, take), truth_TJ3 + np.float32(_ERROR_M) * noise_TJ3, truth_TJ3))
    return sequences


def _prediction_rate(poses_path: Path, detections_path: Path) -> tuple[float, tuple[float, float]]:
    """Poses a second of an untrained network; median, least and most."""
    params = full_size_params()
    device = prepare(params.runtime)
    skeleton = SKELETONS[params.data.skeleton]
    network = build_network(skeleton, params.model, 0).to(device).eval()
    with Poses(poses_path) as poses, Detections(detections_path) as detections:
        takes = takes_of(detections, TEST_SUBJECTS[:1])[:_PREDICTED_TAKES]
        keypoints_NJ2 = load_labelled(poses, detections, takes, skeleton).keypoints_NJ2.numpy()

    def run() -> None:
        predict(network, keypoints_NJ2, skeleton, batch=params.evaluate.batch, device=device)

    run()
    return median_and_spread([len(keypoints_NJ2) / seconds(run) for _ in range(_REPEATS)])
