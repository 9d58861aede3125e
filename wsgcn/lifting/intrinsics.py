"""A camera's intrinsics as users have them: a 3x3 matrix, a focal length in pixels, or a field of view in degrees.

All become the vector (9,) of `wsgcn.pose.camera`, in pixels. Distortion comes from a calibration's file alone. Its
radial part is OpenCV's; of the tangential part one term is half of OpenCV's (x and y times p . (x, y), which OpenCV
doubles), which is a pixel at the corners for coefficients as large as 0.003.
"""

import math
import re
from pathlib import Path

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import is_there
from wsgcn.base.foreign import brief, shown
from wsgcn.containers.npy import load_npy
from wsgcn.lifting.calibrations import read_calibration

Intrinsics = str | float | Path | np.ndarray

_NUMBER = re.compile(r"([0-9.]+)\s*(px|deg)?")


def intrinsics_px(given: Intrinsics, size: tuple[int, int], pixel_aspect: float = 1.0) -> np.ndarray:
    """The intrinsics vector (9,) float64 in square pixels, see `wsgcn.pose.camera`.

    Args:
        given: a matrix (3, 3) or vector (9,); a number, the focal length in pixels, also as "1145px"; "65deg", the
            horizontal field of view; or a file with the 3x3 matrix: npy, text with spaces or commas, or what a
            calibration tool writes, see `wsgcn.lifting.calibrations`, of which FILE:NAME is one of several cameras.
            Without a matrix the principal point is the centre of the picture.
        size: width and height of the picture, px.
        pixel_aspect: width over height of its pixels. A calibration (matrix, vector, file) is in such pixels; a focal
            length is in square ones, as wide as these are high.

    Raises:
        InputError: it is none of these, the file cannot be read, or the camera is impossible for the picture.
    """
    if isinstance(given, np.ndarray):
        vector = given.astype(np.float64) if given.shape == (9,) else _from_matrix(given, "intrinsics")
        return _squared(_checked(vector, "intrinsics", size), pixel_aspect)
    width_px, height_px = size[0] * pixel_aspect, size[1]
    number = _NUMBER.fullmatch(str(given).strip())
    try:
        value = float(number[1]) if number else float("nan")
    except ValueError:
        raise InputError(f"intrinsics: {shown(given)} is no number.") from None
    if number is None:
        return _squared(_checked(_from_file(str(given), size), str(given), size), pixel_aspect)
    if number[2] == "deg":
        if not 0 < value < 180:
            raise InputError(f"intrinsics: a field of view of {value:g} degrees, expected one between 0 and 180.")
        value = width_px / 2 / math.tan(math.radians(value) / 2)
    vector = np.array([value, value, width_px / 2, height_px / 2, 0, 0, 0, 0, 0])
    return _checked(vector, "intrinsics", (round(width_px), height_px))


def _squared(vector: np.ndarray, pixel_aspect: float) -> np.ndarray:
    """The camera in square pixels; its distortion is one of rays and stays."""
    return np.concatenate([vector[:4] * (pixel_aspect, 1, pixel_aspect, 1), vector[4:]])


def _from_matrix(matrix: np.ndarray, origin: str) -> np.ndarray:
    if matrix.shape != (3, 3) or matrix.dtype.kind not in "fiu":
        raise InputError(f"{origin}: has the shape {brief(matrix.shape, 60)}, expected a 3x3 matrix of numbers.")
    focal = abs(matrix[0, 0])
    is_finite = np.isfinite(matrix).all()
    if (
        not is_finite
        or not np.allclose(matrix[2], (0, 0, 1))
        or not np.allclose(matrix[[0, 1], [1, 0]], 0, atol=0.01 * focal)
    ):
        raise InputError(f"{origin}: is no camera matrix [fx 0 cx; 0 fy cy; 0 0 1] (found {matrix.tolist()}).")
    return np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], 0, 0, 0, 0, 0], dtype=np.float64)


def _from_file(given: str, size: tuple[int, int]) -> np.ndarray:
    path, camera = Path(given), None
    if not is_there(path) and ":" in given:
        before, _, camera = given.rpartition(":")
        path = Path(before)
    if not is_there(path):
        raise InputError(
            f"intrinsics: {brief(given)} is neither a file nor a focal length (1145px) nor a field of view (65deg)."
        )
    if path.suffix == ".npy":
        return _from_matrix(load_npy(path, limits.INTRINSICS_BYTES), given)
    found = read_calibration(path, camera)
    if found.size is not None and found.size != tuple(size):
        raise InputError(
            f"{given}: is for pictures of {found.size[0]:g}x{found.size[1]:g} px, but these have {size[0]}x{size[1]}."
        )
    vector = _from_matrix(found.matrix, given)
    k1, k2, p1, p2, k3 = found.distortion
    vector[4:] = k1, k2, k3, p2, p1  # the two of the tangential part the other way round, see wsgcn.pose.camera
    return vector


def _checked(vector: np.ndarray, origin: str, size: tuple[int, int]) -> np.ndarray:
    fx, fy, cx, cy = vector[:4].tolist()
    if not np.isfinite(vector).all() or fx <= 0 or fy <= 0:
        raise InputError(f"{origin}: has the focal length {fx:g}, {fy:g} px, expected positive numbers.")
    if not (0 <= cx <= size[0] and 0 <= cy <= size[1]):
        raise InputError(
            f"{origin}: has the principal point ({cx:g}, {cy:g}) outside the picture of {size[0]}x{size[1]} px; "
            "it belongs to another resolution."
        )
    return vector
