"""A CDF file whose bytes are in memory, read with cdflib. Only who reads such a file imports this, and so cdflib.

cdflib believes what a file says: how many records follow each other, and how far something unpacks. Where that has no
bound of its own, one is set here.
"""

import io
import math

import cdflib

from wsgcn.base import limits

_VERSION_3 = bytes.fromhex("cdf30001")
_VERSION_2 = (bytes.fromhex("cdf26002"), bytes.fromhex("0000ffff"))
_UNCOMPRESSED = bytes.fromhex("0000ffff")
_COMPRESSED = bytes.fromhex("cccc0001")
_GZIP = 5  # CDF's number for it; the other one for whole files is run-length encoding of zeros


# CDF's numbers for integers and floats of all sizes; the others are texts and times
_NUMBERS = {1, 2, 4, 8, 11, 12, 14, 21, 22, 41, 44, 45}
_COMPRESSED_VALUES, _VALUES, _Z_VARIABLE = 13, 7, 8  # types of records


def open_cdf(content: bytes) -> cdflib.CDF:
    """The file with these bytes; fails in any way if they are damaged."""
    return _InMemoryCDF(_inflated(content))


def declared_bytes(cdf: cdflib.CDF, name: str) -> int:
    """What a variable of numbers is said to take in memory.

    Raises:
        ValueError: it has no numbers, or leaves records out.
    """
    variable = cdf.vdr_info(name)
    if variable.data_type not in _NUMBERS:
        raise ValueError(f"{name} is of CDF's type {variable.data_type}, expected numbers")
    if variable.sparse:
        raise ValueError(f"{name} is sparse, expected every record of it")
    sizes = [size for size, varies in zip(variable.dim_sizes, variable.dim_vary, strict=True) if varies]
    if any(size < 0 for size in sizes):
        raise ValueError(f"{name} has a dimension of less than nothing")
    return (max(variable.max_rec, 0) + 1) * math.prod(sizes) * cdf._type_size(variable.data_type, 1)


class _InMemoryCDF(cdflib.CDF):
    """A CDF file whose bytes are in memory, as those of an archive's member are."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._left_bytes = limits.most_unpacked(len(content), limits.TAKE_BYTES)
        super().__init__("http://in-memory")  # what looks like an address is opened by the method below

    def _file_or_url_or_s3_handler(self, *_: object) -> io.BytesIO:
        return _ExactBytes(self._content)

    def _read_gdr(self, byte_loc: int) -> object:
        self._check_dimensions(byte_loc + 56)
        return super()._read_gdr(byte_loc)

    def _read_gdr2(self, byte_loc: int) -> object:
        self._check_dimensions(byte_loc + 36)
        return super()._read_gdr2(byte_loc)

    def _read_vdr3(self, byte_loc: int) -> object:
        if self._number(byte_loc + 8) == _Z_VARIABLE:
            self._check_dimensions(byte_loc + 340)
        return super()._read_vdr3(byte_loc)

    def _read_vdr2(self, byte_loc: int) -> object:
        if self._number(byte_loc + 4) == _Z_VARIABLE:
            self._check_dimensions(byte_loc + (128 if self._post25 is True else 256))
        return super()._read_vdr2(byte_loc)

    def _check_dimensions(self, offset: int) -> None:
        if (count := self._number(offset)) > limits.CDF_DIMENSIONS:
            raise ValueError(f"{count} dimensions, expected at most {limits.CDF_DIMENSIONS}")

    def _number(self, offset: int, width: int = 4) -> int:
        self._f.seek(offset)
        return int.from_bytes(self._f.read(width), "big")

    def _read_vvr_block(self, offset: int) -> bytes:
        return self._values(offset, 8)

    def _read_vvr_block2(self, offset: int) -> bytes:
        return self._values(offset, 4)

    def _values(self, offset: int, width: int) -> bytes:
        """The values in a record of them (size, type, values; or size, type, reserved, size of the values, values)."""
        size, kind = self._number(offset, width), self._number(offset + width)
        if kind == _VALUES:
            values = self._f.read(size - width - 4)
        elif kind == _COMPRESSED_VALUES:
            compressed = self._f.read(self._number(offset + width + 8, width))
            values = limits.inflate(compressed, self._left_bytes)
        else:
            raise ValueError(f"a record of the type {kind} where values should be")
        self._left_bytes -= len(values)
        if self._left_bytes < 0:
            raise ValueError("the same values again and again")
        return values


class _ExactBytes(io.BytesIO):
    """A read past the end is an error: cdflib would take the missing frames for zeros."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > limits.CDF_READS:
            raise ValueError("records that lead to each other without an end")
        content = super().read(size)
        if size is not None and len(content) < size:
            raise EOFError(f"it ends {size - len(content)} bytes too early")
        return content


def _inflated(content: bytes) -> bytes:
    """A file that is compressed as a whole, as it was before; cdflib would go through a file on disk.

    After the two magic numbers it has one record (CCR: size, type, offset of the CPR, size before, reserved; then the
    content), and another that says how it is compressed (CPR: size, type, method). Sizes and offsets have 8 bytes in
    version 3 and 4 in version 2.
    """
    version, compression = content[:4], content[4:8]
    if version != _VERSION_3 and version not in _VERSION_2:
        raise ValueError("it does not begin as CDF files do")
    if compression == _UNCOMPRESSED:
        return content
    if compression != _COMPRESSED:  # which cdflib would take for compressed, and inflate through a file on disk
        raise ValueError("it does not say whether it is compressed")
    width = 8 if version == _VERSION_3 else 4
    file = _ExactBytes(content)

    def read_number(offset: int, size: int) -> int:
        file.seek(offset)
        return int.from_bytes(file.read(size), "big")

    record_size, parameters = read_number(8, width), read_number(8 + width + 4, width)
    if read_number(parameters + width + 4, 4) != _GZIP:
        raise ValueError("it is compressed in another way than gzip")
    header_size = 3 * width + 8
    file.seek(8 + header_size)
    most = limits.most_unpacked(len(content), limits.TAKE_BYTES)
    return version + _UNCOMPRESSED + limits.inflate(file.read(record_size - header_size), most)
