"""What a target of the fuzz test is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Seed = Mapping[str, bytes]  # content by relative path; the first one is what is read, unless the folder is
Read = Callable[[Path, Path], object]  # of the file or folder, and of an empty folder for outputs


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        seeds: makes the sound files in memory; the folder is for writers that need one.
        read: reads a file completely, everybody and everything in it, and raises InputError if it is bad.
        is_folder: whether the folder is read and not the first file of the seed.
    """

    name: str
    seeds: Callable[[Path], Iterator[Seed]]
    read: Read
    is_folder: bool = False
