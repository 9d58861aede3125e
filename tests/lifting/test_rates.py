import numpy as np

from wsgcn.lifting.rates import interpolated, lift_at_rate


def motion(seconds_N):
    """2D of a joint that moves smoothly."""
    return np.stack((np.sin(seconds_N), np.cos(2 * seconds_N)), -1)[:, None].astype(np.float32)


class Recorder:
    """Lifts every joint to z = 1, and keeps what it was given."""

    def __call__(self, keypoints_NJ2, breaks):
        self.given, self.breaks = keypoints_NJ2, list(breaks)
        return np.concatenate((keypoints_NJ2, np.ones_like(keypoints_NJ2[..., :1])), -1)


def test_the_network_sees_its_own_rate_and_the_clip_gets_its_own_frames():
    lift, frames = Recorder(), np.arange(100)
    lifted = lift_at_rate(lift, motion(frames / 25), frames, 25.0, 50.0)
    assert len(lift.given) == 199
    np.testing.assert_allclose(lift.given, motion(np.arange(199) / 50), atol=1e-3)
    np.testing.assert_allclose(lifted[..., :2], motion(frames / 25), atol=1e-6)
    lifted = lift_at_rate(lift, motion(frames / 30), frames, 30.0, 50.0)
    assert len(lift.given) == 166
    np.testing.assert_allclose(lifted[..., :2], motion(frames / 30), atol=1e-3)


def test_frames_that_are_left_out_are_breaks():
    lift, frames = Recorder(), np.array([3, 4, 5, 9, 10])
    lift_at_rate(lift, motion(frames / 25), frames, 25.0, None)
    assert (lift.breaks, len(lift.given)) == ([3], 5)
    lifted = lift_at_rate(lift, motion(frames / 25), frames, 25.0, 50.0)
    assert (lift.breaks, len(lift.given)) == ([5], 8)
    np.testing.assert_allclose(lifted[..., :2], motion(frames / 25), atol=1e-6)


def test_a_piece_is_seen_as_in_the_whole():
    whole, piece, frames = Recorder(), Recorder(), np.arange(1000)
    keypoints = motion(frames / 30)
    lift_at_rate(whole, keypoints, frames, 30.0, 50.0)
    lift_at_rate(piece, keypoints[301:500], frames[301:500], 30.0, 50.0)
    first = int(np.floor(301 * 50 / 30))
    np.testing.assert_array_equal(piece.given[1:-1], whole.given[first + 1 : first + len(piece.given) - 1])


def test_beyond_the_ends_the_ends_stay():
    values = np.array([[1.0], [3.0]])
    assert interpolated(values, np.array([-1, 0, 0.25, 1, 9]))[:, 0].tolist() == [1, 1, 1.5, 3, 3]
