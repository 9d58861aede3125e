"""Files that are either whole or not there."""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief


def is_there(path: Path | str) -> bool:
    """Whether there is anything at a path; what cannot be a path is nowhere."""
    try:
        return Path(path).exists()
    except OSError:  # longer than a name may be
        return False


def regular_file(path: Path | str) -> Path:
    """The path of a file that may be opened: opening a pipe or a device could wait, or read, for ever.

    Raises:
        InputError: there is none, or it is a folder, a pipe, a socket or a device.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    except (OSError, ValueError) as error:  # ValueError: a character that no path has
        raise InputError(f"{brief(path)}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: cannot be read (Is a directory).")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a pipe, socket or device, expected a file.")
    return path


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes the place of `path` when the block ends well.

    The temporary file keeps the suffix of `path`. If the block raises, it is removed and what stood at `path`
    before stays as it was. A symbolic link at `path` stays, and the file that it leads to is replaced, beside which the
    temporary one then lies; only a link into DVC's cache, whose files are their own checksums, gives way.

    Raises:
        InputError: the file could not be written, for example because the disk is full; at `path` is a link to nothing
            or to a folder, or a pipe, a socket or a device.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        place = _written_at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=place.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _flush_to_disk(temporary)
        temporary.chmod(_mode(place))
        temporary.replace(place)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(
                f"{path}: could not be written ({error.strerror or error}); what stood there before is untouched."
            ) from error
        raise


_IN_CACHE = re.compile(r"/[0-9a-f]{2}/[0-9a-f]{30}$")  # where DVC keeps a file, by its MD5


def _written_at(path: Path) -> Path:
    """Where a file is written that is to be found at `path`; see `atomic_path`."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(
                f"{path}: is a symbolic link to {brief(path.readlink())}, where nothing is; remove it to write a file."
            ) from None
        return path
    if not path.is_symlink():
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder is in the way by itself
            raise InputError(f"{path}: is a pipe, socket or device, expected a file to replace.")
        return path
    target = path.resolve()
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise InputError(f"{path}: is a symbolic link to {brief(target)}, {kind}; expected one to a file.")
    return path if _IN_CACHE.search(target.as_posix()) else target


def _mode(path: Path) -> int:
    """Of a new file: what stood there before had it, else what the umask leaves of reading and writing for all."""
    with suppress(FileNotFoundError):
        if not path.is_symlink():  # a link that gives way leads to a file of DVC's, which nobody may write
            return stat.S_IMODE(path.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())


def write_atomically(path: Path | str, content: bytes | str) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Raises:
        InputError: the file could not be written, for example because the disk is full.
    """
    with atomic_path(path) as temporary:
        if isinstance(content, str):
            content = content.encode("utf-8")
        temporary.write_bytes(content)


def file_sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
