"""The viewer: poses and the page that shows them, in one HTML file that asks the network for nothing."""

import base64
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.lifting.angles import ANGLES, joint_angles_deg
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.video_strip import Box, Strip, cut_strips

# Up to here the page stays below 10 MB, with 17 joints and a truth.
MAX_FRAMES = 20_000
_MISSING = -32768  # what is NaN; viewer.html knows the number too

_UP = (0.0, 0.0, 1.0)  # of a PoseSequence
_UNIT_DEG = 0.1
_MARGIN = 0.12  # around the person in the picture, of their larger extent
_CHARTS = {
    "Knee flexion": ("LKnee_flexion", "RKnee_flexion"),
    "Hip flexion": ("LHip_flexion", "RHip_flexion"),
    "Hip abduction": ("LHip_abduction", "RHip_abduction"),
    "Elbow flexion": ("LElbow_flexion", "RElbow_flexion"),
    "Shoulder elevation": ("LShoulder_elevation", "RShoulder_elevation"),
    "Trunk flexion": ("Trunk_flexion",),
}
_DRAWN = {name for names in _CHARTS.values() for name in names}


def within(sequences: Iterable[PoseSequence], max_frames: int) -> Iterator[PoseSequence]:
    """The first sequences, as far as `max_frames` frames go; the last one is cut where they end."""
    left = max_frames
    for sequence in sequences:
        yield sequence if len(sequence) <= left else sequence.resampled(np.arange(left))
        left -= len(sequence)
        if left <= 0:
            return


def write_viewer(
    path: Path | str,
    sequences: Iterable[PoseSequence],
    *,
    title: str,
    about: str = "",
    video: Path | str | None = None,
) -> int:
    """Write the page and return how many frames it shows.

    Args:
        sequences: all of one skeleton.
        title: of the page.
        about: a line below it, such as where the poses come from.
        video: the one that the keypoints were found in; small pictures of it lie behind them.

    Raises:
        InputError: there are no frames, the file could not be written, or see `cut_strips`.
    """
    shown = [sequence for sequence in sequences if len(sequence)]
    if not shown:
        raise InputError(f"{title}: holds no frames; there is nothing to view.")
    skeleton = shown[0].skeleton
    assert all(sequence.skeleton == skeleton for sequence in shown)
    boxes_px = [_box(sequence) for sequence in shown]
    strips = [None] * len(shown) if video is None else cut_strips(video, shown, boxes_px)
    data = {
        "title": title,
        "about": about,
        "joints": skeleton.joints,
        "parents": skeleton.parents,
        "sides": skeleton.sides,
        "charts": [{"title": title, "angles": names} for title, names in _CHARTS.items()],
        "sequences": [_encoded(*each) for each in zip(shown, boxes_px, strips, strict=True)],
    }
    # A "<" could end the script that holds the data.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = resources.files("wsgcn.rendering").joinpath("viewer.html").read_text(encoding="utf-8")
    # A lone surrogate has no bytes in UTF-8, and as \\ud800 it is JSON.
    write_atomically(path, page.replace("__DATA__", text, 1).encode("utf-8", "backslashreplace"))
    return sum(len(sequence) for sequence in shown)


def _box(sequence: PoseSequence) -> Box:
    """What is shown of the picture: wherever the person comes to, with a margin, and nothing beyond the picture."""
    if sequence.keypoints_px is None or not np.isfinite(sequence.keypoints_px).any():
        width, height = sequence.size_px or (1, 1)
        return 0.0, 0.0, float(width), float(height)
    low, high = (reduce(sequence.keypoints_px.reshape(-1, 2)) for reduce in (np.fmin.reduce, np.fmax.reduce))
    margin = np.maximum(_MARGIN * (high - low).max(), 1)
    low, high = low - margin, high + margin
    if sequence.size_px is not None:
        inside_low, inside_high = np.maximum(low, 0), np.minimum(high, sequence.size_px)
        if (inside_low < inside_high).all():  # otherwise everything lies outside, and is shown there
            low, high = inside_low, inside_high
    left, top, right, bottom = (float(round(value, 1)) for value in (*low, *high))
    return left, top, right, bottom


def _encoded(sequence: PoseSequence, box_px: Box, strip: Strip | None) -> dict[str, Any]:
    """A sequence as the page reads it: arrays as whole numbers of 16 bits, little-endian, in base64."""
    poses = [sequence.predicted_m] + ([] if sequence.truth_m is None else [sequence.truth_m])
    unit_m = _unit(*poses)  # below 0.1 mm for a person
    encoded = [_whole(pose_m, unit_m) for pose_m in poses]
    angles_AT = joint_angles_deg(sequence.predicted_m, sequence.skeleton, _UP).T
    drawn = {name: angles_T for name, angles_T in zip(ANGLES, angles_AT, strict=True) if name in _DRAWN}
    keypoints_px = sequence.keypoints_px
    unit_px = 0.0 if keypoints_px is None else _unit(keypoints_px)
    return {
        "title": sequence.title,
        "data": sequence.data,
        "warnings": sequence.warnings,
        "fps": sequence.fps,
        "frames": len(sequence),
        "unit_m": unit_m,
        "predicted": encoded[0],
        "truth": encoded[1] if len(encoded) > 1 else None,
        "unit_px": unit_px,
        "keypoints": None if keypoints_px is None else _whole(keypoints_px, unit_px),
        "box_px": box_px,
        "unit_deg": _UNIT_DEG,
        "angles": {
            name: _whole(angles_T, _UNIT_DEG) for name, angles_T in drawn.items() if np.isfinite(angles_T).any()
        },
        "strip": None if strip is None else _encoded_strip(sequence, strip),
    }


def _encoded_strip(sequence: PoseSequence, strip: Strip) -> dict[str, Any]:
    """Pictures, and for each frame of the sequence which one is nearest; -1 where the video has ended."""
    assert sequence.frames is not None
    nearest_T = np.round((sequence.frames - strip.first) / strip.step).astype(int)
    nearest_T = np.minimum(nearest_T, np.where(nearest_T == len(strip.pictures), nearest_T - 1, nearest_T))
    return {
        "step": strip.step,
        "of_frame": np.where((nearest_T >= 0) & (nearest_T < len(strip.pictures)), nearest_T, -1).tolist(),
        "pictures": [base64.b64encode(picture).decode("ascii") for picture in strip.pictures],
    }


def _unit(*arrays: np.ndarray) -> float:
    """What a whole number stands for, so that the largest value fits."""
    return max(float(np.nanmax(np.abs(array), initial=1e-3)) for array in arrays) / 32767


def _whole(values: np.ndarray, unit: float) -> str:
    whole = np.where(np.isfinite(values), np.round(np.nan_to_num(values) / unit), _MISSING)
    return base64.b64encode(whole.astype("<i2").tobytes()).decode("ascii")
