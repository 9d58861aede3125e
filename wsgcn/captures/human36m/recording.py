"""What every layout of Human3.6M's 3D files gives: recordings, one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Recording:
    """A take as it lies in a file, not decoded yet."""

    subject: str
    name: str  # as the file spells it
    origin: str  # the file, and the place in it, for messages
    unit: Literal["mm", "m"]
    decode: Callable[[], np.ndarray]  # (T, 32, 3) float64, world, in `unit`; raises InputError


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """One layout of the files. It is recognised by their names alone; nothing is opened for that."""

    name: str  # as data.layout spells it
    files: str  # what its files are called, with * for a part
    endings: tuple[str, ...]  # of a single file, in small letters

    @abstractmethod
    def root_of(self, path: Path) -> Path | None:
        """The folder that holds the whole capture to which the file at `path` belongs; None for other files."""

    @abstractmethod
    def recordings(self, paths: Sequence[Path], subjects: Collection[str]) -> Iterator[Recording]:
        """The recordings of these subjects in these files.

        Raises:
            InputError: a file cannot be read, or does not say whose take it is.
        """
