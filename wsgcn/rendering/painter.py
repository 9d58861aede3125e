"""The pictures of a clip: the 2D input, predictions and the truth side by side."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from wsgcn.rendering import palette
from wsgcn.rendering.labels import draw_legend, shortened
from wsgcn.rendering.poses import OVERSAMPLING, canvas, draw_floor, draw_pose, draw_shadow
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.viewpoint import Viewpoint, Window

WIDTH_PX, HEIGHT_PX = 720, 340
_HEAD_PX, _FOOT_PX, _GAP_PX = 40, 28, 8
_PANEL_TITLE_PX, _TITLE_SIZE_PX = 28, 13
_BONE_PX = 4.2

_TURN_DEG, _SWAY_DEG, _ELEVATION_DEG = 40.0, 25.0, 14.0
_SECONDS_A_SWAY = 4.0


@dataclass(frozen=True)
class _Panel:
    """One of the pictures that stand side by side."""

    title: str
    left_px: int
    content: np.ndarray  # (T, J, 3) m, or (T, J, 2) px of the 2D input
    window: Window  # on the oversampled panel


class ClipPainter:
    """Paints the frames of a sequence. The onlooker sways around the person, since that shows depth."""

    def __init__(self, sequence: PoseSequence) -> None:
        self._sequence = sequence
        self._views = _swaying_views(len(sequence), sequence.fps)
        self._panels: list[_Panel] = []
        poses = {sequence.predicted_title: sequence.predicted_m, **sequence.others_m}
        if sequence.truth_m is not None:
            poses["3D truth"] = sequence.truth_m
        count = len(poses) + (sequence.keypoints_px is not None)
        self._width_px = (WIDTH_PX - (count + 1) * _GAP_PX) // count
        self._height_px = HEIGHT_PX - _HEAD_PX - _FOOT_PX
        if sequence.keypoints_px is not None:
            self._add("2D input", sequence.keypoints_px, _flat(sequence.keypoints_px))
        seen = np.concatenate([self._look(poses_m) for poses_m in poses.values()])
        for title, poses_m in poses.items():
            self._add(title, poses_m, seen)
        self._page = self._paint_page()

    def _look(self, poses_TJ3: np.ndarray) -> np.ndarray:
        return np.stack([view.look(pose_J3) for view, pose_J3 in zip(self._views, poses_TJ3, strict=True)])

    def _add(self, title: str, content: np.ndarray, seen: np.ndarray) -> None:
        """Add a panel whose window fits all of `seen` (..., 2 or 3: right, up)."""
        top_px = OVERSAMPLING * _PANEL_TITLE_PX
        width_px, height_px = OVERSAMPLING * self._width_px, OVERSAMPLING * self._height_px
        window = Window.fitting(seen[..., :2], (0, top_px, width_px, height_px - top_px))
        left_px = _GAP_PX + len(self._panels) * (self._width_px + _GAP_PX)
        self._panels.append(_Panel(title, left_px, content, window))

    def _paint_page(self) -> Image.Image:
        """What does not move: title, names of the panels, caption and legend."""
        page = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), palette.PAGE)
        draw = ImageDraw.Draw(page)
        draw.text((_GAP_PX + 2, _HEAD_PX / 2), self._sequence.title, palette.TEXT, palette.font(17, True), "lm")
        foot_px = HEIGHT_PX - _FOOT_PX / 2
        colours = {"left": palette.LEFT, "right": palette.RIGHT}
        legend_px = draw_legend(draw, WIDTH_PX - _GAP_PX - 2, foot_px, colours)
        caption = shortened(self._sequence.caption, legend_px - 2 * _GAP_PX)
        draw.text((_GAP_PX + 2, foot_px), caption, palette.QUIET, palette.font(12), "lm")
        return page

    def to_px(self, panel: int, index: int, points: np.ndarray) -> np.ndarray:
        """Where frame `index` shows points in a panel.

        Args:
            points: (..., 3) m, upright; or (..., 2) px of the 2D input.

        Returns:
            (..., 2) px, x right and y down.
        """
        offset_px = np.array([self._panels[panel].left_px, _HEAD_PX])
        return self._project(self._panels[panel], index, points)[0] / OVERSAMPLING + offset_px

    def _project(self, panel: _Panel, index: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points are on an oversampled panel, and how far away."""
        seen = self._views[index].look(points) if points.shape[-1] == 3 else _flat(points)
        return panel.window.to_px(seen), seen[..., 2]

    def frame(self, index: int) -> Image.Image:
        """The picture of one frame, RGB."""
        page = self._page.copy()
        draw = ImageDraw.Draw(page)
        if self._sequence.truth_m is not None:
            errors = [f"{error_T[index]:.0f}" for error_T in self._sequence.all_mpjpe_mm]
            text = f"MPJPE {' and '.join(errors)} mm"
            draw.text((WIDTH_PX - _GAP_PX - 2, _HEAD_PX / 2), text, palette.TEXT, palette.font(17, True), "rm")
        for panel in self._panels:
            page.paste(self._paint_panel(panel, index), (panel.left_px, _HEAD_PX))
            title = shortened(panel.title, self._width_px - 20, _TITLE_SIZE_PX)
            font = palette.font(_TITLE_SIZE_PX)
            draw.text((panel.left_px + 10, _HEAD_PX + 8), title, palette.QUIET, font)
        return page

    def _paint_panel(self, panel: _Panel, index: int) -> Image.Image:
        image, draw = canvas(self._width_px, self._height_px, palette.PANEL)
        skeleton, bone_px = self._sequence.skeleton, OVERSAMPLING * _BONE_PX
        points = panel.content[index]
        points_px, away = self._project(panel, index, points)
        if points.shape[-1] == 2:
            draw_pose(draw, points_px, skeleton, width_px=bone_px * 0.6)
        else:
            draw_floor(draw, self._views[index], panel.window, OVERSAMPLING)
            draw_shadow(draw, points, skeleton, self._views[index], panel.window, bone_px)
            draw_pose(draw, points_px, skeleton, width_px=bone_px, away_J=away, halo=palette.PANEL)
        return image.reduce(OVERSAMPLING)


def _swaying_views(frames: int, fps: float) -> list[Viewpoint]:
    """A whole number of sways, so that a clip that starts again does not jump."""
    sways = max(1, round(frames / fps / _SECONDS_A_SWAY))
    phases = 2 * np.pi * sways * np.arange(frames) / frames
    return [Viewpoint(_TURN_DEG + _SWAY_DEG * float(np.sin(phase)), _ELEVATION_DEG) for phase in phases]


def _flat(points_px: np.ndarray) -> np.ndarray:
    """Pixels (..., 2: x right, y down) as (right, up, away 0)."""
    x, y = points_px[..., 0], points_px[..., 1]
    return np.stack((x, -y, np.zeros_like(x)), axis=-1)
