"""Files that are either whole or not there."""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.base.locks import hold, is_abandoned

_IN_CACHE = re.compile(r"/[0-9a-f]{2}/[0-9a-f]{30}$")  # where DVC keeps a file, by its MD5
# As `tempfile` makes it of the prefix and the suffix that are given to it below.
_TEMPORARY = re.compile(r"\.(?P<stem>.*)-[a-z0-9_]{8}\.part(?P<suffix>(\.[^.]*)?)", re.DOTALL)


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
    before stays as it was. A killed process leaves it, see `remove_abandoned`. A symbolic link at `path` stays, and the
    file that it leads to is replaced, beside which the temporary one then lies; only a link into DVC's cache, whose
    files are their own checksums, gives way.

    Raises:
        InputError: the file could not be written, for example because the disk is full; at `path` is a link to nothing
            or to a folder, or a pipe, a socket or a device.
    """
    path = Path(path)
    temporary: Path | None = None
    with _said_of(path):
        try:
            place = _written_at(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".part{path.suffix}", dir=place.parent)
            temporary = Path(name)
            with _claimed(handle):
                yield temporary
                _flush_to_disk(temporary)
                temporary.chmod(_mode(place))
            temporary.replace(place)
        except BaseException:
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """As `atomic_path` for a folder: yield a new one, which takes the place of what stood at `path`, if anything did.

    Raises:
        InputError: the folder could not be written, for example because the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    with _said_of(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", suffix=f".part{path.suffix}", dir=path.parent))
            new = temporary / "new"
            with _claimed(os.open(temporary, os.O_RDONLY)):
                new.mkdir()
                yield new
                for file in new.rglob("*"):
                    if file.is_file():
                        _flush_to_disk(file)
                _exchange(path, new, temporary / "old")
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)


def _exchange(path: Path, new: Path, old: Path) -> None:
    """Put `new` at `path` and what stood there, if anything, at `old`."""
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise


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


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise InputError(
            f"{path}: could not be written ({error.strerror or error}); what stood there before is untouched."
        ) from error


@contextmanager
def _claimed(handle: int) -> Iterator[None]:
    """Inside, the open file or folder is locked, by which `remove_abandoned` knows that its writer lives."""
    try:
        hold(handle)
        yield
    finally:
        os.close(handle)


def remove_abandoned(folder: Path | str, names: Collection[str] | None = None) -> None:
    """Remove the temporary files and folders that killed writers left in a folder; those of living ones stay.

    Args:
        names: of the files and folders that they were to become; None stands for all.
    """
    if not is_there(folder):
        return
    for entry in Path(folder).iterdir():
        match = _TEMPORARY.fullmatch(entry.name)
        if match is None or (names is not None and match["stem"] + match["suffix"] not in names):
            continue
        with suppress(OSError):  # gone already
            handle = os.open(entry, os.O_RDONLY)
            try:
                if not is_abandoned(handle):
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            finally:
                os.close(handle)


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


def files_sha256(files: Iterable[Path], root: Path) -> str:
    """One SHA-256 of several files, in hexadecimal: of their places, from `root`, and their bytes."""
    lines = (f"{os.path.relpath(file, root)} {file_sha256(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
