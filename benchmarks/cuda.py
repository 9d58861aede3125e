"""Training on a CUDA device at Human3.6M's size: steps a second and their floor, the schedule, several at once.

On a machine with a GPU: python -m benchmarks cuda
"""

import math
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from threading import Barrier
from typing import get_args

import torch

from benchmarks.random_training import STAGES, Products, Training
from benchmarks.recipes import published_params
from benchmarks.report import Measurement, median_and_spread, seconds
from wsgcn.model.networks import build_network, count_parameters
from wsgcn.model.params import Precision
from wsgcn.model.runtime import prepare, tf32_products

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# Poses of S1 and of S5-S8 that make an epoch 4,100 steps of 256 + 256, as in the published schedule.
_LABELLED, _UNLABELLED = 250_000, 4_100 * 256
_PUBLISHED_EPOCHS = {"warm-up": 20, "weak": 80}
_GOAL_MINUTES = 5

_STEPS = {True: 400, False: 100}  # of a timed run, captured or not
_REPEATS = 5
_PROCESSES = (1, 2, 4)
_PRODUCT_SIZE, _COPY_BYTES, _KERNEL_REPEATS = 8192, 2**30, 10
_FLOAT32_BYTES = 4
_ADAM_PASSES = 7  # reads weight, gradient and two moments; writes weight and moments


def measure() -> list[Measurement]:
    if not torch.cuda.is_available():
        return [Measurement("training on CUDA", math.nan, "", note="not measured: no CUDA device")]
    params = published_params()
    device = prepare(params.runtime.model_copy(update={"device": "cuda"}))
    copy_rate = _copy_bytes_per_s(device)
    rows = [Measurement("copying within the GPU", copy_rate / 1e9, "GB/s", note="read and written")]
    for precision in PRECISIONS:
        product_rate = _product_flop_per_s(device, precision)
        rows.append(Measurement(f"large products, {precision}", product_rate / 1e12, "TFLOP/s"))
        schedule_s = 0.0
        for stage in STAGES:
            training = Training(params, stage, precision, device, _LABELLED, _UNLABELLED)
            floor_s, note = _floor(training, product_rate, copy_rate)
            for is_captured in (True, False):
                rate, spread = median_and_spread(_rates(training, is_captured))
                name = f"{stage}, {precision}, {'captured' if is_captured else 'not captured'}"
                rows.append(
                    Measurement(name, rate, "steps/s", spread, note=f"floor {1 / floor_s:,.0f} steps/s: {note}")
                )
                if is_captured:
                    schedule_s += _PUBLISHED_EPOCHS[stage] * training.sets.steps_per_epoch / rate
        minutes = schedule_s / 60
        rows.append(
            Measurement(
                f"published schedule, {precision}",
                minutes,
                "min",
                goal=f"< {_GOAL_MINUTES} min",
                met=minutes < _GOAL_MINUTES,
                note=f"20 + 80 epochs of {training.sets.steps_per_epoch:,} captured steps at the rates above",
            )
        )
    return rows + _processes_at_once()


def _rates(training: Training, is_captured: bool) -> list[float]:
    """Steps a second of each of several runs."""
    run, steps = training.runner(is_captured), _STEPS[is_captured]
    run(steps)
    return [steps / seconds(lambda: run(steps)) for _ in range(_REPEATS)]


def _floor(training: Training, product_flop_per_s: float, copy_bytes_per_s: float) -> tuple[float, str]:
    """The least seconds of a step at the device's measured rates, and what that counts, as text.

    A matrix product takes as long as its operations, or as reading its factors and writing its result, whichever
    is more. Adam reads and writes every parameter and its moments. All else is counted as free.
    """
    with Products() as products:
        training.runner(is_captured=False)(1)
    parameters = count_parameters(build_network(training.skeleton, training.params.model, 0))
    adam_bytes = _ADAM_PASSES * _FLOAT32_BYTES * parameters
    product_s = sum(max(flop / product_flop_per_s, size / copy_bytes_per_s) for flop, size in products.counted)
    flop, size = (sum(column) for column in zip(*products.counted, strict=True))
    counted = f"{len(products.counted)} products and Adam"
    note = f"{flop / 1e9:.1f} GFLOP and {(size + adam_bytes) / 1e6:.0f} MB in {counted}"
    return product_s + adam_bytes / copy_bytes_per_s, note


def _product_flop_per_s(device: torch.device, precision: Precision) -> float:
    a, b = (torch.randn(_PRODUCT_SIZE, _PRODUCT_SIZE, device=device) for _ in range(2))
    with tf32_products(precision == "tf32"):
        return 2 * _PRODUCT_SIZE**3 / _kernel_s(lambda: torch.mm(a, b))


def _copy_bytes_per_s(device: torch.device) -> float:
    a, b = (torch.zeros(_COPY_BYTES, dtype=torch.uint8, device=device) for _ in range(2))
    return 2 * _COPY_BYTES / _kernel_s(lambda: b.copy_(a))


def _kernel_s(launch: Callable[[], object]) -> float:
    """Seconds of one of several launches in a row, after a first one."""

    def launches() -> None:
        for _ in range(_KERNEL_REPEATS):
            launch()
        torch.cuda.synchronize()

    launches()
    return median_and_spread([seconds(launches) for _ in range(_REPEATS)])[0] / _KERNEL_REPEATS


def _processes_at_once() -> list[Measurement]:
    """Poses a second of several weak stages that share the device."""
    rows: list[Measurement] = []
    context = multiprocessing.get_context("spawn")
    for count in _PROCESSES:
        with context.Manager() as manager, ProcessPoolExecutor(count, mp_context=context) as pool:
            start = manager.Barrier(count)
            runs = [future.result() for future in [pool.submit(_train_at, start) for _ in range(count)]]
        began, ended = min(run[0] for run in runs), max(run[1] for run in runs)
        poses_per_s = sum(run[2] for run in runs) / (ended - began)
        alone = rows[0].value if rows else math.nan
        rows.append(
            Measurement(
                f"weak, float32, {count} {'process' if count == 1 else 'processes at once'}",
                poses_per_s,
                "poses/s",
                goal="> one alone" if rows else "",
                met=poses_per_s > alone if rows else None,
                note="in total" if rows else "",
            )
        )
    return rows


def _train_at(start: Barrier) -> tuple[float, float, int]:
    """One of the processes: when its steps began and ended, and how many poses they took."""
    params = published_params()
    device = prepare(params.runtime.model_copy(update={"device": "cuda"}))
    training = Training(params, "weak", "float32", device, _LABELLED, _UNLABELLED)
    run, steps = training.runner(is_captured=True), _REPEATS * _STEPS[True]
    run(_STEPS[True])
    start.wait()
    began = time.time()
    run(steps)
    return began, time.time(), steps * training.poses_per_step


if __name__ == "__main__":
    for measurement in measure():
        print(measurement)
