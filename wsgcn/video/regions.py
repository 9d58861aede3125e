"""Square regions of a picture, turned by any angle: what a network sees of it, and its points back in the picture.

Places in a picture are pixels (x, y), y down, whole numbers at the centres of pixels. Places in a region are parts of
its side, (0, 0) at the upper left corner.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

# A region reaches beyond the picture where a person does. One this much larger than the picture holds nobody.
_LARGEST_SIDE = 4.0  # of the picture's longer side


@dataclass(frozen=True)
class Region:
    """A square of the picture.

    Attributes:
        x_px, y_px: its centre.
        side_px: the length of its sides.
        angle: by how much its upper side is turned, radians, clockwise as the picture is seen.
    """

    x_px: float
    y_px: float
    side_px: float
    angle: float = 0.0

    @property
    def axes_px(self) -> np.ndarray:
        """(2, 2): a step along the region's x and y, as columns, in the picture's pixels."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return self.side_px * np.array([[cos, -sin], [sin, cos]])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2), in parts of the side, in the picture's pixels."""
        return (points - 0.5) @ self.axes_px.T + np.array([self.x_px, self.y_px])

    def is_usable(self, picture_HWC: np.ndarray) -> bool:
        """Whether it has a size, is not absurdly large, and shows some of the picture."""
        height, width = picture_HWC.shape[:2]
        if not np.isfinite([self.x_px, self.y_px, self.side_px, self.angle]).all():
            return False
        if not 1 <= self.side_px <= _LARGEST_SIDE * max(width, height):
            return False
        first, end = self._box()
        return bool((end > 0).all() and first[0] < width and first[1] < height)

    def sample(self, picture_HWC: np.ndarray, pixels: int, *, outside: int | None = None) -> np.ndarray:
        """What the region shows.

        Args:
            picture_HWC: uint8.
            pixels: of each side of the result.
            outside: the shade beyond the picture's edge; None goes on with the pixel at the edge.

        Returns:
            (pixels, pixels, C) uint8, interpolated between the four pixels around each place. Without a filter, also
            where it shrinks: the networks were trained on that.
        """
        (left, top), (right, bottom) = self._box()
        height, width = picture_HWC.shape[:2]
        patch = picture_HWC[max(top, 0) : bottom, max(left, 0) : right]
        beyond = ((max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0))
        if outside is None:
            patch = np.pad(patch, beyond, mode="edge")
        else:
            patch = np.pad(patch, beyond, constant_values=outside)
        step = self.axes_px / pixels
        first = self.to_picture(np.zeros(2)) - np.array([left, top])
        # Pillow's places have the centre of a pixel at a half, on both sides of the map.
        first = first + 0.5 - step @ np.array([0.5, 0.5])
        shown = Image.fromarray(patch).transform(
            (pixels, pixels),
            Image.Transform.AFFINE,
            (step[0, 0], step[0, 1], first[0], step[1, 0], step[1, 1], first[1]),
            Image.Resampling.BILINEAR,
        )
        return np.asarray(shown)

    def _box(self) -> np.ndarray:
        """(2, 2) the first pixel (x, y) of those that `sample` needs, and the first that it needs no more."""
        corners = self.to_picture(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=np.float64))
        return np.stack([np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 2]).astype(int)


def whole(picture_HWC: np.ndarray) -> Region:
    """The smallest upright square around a picture: seen so, it has bars above and below, or at its sides."""
    height, width = picture_HWC.shape[:2]
    return Region(width / 2, height / 2, max(width, height))


def parts(picture_HWC: np.ndarray, side: float, shared: float) -> list[Region]:
    """Upright squares that cover a picture, row by row.

    Args:
        side: of a square, in longer sides of the picture.
        shared: how much of each the next one shows too, at least; part of its side.
    """
    side_px = side * max(picture_HWC.shape[:2])
    rows_px, columns_px = (_centres(length, side_px, shared) for length in picture_HWC.shape[:2])
    return [Region(x, y, side_px) for y in rows_px for x in columns_px]


def _centres(length: int, side: float, shared: float) -> list[float]:
    """Of the fewest stretches that cover a length, from its one end to the other."""
    if length <= side:
        return [length / 2]
    count = 1 + math.ceil((length - side) / (side * (1 - shared)) - 1e-9)
    return [float(centre) for centre in np.linspace(side / 2, length - side / 2, count)]


def around(centre_px: np.ndarray, reach_px: np.ndarray, margin: float) -> Region:
    """The square around a person, from BlazePose's two alignment points.

    Args:
        centre_px: (2,) the middle of the hips.
        reach_px: (2,) above the centre in a person who stands; as far off as the person reaches.
        margin: by how much the square is larger.
    """
    x, y = reach_px - centre_px
    angle = np.pi / 2 - np.arctan2(-y, x)
    angle -= 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi))
    return Region(float(centre_px[0]), float(centre_px[1]), float(2 * margin * np.hypot(x, y)), float(angle))
