"""HDF5 files that are either whole or not there, on a full disk too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import h5py

from wsgcn.files import atomic_path


class _Storage:
    """The file that h5py writes to. Errors are kept until h5py has closed: it does not survive them (it segfaults)."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        if self.error is None:
            try:
                self._raw.write(content)
            except OSError as error:
                self.error = error
        return len(content)

    def flush(self) -> None:
        if self.error is None:
            try:
                self._raw.flush()
            except OSError as error:
                self.error = error

    def truncate(self, size: int) -> int:
        return size if self.error else self._raw.truncate(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)

    def readinto(self, buffer: bytearray) -> int:
        return self._raw.readinto(buffer)  # type: ignore[attr-defined]


@contextmanager
def new_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """Write an HDF5 file, which appears when the block ends well; the same content gives the same bytes.

    Raises:
        InputError: the file could not be written, for example because the disk is full.
    """
    # Unbuffered, so that a write fails where it happens and closing has nothing left to write.
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        storage = _Storage(raw)
        try:
            with h5py.File(storage, "w") as file:
                yield file
        except Exception:
            if storage.error is None:
                raise
        if storage.error is not None:
            raise storage.error
