"""Which runs live: a file for each, which its process keeps locked, so that a later run can close those of killed ones.

The system lets go of a lock when its process ends, however it ends.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wsgcn.base.locks import hold, is_abandoned

_NEW = "new-"  # a mark before it is locked


class Mark:
    """The mark of a run that is about to begin; the run has `name` as a tag."""

    def __init__(self, folder: Path, experiment_id: str) -> None:
        self.name = f"{experiment_id}-{uuid.uuid4().hex}"
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / self.name
        new = folder / f"{_NEW}{self.name}"
        self._file = new.open("w", encoding="utf-8")
        hold(self._file)
        new.rename(self._path)

    @contextmanager
    def ending(self, status: str) -> Iterator[None]:
        """The block ends the run in its store: if it cannot, a later run does, as the mark then says how."""
        with suppress(OSError), self._file:
            self._file.write(status)
        yield
        with suppress(OSError):
            self._path.unlink()


@dataclass(frozen=True)
class LeftMark:
    """The mark of a run whose process has ended."""

    name: str
    experiment_id: str
    status: str  # as which the run ended, empty if the process was killed before


def left_marks(folder: Path) -> Iterator[LeftMark]:
    """Those of ended processes, one after the other; each is removed when the next is asked for."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith(_NEW):
            continue
        with suppress(OSError), path.open(encoding="utf-8") as file:
            if not is_abandoned(file):
                continue
            yield LeftMark(path.name, path.name.rpartition("-")[0], file.read())
            path.unlink()
