"""Progress of long work: bars on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 15.0


class TerminalBar:
    """Progress of one piece of work, with a note such as a loss or a rate beside it.

    Args:
        total: its length; a guess will do, and 0 stands for none.
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._note = ""
        self._started = self._last_line = time.monotonic()
        console = Console(file=sys.stderr)
        self._progress: Progress | None = None
        if console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=12),
                MofNCompleteColumn(),
                TextColumn(unit),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[note]}"),  # last: a narrow terminal cuts this first
                console=console,
            )
            self._task = self._progress.add_task(label, total=total or None, note="")

    def __enter__(self) -> "TerminalBar":
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, amount: int = 1, note: str | None = None) -> None:
        """Count `amount` more as done; `note` replaces the last one, None keeps it."""
        self._done += amount
        self._note = self._note if note is None else note
        if self._progress is not None:
            self._progress.update(self._task, advance=amount, note=self._note)
            return
        now = time.monotonic()
        if self._done == self._total or now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = (now - self._started) / max(self._done, 1) * max(self._total - self._done, 0)
            print(
                f"{self._label}: {self._done}/{self._total} {self._unit}, {self._note or '-'}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
