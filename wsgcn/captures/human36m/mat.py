"""The official files converted by MATLAB: S1/MyPoseFeatures/D3_Positions/Directions 1.cdf.mat.

`data` is a 1x1 cell that holds (T, 96), mm, world. Files of MATLAB 7.3 are HDF5 with the axes in reverse order and a
reference for what is in the cell; the older ones are MATLAB 5.
"""

import struct
import zlib

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import reading
from wsgcn.base.hdf5 import ForeignHdf5, most_inflated
from wsgcn.captures.human36m.checks import checked_array
from wsgcn.captures.human36m.take_files import TakeFiles, Tree

_VERSION_7_3 = b"MATLAB 7.3"
_VARIABLE = "data"

# "MAT-File Level 5 File Format": a header, then elements, each a type and a number of bytes before its content
_HEADER_SIZE = 128
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}  # version and order, at the header's end
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_CELL, _NUMERIC = 1, range(6, 16)  # classes of matrices
_COMPLEX = 0x0800  # among a matrix's flags
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by type
_HEAD_SIZE = 1024  # bytes of a matrix that hold its class, shape and name


def decode_mat(content: bytes, origin: str) -> np.ndarray:
    """The positions in the cell `data` of a MATLAB file, (T, 32, 3) float64, mm.

    Raises:
        InputError: it is empty, truncated, damaged or no MATLAB file; its cell is missing, misshapen or empty; or it
            declares more than it holds.
    """
    if content.startswith(_VERSION_7_3):
        with ForeignHdf5(content, origin) as file:
            reverse = file.referenced(_VARIABLE)
        cell = None if reverse is None else reverse.T
    else:
        cell = _cell_5(content, origin)
    if cell is None:
        raise InputError(f"{origin}: has no 1x1 cell named data.")
    return checked_array(cell, ("T", 96), origin).reshape(-1, 32, 3)


def _cell_5(content: bytes, origin: str) -> np.ndarray | None:
    """What is in the cell of a MATLAB 5 file, of which nothing else is read.

    Not by SciPy, whose reader trusts the file: a damaged one ended the process.
    """
    with reading(origin, "MATLAB file"):
        order = _BYTE_ORDERS[content[_HEADER_SIZE - 4 : _HEADER_SIZE]]
        matrix = _matrix(content, order, origin)
        return None if matrix is None else _numbers_in_cell(matrix, order)


def _matrix(content: bytes, order: str, origin: str) -> bytes | None:
    """The element of the variable, inflated if it is compressed."""
    start = _HEADER_SIZE
    while start < len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, start)
        end = start + 8 + size
        if end > len(content):
            raise EOFError("an element ends behind the file")
        if kind == _COMPRESSED:
            packed = content[start + 8 : end]
            if _name(zlib.decompressobj().decompress(packed, _HEAD_SIZE), order) == _VARIABLE:
                return _inflated(packed, origin)
        elif kind == _MATRIX and _name(content[start : min(end, start + _HEAD_SIZE)], order) == _VARIABLE:
            return content[start:end]
        start = end
    return None


def _inflated(packed: bytes, origin: str) -> bytes:
    limit = most_inflated(len(packed))
    inflate = zlib.decompressobj()
    matrix = inflate.decompress(packed, limit)
    if inflate.unconsumed_tail:
        raise InputError(
            f"{origin}: {_VARIABLE} inflates from {len(packed):,} bytes to more than {limit:,}, which is not read."
        )
    return matrix + inflate.flush()


def _name(matrix: bytes, order: str) -> str:
    """The name of a matrix, of which the beginning is enough."""
    _, _, _, name, _ = _described(matrix, order)
    return name


def _numbers_in_cell(matrix: bytes, order: str) -> np.ndarray | None:
    """The array (T, K) in a 1x1 cell; None if it is no such cell."""
    matrix_class, shape, _, _, inside = _described(matrix, order)
    if matrix_class & 0xFF != _CELL or shape != (1, 1):
        return None
    inner = matrix[inside:]
    inner_class, shape, size, _, place = _described(inner, order)
    if inner_class & 0xFF not in _NUMERIC or inner_class & _COMPLEX or len(shape) != 2 or min(shape) < 0:
        return None
    if size > len(inner) - 8:
        raise EOFError("the cell ends before what is in it")
    kind = struct.unpack_from(f"{order}I", inner, place)[0] & 0xFFFF
    content, _ = _element(inner, place, order)
    return np.frombuffer(content, f"{order}{_NUMBERS[kind]}").reshape(shape, order="F")


def _described(matrix: bytes, order: str) -> tuple[int, tuple[int, ...], int, str, int]:
    """Flags with the class, shape, bytes, name of a matrix, and where its content begins."""
    kind, size = struct.unpack_from(f"{order}2I", matrix)
    if kind != _MATRIX:
        raise ValueError("an element is no matrix")
    flags, place = _element(matrix, 8, order)
    shape, place = _element(matrix, place, order)
    name, place = _element(matrix, place, order)
    return (
        struct.unpack(f"{order}2I", flags)[0],
        struct.unpack(f"{order}{len(shape) // 4}i", shape),
        size,
        name.decode("latin-1"),
        place,
    )


def _element(matrix: bytes, start: int, order: str) -> tuple[bytes, int]:
    """An element's content and where the next one begins."""
    kind, size = struct.unpack_from(f"{order}2I", matrix, start)
    if kind >> 16:  # up to 4 bytes stand in the place of the size
        return matrix[start + 4 : start + 4 + (kind >> 16)], start + 8
    return matrix[start + 8 : start + 8 + size], start + 8 + -(-size // 8) * 8


TAKE_FILES = TakeFiles("MyPoseFeatures/D3_Positions", ".cdf.mat", decode_mat)

MAT = Tree(name="mat", files=str(TAKE_FILES), endings=(".mat",), take_files=TAKE_FILES)
