"""A training beside others that compute: does it get its share of the cores?

The share of a training with a thread for every core, beside N neighbours of one thread each, is cores / (cores + N):
the system deals out its time by thread. What a training of one thread gets is shown beside it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.processes import in_fresh_process
from benchmarks.random_training import Training
from benchmarks.report import Measurement, median_and_spread
from wsgcn.model.runtime import prepare
from wsgcn.running.params import read_params

_POSES, _STEPS = 20_000, 2
_NEIGHBOURS = (0, 1, 2, 3)
_ROUNDS, _SETTLE_S, _TRAINING_S = 5, 0.3, 2.0
_LEAST_SHARE = 0.8

Rates = dict[int, list[float]]  # steps a second, by the number of neighbours


def measure() -> list[Measurement]:
    rates, single = in_fresh_process(_rates, 0), in_fresh_process(_rates, 1)
    cores = len(os.sched_getaffinity(0))
    alone = median_and_spread(rates[0])[0]
    rows = [_row("default training step, alone", rates[0])]
    for count in _NEIGHBOURS[1:]:
        share = cores / (cores + count)
        value, (least, most) = median_and_spread([rate / (share * alone) for rate in rates[count]])
        rows.append(_row(f"beside {count}", rates[count]))
        rows.append(
            Measurement(
                f"beside {count}, over its share of that alone",
                value,
                "",
                (least, most),
                f">= {_LEAST_SHARE:g}",
                value >= _LEAST_SHARE,
                f"{cores} of {cores + count}",
            )
        )
    rows += [_row(f"with runtime.threads=1, beside {count}", single[count]) for count in _NEIGHBOURS]
    return rows


def _row(what: str, rates: list[float]) -> Measurement:
    value, spread = median_and_spread(rates)
    return Measurement(what, value, "steps/s", spread)


def _rates(threads: int) -> Rates:
    """Of the warm-up's step at the sizes in params.yaml; all numbers of neighbours by turns."""
    params = read_params()
    device = prepare(params.runtime.model_copy(update={"device": "cpu", "threads": threads}))
    if not threads:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    run = Training(params, "warm-up", "float32", device, labelled=_POSES, unlabelled=_POSES).runner(is_captured=False)
    run(_STEPS)
    rates: Rates = {count: [] for count in _NEIGHBOURS}
    for _ in range(_ROUNDS):
        for count in _NEIGHBOURS:
            with _neighbours(count):
                steps, started = 0, time.perf_counter()
                while time.perf_counter() - started < _TRAINING_S:
                    run(_STEPS)
                    steps += _STEPS
                rates[count].append(steps / (time.perf_counter() - started))
    return rates


@contextmanager
def _neighbours(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(_SETTLE_S)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
