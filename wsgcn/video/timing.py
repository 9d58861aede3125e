"""From the times at which frames are shown to rows at a constant rate, which is what a track has."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.video import limits

_TOLERANCE_S = 0.0015  # containers round times to milliseconds
_TOLERANCE = 0.4  # and of a frame, at most
_LONGEST_PAUSE_S = 0.5  # between two frames, over which nothing is interpolated


@dataclass(frozen=True)
class Rows:
    """Rows at a constant rate, each between two frames.

    Attributes:
        fps: rows a second.
        before, after: (T,) indices of the two frames, the same where a frame lies on the row; -1 where there is none.
        share: (T,) how far the row lies from the first to the second, 0 to 1.
        is_variable: whether the film's frame rate is variable, so that rows lie between frames.
        is_timed: whether row n is the film n / fps seconds after its first frame; otherwise it is its frame n.
    """

    fps: float
    before: np.ndarray
    after: np.ndarray
    share: np.ndarray
    is_variable: bool = False
    is_timed: bool = True

    def of(self, values_F: np.ndarray) -> np.ndarray:
        """(T, ...) the rows of something that each frame has, (F, ...); NaN where a frame is missing or has NaN."""
        share = self.share.reshape(-1, *(1,) * (values_F.ndim - 1))
        rows = np.where(
            share > 0, (1 - share) * values_F[self.before] + share * values_F[self.after], values_F[self.before]
        )
        rows[self.before < 0] = np.nan
        return rows


def rows_of(path: Path, times_F: np.ndarray, rate: float | None, fps: float | None = None) -> Rows:
    """The rows of a film.

    With a constant rate each frame is a row, and frames that are left out are rows without one. With a variable rate
    the rows have the rate of the median distance between frames, and lie between them.

    Args:
        path: for messages.
        times_F: (F,) seconds, NaN where the film does not say.
        rate: that the film declares.
        fps: that the user gives: the frames are then taken for equally far apart, as in a film in slow motion.

    Raises:
        InputError: neither times nor rates are known, or the rows would be more than a film may have.
    """
    count = len(times_F)
    if fps is not None:
        return _counted(fps, count)
    if count == 1 or not np.isfinite(times_F).all() or not (np.diff(times_F) > 0).all():
        if rate is None:
            raise InputError(f"{path}: does not say how many frames it has a second; give --fps.")
        return _counted(rate, count)
    span_s, steps_s = times_F[-1] - times_F[0], np.diff(times_F)
    median = 1 / float(np.median(steps_s))
    for candidate in (rate, (count - 1) / span_s, median):
        if candidate is None or not 0.75 < candidate / median < 1.5:  # some containers declare their clock's rate
            continue
        if span_s * candidate >= limits.FRAMES:
            raise InputError(
                f"{path}: lasts {span_s:.6g} s at {candidate:.6g} frames a second; the limit is "
                f"{limits.FRAMES:,} frames."
            )
        places = (times_F - times_F[0]) * candidate
        numbers = np.round(places).astype(np.int64)
        off = np.abs(places - numbers).max()
        if off <= min(_TOLERANCE, _TOLERANCE_S * candidate) and (np.diff(numbers) > 0).all():
            return _numbered(float(candidate), numbers)
    return _between(round(median, 2), times_F)


def _counted(fps: float, count: int) -> Rows:
    index = np.arange(count)
    return Rows(float(fps), index, index, np.zeros(count), is_timed=False)


def _numbered(fps: float, numbers_F: np.ndarray) -> Rows:
    index = np.full(int(numbers_F[-1]) + 1, -1)
    index[numbers_F] = np.arange(len(numbers_F))
    return Rows(float(fps), index, index, np.zeros(len(index)))


def _between(fps: float, times_F: np.ndarray) -> Rows:
    rows_s = times_F[0] + np.arange(int((times_F[-1] - times_F[0]) * fps) + 1) / fps
    before = np.clip(np.searchsorted(times_F, rows_s, side="right") - 1, 0, len(times_F) - 2)
    pause_s = times_F[before + 1] - times_F[before]
    share = np.clip((rows_s - times_F[before]) / pause_s, 0, 1)
    after = before + 1
    is_far = (pause_s > _LONGEST_PAUSE_S) & (share > 0) & (share < 1)
    before[is_far] = after[is_far] = -1
    return Rows(fps, before, after, share, is_variable=True)
