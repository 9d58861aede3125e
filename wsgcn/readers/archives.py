"""zip and tar archives, read in place: one member at a time, in memory, nothing ever unpacked to disk."""

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from wsgcn.errors import InputError

_MEBIBYTE = 2**20


def _every_member(_: str) -> bool:
    return True


def iter_tar(path: Path | str, wanted: Callable[[str], bool] = _every_member) -> Iterator[tuple[str, bytes]]:
    """The (name, content) of each regular file in a .tar or .tar.gz whose name is wanted, in the archive's order.

    The archive is read once, front to back; the contents of the other members are passed over, and so are links,
    devices and folders. At its end it is checked: the closing block must be there, and gzip's checksum right.

    Raises:
        InputError: it is missing, empty, truncated, damaged or no tar archive, or a name in it is absolute or has `..`.
    """
    try:
        with _open_decompressed(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                _refuse_unsafe_name(path, member.name)
                content = archive.extractfile(member) if member.isreg() and wanted(member.name) else None
                if content is not None:
                    yield member.name, content.read()
            _check_end(stream, archive.offset)
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: is not a readable tar archive, truncated or damaged ({error}).") from error


def _open_decompressed(path: Path | str) -> IO[bytes]:
    with Path(path).open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    # tarfile's own streaming mode does not compare gzip's checksum
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzip else Path(path).open("rb")


def _check_end(stream: IO[bytes], offset: int) -> None:
    """tarfile stops without a word at a header that is cut or damaged; a whole archive ends with a block of zeros."""
    stream.seek(offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it has no closing block")
    while stream.read(_MEBIBYTE):
        pass


def iter_zip(path: Path | str, wanted: Callable[[str], bool] = _every_member) -> Iterator[tuple[str, bytes]]:
    """The (name, content) of each file in a zip archive whose name is wanted, sorted by name.

    Raises:
        InputError: it is missing, empty, truncated, damaged or no zip archive, or a name in it is absolute or has `..`.
    """
    with _open_zip(path) as archive:
        for info in _files_in(path, archive):
            if wanted(info.filename):
                yield info.filename, archive.read(info)


@contextmanager
def _open_zip(path: Path | str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    # RuntimeError: zipfile's word for members that are encrypted or compressed in a way it does not know
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, zlib.error) as error:
        raise InputError(f"{path}: is not a readable zip archive, truncated or damaged ({error}).") from error


def _files_in(path: Path | str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Without folders and links, sorted by name."""
    for info in archive.infolist():
        _refuse_unsafe_name(path, info.filename)
    files = [info for info in archive.infolist() if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)]
    return sorted(files, key=lambda info: info.filename)


def _refuse_unsafe_name(path: Path | str, name: str) -> None:
    if re.match(r"[\\/]|[A-Za-z]:", name) or ".." in re.split(r"[\\/]", name):
        raise InputError(
            f"{path}: the member {name!r} points outside the archive; absolute names and names with '..' are not read."
        )
