import math

import numpy as np
import pytest

from wsgcn.video.one_euro import OneEuroFilter


def literal_filter(times, values, scale, min_cutoff, beta):
    """One value, as the paper has it."""

    def alpha(cutoff, step):
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / step)

    filtered, smooth, speed = [], None, 0.0
    for index, value in enumerate(values):
        if smooth is None:
            smooth = value
        else:
            step = times[index] - times[index - 1]
            new_speed = (value - values[index - 1]) / scale / step
            speed = alpha(1.0, step) * new_speed + (1 - alpha(1.0, step)) * speed
            share = alpha(min_cutoff + beta * abs(speed), step)
            smooth = share * value + (1 - share) * smooth
        filtered.append(smooth)
    return filtered


def test_each_value_is_filtered_as_in_the_literal_form():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.08, 60))
    values = np.cumsum(rng.normal(0, 5, (60, 2, 2)), axis=0)
    one_euro = OneEuroFilter(0.01, 10.0)
    filtered = np.array([one_euro(time, value, 80.0) for time, value in zip(times, values, strict=True)])
    for place in np.ndindex(2, 2):
        expected = literal_filter(times.tolist(), values[(slice(None), *place)].tolist(), 80.0, 0.01, 10.0)
        np.testing.assert_allclose(filtered[(slice(None), *place)], expected, rtol=1e-12)


def test_rest_is_held_and_fast_movement_passes():
    rng = np.random.default_rng(0)
    noisy = 100 + rng.normal(0, 1, 200)
    one_euro = OneEuroFilter(0.01, 10.0)
    held = np.array([one_euro(t / 30, np.array(v), 300.0) for t, v in enumerate(noisy)])
    assert held[100:].std() < 0.2 * noisy.std()
    moved = [one_euro((200 + t) / 30, np.array(100 + 60.0 * t), 300.0) for t in range(30)]
    assert moved[-1] == pytest.approx(100 + 60 * 29, abs=60)
