"""Who is who from frame to frame, in files without tracks: by where they are.

From one frame to the next people are assigned to each other so that the sum of their distances is smallest
(`wsgcn.base.assignment`). The distance of two is the mean over their joints, in extents of the body, so that
those near the camera may move further. Who is farther than a step is somebody new; who is not seen for a while is gone.
"""

import numpy as np

from wsgcn.base.assignment import assign

MOST_PEOPLE = 500  # in a frame; the time of an assignment grows with the cube of it
# A runner moves by a quarter of their height in a frame at 30 frames a second, and hidden people move unseen.
_STEP, _STEP_A_FRAME, _LONGEST_STEP = 0.5, 0.25, 2.0
_MEMORY = 90  # frames that somebody may be out of sight
_FARTHEST = 1e9  # no picture is as large, and distances stay numbers
JOINTS = 25  # the first of them; those of faces and hands come last, and tell nobody apart


def continued(frames_N: np.ndarray, points_NK2: np.ndarray, scores_N: np.ndarray) -> np.ndarray:
    """The number of the person that each of N instances is, (N,) int32; 0 has the largest sum of scores, and so on.

    Args:
        frames_N: their frames; of equals, with at most `MOST_PEOPLE` for each.
        points_NK2: their joints, in any unit; NaN where missing.
        scores_N: of the whole instance.
    """
    scores_N = np.nan_to_num(scores_N.astype(np.float64), posinf=0, neginf=0)
    rows_N = np.lexsort((-scores_N, frames_N))
    starts = np.flatnonzero(np.diff(frames_N[rows_N], prepend=frames_N[rows_N[0]] - 1))
    ids_N = np.zeros(len(rows_N), dtype=np.int32)
    if len(starts) == len(rows_N):  # never more than one: somebody, with holes
        return ids_N
    known = _Known()
    for rows in np.split(rows_N, starts[1:]):
        places_NK2 = points_NK2[rows, :JOINTS].astype(np.float32)
        places_NK2[~(np.abs(places_NK2) < _FARTHEST)] = np.nan
        ids_N[rows] = known.assign(int(frames_N[rows[0]]), places_NK2)
    totals = np.bincount(ids_N, weights=scores_N)
    place = np.empty(len(totals), dtype=np.int32)
    place[np.argsort(-totals, kind="stable")] = np.arange(len(totals))
    return np.asarray(place[ids_N])


class _Known:
    """The M people who were seen lately: number, last frame, joints and extent there."""

    def __init__(self) -> None:
        self._count = 0
        self._ids_M = np.zeros(0, dtype=np.int32)
        self._frames_M = np.zeros(0, dtype=np.int64)
        self._points_MK2 = np.zeros((0, 0, 2), dtype=np.float32)
        self._extents_M = np.zeros(0)

    def assign(self, frame: int, points_NK2: np.ndarray) -> np.ndarray:
        """The numbers (N,) of the people of a frame, who are the known ones from then on."""
        if not len(self._ids_M):
            self._points_MK2 = points_NK2[:0]
        extents_N = _extents(points_NK2)
        steps_M = np.minimum(_STEP + _STEP_A_FRAME * (frame - self._frames_M), _LONGEST_STEP)
        cost_NM = self._distances(points_NK2, extents_N) / steps_M
        n, m = assign(cost_NM)  # the surer ones stand first
        ids_N = np.full(len(points_NK2), -1, dtype=np.int32)
        ids_N[n] = self._ids_M[m]
        new = ids_N < 0
        ids_N[new] = self._count + np.arange(new.sum())
        self._count += int(new.sum())
        self._remember(frame, ids_N, points_NK2, extents_N, np.delete(np.arange(len(self._ids_M)), m))
        return ids_N

    def _distances(self, points_NK2: np.ndarray, extents_N: np.ndarray) -> np.ndarray:
        """(N, M); that of a step where they share no joint."""
        x_NMK, y_NMK = (points_NK2[:, None, :, axis] - self._points_MK2[None, :, :, axis] for axis in (0, 1))
        apart_NMK = np.hypot(x_NMK, y_NMK)
        known_NMK = np.isfinite(apart_NMK)
        count_NM = known_NMK.sum(-1)
        sum_NM = apart_NMK.sum(-1, where=known_NMK, dtype=np.float64)
        extent_NM = np.maximum(np.maximum(extents_N[:, None], self._extents_M[None]), 1e-9)
        return np.where(count_NM > 0, sum_NM / np.maximum(count_NM, 1) / extent_NM, _STEP)

    def _remember(
        self, frame: int, ids_N: np.ndarray, points_NK2: np.ndarray, extents_N: np.ndarray, unseen: np.ndarray
    ) -> None:
        unseen = unseen[frame - self._frames_M[unseen] <= _MEMORY][:MOST_PEOPLE]  # the latest stand first
        self._ids_M = np.concatenate([ids_N, self._ids_M[unseen]])
        self._frames_M = np.concatenate([np.full(len(ids_N), frame), self._frames_M[unseen]])
        self._points_MK2 = np.concatenate([points_NK2, self._points_MK2[unseen]])
        self._extents_M = np.concatenate([extents_N, self._extents_M[unseen]])


def _extents(points_NK2: np.ndarray) -> np.ndarray:
    """(N,) diagonals of the boxes around their joints; 0 without any."""
    there = np.isfinite(points_NK2)
    low = np.where(there, points_NK2, np.inf).min(1)
    high = np.where(there, points_NK2, -np.inf).max(1)
    return np.linalg.norm(np.maximum(high - low, 0).astype(np.float64), axis=-1)
