"""Camera geometry as pure functions: between world, camera and picture, and the root from its projection.

Every function takes NumPy arrays or torch tensors alike (operators and methods that both have), so that data
preparation in float64 and the differentiable loss run the same lines. Points are (..., J, 3) or (..., J, 2),
quantities of a camera have the same leading axes without J.

Frames: world, Human3.6M's, metres, z up. Camera, metres, x right, y down, z forward. Picture, pixels, x right,
y down; or normalised by `normalise_screen`.

An intrinsics vector (..., 9) is [fx, fy, cx, cy, k1, k2, k3, p1, p2], focal length and centre in pixels or in
normalised screen units, p in the order of the projection below (OpenCV names the two the other way round).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

    Array = TypeVar("Array", np.ndarray, torch.Tensor)
else:
    Array = TypeVar("Array")


@dataclass(frozen=True, kw_only=True)
class Camera:
    """One calibrated camera. Rotation takes world to camera axes; translation is the camera's place in the world."""

    serial: str
    width_px: int
    height_px: int
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    radial: tuple[float, float, float]
    tangential: tuple[float, float]
    orientation_wxyz: tuple[float, float, float, float]
    translation_m: tuple[float, float, float]

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) float64, world to camera axes."""
        return rotation_from_quaternion(np.asarray(self.orientation_wxyz)).T

    @property
    def intrinsics_px(self) -> np.ndarray:
        """(9,) float64, see the top of the file."""
        return np.array([*self.focal_px, *self.centre_px, *self.radial, *self.tangential])

    @property
    def intrinsics_screen(self) -> np.ndarray:
        """(9,) float64 with focal length and centre in normalised screen units."""
        return normalise_intrinsics(self.intrinsics_px, self.width_px, self.height_px)


def rotation_from_quaternion(quaternion_wxyz: np.ndarray) -> np.ndarray:
    """The rotation matrix (3, 3) of a quaternion (w, x, y, z), which need not have unit length."""
    w, x, y, z = quaternion_wxyz / np.linalg.norm(quaternion_wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def world_to_camera(points_world_m: Array, rotation: Array, translation_m: Array) -> Array:
    """Points (..., 3) from world to camera axes: R (X - t)."""
    return (points_world_m - translation_m) @ rotation.T


def camera_to_world(points_camera_m: Array, rotation: Array, translation_m: Array) -> Array:
    """The inverse of `world_to_camera`."""
    return points_camera_m @ rotation + translation_m


def project(points_camera_m: Array, intrinsics: Array) -> Array:
    """Project points to the picture, with radial and tangential distortion.

    With x, y the first two coordinates over the third, each clamped to [-1, 1], and r2 = x^2 + y^2:
    (x, y) (1 + k . (r2, r2^2, r2^3) + p . (x, y)) + p r2, times the focal length, plus the centre (the projection of
    VideoPose3D, Pavllo et al. 2019, and of the published WS-GCN).

    Args:
        points_camera_m: (..., J, 3), camera frame, any length unit.
        intrinsics: (..., 9), see the top of the file.

    Returns:
        (..., J, 2) in the unit of the intrinsics: pixels or normalised screen units.
    """
    camera = intrinsics[..., None, :]
    focal, centre, radial, tangential = camera[..., 0:2], camera[..., 2:4], camera[..., 4:7], camera[..., 7:9]
    xy = (points_camera_m[..., :2] / points_camera_m[..., 2:]).clip(-1, 1)
    return focal * _distort(xy, radial, tangential) + centre


def _distort(xy: Array, radial: Array, tangential: Array) -> Array:
    r2 = (xy * xy).sum(-1)[..., None]
    # Horner's form of k1 r2 + k2 r2^2 + k3 r2^3.
    radial_term = r2 * (radial[..., 0:1] + r2 * (radial[..., 1:2] + r2 * radial[..., 2:3]))
    tangential_term = (tangential * xy).sum(-1)[..., None]
    return xy * (1 + radial_term + tangential_term) + tangential * r2


def undistort(points: Array, intrinsics: Array, iterations: int = 20) -> Array:
    """The undistorted, normalised coordinates (x/z, y/z) of picture points: the inverse of `project`.

    Fixed-point iteration; with Human3.6M's cameras 20 rounds reach 1e-9 anywhere in the picture.

    Args:
        points: (..., J, 2) in the unit of the intrinsics.
        intrinsics: (..., 9).
    """
    camera = intrinsics[..., None, :]
    focal, centre, radial, tangential = camera[..., 0:2], camera[..., 2:4], camera[..., 4:7], camera[..., 7:9]
    distorted = (points - centre) / focal
    xy = distorted
    for _ in range(iterations):
        xy = xy + (distorted - _distort(xy, radial, tangential))
    return xy


def normalise_screen(points_px: Array, width_px: float, height_px: float) -> Array:
    """Pixels (..., 2) to screen units, x / w * 2 - 1 and y / w * 2 - h / w: x spans [-1, 1], pixels stay square."""
    return _shifted(points_px * (2 / width_px), -1.0, -height_px / width_px)


def screen_units(points_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """`normalise_screen` for pictures of any shape: pixels (..., 2) to 0 at the centre and 2 along the longer side.

    The two are equal unless the picture is higher than wide. There the training's own would blow a person up who is no
    larger in the picture; this does not change when a picture is cropped to portrait. (Two of Human3.6M's cameras are
    1000 x 1002 pixels: the difference is 0.2 %.)
    """
    return (points_px - np.array(size_px) / 2) * (2 / max(size_px))


def denormalise_screen(points: Array, width_px: float, height_px: float) -> Array:
    """The inverse of `normalise_screen`."""
    return _shifted(points, 1.0, height_px / width_px) * (width_px / 2)


def _shifted(points: Array, x: float, y: float) -> Array:
    shifted = points + 0  # a new array of the same kind
    shifted[..., 0] += x
    shifted[..., 1] += y
    return shifted


def normalise_intrinsics(intrinsics_px: np.ndarray, width_px: float, height_px: float) -> np.ndarray:
    """Intrinsics (..., 9) from pixels to screen units, so that `project` gives `normalise_screen` of its pixels."""
    intrinsics = np.array(intrinsics_px, dtype=np.float64)
    intrinsics[..., 0:2] *= 2 / width_px
    intrinsics[..., 2:4] = normalise_screen(intrinsics[..., 2:4], width_px, height_px)
    return intrinsics


def root_normal_inverse(uv: np.ndarray) -> np.ndarray:
    """The inverse of the normal matrix of `solve_root`, which depends on the 2D alone.

    Args:
        uv: (..., J, 2) undistorted normalised coordinates, float64.

    Returns:
        (..., 3, 3). Not finite where the joints all project to one point, which says nothing about the depth.
    """
    # The normal matrix is [[J, 0, -a], [0, J, -b], [-a, -b, c]] with the sums below; its determinant is J * spread.
    joints = uv.shape[-2]
    a, b, c = uv[..., 0].sum(-1), uv[..., 1].sum(-1), (uv**2).sum((-1, -2))
    spread = joints * ((uv - uv.mean(-2, keepdims=True)) ** 2).sum((-1, -2))
    first_row = np.stack((joints * c - b * b, a * b, joints * a), axis=-1)
    second_row = np.stack((a * b, joints * c - a * a, joints * b), axis=-1)
    third_row = np.stack((joints * a, joints * b, np.full_like(a, joints**2)), axis=-1)
    adjugate = np.stack((first_row, second_row, third_row), axis=-2)
    determinant = np.where(spread > 1e-12, joints * spread, np.nan)
    return adjugate / determinant[..., None, None]


def solve_root(pose_m: Array, uv: Array, normal_inverse: Array) -> Array:
    """Where a root-relative pose must stand so that it projects best onto given 2D joints.

    The projection of P + T at (u, v) asks for [1 0 -u; 0 1 -v] T = [u Pz - Px; v Pz - Py] at every joint; T is the
    least-squares solution, linear in P (so gradients pass through it). It is blind to overall size: scaling P scales T.

    Args:
        pose_m: (..., J, 3), camera axes, relative to the root.
        uv: (..., J, 2) undistorted normalised coordinates.
        normal_inverse: (..., 3, 3) from `root_normal_inverse(uv)`.

    Returns:
        T (..., 3) in the unit of the pose.
    """
    right_hand_side = uv * pose_m[..., 2:] - pose_m[..., :2]
    moments_xy = right_hand_side.sum(-2)
    moment_z = -(uv * right_hand_side).sum(-1).sum(-1)
    return (
        normal_inverse[..., 0] * moments_xy[..., 0:1]
        + normal_inverse[..., 1] * moments_xy[..., 1:2]
        + normal_inverse[..., 2] * moment_z[..., None]
    )
