"""What a motion capture is to the pipeline, whatever files it lies in: recordings of people, and perhaps cameras.

A dataset is a folder beside this file with one or more layouts, listed in layouts.py. Its quirks (names, units, joints,
takes to leave out) end there: what it gives is in the pipeline's terms. What later stages need of it (subjects, takes,
actions, rates, cameras) goes into poses.h5, so that none of them imports a dataset.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsgcn.pose.camera import Camera


@dataclass(frozen=True)
class Hints:
    """What the user says of files that do not say it themselves; 'auto' leaves it to the layout."""

    unit: str = "auto"  # of lengths: a name in UNITS_M
    up: str = "auto"  # x, -x, y, -y, z or -z


# In metres. Files of Carnegie Mellon University, and some of their conversions, are in units of 1/0.45 inch.
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "inch/0.45": 0.0254 / 0.45}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A take, not read yet."""

    subject: str
    take: str  # the pipeline's name of it; with the subject it names one recording
    action: str  # errors are averaged by it
    fps: float
    origin: str  # the file, and the place in it, for messages
    read: Callable[[], np.ndarray]  # (T, 17, 3) float64, m, world (z up), Human3.6M-17; raises InputError
    left_out_by: str | None = None  # the dataset's rule by which it is not used


@dataclass(frozen=True, kw_only=True)
class Capture(ABC):
    """One capture at one place."""

    layout: str  # the name of its layout
    root: Path
    paths: tuple[Path, ...]  # its files, sorted
    subjects: tuple[str, ...] = ()  # of the complete set, in order; empty where there is no such thing
    actions: tuple[str, ...] = ()  # likewise
    takes_per_action: int = 0  # likewise, of each subject

    @abstractmethod
    def recordings(self) -> Iterator[Recording]:
        """Its recordings, one at a time and in the order of the files.

        Raises:
            InputError: a file cannot be read, or does not say whose take it is.
        """

    @property
    @abstractmethod
    def expected_takes(self) -> int:
        """How many recordings there will be, about; for the bar of progress."""

    def cameras(self, subject: str) -> dict[str, Camera] | None:
        """The cameras that saw a subject, by serial; None if it has none of its own."""
        return None

    def __str__(self) -> str:
        return f"{self.layout} ({self.paths[0] if len(self.paths) == 1 else self.root})"


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """A way in which captures lie in files. It is recognised by their names alone; nothing is opened for that."""

    name: str  # as data.layout spells it
    files: str  # what its files are called, with * for a part
    endings: tuple[str, ...]  # of a single file, in small letters

    @abstractmethod
    def root_of(self, path: Path) -> Path | None:
        """The folder that holds the whole capture to which the file at `path` belongs; None for other files."""

    @abstractmethod
    def capture(self, root: Path, paths: Sequence[Path], hints: Hints) -> Capture:
        """The capture in these files, whose `root_of` is the root; nothing is opened for that."""

    def recognises(self, path: Path) -> bool:
        """Whether a single file is of this layout, by what is in it; asked where the endings of several fit."""
        return True
