"""A sheet of single poses: where the network is best, where it is ordinary, and where it fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from wsgcn.base.files import atomic_path
from wsgcn.rendering import palette
from wsgcn.rendering.labels import draw_legend, shortened
from wsgcn.rendering.poses import OVERSAMPLING, canvas, draw_floor, draw_pose, draw_shadow
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.viewpoint import Viewpoint, Window

SequenceKey = tuple[str, str, str]  # subject, take, serial

_VIEW = Viewpoint(turn_deg=30, elevation_deg=14)
_COLUMNS = 5
_CELL_PX, _LABEL_PX, _GAP_PX = (160, 190), 58, 8
_HEAD_PX, _ROW_TITLE_PX, _FOOT_PX = 44, 26, 30
_BONE_PX = 3.6


@dataclass(frozen=True)
class ChosenPose:
    """One frame of one sequence."""

    key: SequenceKey
    frame: int
    mpjpe_mm: float


def choose_poses(
    mpjpe_mm: Mapping[SequenceKey, np.ndarray], action_of: Callable[[str, str], str], columns: int = _COLUMNS
) -> dict[str, list[ChosenPose]]:
    """For each row of the sheet, by its title, up to `columns` frames, each of another action.

    Args:
        mpjpe_mm: (T,) of each sequence.
        action_of: the action of a subject's take.
    """
    median_mm = float(np.median(np.concatenate(list(mpjpe_mm.values()))))
    ranks: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "Best": lambda errors_mm: errors_mm,
        f"Typical: close to the median of {median_mm:.0f} mm": lambda errors_mm: np.abs(errors_mm - median_mm),
        "Worst": lambda errors_mm: -errors_mm,
    }
    return {title: _lowest(mpjpe_mm, action_of, rank, columns) for title, rank in ranks.items()}


def _lowest(
    mpjpe_mm: Mapping[SequenceKey, np.ndarray],
    action_of: Callable[[str, str], str],
    rank: Callable[[np.ndarray], np.ndarray],
    columns: int,
) -> list[ChosenPose]:
    """The frames of lowest rank, one an action: neighbouring frames would all look the same."""
    by_action: dict[str, tuple[float, ChosenPose]] = {}
    for key, errors_mm in mpjpe_mm.items():
        ranks = rank(errors_mm)
        frame = int(ranks.argmin())
        action = action_of(*key[:2])
        if action not in by_action or ranks[frame] < by_action[action][0]:
            by_action[action] = (float(ranks[frame]), ChosenPose(key, frame, float(errors_mm[frame])))
    return [chosen for _, chosen in sorted(by_action.values(), key=lambda entry: entry[0])[:columns]]


def write_sheet(
    path: Path | str, rows: Mapping[str, list[ChosenPose]], load: Callable[[SequenceKey], PoseSequence], data: str
) -> None:
    """Write a picture of the chosen poses, each prediction over its truth, all at one scale.

    Args:
        rows: see `choose_poses`.
        load: gives a sequence with a truth.
        data: what the caption calls the data.

    Raises:
        InputError: the file could not be written.
    """
    width_px, height_px = _CELL_PX
    poses = {chosen: load(chosen.key).resampled(np.array([chosen.frame])) for row in rows.values() for chosen in row}
    seen = _VIEW.look(np.concatenate([points for pose in poses.values() for points in _both(pose)]))
    window = Window.fitting(seen[..., :2], (0, 0, OVERSAMPLING * width_px, OVERSAMPLING * height_px))
    row_px = _ROW_TITLE_PX + height_px + _LABEL_PX
    page_px = (_COLUMNS * (width_px + _GAP_PX) + _GAP_PX, _HEAD_PX + len(rows) * row_px + _FOOT_PX)
    page = Image.new("RGB", page_px, palette.PAGE)
    draw = ImageDraw.Draw(page)
    draw.text(
        (_GAP_PX, _HEAD_PX / 2), "Single poses, prediction over truth", palette.TEXT, palette.font(17, True), "lm"
    )
    colours = {"left": palette.LEFT, "right": palette.RIGHT, "truth": palette.TRUTH}
    draw_legend(draw, page_px[0] - _GAP_PX, _HEAD_PX / 2, colours)
    for index, (title, row) in enumerate(rows.items()):
        top_px = _HEAD_PX + index * row_px
        draw.text((_GAP_PX, top_px + _ROW_TITLE_PX / 2), title, palette.TEXT, palette.font(13), "lm")
        for column, chosen in enumerate(row):
            left_px = _GAP_PX + column * (width_px + _GAP_PX)
            page.paste(_paint(poses[chosen], window), (left_px, top_px + _ROW_TITLE_PX))
            _label(draw, chosen, poses[chosen].fps, left_px + 4, top_px + _ROW_TITLE_PX + height_px)
    caption = shortened(f"Data: {data}", page_px[0] - 2 * _GAP_PX)
    draw.text((_GAP_PX, page_px[1] - _FOOT_PX / 2), caption, palette.QUIET, palette.font(12), "lm")
    with atomic_path(path) as temporary:
        page.save(temporary, optimize=True)


def _both(pose: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    assert pose.truth_m is not None
    return pose.truth_m, pose.predicted_m


def _paint(pose: PoseSequence, window: Window) -> Image.Image:
    """A sequence of one frame: the truth in grey, and over it the prediction."""
    image, draw = canvas(*_CELL_PX, palette.PANEL)
    truth_J3, predicted_J3 = (poses_m[0] for poses_m in _both(pose))
    width_px = OVERSAMPLING * _BONE_PX
    draw_floor(draw, _VIEW, window, OVERSAMPLING)
    draw_shadow(draw, truth_J3, pose.skeleton, _VIEW, window, width_px)
    draw_pose(draw, window.to_px(_VIEW.look(truth_J3)), pose.skeleton, width_px=width_px, colour=palette.TRUTH)
    seen = _VIEW.look(predicted_J3)
    draw_pose(draw, window.to_px(seen), pose.skeleton, width_px=width_px, away_J=seen[:, 2], halo=palette.PANEL)
    return image.reduce(OVERSAMPLING)


def _label(draw: ImageDraw.ImageDraw, chosen: ChosenPose, fps: float, left_px: float, top_px: float) -> None:
    subject, take, serial = chosen.key
    draw.text((left_px, top_px + 4), f"MPJPE {chosen.mpjpe_mm:.0f} mm", palette.TEXT, palette.font(12, True))
    draw.text((left_px, top_px + 20), f"{subject} {take}", palette.QUIET, palette.font(11))
    draw.text((left_px, top_px + 34), f"{serial}, {chosen.frame / fps:.2f} s", palette.QUIET, palette.font(11))
