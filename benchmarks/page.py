"""docs/performance.md: every machine's last run of all benchmarks, side by side.

A run is kept in benchmarks/measured/, a file a processor, so that a run on one machine leaves the figures of the others
as they are.
"""

import json
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Row, markdown
from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
PAGE, MEASURED = ROOT / "docs" / "performance.md", ROOT / "benchmarks" / "measured"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


class Run(NamedTuple):
    """All benchmarks on one machine.

    Attributes:
        processor: its name, unlike those of the other runs.
        machine: a sentence about the rest of it, and about the versions.
        measured: the day, as 2026-12-31.
        remark: a sentence that a reader of the figures needs, or "".
    """

    processor: str
    machine: str
    measured: str
    remark: str
    rows: Sequence[Row]


def keep(run: Run, folder: Path) -> None:
    """In the place of the last run on this processor.

    Raises:
        ValueError: two of its rows have one name.
    """
    if len({row[:2] for row in run.rows}) < len(run.rows):
        raise ValueError("two measurements of a benchmark have one name")
    name = re.sub(r"[^a-z0-9]+", "-", run.processor.lower()).strip("-")
    head = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in run._asdict().items() if key != "rows"]
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in run.rows)
    write_atomically(folder / f"{name}.json", "{" + ",\n".join([*head, f'"rows": [\n{rows}\n]']) + "}\n")


def kept(folder: Path) -> list[Run]:
    """The last run on each processor."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [Run(**run | {"rows": [Row(*row) for row in run["rows"]]}) for run in found]


def side_by_side(runs: Sequence[Run]) -> str:
    """A line about each machine and one table with a column for each, in Markdown; the latest run comes first.

    A row that a run does not have is '-' there.
    """
    runs = sorted(runs, key=lambda run: run.measured, reverse=True)
    lines = [" ".join((f"- {run.processor}, {run.measured}:", run.machine, run.remark)).strip() for run in runs]
    found = [{row[:2]: row for row in run.rows} for run in runs]
    keys = list(dict.fromkeys(chain(*found)))
    benchmarks = list(dict.fromkeys(benchmark for benchmark, _ in keys))
    cells: list[Sequence[str]] = [("benchmark", "what", "goal", *(run.processor for run in runs), "note")]
    for key in sorted(keys, key=lambda key: benchmarks.index(key[0])):
        rows = {run.processor: of_run[key] for run, of_run in zip(runs, found, strict=True) if key in of_run}
        goal, note = (
            _shared({name: getattr(row, column) for name, row in rows.items()}) for column in ("goal", "note")
        )
        of_runs = [_cell(rows[run.processor]) if run.processor in rows else "-" for run in runs]
        cells.append((*key, goal, *of_runs, note))
    return "\n".join(lines) + "\n\n" + markdown(cells)


def _cell(row: Row) -> str:
    spread = f" ({row.spread})" if row.spread else ""
    met = {"": "", "yes": ": met", "**no**": ": **not met**"}[row.met]
    return f"{row.median}{spread}{met}"


def _shared(texts: dict[str, str]) -> str:
    """What is said of a row on every machine, or whose it is."""
    said = {name: text for name, text in texts.items() if text}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in said.items())


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
