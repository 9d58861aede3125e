"""All metrics of Human3.6M's 0.54 million test poses, and the rate at which they are predicted."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from benchmarks.capture import TEST_SUBJECTS, full_size_params, prepared
from benchmarks.processes import in_fresh_process, memory_gb
from benchmarks.report import Measurement, median_and_spread, seconds
from wsgcn.evaluation.evaluate import ErrorSums
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import build_network
from wsgcn.model.params import Model
from wsgcn.model.predict import predict
from wsgcn.model.runtime import prepare
from wsgcn.pose.sequences import relative_truth, takes_of
from wsgcn.pose.skeleton import SKELETONS, Skeleton
from wsgcn.pose.store import Detections, Poses

_REPEATS = 3
_MOST_S = 15.0
_TURNS = 3
_PREDICTED_POSES = 4096
_LEAST_POSES_PER_S = 50_000
_ERROR_M = 0.05  # standard deviation of the made-up predictions

Sequence3D = tuple[str, np.ndarray, np.ndarray]  # action, predicted and true poses (T, J, 3)


def measure() -> list[Measurement]:
    poses_path, detections_path = in_fresh_process(prepared)
    runs = [in_fresh_process(_metrics, poses_path, detections_path) for _ in range(_REPEATS)]
    metrics_s, metrics_spread = median_and_spread([run_s for run_s, _, _ in runs])
    growth_gb, growth_spread = median_and_spread([run_gb for _, run_gb, _ in runs])
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
        *in_fresh_process(_predicting),
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


def _predicting() -> list[Measurement]:
    """Poses a second of untrained networks, the published one and one of half its width: all ways by turns."""
    params = full_size_params()
    prepare(params.runtime)
    skeleton = SKELETONS[params.data.skeleton]
    rng = np.random.default_rng(0)
    keypoints_NJ2 = rng.uniform(-0.5, 0.5, (_PREDICTED_POSES, len(skeleton.joints), 2)).astype(np.float32)
    measured = []
    for channels in (params.model.semgcn.channels, params.model.semgcn.channels // 2):
        model = _with_channels(params.model, channels)
        network = build_network(skeleton, model, 0).eval()
        ways = _ways(network, keypoints_NJ2, skeleton, params.evaluate.batch)
        deviation_m = np.abs(ways["predicting"]() - ways["predicting, plain layers"]()).max()
        seconds_of: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(_TURNS):
            for way, run in ways.items():
                seconds_of[way].append(seconds(run))
        for way, runs_s in seconds_of.items():
            poses = _PREDICTED_POSES * (2 if "flip" in way else 1)
            rate, spread = median_and_spread([poses / run_s for run_s in runs_s])
            is_goal = way == "predicting" and channels == params.model.semgcn.channels
            note = f"{torch.get_num_threads()} threads"
            note += f"; {deviation_m:.1g} m from the plain layers" if way == "predicting" else ""
            goal = f">= {_LEAST_POSES_PER_S:,} poses/s" if is_goal else ""
            met = rate >= _LEAST_POSES_PER_S if is_goal else None
            measured.append(Measurement(f"{way}, {channels} channels", rate, "poses/s", spread, goal, met, note))
    return measured


def _with_channels(model: Model, channels: int) -> Model:
    return model.model_copy(update={"semgcn": model.semgcn.model_copy(update={"channels": channels})})


def _ways(
    network: nn.Module, keypoints_NJ2: np.ndarray, skeleton: Skeleton, batch: int
) -> dict[str, Callable[[], np.ndarray]]:
    session = _in_onnxruntime(network, len(skeleton.joints))

    def plain() -> np.ndarray:
        with plain_layers():
            return predict(network, keypoints_NJ2, skeleton, batch=batch)

    def in_onnxruntime() -> np.ndarray:
        starts = range(0, len(keypoints_NJ2), batch)
        return np.concatenate([session.run(None, {"x": keypoints_NJ2[start : start + batch]})[0] for start in starts])

    return {
        "predicting": lambda: predict(network, keypoints_NJ2, skeleton, batch=batch),
        "predicting with flip, passes": lambda: predict(network, keypoints_NJ2, skeleton, flip=True, batch=batch),
        "predicting, plain layers": plain,
        "predicting, onnxruntime": in_onnxruntime,
    }


def _in_onnxruntime(network: nn.Module, joints: int) -> onnxruntime.InferenceSession:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in wsgcn.release.export
        torch.onnx.export(
            network,
            (torch.zeros(2, joints, 2),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "B"}},
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
