import math
from itertools import pairwise

import pytest

from tests.tiny import tiny_params
from wsgcn.training.schedule import learning_rate


def settings(**changes):
    return tiny_params(**{f"training__{name}": value for name, value in changes.items()}).training


def test_the_staircase_falls_at_its_steps_whatever_the_length():
    stairs = settings(learning_rate=0.8, decay_factor=0.5, decay_steps=10)
    assert [learning_rate(stairs, step, 7) for step in (0, 9, 10, 19, 20)] == [0.8, 0.8, 0.4, 0.4, 0.2]


def test_the_cosine_starts_at_the_rate_has_half_of_it_in_the_middle_and_ends_at_its_share():
    cosine = settings(learning_rate=0.01, schedule="cosine", final_share=0.1)
    rates = [learning_rate(cosine, step, 100) for step in range(131)]
    assert rates[0] == 0.01
    assert rates[50] == pytest.approx(0.01 * (1 + 0.1) / 2)
    assert rates[25] == pytest.approx(0.01 * (0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2))
    assert rates[100:] == pytest.approx([0.001] * 31)
    assert all(later < earlier for earlier, later in pairwise(rates[:101]))


@pytest.mark.parametrize("schedule", ["staircase", "cosine"])
def test_the_start_is_linear_and_then_the_schedules_own(schedule):
    plain, rising = settings(schedule=schedule), settings(schedule=schedule, warmup_steps=4)
    shares = [learning_rate(rising, step, 100) / learning_rate(plain, step, 100) for step in range(7)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1])
