"""npy: a header that declares an array, and the array's bytes. What is declared has to be there."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, reading

_KINDS = "biufcSUMm"  # numbers, texts and times; a structured array is none of what is read anywhere


def load_npy(path: Path | str, most_bytes: int = limits.ARRAYS_BYTES) -> np.ndarray:
    """An npy file without pickled objects.

    Raises:
        InputError: it is missing, no such file, truncated, or larger than it may be.
    """
    content = io.BytesIO(limits.read_file(path, most_bytes))
    with reading(path, "npy file of numbers"):
        header = read_header(content)
        if header.dtype.hasobject:
            raise InputError(f"{path}: holds pickled Python objects, expected an array of numbers.")
        return read_numbers(content, header)


@dataclass(frozen=True)
class Header:
    """What an npy file says of its array."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype


def read_header(buffer: io.BytesIO) -> Header:
    """The header, behind which the buffer is left. Raises in any way where there is none, numpy's way with text."""
    version = npy_format.read_magic(buffer)
    if version not in ((1, 0), (2, 0)):  # (3, 0) is for names of fields beyond latin-1
        raise ValueError(f"version {version} of npy, expected 1 or 2")
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    return Header(*read(buffer))


def read_numbers(buffer: io.BytesIO, header: Header) -> np.ndarray:
    """The array behind the header; it lies in the buffer's memory, and may be changed.

    Raises:
        ValueError: it is of objects or structured, or there are fewer bytes than declared.
    """
    dtype, shape = header.dtype, header.shape
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {brief(dtype, 60)}, expected numbers or text")
    if any(length < 0 for length in shape):
        raise ValueError(f"an array of the shape {brief(shape, 60)}")
    count = math.prod(shape)
    content = buffer.getbuffer()
    declared, found = count * max(dtype.itemsize, 1), len(content) - buffer.tell()
    if declared > found:
        raise ValueError(
            f"declares the shape {brief(shape, 60)} of {dtype}, {limits.in_units(declared)}, but holds "
            f"{limits.in_units(found)}"
        )
    flat = np.frombuffer(content, dtype, count, buffer.tell()) if count and dtype.itemsize else np.zeros(count, dtype)
    return flat.reshape(shape, order="F" if header.is_fortran else "C")
