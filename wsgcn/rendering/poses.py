"""Poses drawn with Pillow."""

import numpy as np
from PIL import Image, ImageDraw

from wsgcn.pose.skeleton import Skeleton
from wsgcn.rendering import palette
from wsgcn.rendering.viewpoint import Viewpoint, Window

# Drawn this many times larger and then reduced, since Pillow's lines have hard edges.
OVERSAMPLING = 3


def draw_pose(
    draw: ImageDraw.ImageDraw,
    points_px_J2: np.ndarray,
    skeleton: Skeleton,
    *,
    width_px: float,
    away_J: np.ndarray | None = None,
    colour: str | None = None,
    halo: str | None = None,
    dots: bool = True,
) -> None:
    """Draw a skeleton: bones in the colour of the side of their child, joints as dots; NaN joints are left out.

    Args:
        points_px_J2: on the canvas, x right, y down.
        width_px: of the bones.
        away_J: how far away each joint is, so that near bones cover far ones.
        colour: one for everything.
        halo: a colour around each bone, which keeps crossing bones apart.
        dots: whether the joints are marked.
    """
    away_J = np.zeros(len(points_px_J2)) if away_J is None else away_J
    present_J = np.isfinite(points_px_J2).all(-1)
    bones = [(child, parent) for child, parent in skeleton.bones if present_J[child] and present_J[parent]]
    for child, parent in sorted(bones, key=lambda bone: -(away_J[bone[0]] + away_J[bone[1]])):
        bone = [tuple(points_px_J2[joint]) for joint in (child, parent)]
        if halo is not None:
            _stroke(draw, bone, halo, 1.9 * width_px)
        _stroke(draw, bone, colour or palette.SIDES[skeleton.sides[child]], width_px)
    for joint in np.flatnonzero(present_J) if dots else ():
        _dot(draw, points_px_J2[joint], colour or palette.SIDES[skeleton.sides[joint]], 0.95 * width_px)


def draw_floor(draw: ImageDraw.ImageDraw, view: Viewpoint, window: Window, width_px: float) -> None:
    """A grid of half metres around the origin."""
    ends = np.linspace(-1, 1, 5)
    for at in ends:
        for line in ([[at, -1, 0], [at, 1, 0]], [[-1, at, 0], [1, at, 0]]):
            points_px = window.to_px(view.look(np.array(line, dtype=float)))
            draw.line([tuple(point) for point in points_px], fill=palette.GRID, width=round(width_px))


def draw_shadow(
    draw: ImageDraw.ImageDraw,
    pose_m_J3: np.ndarray,
    skeleton: Skeleton,
    view: Viewpoint,
    window: Window,
    width_px: float,
) -> None:
    """The pose pressed onto the floor, under a light from straight above."""
    points_px_J2 = window.to_px(view.look(pose_m_J3 * np.array([1.0, 1.0, 0.0])))
    draw_pose(draw, points_px_J2, skeleton, width_px=width_px, colour=palette.SHADOW, dots=False)


def _stroke(draw: ImageDraw.ImageDraw, ends: list[tuple[float, ...]], colour: str, width_px: float) -> None:
    draw.line(ends, fill=colour, width=round(width_px))
    for end in ends:
        _dot(draw, np.array(end), colour, width_px / 2)


def _dot(draw: ImageDraw.ImageDraw, centre_px: np.ndarray, colour: str, radius_px: float) -> None:
    x, y = centre_px
    draw.ellipse((x - radius_px, y - radius_px, x + radius_px, y + radius_px), fill=colour)


def canvas(width_px: int, height_px: int, colour: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty picture that is OVERSAMPLING times as large as it will be."""
    image = Image.new("RGB", (OVERSAMPLING * width_px, OVERSAMPLING * height_px), colour)
    return image, ImageDraw.Draw(image)
