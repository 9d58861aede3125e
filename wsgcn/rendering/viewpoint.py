"""From the camera's axes to a picture of the person: upright, from any side, with equal axes.

Upright axes, metres: x to the right and y away from the camera, both level; z up. The projection is orthographic, one
scale for all axes, so that lengths on the picture compare.
"""

from dataclasses import dataclass

import numpy as np

# Camera axes (x right, y down, z forward) of a camera that is held level.
_LEVEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def upright_from_camera(rotation: np.ndarray | None) -> np.ndarray:
    """The rotation (3, 3) from camera to upright axes: points (..., 3) @ its transpose.

    Args:
        rotation: (3, 3), world (z up) to camera axes; None takes the camera for level.
    """
    if rotation is None:
        return _LEVEL
    forward_x, forward_y, _ = rotation[2] / np.linalg.norm(rotation[2, :2])
    upright_from_world = np.array([[forward_y, -forward_x, 0.0], [forward_x, forward_y, 0.0], [0.0, 0.0, 1.0]])
    return upright_from_world @ rotation.T


def lift_to_floor(poses_TJ3: np.ndarray) -> np.ndarray:
    """What (T, 1, 3) to add so that the lowest joint of each frame is at z = 0: root-relative poses know no floor.

    Args:
        poses_TJ3: upright axes, NaN where a joint is missing.
    """
    lift_T13 = np.zeros((len(poses_TJ3), 1, 3))
    lift_T13[:, 0, 2] = -np.nan_to_num(np.fmin.reduce(poses_TJ3[..., 2], axis=1))
    return lift_T13


@dataclass(frozen=True)
class Viewpoint:
    """Where the onlooker stands: turned about the vertical from the camera's side, and raised above the level."""

    turn_deg: float = 0.0
    elevation_deg: float = 0.0

    @property
    def axes(self) -> np.ndarray:
        """(3, 3), rows: to the right, up and away on the picture, in upright axes."""
        turn, elevation = np.radians([self.turn_deg, self.elevation_deg])
        right = np.array([np.cos(turn), np.sin(turn), 0.0])
        level_away = np.array([-np.sin(turn), np.cos(turn), 0.0])
        z = np.array([0.0, 0.0, 1.0])
        up = np.cos(elevation) * z + np.sin(elevation) * level_away
        away = np.cos(elevation) * level_away - np.sin(elevation) * z
        return np.stack((right, up, away))

    def look(self, points_m: np.ndarray) -> np.ndarray:
        """Upright points (..., 3) as (right, up, away), metres."""
        return points_m @ self.axes.T


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture and the part of a plane that it shows, with one scale for both axes."""

    left_px: float
    top_px: float
    width_px: float
    height_px: float
    middle: tuple[float, float]  # what lies at its middle: right and up
    scale: float  # pixels a unit

    @classmethod
    def fitting(cls, points: np.ndarray, box_px: tuple[float, float, float, float], margin: float = 0.08) -> "Window":
        """The window (left, top, width, height) in which all points (..., 2: right, up) stand as large as possible."""
        left, top, width, height = box_px
        points = points.reshape(-1, 2)
        low, high = (np.nan_to_num(end) for end in (np.fmin.reduce(points), np.fmax.reduce(points)))
        extent = np.maximum(high - low, 1e-6)
        scale = float(((1 - 2 * margin) * np.array([width, height]) / extent).min())
        x, y = (low + high) / 2
        return cls(left, top, width, height, (float(x), float(y)), scale)

    def to_px(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2: right, up) as pixels (..., 2: x right, y down) of the picture."""
        centre = np.array([self.left_px + self.width_px / 2, self.top_px + self.height_px / 2])
        return centre + (points[..., :2] - np.array(self.middle)) * self.scale * np.array([1.0, -1.0])
