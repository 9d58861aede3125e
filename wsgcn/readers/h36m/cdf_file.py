"""A CDF file whose bytes are in memory, read with cdflib. Only who reads such a file imports this, and so cdflib."""

import gzip
import io

import cdflib

_VERSION_3 = bytes.fromhex("cdf30001")
_VERSION_2 = (bytes.fromhex("cdf26002"), bytes.fromhex("0000ffff"))
_UNCOMPRESSED = bytes.fromhex("0000ffff")
_COMPRESSED = bytes.fromhex("cccc0001")
_GZIP = 5  # CDF's number for it; the other one for whole files is run-length encoding of zeros


def open_cdf(content: bytes) -> cdflib.CDF:
    """The file with these bytes; cdflib trusts them, and fails in any way if they are damaged."""
    return _InMemoryCDF(_inflated(content))


class _InMemoryCDF(cdflib.CDF):
    """A CDF file whose bytes are in memory, as those of an archive's member are."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        super().__init__("http://in-memory")  # what looks like an address is opened by the method below

    def _file_or_url_or_s3_handler(self, *_: object) -> io.BytesIO:
        return _ExactBytes(self._content)


class _ExactBytes(io.BytesIO):
    """A read past the end is an error: cdflib would take the missing frames for zeros."""

    def read(self, size: int | None = -1, /) -> bytes:
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
    if compression != _COMPRESSED:
        return content
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
    return version + _UNCOMPRESSED + gzip.decompress(file.read(record_size - header_size))
