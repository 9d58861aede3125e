"""zip and tar archives, read in place: one member at a time, in memory, nothing ever unpacked to disk."""

import gzip
import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import regular_file
from wsgcn.base.foreign import brief, reading

_OVERHEAD_BYTES = 256 * 2**10  # of a member: zip's own header, with a name and an extra field of 64 KiB each


def _every_member(_: str) -> bool:
    return True


class _Rationed:
    """A file of which zipfile and tarfile, which believe what a file declares, read no more than they are allowed."""

    left = 0

    def allow(self, size: int) -> None:
        """How many bytes may be read from here on; passing over them costs none."""
        self.left = size

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = self.left
        if size > self.left:
            raise ValueError(f"wants {limits.in_units(size)} read where there should be {limits.in_units(self.left)}")
        content: bytes = super().read(size)  # type: ignore[misc]
        self.left -= len(content)
        return content


class _File(_Rationed, io.BufferedReader):
    pass


class _GzipFile(_Rationed, gzip.GzipFile):
    pass


def iter_tar(path: Path | str, wanted: Callable[[str], bool] = _every_member) -> Iterator[tuple[str, bytes]]:
    """The (name, content) of each regular file in a .tar or .tar.gz whose name is wanted, in the archive's order.

    The archive is read once, front to back; the contents of the other members are passed over, and so are links,
    devices and folders. At its end it is checked: the closing block must be there, and gzip's checksum right.

    Raises:
        InputError: it is missing, empty, truncated, damaged or no tar archive, a name in it is absolute or has `..`,
            or it exceeds a limit of `wsgcn.base.limits`.
    """
    size = regular_file(path).stat().st_size
    kind = "tar archive"
    with ExitStack() as stack:
        with reading(path, kind):
            stream = _open_decompressed(path)
            stack.callback(stream.close)
            stream.allow(limits.DIRECTORY_BYTES)
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
        count = 0
        while True:
            with reading(path, kind):
                stream.allow(limits.DIRECTORY_BYTES)
                member = archive.next()
                if member is not None and member.size < 0:
                    raise ValueError("a member of less than no bytes")
            if member is None:
                break
            count += 1
            limits.check_count(path, "members", count, limits.ARCHIVE_MEMBERS)
            _refuse_unsafe_name(path, member.name)
            limits.check_unpacked(path, "the archive", size, member.offset_data + member.size, limits.ARCHIVE_BYTES)
            if member.issparse():
                raise InputError(f"{path}: the member {_shown(member.name)} is a sparse file, which is not read.")
            if not (member.isreg() and wanted(member.name)):
                continue
            _refuse_odd_name(path, member.name)
            limits.check_unpacked(path, member.name, size, member.size, limits.TAKE_BYTES)
            with reading(path, kind):
                stream.allow(member.size + limits.DIRECTORY_BYTES)
                opened = archive.extractfile(member)
                assert opened is not None
                content = limits.read_whole(opened, member.size).getvalue()
            yield member.name, content
        with reading(path, kind):
            _check_end(stream, archive.offset)


def _open_decompressed(path: Path | str) -> _File | _GzipFile:
    with Path(path).open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    # tarfile's own streaming mode does not compare gzip's checksum
    return _GzipFile(path, "rb") if is_gzip else _File(io.FileIO(path))


def _check_end(stream: _File | _GzipFile, offset: int) -> None:
    """tarfile stops without a word at a header that is cut or damaged; a whole archive ends with a block of zeros."""
    stream.seek(offset)
    stream.allow(limits.DIRECTORY_BYTES)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it has no closing block")
    while stream.left and stream.read(min(stream.left, 2**20)):
        pass
    if not stream.left:
        raise tarfile.ReadError(f"{limits.in_units(limits.DIRECTORY_BYTES)} stand behind its closing block")


def iter_zip(path: Path | str, wanted: Callable[[str], bool] = _every_member) -> Iterator[tuple[str, bytes]]:
    """The (name, content) of each file in a zip archive whose name is wanted, sorted by name.

    Raises:
        InputError: it is missing, empty, truncated, damaged or no zip archive, a name in it is absolute or has `..`,
            or it exceeds a limit of `wsgcn.base.limits`.
    """
    with ZipArchive(path) as archive:
        files = [info for info in _files_in(path, archive.members) if wanted(info.filename)]
        archive.check_sizes(files, limits.TAKE_BYTES, limits.ARCHIVE_BYTES)
        for info in files:
            _refuse_odd_name(path, info.filename)
            yield info.filename, archive.read(info).getvalue()


ReadMembers = Callable[[Path, Callable[[str], bool]], Iterator[tuple[str, bytes]]]  # iter_tar or iter_zip


def has_member(path: Path, read_members: ReadMembers, is_match: Callable[[str], bool]) -> bool:
    """Whether a member's name is such a one; no content is read.

    Raises:
        InputError: see `iter_tar` and `iter_zip`.
    """
    matched: list[str] = []

    def look(name: str) -> bool:
        if not matched and is_match(name):
            matched.append(name)
        return False

    for _ in read_members(path, look):
        pass
    return bool(matched)


class ZipArchive:
    """A zip archive whose members are read within the limits.

    Args:
        kind: what the file should be, for messages.

    Raises:
        InputError: it is missing, no regular file, empty, truncated, damaged, no zip archive, or has too many members.
    """

    def __init__(self, path: Path | str, kind: str = "zip archive") -> None:
        self._path, self._kind = path, kind
        self._size = regular_file(path).stat().st_size
        with ExitStack() as stack, reading(path, kind):
            self._file = stack.enter_context(_File(io.FileIO(path)))
            self._file.allow(limits.DIRECTORY_BYTES)
            self._archive = stack.enter_context(zipfile.ZipFile(self._file))
            self._opened = stack.pop_all()
        self.members = self._archive.infolist()
        try:
            limits.check_count(path, "members", len(self.members), limits.ARCHIVE_MEMBERS)
        except InputError:
            self._opened.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def check_sizes(self, members: list[zipfile.ZipInfo], most_bytes: int, most_together_bytes: int) -> None:
        """Raises InputError: one of the members, or all together, unpack to more than they may."""
        for info in members:
            packed = min(info.compress_size, self._size)
            limits.check_unpacked(self._path, info.filename, packed, info.file_size, most_bytes)
        together = sum(info.file_size for info in members)
        limits.check_unpacked(self._path, "the archive", self._size, together, most_together_bytes)

    def read(self, info: zipfile.ZipInfo) -> io.BytesIO:
        """What a member unpacks to, whose size was checked before.

        Raises:
            InputError: it is truncated or damaged, encrypted, or compressed in another way than zip's usual one.
        """
        with reading(self._path, self._kind):
            # bzip2 and LZMA unpack without a bound, whatever one asks zipfile for; no file that is read here has them
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{_shown(info.filename)} is compressed in another way than deflate")
            self._file.allow(info.compress_size + _OVERHEAD_BYTES)
            with self._archive.open(info) as stream:
                return limits.read_whole(stream, info.file_size)


def _files_in(path: Path | str, members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Without folders and links, sorted by name."""
    for info in members:
        _refuse_unsafe_name(path, info.filename)
    files = [info for info in members if not info.filename.endswith("/") and not stat.S_ISLNK(info.external_attr >> 16)]
    return sorted(files, key=lambda info: info.filename)


def _refuse_unsafe_name(path: Path | str, name: str) -> None:
    if re.match(r"[\\/]|[A-Za-z]:", name) or ".." in re.split(r"[\\/]", name):
        raise InputError(
            f"{path}: the member {_shown(name)} points outside the archive; absolute names and names with '..' are "
            "not read."
        )


def _refuse_odd_name(path: Path | str, name: str) -> None:
    """Names of members that are read go into messages, and into what is written."""
    if not name.isprintable() or len(name) > limits.MEMBER_NAME:
        raise InputError(
            f"{path}: the member {_shown(name)} has a name with control characters or of more than "
            f"{limits.MEMBER_NAME} characters."
        )


def _shown(name: str) -> str:
    return brief(repr(name[: limits.MEMBER_NAME]), 120)
