"""How much a file may cost to read. docs/limits.md has the same numbers for users; an honest file is far below them.

A few bytes can declare any size, and compressed zeros take a thousandth of what they unpack to. Sizes that a file
declares are therefore checked before anything is read, and what is unpacked is counted while it is.
"""

import gzip
import io
from pathlib import Path
from typing import IO, cast

from wsgcn.base.errors import InputError
from wsgcn.base.files import regular_file
from wsgcn.base.foreign import brief

# An hour of 50 frames a second, 32 joints in float64, is 138 MB.
TAKE_BYTES = 2**30  # one take's file, unpacked
# VideoPose3D's file of all of Human3.6M is 200 MB.
ARRAYS_BYTES = 2 * 2**30  # an npy file, or all arrays of an npz file together, unpacked
# All 3D and 2D files of Human3.6M are a few GB; this bounds the time.
ARCHIVE_BYTES = 64 * 2**30  # everything in an archive, unpacked; one member at a time is in memory

# Motion compresses to a half or a third, constant arrays to a thousandth. Those are small, so only what is large is
# held to the ratio.
UNPACKED_RATIO = 50
UNPACKED_BYTES_OF_ANY_RATIO = 256 * 2**20

ARCHIVE_MEMBERS = 100_000  # Human3.6M has 6,000 files of takes, 3D and 2D together
DIRECTORY_BYTES = 16 * 2**20  # a zip archive's directory, or what stands before a member of a tar archive
MEMBER_NAME = 200  # characters

PICKLE_STEPS = 10_000_000  # an array takes some forty
PICKLE_BITS = 64  # of a whole number in a pickle
NESTED = 100  # containers in each other, in a pickle

CDF_READS = 100_000  # a record takes a few; Human3.6M's files have some ten records
CDF_DIMENSIONS = 10  # what CDF itself allows

CHECKPOINT_STEPS = 1_000_000  # instructions of its pickle; a tensor takes some thirty
PARAMS_BYTES = 128 * 2**10  # params.yaml, which is 5 KB
LABELS_BYTES = 4 * 2**20  # a text file with the people of one frame, of which each takes some 500 bytes
INTRINSICS_BYTES = 64 * 2**10  # a file with nine numbers and a distortion

_PIECE_BYTES = 2**20


def most_unpacked(packed_bytes: int, most_bytes: int) -> int:
    """How far something packed into so many bytes may unpack, if it may have at most `most_bytes` in any case."""
    return min(most_bytes, max(UNPACKED_BYTES_OF_ANY_RATIO, UNPACKED_RATIO * packed_bytes))


def check_unpacked(origin: Path | str, what: str, packed_bytes: int, unpacked_bytes: int, most_bytes: int) -> None:
    """Raises InputError if what is declared to unpack to so many bytes is too large, or too large for what it takes."""
    if unpacked_bytes <= most_unpacked(packed_bytes, most_bytes):
        return
    limit = in_units(most_bytes)
    if unpacked_bytes <= most_bytes:
        limit = f"{UNPACKED_RATIO} times that for what unpacks to more than {in_units(UNPACKED_BYTES_OF_ANY_RATIO)}"
    raise InputError(
        f"{origin}: {brief(what, 120)} unpacks from {in_units(packed_bytes)} to {in_units(unpacked_bytes)}; "
        f"the limit is {limit}."
    )


def check_count(origin: Path | str, what: str, count: int, most: int) -> None:
    """Raises InputError if there are more of something than there may be."""
    if count > most:
        raise InputError(f"{origin}: has more than {most:,} {what}; that is the limit.")


def read_file(path: Path | str, most_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        InputError: it is missing, unreadable, too large, or no regular file.
    """
    path = regular_file(path)
    check_file(path, most_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


def check_file(path: Path, most_bytes: int) -> int:
    """The size of a file, in bytes. Raises InputError: it is larger than `most_bytes`."""
    size = path.stat().st_size
    if size > most_bytes:
        raise InputError(f"{path}: has {in_units(size)}; the limit is {in_units(most_bytes)}.")
    return size


def read_whole(stream: IO[bytes], size: int) -> io.BytesIO:
    """All of a stream that should hold at most `size` bytes, read in pieces; the buffer stands at its start.

    Raises:
        ValueError: it has more.
    """
    whole = io.BytesIO()
    while piece := stream.read(min(_PIECE_BYTES, size + 1 - whole.tell())):
        whole.write(piece)
        if whole.tell() > size:
            raise ValueError(f"goes on after {in_units(size)}, where it should end")
    whole.seek(0)
    return whole


def inflate(content: bytes, most_bytes: int) -> bytes:
    """What was compressed with gzip.

    Raises:
        ValueError: it has more than `most_bytes`.
        OSError, EOFError, zlib.error: it is damaged or truncated.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        return read_whole(cast(IO[bytes], stream), most_bytes).getvalue()


def in_units(size: int) -> str:
    """'138 MB' for a number of bytes."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if size >= unit:
            return f"{size // unit:,} {name}" if size >= 100 * unit else f"{size / unit:.3g} {name}"
    return f"{size} bytes"
