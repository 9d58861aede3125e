"""Frames that cannot be used, and how messages name them."""

from itertools import pairwise

import numpy as np

_RUNS_NAMED = 8  # in a message


def bad_frames(positions_TJC: np.ndarray) -> np.ndarray:
    """(T,) bool: frames in which a coordinate of (T, J, C) is NaN or infinite."""
    return ~np.isfinite(positions_TJC).all(axis=(1, 2))


def describe_frames(chosen_T: np.ndarray) -> str:
    """'frames 3, 17-20 (5 of 110)', counted from 0, for a mask (T,) with at least one; long lists are cut."""
    frames = np.flatnonzero(chosen_T)
    starts = [0, *(index + 1 for index, (a, b) in enumerate(pairwise(frames)) if b > a + 1), len(frames)]
    runs = [(frames[start], frames[end - 1]) for start, end in pairwise(starts)]
    listed = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs[:_RUNS_NAMED])
    listed += ", ..." if len(runs) > _RUNS_NAMED else ""
    return f"frame{'s' if len(frames) > 1 else ''} {listed} ({len(frames)} of {len(chosen_T)})"
