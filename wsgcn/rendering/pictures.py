"""All pictures of a run: four clips, and the figures of its training and its errors."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.run import Bars, no_bars, track
from wsgcn.evaluation import metrics
from wsgcn.pose.store import Detections, Predictions
from wsgcn.rendering.animation import write_clip
from wsgcn.rendering.figures import Columns, plot_actions, plot_errors, plot_losses
from wsgcn.rendering.sequences import predicted_sequence
from wsgcn.rendering.sheet import SequenceKey, choose_poses, write_sheet

_CLIPS = 4
_CLIP_ACTIONS = ("Eating", "Photo", "SittingDown", "Walking")  # where a capture has them: the README shows these


@dataclass(frozen=True)
class PicturePaths:
    """Where the pictures come from, and the folder that they go to."""

    predictions: Path
    detections: Path
    warmup: Path
    weak: Path
    protocol: Path
    folder: Path


def make_pictures(paths: PicturePaths, *, seconds: float, fps: float, serial: str, bars: Bars = no_bars) -> None:
    """Stage visualize: write the clips <subject>_<take>.gif, losses.png, actions.png, errors.png and poses.png.

    The clips are four takes of the last subject. Where the camera is not among the predictions one line says so.

    Args:
        seconds: length of a clip at most, from the take's start.
        fps: frames a second of the clips.
        serial: the camera of the clips.

    Raises:
        InputError: a file is missing or not what it should be, or `seconds` or `fps` is out of range.
    """
    protocol = _read_protocol(paths.protocol)
    warmup, weak = read_curves(paths.warmup), read_curves(paths.weak)
    data, folder = str(protocol["data"]), paths.folder
    with Predictions(paths.predictions) as predictions, Detections(paths.detections) as detections:
        mpjpe_mm, p_mpjpe_mm = _frame_errors(predictions, bars)
        for subject, take in _clips(predictions):
            if (subject, take, serial) not in mpjpe_mm:
                print(f"{subject} {take}, camera {serial}: not in {paths.predictions}; its clip is left out.")
                continue
            sequence = predicted_sequence(predictions, detections, subject, take, serial)
            write_clip(folder / f"{subject}_{take}.gif", sequence, seconds=seconds, fps=fps, bars=bars)
        write_sheet(
            folder / "poses.png",
            choose_poses(mpjpe_mm, predictions.action),
            lambda key: predicted_sequence(predictions, detections, *key),
            data,
        )
        by_action = _means_by_action(predictions, {"mpjpe_mm": mpjpe_mm, "p_mpjpe_mm": p_mpjpe_mm})
    uses_unlabelled = bool(protocol["recipe"].get("weak"))
    plot_losses(folder / "losses.png", warmup, weak, data, uses_unlabelled=uses_unlabelled)
    plot_actions(folder / "actions.png", by_action, data)
    plot_errors(folder / "errors.png", _all(mpjpe_mm), _all(p_mpjpe_mm), data)


def _clips(predictions: Predictions) -> list[tuple[str, str]]:
    """The first take of each of a few actions of the last subject."""
    subject = predictions.subjects[-1]
    first: dict[str, str] = {}
    for take in predictions.takes(subject):
        first.setdefault(predictions.action(subject, take), take)
    wanted = [action for action in _CLIP_ACTIONS if action in first] or list(first)
    return [(subject, first[action]) for action in wanted[:_CLIPS]]


def _frame_errors(
    predictions: Predictions, bars: Bars
) -> tuple[dict[SequenceKey, np.ndarray], dict[SequenceKey, np.ndarray]]:
    """MPJPE and P-MPJPE (T,) of every sequence, mm."""
    keys = [
        (subject, take, serial)
        for subject in predictions.subjects
        for take in predictions.takes(subject)
        for serial in predictions.serials(subject, take)
    ]
    mpjpe_mm, p_mpjpe_mm = {}, {}
    for key in track(keys, bars, "errors", len(keys), "sequences"):
        predicted, truth = predictions.predicted_m(*key), predictions.truth_m(*key)
        if len(truth):
            mpjpe_mm[key], p_mpjpe_mm[key] = metrics.mpjpe_mm(predicted, truth), metrics.p_mpjpe_mm(predicted, truth)
    if not mpjpe_mm:
        raise InputError(f"{predictions.path}: holds no frames; expected the predictions of stage evaluate.")
    return mpjpe_mm, p_mpjpe_mm


def _means_by_action(
    predictions: Predictions, errors: Mapping[str, Mapping[SequenceKey, np.ndarray]]
) -> dict[str, dict[str, float]]:
    """The mean over the frames of each action, by action and by metric, as metrics/actions.csv has them."""
    by_action: dict[str, list[SequenceKey]] = {}
    for subject, take, serial in next(iter(errors.values())):
        by_action.setdefault(predictions.action(subject, take), []).append((subject, take, serial))
    return {
        action: {
            metric: float(np.concatenate([by_sequence[key] for key in keys]).mean())
            for metric, by_sequence in errors.items()
        }
        for action, keys in by_action.items()
    }


def _all(by_sequence: dict[SequenceKey, np.ndarray]) -> np.ndarray:
    return np.concatenate(list(by_sequence.values()))


def read_curves(path: Path | str) -> Columns:
    """The columns of metrics/<stage>.csv as float arrays, NaN where a cell is empty.

    Raises:
        InputError: the file is missing, or is not such a table.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
            header = rows[0].keys() if rows else ["epoch"]
        return {name: np.array([float("nan" if row[name] == "" else row[name]) for row in rows]) for name in header}
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it.") from None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a table of numbers with a header ({error}).") from error


def _read_protocol(path: Path | str) -> dict[str, Any]:
    try:
        protocol = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it.") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}).") from error
    missing = [key for key in ("data", "recipe") if key not in protocol]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; expected what stage evaluate writes.")
    return protocol
