"""The formats that a lifted clip can be written in, by the suffix of the file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.lifting.lifted import Lifted
from wsgcn.lifting.writers import bvh, csv, h5, json, npz

_WRITERS: dict[str, Callable[[Lifted, Path], None]] = {
    ".npz": npz.write,
    ".json": json.write,
    ".csv": csv.write,
    ".h5": h5.write,
    ".bvh": bvh.write,
}

SUFFIXES = tuple(_WRITERS)


def write_lifted(lifted: Lifted, path: Path | str) -> None:
    """Write a clip; the file appears whole or not at all.

    Raises:
        InputError: the suffix is of no known format, the clip cannot be said in it, or the file cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    _WRITERS[path.suffix.lower()](lifted, path)


def check_suffix(path: Path) -> None:
    """Raises InputError unless the suffix is that of a known format."""
    if path.suffix.lower() not in _WRITERS:
        raise InputError(f"{path}: has the suffix {path.suffix!r}, expected one of {', '.join(_WRITERS)}.")


def read_lifted(path: Path | str) -> Iterator[Lifted]:
    """The people in an npz or HDF5 file that `write_lifted` or `wsgcn lift` wrote, one after the other.

    Raises:
        InputError: the file is missing, damaged, not one of lifted poses, or in another format.
    """
    path = Path(path)
    match path.suffix.lower():
        case ".npz":
            yield npz.read(path)
        case ".h5":
            yield from h5.read(path)
        case suffix:
            raise InputError(f"{path}: has the suffix {suffix!r}; poses are read from .npz and .h5.")
