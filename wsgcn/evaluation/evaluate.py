"""Evaluation on the test subjects: predictions, errors per action, and their two means, which are not the same.

`frame_mean` is the mean over all frames of all cameras; `action_mean` is the mean over the actions of each action's
frame mean, the figure that most papers report. Every test frame counts, whatever `data.stride` says.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wsgcn.base.files import write_atomically
from wsgcn.base.progress import track
from wsgcn.base.trackers import Tracker
from wsgcn.captures.human36m.names import ACTIONS, action_of
from wsgcn.evaluation import metrics
from wsgcn.evaluation.published import published_row
from wsgcn.model.checkpoint import Checkpoint, load_checkpoint
from wsgcn.model.runtime import prepare
from wsgcn.pose.skeleton import SKELETONS, Skeleton
from wsgcn.pose.store import Detections, Poses, create_predictions
from wsgcn.running.params import Params
from wsgcn.training.sets import camera_poses, normalised_keypoints, root_relative, takes_of

# Name in the report -> what it is called in print.
METRICS = {
    "mpjpe_mm": "MPJPE mm",
    "p_mpjpe_mm": "P-MPJPE mm",
    "n_mpjpe_mm": "N-MPJPE mm",
    "pck_150mm": "PCK@150",
    "auc_0_150mm": "AUC",
    "mpjve_mm_per_frame": "MPJVE mm/frame",
}


class ErrorSums:
    """Sums of per-frame errors by action, added up sequence by sequence."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, float]] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def add(self, action: str, predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray, batch: int = 4096) -> None:
        """Add a sequence of root-relative poses (T, J, 3) in metres; at most `batch` frames are in work at a time."""
        self._add(action, "mpjve_mm_per_frame", metrics.velocity_errors_mm(predicted_TJ3, truth_TJ3))
        for start in range(0, len(truth_TJ3), batch):
            predicted, truth = predicted_TJ3[start : start + batch], truth_TJ3[start : start + batch]
            errors_TJ = metrics.joint_errors_mm(predicted, truth)
            self._add(action, "mpjpe_mm", errors_TJ.mean(-1))
            self._add(action, "p_mpjpe_mm", metrics.p_mpjpe_mm(predicted, truth))
            self._add(action, "n_mpjpe_mm", metrics.n_mpjpe_mm(predicted, truth))
            self._add(action, "pck_150mm", metrics.pck(errors_TJ))
            self._add(action, "auc_0_150mm", metrics.auc(errors_TJ))

    def _add(self, action: str, metric: str, values: np.ndarray) -> None:
        sums, counts = self._sums.setdefault(action, {}), self._counts.setdefault(action, {})
        sums[metric] = sums.get(metric, 0.0) + float(values.sum())
        counts[metric] = counts.get(metric, 0) + len(values)

    @property
    def frames(self) -> int:
        return sum(counts["mpjpe_mm"] for counts in self._counts.values())

    def by_action(self) -> dict[str, dict[str, float]]:
        """The frame mean of each metric and the number of frames, by action in Human3.6M's order."""
        return {
            action: {
                **{name: self._sums[action][name] / max(self._counts[action][name], 1) for name in METRICS},
                "frames": self._counts[action]["mpjpe_mm"],
            }
            for action in ACTIONS
            if action in self._sums
        }

    def means(self) -> dict[str, dict[str, float]]:
        """For each metric its `action_mean` and its `frame_mean`."""
        by_action = self.by_action()
        return {
            name: {
                "action_mean": float(np.mean([row[name] for row in by_action.values()])),
                "frame_mean": sum(sums[name] for sums in self._sums.values())
                / max(sum(counts[name] for counts in self._counts.values()), 1),
            }
            for name in METRICS
        }


@torch.no_grad()
def predict(
    network: nn.Module,
    keypoints_TJ2: np.ndarray,
    skeleton: Skeleton,
    *,
    flip: bool = False,
    batch: int = 4096,
    device: torch.device | None = None,
) -> np.ndarray:
    """Lift frames, a batch at a time.

    Args:
        network: in evaluation mode, on `device`.
        keypoints_TJ2: normalised screen units.
        flip: average with the mirrored prediction for the mirrored input.

    Returns:
        (T, J, 3) float32, m, camera axes, minus the root joint.
    """
    mirror = torch.tensor(skeleton.mirror, device=device)
    flip_x_3 = torch.tensor([-1.0, 1.0, 1.0], device=device)
    parts = [np.empty((0, len(skeleton.joints), 3), np.float32)]
    for start in range(0, len(keypoints_TJ2), batch):
        keypoints_BJ2 = torch.from_numpy(keypoints_TJ2[start : start + batch]).to(device)
        predicted_BJ3 = network(keypoints_BJ2)
        if flip:
            mirrored_BJ3 = network(keypoints_BJ2[:, mirror] * flip_x_3[:2])
            predicted_BJ3 = (predicted_BJ3 + mirrored_BJ3[:, mirror] * flip_x_3) / 2
        parts.append((predicted_BJ3 - predicted_BJ3[:, :1]).cpu().numpy())
    return np.concatenate(parts)


@dataclass(frozen=True)
class EvaluationPaths:
    """Where the evaluation reads and writes."""

    checkpoint: Path
    poses: Path
    detections: Path
    predictions: Path
    report: Path
    actions: Path


def evaluate(params: Params, paths: EvaluationPaths, tracker: Tracker) -> dict[str, Any]:
    """Stage evaluate: write predictions.h5, evaluation.json and actions.csv, and print the table.

    Returns:
        The report that evaluation.json holds.

    Raises:
        InputError: the checkpoint does not fit the parameters or the detections, or a test subject is missing.
    """
    device = prepare(params.runtime)
    skeleton = SKELETONS[params.data.skeleton]
    checkpoint = load_checkpoint(paths.checkpoint)
    takes = takes_of(paths.detections, params.data.subjects.test)
    errors = ErrorSums()
    with Poses(paths.poses) as poses, Detections(paths.detections) as detections:
        checkpoint.check_fits(paths.checkpoint, skeleton, detections.source, params.model)
        network = checkpoint.network().to(device)
        sequences = [(subject, take, serial) for subject, take in takes for serial in detections.serials(subject, take)]
        with create_predictions(paths.predictions, skeleton.joints, _provenance(params, checkpoint)) as writer:
            for subject, take, serial in track(sequences, "evaluate", len(sequences), "sequences"):
                camera = detections.camera(subject, serial)
                sequence = detections.sequence(subject, take, serial)
                keypoints_TJ2 = normalised_keypoints(detections, sequence, camera, skeleton)
                truth_TJ3 = root_relative(camera_poses(poses.positions_m(subject, take), camera, skeleton))
                truth_TJ3 = truth_TJ3.astype(np.float32)
                predicted_TJ3 = predict(
                    network,
                    keypoints_TJ2,
                    skeleton,
                    flip=params.evaluate.flip,
                    batch=params.evaluate.batch,
                    device=device,
                )
                writer.add(subject, take, serial, predicted_TJ3, truth_TJ3)
                errors.add(action_of(take), predicted_TJ3, truth_TJ3, params.evaluate.batch)
    report = _report(params, checkpoint, errors)
    write_atomically(paths.report, json.dumps(report, indent=2) + "\n")
    write_atomically(paths.actions, _actions_csv(errors.by_action()))
    tracker.log_metrics({f"{name}.{mean}": report[name][mean] for name in METRICS for mean in report[name]})
    print(table(params, report))
    return report


def _provenance(params: Params, checkpoint: Checkpoint) -> dict[str, str]:
    return {
        "frame": "camera axes (x right, y down, z forward), relative to the root, metres",
        "data": params.data.capture,
        "skeleton": checkpoint.skeleton.name,
        "source": checkpoint.source,
        "epoch": str(checkpoint.chosen.epoch),
    }


def _report(params: Params, checkpoint: Checkpoint, errors: ErrorSums) -> dict[str, Any]:
    return {
        "data": params.data.capture,
        **_rounded(errors.means()),
        "actions": _rounded(errors.by_action()),
        "frames": errors.frames,
        "joints": len(checkpoint.skeleton.joints),
        "root_counted": True,
        "skeleton": checkpoint.skeleton.name,
        "detections": checkpoint.source,
        "flip": params.evaluate.flip,
        "epoch": checkpoint.chosen.epoch,
        "epoch_chosen_by": {"last": "last epoch", "validation": "MPJPE of the validation set"}[checkpoint.chosen.by],
    }


def _rounded(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {key: {name: round(value, 4) for name, value in row.items()} for key, row in rows.items()}


def _actions_csv(by_action: Mapping[str, Mapping[str, float]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["action", *METRICS, "frames"])
    for action, row in by_action.items():
        writer.writerow([action, *(f"{row[name]:.4f}" for name in METRICS), row["frames"]])
    return buffer.getvalue()


def table(params: Params, report: Mapping[str, Any]) -> str:
    """The report as text: a line an action, the two means, the published row where there is one."""
    rows = [("action", *METRICS.values())]
    for action, row in report["actions"].items():
        rows.append((action, *(f"{row[name]:.2f}" for name in METRICS)))
    for mean, label in (("action_mean", "mean over actions"), ("frame_mean", "mean over frames")):
        rows.append((label, *(f"{report[name][mean]:.2f}" for name in METRICS)))
    published = None if params.data.is_synthetic else published_row(params)
    if published is not None:
        rows.append(
            (f"published: {published.name}", f"{published.mpjpe_mm:.2f}", f"{published.p_mpjpe_mm:.2f}", *["-"] * 4)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (zip(row, widths, strict=True) for row in rows)
    ]
    lines.append(
        f"{report['frames']} frames of {', '.join(params.data.subjects.test)}, {report['joints']} joints with the root "
        f"among them; epoch {report['epoch']}, chosen by: {report['epoch_chosen_by']}"
    )
    if params.data.is_synthetic:
        lines.append("These are figures of a synthetic capture; they say nothing about Human3.6M.")
    elif published is not None:
        lines.append("The published row is a mean over actions, and comparable only if data.raw is Human3.6M.")
    return "\n".join(lines)
