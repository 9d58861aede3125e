"""Frames a second: a clip of one rate, lifted by a network over time that has learnt another.

2D is interpolated at the times of the network's frames, and what is lifted at the times of the clip's. Both are linear,
and the network's frames are counted from the time of frame 0, so that a piece of a clip is seen as it is in the whole.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

Lift = Callable[[np.ndarray, Sequence[int]], np.ndarray]  # from 2D and `breaks`, as of `wsgcn.model.predict`


def lift_at_rate(
    lift: Lift, keypoints_NJ2: np.ndarray, frames_N: np.ndarray, fps: float | None, wanted_fps: float | None
) -> np.ndarray:
    """Lift frames as if they came at another rate.

    Args:
        frames_N: their numbers, ascending; nothing is seen across a number that is left out.
        fps: of the clip; None: the wanted rate.
        wanted_fps: of the network; None lifts the frames as they are.

    Returns:
        (N, J, 3) float32.
    """
    breaks = (np.flatnonzero(np.diff(frames_N) != 1) + 1).tolist()
    if fps is None or wanted_fps is None or not len(frames_N):
        return lift(keypoints_NJ2, breaks)
    there, back, sizes = [], [], []
    for first, last in pairwise([0, *breaks, len(frames_N)]):
        moments = frames_N[first:last] * (wanted_fps / fps)  # of the clip's frames, in frames of the network
        ticks = np.arange(np.floor(moments[0]), np.ceil(moments[-1]) + 1)
        there.append(interpolated(keypoints_NJ2[first:last], ticks * (fps / wanted_fps) - frames_N[first]))
        back.append(moments - ticks[0])
        sizes.append(len(ticks))
    ends = np.cumsum(sizes).tolist()
    lifted_MJ3 = lift(np.concatenate(there), ends[:-1])
    starts = [0, *ends[:-1]]
    parts = [interpolated(lifted_MJ3[s:e], at) for s, e, at in zip(starts, ends, back, strict=True)]
    return np.concatenate(parts).astype(np.float32)


def interpolated(values_T: np.ndarray, at_M: np.ndarray) -> np.ndarray:
    """Values (T, ...) at places between them, (M, ...): linear, and beyond the ends the first and the last."""
    at_M = at_M.clip(0, len(values_T) - 1)
    before_M = np.floor(at_M).astype(np.int64)
    after_M = np.minimum(before_M + 1, len(values_T) - 1)
    share_M = (at_M - before_M).reshape(-1, *[1] * (values_T.ndim - 1))
    return ((1 - share_M) * values_T[before_M] + share_M * values_T[after_M]).astype(values_T.dtype)
