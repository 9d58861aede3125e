"""What a benchmark reports, and how it is shown: one table on the terminal and in docs/performance.md."""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

_COLUMNS = ("benchmark", "what", "median", "min to max", "goal", "met", "note")
_PRODUCTS, _PRODUCT_SIZE = 6, 2048  # of square matrices, by which the machine's rate is measured

Spread = tuple[float, float]


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Attributes:
        what: what was measured.
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


Rows = Sequence[tuple[str, Measurement]]  # with the name of the benchmark


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


def table(rows: Rows) -> str:
    """The measurements as a table in Markdown."""
    cells = [_COLUMNS, *(_cells(name, measurement) for name, measurement in rows)]
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in cells]
    lines.insert(1, "|" + "---|" * len(_COLUMNS))
    return "\n".join(lines)


def _cells(name: str, measurement: Measurement) -> tuple[str, ...]:
    low_high = " to ".join(map(_number, measurement.spread)) if measurement.spread else ""
    value = f"{_number(measurement.value)} {measurement.unit}".strip()
    met = {True: "yes", False: "**no**", None: ""}[measurement.met]
    return name, measurement.what, value, low_high, measurement.goal, met, measurement.note


def _number(value: float) -> str:
    """Three digits that count, never in powers of ten; '-' for what was not measured."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def describe_machine() -> str:
    """A line about the machine that the figures hold for, with its measured rate of large float32 products."""
    import torch

    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "numpy"))
    rates = " and ".join(f"{rate / 1e9:.0f} ({name})" for name, rate in _product_rates().items())
    device = f"{torch.cuda.get_device_name()}; " if torch.cuda.is_available() else ""
    return (
        f"{_cpu_model()}, {len(os.sched_getaffinity(0))} cores, {_memory_gb():.0f} GB; {device}"
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


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def rewrite(page: Path, text: str) -> None:
    """Put the text between the two markers of a page, and leave the rest of it as it is.

    Raises:
        InputError: the page is missing, does not have each marker once and in order, or cannot be written.
    """
    try:
        before = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{page}: cannot be read ({error.strerror}).") from error
    if before.count(BEGIN) != 1 or before.count(END) != 1 or before.index(BEGIN) > before.index(END):
        raise InputError(f"{page}: should have the line {BEGIN} once and the line {END} once below it.")
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    write_atomically(page, f"{head}{BEGIN}\n{text}\n{END}{tail}")
