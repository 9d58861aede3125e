from pathlib import Path

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.video import limits
from wsgcn.video.timing import rows_of

PATH = Path("a.mp4")


def test_frames_at_a_constant_rate_are_the_rows():
    rows = rows_of(PATH, 0.5 + np.arange(100) / 25, 25.0)
    assert (rows.fps, rows.is_variable, rows.is_timed) == (25, False, True)
    np.testing.assert_array_equal(rows.before, np.arange(100))
    np.testing.assert_array_equal(rows.of(np.arange(100.0)), np.arange(100))


@pytest.mark.parametrize("fps", [23.976, 29.97, 30, 59.94, 240])
def test_times_in_whole_milliseconds_are_still_a_constant_rate(fps):
    times = np.round(np.arange(5000) / fps, 3)
    for declared in (fps, None, 1000.0):
        rows = rows_of(PATH, times, declared)
        assert rows.fps == pytest.approx(fps, rel=1e-4)
        assert (len(rows.before), rows.is_variable) == (5000, False)


def test_frames_that_are_left_out_are_rows_without_one():
    kept = np.array([0, 1, 2, 5, 6, 9])
    rows = rows_of(PATH, kept / 30, 30.0)
    assert not rows.is_variable
    np.testing.assert_array_equal(rows.of(kept.astype(float)), [0, 1, 2, np.nan, np.nan, 5, 6, np.nan, np.nan, 9])


def test_with_a_variable_rate_rows_lie_between_the_frames_in_time():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([0.033, 0.045, 0.052], 300))
    rows = rows_of(PATH, times, 24.7)
    assert rows.is_variable
    assert rows.fps == pytest.approx(1 / np.median(np.diff(times)), abs=0.01)
    moving = np.stack([times, 3 - 2 * times], axis=-1)  # at a constant speed: each row knows its own time
    at_rows = rows.of(moving)
    expected = times[0] + np.arange(len(at_rows)) / rows.fps
    np.testing.assert_allclose(at_rows, np.stack([expected, 3 - 2 * expected], axis=-1), atol=1e-9)
    assert times[-1] - 1 / rows.fps < at_rows[-1, 0] <= times[-1] + 1e-9


def test_nothing_is_made_up_over_a_long_pause_or_beside_a_frame_without_anybody():
    times = np.array([0, 0.033, 0.08, 0.113, 2.013, 2.06, 2.093])
    values = np.array([0, 1, np.nan, 3, 4, 5, 6.0])
    rows = rows_of(PATH, times, None)
    assert rows.is_variable
    at = times[0] + np.arange(len(rows.before)) / rows.fps
    between = rows.of(values)
    assert np.isnan(between[(at > 0.14) & (at < 1.99)]).all()
    assert np.isnan(between[(at > 0.04) & (at < 0.11)]).all()
    assert np.isfinite(between[at > 2.014]).all()
    assert between[0] == 0


def test_a_rate_that_is_given_numbers_the_frames():
    rows = rows_of(PATH, np.arange(8) / 30, 30.0, fps=240)
    assert (rows.fps, len(rows.before), rows.is_variable, rows.is_timed) == (240, 8, False, False)


@pytest.mark.parametrize("times", [[np.nan, np.nan, np.nan], [0, 0, 0], [0, 2, 1], [5]])
def test_without_times_that_go_on_the_declared_rate_counts(times):
    rows = rows_of(PATH, np.array(times, dtype=float), 30.0)
    assert (rows.fps, len(rows.before)) == (30, len(times))
    with pytest.raises(InputError, match=r"a\.mp4: does not say how many frames it has a second; give --fps"):
        rows_of(PATH, np.array(times, dtype=float), None)


def test_times_far_apart_are_not_filled_with_rows():
    with pytest.raises(InputError, match=f"lasts 1e\\+09 s .* the limit is {limits.FRAMES:,} frames"):
        rows_of(PATH, np.array([0, 0.04, 0.08, 1e9]), None)
