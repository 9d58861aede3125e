import numpy as np
import pytest

from wsgcn.lifting.gaps import fill_gaps, smooth

NAN = np.nan


def points(*values):
    """(T, 1, 2) with the same number for x and y."""
    return np.repeat(np.array(values, dtype=np.float32)[:, None, None], 2, axis=2)


def test_a_short_gap_is_filled_on_the_straight_line_and_marked():
    filled, is_filled = fill_gaps(np.arange(5), points(0, NAN, NAN, NAN, 8), 3)
    assert filled[:, 0, 0].tolist() == [0, 2, 4, 6, 8]
    assert is_filled[:, 0].tolist() == [False, True, True, True, False]


def test_a_gap_longer_than_stated_stays_open():
    filled, is_filled = fill_gaps(np.arange(5), points(0, NAN, NAN, NAN, 8), 2)
    assert np.isnan(filled[1:4]).all()
    assert not is_filled.any()


def test_nothing_is_made_up_before_the_first_and_after_the_last():
    filled, _ = fill_gaps(np.arange(4), points(NAN, 1, 2, NAN), 10)
    assert np.isnan(filled[[0, 3]]).all()


def test_frames_that_are_not_listed_count_as_missing():
    values = points(0, NAN, 8)
    assert fill_gaps(np.array([10, 11, 14]), values, 3)[0][1, 0, 0] == 2
    assert np.isnan(fill_gaps(np.array([10, 11, 14]), values, 2)[0][1]).all()


def test_each_joint_has_its_own_gaps():
    values = np.concatenate([points(0, NAN, 2), points(5, 6, 7), points(NAN, 1, 1)], axis=1)
    filled, is_filled = fill_gaps(np.arange(3), values, 1)
    assert filled[:, :, 0].tolist()[1] == [1, 6, 1]
    assert is_filled.tolist() == [[False, False, False], [True, False, False], [False, False, False]]


def test_no_gap_is_filled_with_max_gap_0():
    assert np.isnan(fill_gaps(np.arange(3), points(0, NAN, 2), 0)[0][1]).all()


def test_smoothing_keeps_a_parabola_and_lessens_noise():
    t = np.arange(40.0)
    parabola = np.stack([t, t**2, 3 - t], axis=-1)[:, None]
    np.testing.assert_allclose(smooth(np.arange(40), parabola, 9), parabola, atol=1e-6)
    noise = np.random.default_rng(0).normal(size=(400, 1, 3))
    assert smooth(np.arange(400), noise, 9).std() < 0.6 * noise.std()


@pytest.mark.parametrize("cut", ["missing", "absent"])
def test_smoothing_does_not_reach_across_a_hole(cut):
    values = np.concatenate([np.zeros((20, 1, 3)), np.ones((20, 1, 3))])
    frames = np.arange(40)
    if cut == "missing":
        values[19] = NAN
    else:
        frames[20:] += 5
    smoothed = smooth(frames, values, 9)
    np.testing.assert_allclose(smoothed[:19], 0, atol=1e-12)
    np.testing.assert_allclose(smoothed[20:], 1)
    assert np.isnan(smoothed[19]).all() == (cut == "missing")


def test_a_run_shorter_than_the_window_stays_as_it_is():
    values = np.random.default_rng(0).normal(size=(8, 2, 3))
    np.testing.assert_array_equal(smooth(np.arange(8), values, 9), values)
