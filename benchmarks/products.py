"""The matrix products at hand at the shapes of the training step, in one thread, and which ones are chosen.

Where the machine asks OpenBLAS for certain kernels (OPENBLAS_CORETYPE), those that it would choose itself are measured
too, in a process of their own.
"""

import os

from benchmarks.processes import in_fresh_process
from benchmarks.report import Measurement, median_and_spread
from wsgcn.model.cpu import products

_ROUNDS = 7
_LEAST = 0.9  # of the fastest one's rate: the margin of the choice
_SETTING = "OPENBLAS_CORETYPE"


def measure() -> list[Measurement]:
    rates = _rates()
    products.want("auto")
    products.library()
    chosen = products.in_use()
    versions: dict[str, str] = {name: library.version for name, library in products.at_hand().items()}
    rows = [_row(f"{name}, one thread", values, versions[name]) for name, values in rates.items()]
    share = median_and_spread(rates[chosen])[0] / max(median_and_spread(values)[0] for values in rates.values())
    rows.append(
        Measurement("chosen over the fastest", share, "", None, f">= {_LEAST:g}", share >= _LEAST, f"chosen: {chosen}")
    )
    if setting := os.environ.pop(_SETTING, None):
        try:
            freed = in_fresh_process(_rates)
        finally:
            os.environ[_SETTING] = setting
        if "openblas" in freed:
            rows.append(_row("openblas, kernels of its own choice", freed["openblas"], f"here {_SETTING}={setting}"))
    return rows


def _rates() -> dict[str, list[float]]:
    """Operations a second."""
    measured = [products.measured_s() for _ in range(_ROUNDS)]
    return {name: [products.OPERATIONS / seconds[name] for seconds in measured] for name in products.at_hand()}


def _row(what: str, rates: list[float], note: str) -> Measurement:
    value, (least, most) = median_and_spread(rates)
    return Measurement(what, value / 1e9, "GFLOP/s", (least / 1e9, most / 1e9), note=note)
