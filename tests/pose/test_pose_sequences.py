import numpy as np
import pytest

from wsgcn.pose.sequences import run_ends


@pytest.mark.parametrize(
    ("dropped", "ends"),
    [
        ((), [0, 10]),
        ((0, 1), [0, 10]),
        ((4,), [0, 4, 10]),
        ((4, 5, 6), [0, 4, 10]),
        ((4, 8), [0, 4, 7, 10]),
        ((10, 11), [0, 10]),
        ((9, 11), [0, 9, 10]),
    ],
)
def test_runs_end_where_frames_were_dropped(dropped, ends):
    assert run_ends(10, dropped).tolist() == ends
    kept = np.setdiff1d(np.arange(10 + len(dropped)), dropped)
    assert (np.flatnonzero(np.diff(kept) != 1) + 1).tolist() == ends[1:-1]
