"""What a benchmark reports, on which machine, and how the terminal shows it."""

import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

_PRODUCTS, _PRODUCT_SIZE = 6, 2048  # of square matrices, by which the machine's rate is measured

Spread = tuple[float, float]


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Attributes:
        what: what was measured; of a benchmark's measurements each has its own.
        value: the median of several runs where there is a spread; NaN if it was not measured.
        unit: of the value, "" for a ratio.
        spread: the least and the largest of the runs.
        goal: "< 60 s"; "" where there is none.
        met: whether the value reaches the goal; None where there is none, or nothing was measured.
        note: what is needed to read the figure.
    """

    what: str
    value: float
    unit: str
    spread: Spread | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""


class Row(NamedTuple):
    """A measurement as text; `spread` and `note` may be empty, and so are `goal` and `met` without a goal."""

    benchmark: str
    what: str
    median: str
    spread: str
    goal: str
    met: str
    note: str


_COLUMNS = Row("benchmark", "what", "median", "min to max", "goal", "met", "note")


def median_and_spread(values: Sequence[float]) -> tuple[float, Spread]:
    return statistics.median(values), (min(values), max(values))


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def median_seconds(call: Callable[[], object], repeats: int) -> tuple[float, Spread]:
    """The median, and the least and the largest, of the seconds that a call takes."""
    return median_and_spread([seconds(call) for _ in range(repeats)])


def row_of(benchmark: str, measurement: Measurement) -> Row:
    value = f"{_number(measurement.value)} {measurement.unit}".strip()
    spread = " to ".join(map(_number, measurement.spread)) if measurement.spread else ""
    met = {True: "yes", False: "**no**", None: ""}[measurement.met]
    return Row(benchmark, measurement.what, value, spread, measurement.goal, met, measurement.note)


def table(rows: Sequence[Row]) -> str:
    """The rows of one machine in Markdown."""
    return markdown([_COLUMNS, *rows])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _number(value: float) -> str:
    """Three digits that count, never in powers of ten; '-' for what was not measured."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def processor() -> str:
    """Its name, with its family and model in place of what a virtual machine's "AMD EPYC" leaves open."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    if "model name" not in about:
        return platform.machine()
    name = " ".join(re.sub(r"\((R|TM)\)|\bCPU\b|\bProcessor\b", "", about["model name"]).split())
    return f"{name} (family {about['cpu family']}, model {about['model']})" if "cpu family" in about else name


def describe_machine() -> str:
    """A sentence about the rest of the machine, with its measured rate of large float32 products."""
    import torch

    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "numpy"))
    rates = " and ".join(f"{rate / 1e9:.0f} ({name})" for name, rate in _product_rates().items())
    device = f"{torch.cuda.get_device_name()}; " if torch.cuda.is_available() else ""
    return (
        f"{len(os.sched_getaffinity(0))} cores, {_memory_gb():.0f} GB; {device}"
        f"Python {platform.python_version()}, {versions}; {torch.get_num_threads()} threads; "
        f"large float32 products at {rates} GFLOP/s."
    )


def product_flop_per_s() -> float:
    """Operations a second of large float32 products on the CPU, by the library that is faster at them."""
    return max(_product_rates().values())


def _product_rates() -> dict[str, float]:
    """By library: the mean over some products, as a step's rate is over steps."""
    import numpy as np
    import torch

    a_NN = torch.randn(_PRODUCT_SIZE, _PRODUCT_SIZE)
    out_NN = a_NN @ a_NN
    a, out = a_NN.numpy(), out_NN.numpy()
    calls: dict[str, Callable[[], object]] = {
        "torch's": lambda: torch.mm(a_NN, a_NN, out=out_NN),
        "numpy's": lambda: np.matmul(a, a, out=out),
    }
    return {
        name: _PRODUCTS * 2 * _PRODUCT_SIZE**3 / seconds(lambda call=call: [call() for _ in range(_PRODUCTS)])  # type: ignore[misc]
        for name, call in calls.items()
    }


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
