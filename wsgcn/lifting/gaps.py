"""Holes in tracks: filling the short ones by interpolation in time, and smoothing what has none.

Both look a limited number of frames around them, so that long tracks can be worked on in overlapping pieces.
"""

import numpy as np


def fill_gaps(frames_T: np.ndarray, points_TJC: np.ndarray, max_gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill missing points (NaN) between two known ones, linearly in time.

    Args:
        frames_T: frame numbers, ascending; numbers that are skipped count as missing frames.
        max_gap: the most frames in a row that are filled; longer gaps, and those at either end, stay NaN.

    Returns:
        The points, and (T, J) bool, which of them were filled.
    """
    known_TJ = ~np.isnan(points_TJC).any(-1)
    rows_T1 = np.arange(len(frames_T))[:, None]
    before_TJ = np.maximum.accumulate(np.where(known_TJ, rows_T1, -1), axis=0)
    after_TJ = np.minimum.accumulate(np.where(known_TJ, rows_T1, len(frames_T))[::-1], axis=0)[::-1]
    inside_TJ = ~known_TJ & (before_TJ >= 0) & (after_TJ < len(frames_T))
    t, j = np.nonzero(inside_TJ)
    before, after = before_TJ[t, j], after_TJ[t, j]
    short = frames_T[after] - frames_T[before] - 1 <= max_gap
    t, j, before, after = t[short], j[short], before[short], after[short]
    share = ((frames_T[t] - frames_T[before]) / (frames_T[after] - frames_T[before]))[:, None]
    filled = points_TJC.copy()
    filled[t, j] = (1 - share) * points_TJC[before, j] + share * points_TJC[after, j]
    is_filled_TJ = np.zeros_like(known_TJ)
    is_filled_TJ[t, j] = True
    return filled, is_filled_TJ


def smooth(frames_T: np.ndarray, values: np.ndarray, window: int) -> np.ndarray:
    """Savitzky-Golay filter of second order over each run of consecutive frames without NaN.

    Runs that are shorter than the window stay as they are.

    Args:
        values: (T, ...); NaN marks a missing frame.
        window: frames, odd, at least 3.
    """
    from scipy.signal import savgol_filter  # half a second to import, and rarely wanted

    smoothed = values.copy()
    missing_T = np.isnan(values).reshape(len(values), -1).any(-1)
    breaks = missing_T[1:] | missing_T[:-1] | (np.diff(frames_T) != 1)
    edges = np.concatenate([[0], np.flatnonzero(breaks) + 1, [len(values)]])
    starts, stops = edges[:-1], edges[1:]
    wanted = (stops - starts >= window) & ~missing_T[starts]
    for start, stop in zip(starts[wanted].tolist(), stops[wanted].tolist(), strict=True):
        smoothed[start:stop] = savgol_filter(values[start:stop], window, 2, axis=0)
    return smoothed
