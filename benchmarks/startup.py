"""What is not work: `dvc repro` with nothing to do, and a stage's seconds around its work.

A stage's work is its `main` without the calls of the tracker. All the rest of the process's life is outside it: the
interpreter, imports, params.yaml, MLflow's opening and closing and everything that is logged to it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from benchmarks.clone import call, tiny_clone
from benchmarks.report import Measurement, median_and_spread, median_seconds

_REPEATS = 3
_NOTHING_TO_DO_S, _OUTSIDE_S = 2.0, 4.0


def measure() -> list[Measurement]:
    with tiny_clone() as project:
        nothing_s, nothing_spread = median_seconds(lambda: call(project, "dvc", "repro"), 5)
        rows = [
            Measurement(
                "dvc repro with nothing to do",
                nothing_s,
                "s",
                nothing_spread,
                f"< {_NOTHING_TO_DO_S:.0f} s",
                nothing_s < _NOTHING_TO_DO_S,
            )
        ]
        for stage in yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]:
            outside_s, spread = median_and_spread([_outside_seconds(project, stage) for _ in range(_REPEATS)])
            rows.append(
                Measurement(
                    f"stage {stage}, outside its work",
                    outside_s,
                    "s",
                    spread,
                    f"< {_OUTSIDE_S:.0f} s",
                    outside_s < _OUTSIDE_S,
                )
            )
    return rows


def _outside_seconds(project: Path, stage: str) -> float:
    started = time.perf_counter()
    code = f"from benchmarks.startup import run_timed; run_timed({stage!r})"
    printed = call(project, sys.executable, "-c", code, DVC_ROOT=str(project))
    return time.perf_counter() - started - float(printed.splitlines()[-1])


def run_timed(stage: str) -> None:
    """In a process of its own: run the stage and print, last, the seconds of its work."""
    # Imported here, in the time that is measured.
    from wsgcn.running.stage import run_stage, stage_module

    module = stage_module(stage)
    work, work_s = module.main, 0.0

    def main(params: Any, run: Any) -> None:
        nonlocal work_s
        timed = _TimedTracker(run.tracker)
        started = time.perf_counter()
        work(params, replace(run, tracker=timed))
        work_s = time.perf_counter() - started - timed.seconds

    with patch.object(module, "main", main):
        run_stage(stage)
    print(work_s)


class _TimedTracker:
    """Passes everything on to a tracker, and adds up how long that takes."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Callable[..., None]:
        method = getattr(self._tracker, name)

        def timed(*args: Any, **kwargs: Any) -> None:
            started = time.perf_counter()
            method(*args, **kwargs)
            self.seconds += time.perf_counter() - started

        return timed
