"""A process of its own for what is measured: its imports, threads and peak of memory are then nobody else's."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import ParamSpec, TypeVar

from benchmarks.report import Measurement

P = ParamSpec("P")
Result = TypeVar("Result")

_KIBIBYTE = 2**10
_GIGABYTE = 1e9


def in_fresh_process(function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Call a function of a module in a new interpreter; what it returns or raises comes back.

    Raises:
        BrokenProcessPool: the process died.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def measure(benchmark: str) -> list[Measurement]:
    """What a benchmark, a module of this package, measures."""
    measured: list[Measurement] = import_module(f"benchmarks.{benchmark}").measure()
    return measured


def memory_gb(what: str) -> float:
    """Memory of this process on Linux: "VmRSS" in use now, "VmHWM" the largest so far.

    getrusage's peak is no use: it starts with that of the process from which this one was forked.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith(f"{what}:"))
    return int(line.split()[1]) * _KIBIBYTE / _GIGABYTE
