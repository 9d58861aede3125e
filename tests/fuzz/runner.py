"""Child processes that read damaged files, and the count of how the cases end."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.tiny import ROOT

FAILURES = ("traceback", "message", "opened", "signal", "hang", "memory", "unsound")
KINDS = ("read", "refused", *FAILURES)
SECONDS = 5  # a case takes some 50 ms


@dataclass(frozen=True)
class Result:
    """A case, 'coco_results:17', and how it ended."""

    case: str
    kind: str
    message: str

    @property
    def target(self) -> str:
        return self.case.rpartition(":")[0]

    def __str__(self) -> str:
        return f"{self.case}: {self.kind}: {self.message}\n    again: python -m tests.fuzz --case {self.case}"


@dataclass
class Report:
    """All results of a run."""

    results: list[Result] = field(default_factory=list)

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if result.kind in FAILURES]

    def table(self) -> str:
        """Counts, a line a target."""
        counts: dict[str, Counter[str]] = {}
        for result in self.results:
            counts.setdefault(result.target, Counter())[result.kind] += 1
        rows = sorted(counts.items())
        rows.append(("all", sum(counts.values(), Counter())))
        lines = [f"{'':<20}{'cases':>7}" + "".join(f"{kind:>11}" for kind in KINDS)]
        for name, by_kind in rows:
            cells = "".join(f"{by_kind[kind] or '-':>11}" for kind in KINDS)
            lines.append(f"{name:<20}{by_kind.total():>7}{cells}")
        return "\n".join(lines)

    def distinct(self) -> str:
        """The failures, those of one place together, most frequent first."""
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in self.failures:
            groups.setdefault((result.kind, _place(result.message)), []).append(result)
        ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
        blocks = []
        for (kind, _), results in ordered:
            targets = ", ".join(dict.fromkeys(result.target for result in results))
            first = results[0].message.splitlines()[0] if results[0].message else ""
            blocks.append(f"{len(results):>5} {kind}: {first[:300]}\n      {targets}; --case {results[0].case}")
        return "\n".join(blocks)


def _place(message: str) -> str:
    """The first line without what differs from case to case."""
    line = message.splitlines()[0] if message else ""
    at = re.match(r"\w+ at [^:]+:\d+ [\w<>]+(?: < \S+:\d+ [\w<>]+)?", line)
    return at[0] if at else re.sub(r"\d+(\.\d+)?", "#", line)[:80]


def run(
    only: Sequence[str],
    cases: int,
    seed: int = 0,
    *,
    save: Path | None = None,
    workers: int | None = None,
    seconds: int = SECONDS,
    module: str = "tests.fuzz.targets",
) -> Report:
    """Read `cases` damaged files for each target, those with the numbers from `seed` on.

    Args:
        only: targets whose names begin with one of these; all of them without any.
        save: the files of each failing case go there.
        workers: processes at a time; as many as there are cores by default.
        seconds: of time on the processor, in which a case must end.
        module: has TARGETS.
    """
    workers = workers or os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as work:
        job = {
            "work": work,
            "only": list(only),
            "numbers": [seed, seed + cases],
            "workers": workers,
            "seconds": seconds,
            "module": module,
            "save": str(save.absolute()) if save else "",
        }
        path = Path(work, "job.json")
        path.write_text(json.dumps(job), encoding="utf-8")
        bounds = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        child = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.child", str(path)],
            cwd=ROOT,
            env=os.environ | bounds | {"MALLOC_ARENA_MAX": "2", "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        lines = [line for file in sorted(Path(work).glob("*/results")) for line in file.read_text("utf-8").splitlines()]
    report = Report([Result(**json.loads(line)) for line in lines])
    if child.returncode:
        report.results.append(Result("fuzzer:0", "unsound", f"the fuzzer itself ended: {child.stderr[-2000:]}"))
    return report
