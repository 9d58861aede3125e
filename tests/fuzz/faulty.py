"""Readers that do what none may, one for each way to fail; `test_fuzz` sees to it that all are noticed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

from tests.fuzz.target import Seed, Target
from wsgcn.base.errors import InputError

_SOUND = bytes(range(128, 228))


def _seeds(_: Path) -> Iterator[Seed]:
    yield {"file": _SOUND}


def _canary(path: Path) -> Path:
    return path.parents[1] / "canary"


def _link(path: Path) -> None:
    """HDF5's own library opens it, unseen by Python."""
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(_canary(path) / "secret.h5", "/secret")
        file["x"][()]


def _recursion(path: Path) -> None:
    _recursion(path)


def _refuse(text: str) -> Callable[[Path], None]:
    def refuse(path: Path) -> None:
        raise InputError(text.format(path))

    return refuse


def _swallow(path: Path) -> None:
    try:
        bytearray(2**40)
    except MemoryError as error:
        raise InputError(f"{path}: is too large.") from error


def _loop(path: Path) -> None:
    while True:
        pass


_FAULTS: dict[str, Callable[[Path], object]] = {
    "refused": _refuse("{}: is damaged."),
    "read": lambda path: path.read_bytes(),
    "traceback": lambda path: {}[path],
    "traceback_deep": _recursion,
    "message_lines": _refuse("{}: is\ndamaged."),
    "message_control": _refuse("{}: is \x1b[31mdamaged."),
    "message_long": _refuse("{}: is " + "damaged " * 100),
    "message_nameless": _refuse("The file is damaged."),
    "opened": lambda path: (_canary(path) / "secret").read_bytes(),
    "opened_hdf5": _link,
    "opened_fifo": lambda path: (_canary(path) / "fifo").open("rb").read(1),
    "opened_program": lambda path: os.system("true"),
    "opened_elsewhere": lambda path: (_canary(path).parents[1] / "written").write_bytes(b""),
    "signal": lambda path: os.abort(),
    "signal_exit": lambda path: os._exit(3),
    "hang": _loop,
    "memory": lambda path: bytearray(640 * 2**20),
    "memory_limit": lambda path: bytearray(2**40),
    "memory_swallowed": _swallow,
}


def _reader(fault: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    return lambda path, _: None if path.read_bytes() == _SOUND else fault(path)


TARGETS = {name: Target(name, _seeds, _reader(fault)) for name, fault in _FAULTS.items()}
