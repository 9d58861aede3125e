"""Kill `dvc repro` in a tiny clone while a stage runs, run it again, and look at what there is then.

All processes of the first `dvc repro` get the signal, as from a terminal's Ctrl-C or from a scheduler. Then the outputs
have the bytes that they had before (dvc.lock has the hash of each), no file is there that was not there before, and no
run of MLflow is left RUNNING.
"""

import os
import random
import re
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clone import change_params, clean_environment, clone_tiny, commit, run

SIGNALS = ("KILL", "TERM", "INT")
_LONGER = {  # training long enough to be hit within its epochs
    ("training", "epoch_steps"): 20,
    ("warmup", "epochs"): 5,
    ("weak", "epochs"): 5,
}
_BEGINS = re.compile(r"Running stage '(\w+)'")
_OF_TOOLS = {".git", ".dvc", "__pycache__", "mlartifacts"}  # folders whose content is theirs


@dataclass(frozen=True)
class Case:
    stage: str
    signal: str
    number: int

    def __str__(self) -> str:
        return f"{self.stage} {self.signal} {self.number}"


@dataclass
class Result:
    case: Case
    after_s: float  # from the stage's beginning to the signal
    was_running: bool  # the signal came before dvc had ended by itself
    goes_on: bool  # the next run began with a snapshot
    problems: list[str] = field(default_factory=list)


class Repro:
    """`dvc repro` in a process group of its own; `lasted_s` has how long each stage ran."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = ["dvc", "repro", "--no-run-cache", *arguments]
        # One thread: those of a tiny network would wait for one another, above all on a machine that does other work.
        variables = {"PYTHONUNBUFFERED": "1", "WSGCN_SNAPSHOT_SECONDS": "0", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self.lasted_s: dict[str, float] = {}

    def wait_for_stage(self) -> None:
        """Until the first stage begins, or all has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            if _BEGINS.search(line):
                return

    def send(self, number: signal.Signals) -> bool:
        """To the whole group; False where dvc had ended before."""
        is_running = self._process.poll() is None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        return is_running

    def wait(self) -> int:
        """Until every process that writes to the pipe has ended, the stage's too; returns dvc's status."""
        assert self._process.stdout is not None
        stage, began_s = "", 0.0
        for line in self._process.stdout:
            self.said += line
            if begins := _BEGINS.search(line):
                if stage:
                    self.lasted_s[stage] = time.monotonic() - began_s
                stage, began_s = begins[1], time.monotonic()
        if stage:
            self.lasted_s[stage] = time.monotonic() - began_s
        return self._process.wait()


def run_kills(stages: Iterable[str], signals: Iterable[str], rounds: int, seed: int) -> list[Result]:
    """Every stage by every signal, `rounds` times, in one clone; a line each is printed."""
    with tempfile.TemporaryDirectory(prefix="wsgcn-kills-", ignore_cleanup_errors=True) as name:
        folder = Path(name, "project")
        clone_tiny(folder)
        change_params(folder, _LONGER)
        whole = Repro(folder)
        if whole.wait():
            raise RuntimeError(f"dvc repro failed: {whole.said[-2000:]}")
        commit(folder)
        lasted_s, before = whole.lasted_s, _files(folder)
        results = []
        for case in [Case(stage, name, number) for number in range(rounds) for stage in stages for name in signals]:
            result = _kill(folder, case, random.Random(f"{seed} {case}").random() * lasted_s[case.stage], before)
            results.append(result)
            said = "; ".join(result.problems) or "same bytes" + ", gone on with" * result.goes_on
            print(f"{case}, after {result.after_s:.2f} of {lasted_s[case.stage]:.2f} s: {said}", flush=True)
        return results


def _kill(folder: Path, case: Case, after_s: float, before: set[str]) -> Result:
    killed = Repro(folder, "--force", "--single-item", case.stage)
    killed.wait_for_stage()
    time.sleep(after_s)
    was_running = killed.send(signal.Signals[f"SIG{case.signal}"])
    killed.wait()
    again = Repro(folder)
    status = again.wait()
    result = Result(case, after_s, was_running, "goes on after epoch" in again.said)
    if status:
        result.problems.append(f"dvc repro failed: {again.said[-300:]!r}")
    if changed := run(folder, "git", "status", "--porcelain").stdout.split("\n")[:-1]:
        result.problems.append(f"other bytes: {', '.join(changed)}")
        run(folder, "git", "checkout", "--", ".")
        run(folder, "dvc", "checkout", "--force")
    after = _files(folder)
    if after != before:
        result.problems.append(f"left: {sorted(after - before)[:5]}, missing: {sorted(before - after)[:5]}")
    # A run that was killed when all was written is closed by the next one that there is.
    if again.lasted_s and (running := _running(folder / "mlflow.db")):
        result.problems.append(f"RUNNING in MLflow: {', '.join(running)}")
    return result


def _files(folder: Path) -> set[str]:
    """Every file, relative to the project, without what tools keep for themselves."""
    found = set()
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if not path.is_dir() and not _OF_TOOLS & set(relative.parts) and not relative.name.startswith("mlflow.db"):
            found.add(str(relative))
    # A run's mark stays where it was killed as all was written, until the next run.
    return {name for name in found if not name.startswith(".resume/runs-")}


def _running(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("select name from runs where status = 'RUNNING'")]


def table(results: list[Result]) -> str:
    """Survived and tried, by stage and signal, and how many trainings went on within the stage."""
    signals = list(dict.fromkeys(result.case.signal for result in results))
    lines = ["| stage | " + " | ".join(signals) + " | hit running | went on |", "|---" * (len(signals) + 3) + "|"]
    for stage in dict.fromkeys(result.case.stage for result in results):
        of_stage = [result for result in results if result.case.stage == stage]
        cells = []
        for name in signals:
            tried = [result for result in of_stage if result.case.signal == name]
            cells.append(f"{sum(not result.problems for result in tried)} of {len(tried)}")
        counts = (sum(result.was_running for result in of_stage), sum(result.goes_on for result in of_stage))
        lines.append(f"| {stage} | " + " | ".join([*cells, *map(str, counts)]) + " |")
    return "\n".join(lines)
