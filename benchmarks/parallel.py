"""Experiments of DVC's queue side by side against one after the other, and two trainings that share the machine."""

import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from benchmarks.capture import full_size_params
from benchmarks.clone import call, tiny_clone
from benchmarks.processes import in_fresh_process
from benchmarks.random_training import Training
from benchmarks.report import Measurement, median_and_spread
from wsgcn.model.runtime import prepare

_RATES = ("0.002", "0.003")  # of learning: an experiment each
_LONGEST_S = 600.0

_POSES = 20_000
_STEPS = 2  # at a time
_READY_S, _TRAINING_S, _REPEATS = 20.0, 10.0, 3
_LEAST_SHARE = 0.8

Outputs = dict[str, dict[str, str]]  # MD5 by path, by experiment


def measure() -> list[Measurement]:
    with tiny_clone() as project:
        one_s, one_outputs = _queue(project, jobs=1)
        two_s, two_outputs = _queue(project, jobs=2)
    is_same = one_outputs == two_outputs
    alone, alone_spread = _total_rate(processes=1, threads=0)
    together, together_spread = _total_rate(processes=2, threads=0)
    single, single_spread = _total_rate(processes=2, threads=1)
    least = f">= {_LEAST_SHARE:g}"
    return [
        Measurement(
            "two experiments, queue -j 1 over -j 2",
            one_s / two_s,
            "",
            note=f"{one_s:.0f} s and {two_s:.0f} s, of tiny trainings, so mostly start-up; one run each",
        ),
        Measurement(
            "their outputs under -j 1 and -j 2",
            float(is_same),
            "",
            goal="the same",
            met=is_same,
            note="1: MD5 of every output in dvc.lock",
        ),
        Measurement("weak steps a second of one training", alone, "1/s", alone_spread),
        Measurement(
            "two at once in total, over one alone",
            together / alone,
            "",
            (together_spread[0] / alone, together_spread[1] / alone),
            least,
            together / alone >= _LEAST_SHARE,
            "default threads in each",
        ),
        Measurement(
            "the same with runtime.threads=1 in each",
            single / alone,
            "",
            (single_spread[0] / alone, single_spread[1] / alone),
            least,
            single / alone >= _LEAST_SHARE,
        ),
    ]


def _queue(project: Path, jobs: int) -> tuple[float, Outputs]:
    """Run the experiments; seconds from start to the last result, and what they made."""
    shutil.rmtree(project / ".dvc" / "cache" / "runs", ignore_errors=True)  # from which DVC would take the results
    for rate in _RATES:
        call(project, "dvc", "exp", "run", "--queue", "--name", _name(rate), "-S", f"training.learning_rate={rate}")
    started = time.perf_counter()
    try:
        call(project, "dvc", "queue", "start", "-j", str(jobs))
        while len(refs := _experiments(project)) < len(_RATES):
            if time.perf_counter() - started > _LONGEST_S:
                raise RuntimeError(
                    f"the queue is not done after {_LONGEST_S:.0f} s: {call(project, 'dvc', 'queue', 'status')}"
                )
            time.sleep(0.25)
        elapsed_s = time.perf_counter() - started
    finally:
        call(project, "dvc", "queue", "stop", "--kill")
    outputs = {name: _outputs(call(project, "git", "show", f"{ref}:dvc.lock")) for name, ref in refs.items()}
    call(project, "dvc", "exp", "remove", *refs)
    return elapsed_s, outputs


def _name(rate: str) -> str:
    return f"rate-{rate.replace('.', '-')}"


def _experiments(project: Path) -> dict[str, str]:
    """The refs of the experiments that are done, by name."""
    refs = call(project, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    wanted = {_name(rate) for rate in _RATES}
    return {name: ref for ref in sorted(refs) if (name := ref.rpartition("/")[2]) in wanted}


def _outputs(lock: str) -> dict[str, str]:
    stages: dict[str, Any] = yaml.safe_load(lock)["stages"]
    outs = (out for stage in stages.values() for out in stage["outs"])
    return {out["path"]: out["md5"] for out in outs}


def _total_rate(processes: int, threads: int) -> tuple[float, tuple[float, float]]:
    """Steps a second of all processes together; median, least and most."""
    totals = []
    for _ in range(_REPEATS):
        start = time.time() + _READY_S  # when all have loaded and warmed up
        with ThreadPoolExecutor(processes) as pool:
            rates = [pool.submit(in_fresh_process, _rate, start, threads) for _ in range(processes)]
            totals.append(math.fsum(rate.result() for rate in rates))
    return median_and_spread(totals)


def _rate(start: float, threads: int) -> float:
    """Weak steps a second from a point in time on, at the sizes in params.yaml, on random poses."""
    params = full_size_params()
    device = prepare(params.runtime.model_copy(update={"threads": threads}))
    run = Training(params, "weak", "float32", device, labelled=_POSES, unlabelled=_POSES).runner(is_captured=False)
    run(_STEPS)
    assert time.time() < start, "the machine was too slow to be ready in time"
    time.sleep(start - time.time())
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < _TRAINING_S:
        run(_STEPS)
        steps += _STEPS
    return steps / (time.perf_counter() - started)
