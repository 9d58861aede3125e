"""Cameras for a capture that has none: the four of Human3.6M, placed around it."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import Camera

_AZIMUTHS_DEG = (70.0, -70.0, 110.0, -110.0)  # of the camera seen from the centre, about as in Human3.6M
_DISTANCE_M = 5.2  # of Human3.6M's, on average, from where its people stand
_HEIGHT_M = 1.55
_LOOKS_AT_M = 0.95  # the height of a hip


def around_origin(roots_m: Iterable[np.ndarray]) -> dict[str, Camera]:
    """Four cameras by serial, with Human3.6M's intrinsics, that look at the world's origin from four sides.

    Args:
        roots_m: the root's way (T, 3) in each take, metres, world (z up, floor at 0). They decide on the distance:
            Human3.6M's, or more where somebody would come too close to a camera or leave its picture.
    """
    reach_m = max((float(np.linalg.norm(way_m[:, :2], axis=1).max(initial=0)) for way_m in roots_m), default=0.0)
    # Half a picture is 0.43 of the depth wide. Nearest to its edge is who stands aside and towards the camera: over all
    # directions, hypot(1, 0.43) of the reach. People need half a metre more.
    distance_m = max(_DISTANCE_M, (np.hypot(1, 0.43) * reach_m + 0.5) / 0.43)
    models = human36m_cameras()["S1"].values()
    return {
        model.serial: _placed(model, np.radians(azimuth), distance_m)
        for model, azimuth in zip(models, _AZIMUTHS_DEG, strict=True)
    }


def _placed(model: Camera, azimuth: float, distance_m: float) -> Camera:
    place_m = np.array([distance_m * np.cos(azimuth), distance_m * np.sin(azimuth), _HEIGHT_M])
    forward = np.array([0, 0, _LOOKS_AT_M]) - place_m
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])  # world to camera: x right, y down, z forward
    return replace(model, orientation_wxyz=_quaternion(rotation), translation_m=tuple(place_m.tolist()))


def _quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """(w, x, y, z) of the orientation that `Camera` keeps, camera to world, for a world-to-camera rotation."""
    from scipy.spatial.transform import Rotation  # imported here: only captures without cameras need it

    x, y, z, w = Rotation.from_matrix(rotation.T).as_quat().tolist()
    return w, x, y, z


def centred(positions_m: np.ndarray) -> np.ndarray:
    """A take (T, J, 3) moved along the floor so that its root's path is centred at the world's origin."""
    ways_m = positions_m[:, 0, :2]
    middle_m = (np.nanmax(ways_m, axis=0) + np.nanmin(ways_m, axis=0)) / 2
    return positions_m - np.append(middle_m, 0.0)
