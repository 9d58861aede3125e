"""Checks of a take's 3D positions, each with a sentence of its own."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.pose.skeleton import H36M32_INDEX

_UNITS_PER_METRE = {"mm": 1000.0, "m": 1.0}
_THIGH_RANGE_M = (0.2, 0.8)  # RHip to RKnee, of anybody from a child to a giant


def checked_array(value: object, expected: Sequence[int | str], origin: str) -> np.ndarray:
    """`value` as a float64 array, if it is one of real numbers and of the expected shape.

    Args:
        value: what the file holds.
        expected: the size of each axis, or a letter for an axis of any size above zero, the frames.
        origin: the file, and the place in it, for the message.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        found = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise InputError(f"{origin}: holds {found}, expected an array of numbers.")
    fits = value.ndim == len(expected) and all(
        isinstance(size, str) or size == found for size, found in zip(expected, value.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"{origin}: has positions of the shape {_shape(value.shape)}, expected {_shape(expected)}, "
            "the three coordinates of 32 joints in each of T frames."
        )
    if value.size == 0:
        raise InputError(f"{origin}: has no frames.")
    return value.astype(np.float64)


def _shape(sizes: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def to_metres(positions_TJC: np.ndarray, unit: Literal["mm", "m"], origin: str) -> np.ndarray:
    """Positions (T, 32, 3), finite, in `unit`, in metres.

    Raises:
        InputError: the unit is plainly another, by the length of the thigh.
    """
    positions_m = positions_TJC / _UNITS_PER_METRE[unit]
    knee_m, hip_m = (positions_m[:, H36M32_INDEX[joint]] for joint in ("RKnee", "RHip"))
    thigh_m = float(np.median(np.linalg.norm(knee_m - hip_m, axis=-1)))
    if _is_thigh(thigh_m):
        return positions_m
    if unit == "mm" and _is_thigh(thigh_m * 1000):
        cause = "the file seems to be in metres where millimetres are expected"
    elif unit == "m" and _is_thigh(thigh_m / 1000):
        cause = "the file seems to be in millimetres where metres are expected"
    else:
        cause = f"expected {_THIGH_RANGE_M[0]} to {_THIGH_RANGE_M[1]} m; these are not Human3.6M's joints or units"
    raise InputError(f"{origin}: read in {unit}, the thigh (RHip to RKnee) is {thigh_m:.3g} m long; {cause}.")


def _is_thigh(length_m: float) -> bool:
    return _THIGH_RANGE_M[0] <= length_m <= _THIGH_RANGE_M[1]
