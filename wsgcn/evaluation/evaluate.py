"""Evaluation on the test subjects: predictions, errors per action, and their two means, which are not the same.

`frame_mean` is the mean over all frames of all cameras; `action_mean` is the mean over the actions of each action's
frame mean, the figure that most papers report. Every test frame counts, whatever `data.stride` says.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.cells import text_cell
from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.run import Run, track
from wsgcn.evaluation.metrics import METRICS, joint_errors_mm
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.evaluation.published import published_row
from wsgcn.model.checkpoint import Checkpoint, load_checkpoint
from wsgcn.model.predict import predict
from wsgcn.model.runtime import prepare
from wsgcn.pose.sequences import normalised_keypoints, relative_truth, run_ends, takes_of
from wsgcn.pose.skeleton import SKELETONS, Skeleton
from wsgcn.pose.store import Detections, Poses, create_predictions

_FARTHEST_M = 3.0  # from the root; no joint of a person is farther


class ErrorSums:
    """Sums of per-frame errors by action, and by joint, added up sequence by sequence."""

    def __init__(self, skeleton: Skeleton, actions: Sequence[str]) -> None:
        """`actions` are those that may occur, in the order of the tables."""
        self._skeleton = skeleton
        self._sums: dict[str, dict[str, float]] = {action: {} for action in actions}
        self._counts: dict[str, dict[str, int]] = {action: {} for action in actions}
        self._joint_sums_J = np.zeros(len(skeleton.joints))
        self.impossible_frames = 0  # with a predicted joint farther from the root than any person's

    def add(self, action: str, predicted_TJ3: np.ndarray, truth_TJ3: np.ndarray, batch: int = 4096) -> None:
        """Add a sequence of root-relative poses (T, J, 3) in metres; at most `batch` frames are in work at a time."""
        for metric in METRICS:
            frames = max(len(truth_TJ3), 1) if metric.is_of_motion else batch
            for start in range(0, max(len(truth_TJ3), 1), frames):
                part = slice(start, start + frames)
                values = metric.compute(predicted_TJ3[part], truth_TJ3[part], self._skeleton)
                self._add(action, metric.name, values)
        for start in range(0, len(truth_TJ3), batch):
            part = slice(start, start + batch)
            self._joint_sums_J += joint_errors_mm(predicted_TJ3[part], truth_TJ3[part]).sum(0)
            reach_T = np.linalg.norm(predicted_TJ3[part], axis=-1).max(1)
            self.impossible_frames += int((reach_T > _FARTHEST_M).sum())

    def _add(self, action: str, metric: str, values: np.ndarray) -> None:
        sums, counts = self._sums[action], self._counts[action]
        sums[metric] = sums.get(metric, 0.0) + float(values.sum())
        counts[metric] = counts.get(metric, 0) + len(values)

    @property
    def frames(self) -> int:
        return sum(counts.get("mpjpe_mm", 0) for counts in self._counts.values())

    def by_action(self) -> dict[str, dict[str, float]]:
        """The frame mean of each metric and the number of frames, for each action that has frames."""
        return {
            action: {
                **{metric.name: sums[metric.name] / max(counts[metric.name], 1) for metric in METRICS},
                "frames": counts["mpjpe_mm"],
            }
            for (action, sums), counts in zip(self._sums.items(), self._counts.values(), strict=True)
            if counts.get("mpjpe_mm")
        }

    def by_joint(self) -> dict[str, float]:
        """The mean over all frames of the distance of each joint, mm."""
        return dict(zip(self._skeleton.joints, (self._joint_sums_J / max(self.frames, 1)).tolist(), strict=True))

    def means(self) -> dict[str, dict[str, float]]:
        """For each metric its `action_mean` and its `frame_mean`."""
        by_action = self.by_action()
        return {
            metric.name: {
                "action_mean": float(np.mean([row[metric.name] for row in by_action.values()])),
                "frame_mean": sum(sums.get(metric.name, 0.0) for sums in self._sums.values())
                / max(sum(counts.get(metric.name, 0) for counts in self._counts.values()), 1),
            }
            for metric in METRICS
        }


@dataclass(frozen=True)
class EvaluationPaths:
    """Where the evaluation reads and writes."""

    checkpoint: Path
    poses: Path
    detections: Path
    predictions: Path
    metrics: Path
    protocol: Path
    actions: Path
    joints: Path


def evaluate(params: EvaluateParams, paths: EvaluationPaths, run: Run | None = None) -> dict[str, Any]:
    """Stage evaluate: write predictions.h5, the errors and how they were measured, and print the table.

    evaluation.json has the means of every metric and nothing else, since each of its numbers is a row of
    `dvc metrics diff`; actions.csv and joints.csv have the tables; protocol.json says what all of them are errors of.

    Returns:
        What evaluation.json and protocol.json hold, and under `actions` the table of actions.csv.

    Raises:
        InputError: the checkpoint does not fit the parameters or the detections, or a test subject is missing or has
            no frame.
    """
    run = run or Run()
    device = prepare(params.runtime)
    skeleton = SKELETONS[params.data.skeleton]
    checkpoint = load_checkpoint(paths.checkpoint)
    with Poses(paths.poses) as poses, Detections(paths.detections) as detections:
        takes = takes_of(detections, params.data.subjects.test)
        checkpoint.check_fits(paths.checkpoint, skeleton, detections.source)
        network = checkpoint.network().to(device)
        errors = ErrorSums(skeleton, poses.actions)
        with create_predictions(
            paths.predictions, skeleton.joints, poses.actions, _provenance(params, checkpoint)
        ) as writer:
            cameras = detections.cameras()
            writer.add_cameras({subject: cameras[subject] for subject in params.data.subjects.test})
            for subject, take in track(takes, run.bars, "evaluate", len(takes), "takes"):
                action = poses.action(subject, take)
                fps = poses.fps(subject, take)
                checkpoint.check_fps(paths.checkpoint, fps, f"{subject} {take}")
                writer.add_take(subject, take, action, fps)
                positions_m = poses.positions_m(subject, take)
                breaks = run_ends(len(positions_m), poses.dropped_frames(subject, take))[1:-1].tolist()
                for serial in detections.serials(subject, take):
                    camera = cameras[subject][serial]
                    sequence = detections.sequence(subject, take, serial)
                    keypoints_TJ2 = normalised_keypoints(detections, sequence, camera, skeleton)
                    truth_TJ3 = relative_truth(positions_m, camera, skeleton)
                    predicted_TJ3 = predict(
                        network,
                        keypoints_TJ2,
                        skeleton,
                        flip=params.evaluate.flip,
                        batch=params.evaluate.batch,
                        device=device,
                        breaks=breaks,
                    )
                    writer.add(subject, take, serial, predicted_TJ3, truth_TJ3)
                    errors.add(action, predicted_TJ3, truth_TJ3, params.evaluate.batch)
        if not errors.frames:
            raise InputError(f"{paths.detections}: has no frame of {', '.join(params.data.subjects.test)}.")
    means = {**_rounded(errors.means()), "impossible_frames": errors.impossible_frames}
    protocol = _protocol(params, checkpoint, errors.frames)
    write_atomically(paths.metrics, json.dumps(means, indent=2) + "\n")
    write_atomically(paths.protocol, json.dumps(protocol, indent=2) + "\n")
    by_action = errors.by_action()
    write_atomically(paths.actions, _actions_csv(by_action))
    write_atomically(paths.joints, _joints_csv(errors.by_joint()))
    report = {**protocol, **means, "actions": _rounded(by_action)}
    run.tracker.log_metrics({f"{m.name}.{mean}": report[m.name][mean] for m in METRICS for mean in report[m.name]})
    print(table(params, report))
    return report


def _provenance(params: EvaluateParams, checkpoint: Checkpoint) -> dict[str, str]:
    return {
        "frame": "camera axes (x right, y down, z forward), relative to the root, metres",
        "data": params.data.capture,
        "skeleton": checkpoint.skeleton.name,
        "source": checkpoint.source,
        "epoch": str(checkpoint.chosen.epoch),
    }


def _protocol(params: EvaluateParams, checkpoint: Checkpoint, frames: int) -> dict[str, Any]:
    """What the errors are errors of: whoever quotes one needs it, and nobody subtracts it from another run's."""
    return {
        "data": params.data.capture,
        "frames": frames,
        "joints": len(checkpoint.skeleton.joints),
        "root_counted": True,
        "skeleton": checkpoint.skeleton.name,
        "detections": checkpoint.source,
        "flip": params.evaluate.flip,
        "epoch": checkpoint.chosen.epoch,
        "epoch_chosen_by": {"last": "last epoch", "validation": "MPJPE of the validation set"}[checkpoint.chosen.by],
        "recipe": checkpoint.recipe,
        **_published(params, checkpoint),
    }


def _published(params: EvaluateParams, checkpoint: Checkpoint) -> dict[str, Any]:
    """`published`, the row that this run repeats, if it is one of those and not on the synthetic capture."""
    tested_with = {
        "data.subjects.test": params.data.subjects.test,
        "detections.source": checkpoint.source,
        "evaluate.flip": params.evaluate.flip,
    }
    row = None if params.data.is_synthetic else published_row(checkpoint.params, tested_with)
    if row is None:
        return {}
    return {"published": {"name": row.name, "mpjpe_mm": row.mpjpe_mm, "p_mpjpe_mm": row.p_mpjpe_mm}}


def _rounded(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {key: {name: round(value, 4) for name, value in row.items()} for key, row in rows.items()}


def _actions_csv(by_action: Mapping[str, Mapping[str, float]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["action", *(metric.name for metric in METRICS), "frames"])
    for action, row in by_action.items():
        writer.writerow([text_cell(action), *(f"{row[metric.name]:.4f}" for metric in METRICS), row["frames"]])
    return buffer.getvalue()


def _joints_csv(by_joint: Mapping[str, float]) -> str:
    rows = (f"{joint},{error_mm:.4f}\n" for joint, error_mm in by_joint.items())
    return "".join(["joint,mpjpe_mm\n", *rows])


def table(params: EvaluateParams, report: Mapping[str, Any]) -> str:
    """The report as text: a line an action, the two means, the published row where there is one."""
    rows = [("action", *(metric.words for metric in METRICS))]
    for action, row in report["actions"].items():
        rows.append((action, *(f"{row[metric.name]:.2f}" for metric in METRICS)))
    for mean, label in (("action_mean", "mean over actions"), ("frame_mean", "mean over frames")):
        rows.append((label, *(f"{report[metric.name][mean]:.2f}" for metric in METRICS)))
    published = report.get("published")
    if published is not None:
        cells = (f"{published[metric.name]:.2f}" if metric.name in published else "-" for metric in METRICS)
        rows.append((f"published: {published['name']}", *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (zip(row, widths, strict=True) for row in rows)
    ]
    lines.append(
        f"{report['frames']} frames of {', '.join(params.data.subjects.test)}, {report['joints']} joints with the root "
        f"among them; epoch {report['epoch']}, chosen by: {report['epoch_chosen_by']}"
    )
    if report["impossible_frames"]:
        lines.append(
            f"In {report['impossible_frames']} frames a predicted joint is more than {_FARTHEST_M:g} m from the hip: "
            "no mean over them says anything, and the network is not to be used."
        )
    if params.data.is_synthetic:
        lines.append("These are figures of a synthetic capture; they say nothing about Human3.6M.")
    elif published is not None:
        lines.append("The published row is a mean over actions, and comparable only if data.raw is Human3.6M.")
    return "\n".join(lines)
