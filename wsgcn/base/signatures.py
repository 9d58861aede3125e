"""What a file is by its first bytes, so that a sound file of another kind is named and not called damaged."""

import re
from pathlib import Path

_LOOKED_AT = 512  # bytes; a tar archive says what it is at 257

# (what it is, how it begins), the first that fits
_KINDS = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("an HDF5 file", rb"\x89HDF\r\n\x1a\n"),
        ("a MATLAB 7.3 file", rb"MATLAB 7\.3"),
        ("a MATLAB file", rb"MATLAB 5\.0"),
        ("an npy file", rb"\x93NUMPY"),
        ("a zip archive", rb"PK(\x03\x04|\x05\x06)"),
        ("a gzip archive", rb"\x1f\x8b"),
        ("a tar archive", rb".{257}ustar"),
        ("a bzip2 archive", rb"BZh[1-9]"),
        ("an xz archive", rb"\xfd7zXZ\x00"),
        ("a zstd archive", rb"\x28\xb5\x2f\xfd"),
        ("a 7z archive", rb"7z\xbc\xaf\x27\x1c"),
        ("a RAR archive", rb"Rar!\x1a\x07"),
        ("a Parquet file", rb"PAR1"),
        ("a CDF file", rb"\xcd\xf3\x00\x01|\xcd\xf2\x60\x02"),
        ("a netCDF file", rb"CDF[\x01\x02\x05]"),
        ("an SQLite database", rb"SQLite format 3\x00"),
        ("a HEIF or AVIF picture", rb".{4}ftyp(heic|heix|mif1|avif)"),
        ("an MP4 or QuickTime video", rb".{4}(ftyp|moov|mdat)"),
        ("a Matroska or WebM video", rb"\x1a\x45\xdf\xa3"),
        ("an AVI video", rb"RIFF.{4}AVI "),
        ("a sound file", rb"ID3|fLaC|RIFF.{4}WAVE"),
        ("an MXF video", rb"\x06\x0e\x2b\x34\x02\x05\x01\x01"),
        ("a RealMedia video", rb"\.RMF"),
        ("a raw H.264 or H.265 video", rb"\x00{2,3}\x01([\x09\x27\x67]|[\x40\x46]\x01)"),
        ("a Y4M video", rb"YUV4MPEG2 "),
        ("an animated PNG", rb"\x89PNG\r\n\x1a\n.{0,400}acTL"),
        ("an animated WebP", rb"RIFF.{4}WEBP.{0,400}ANIM"),
        ("a WebP picture", rb"RIFF.{4}WEBP"),
        ("a JPEG picture", rb"\xff\xd8\xff"),
        ("a PNG picture", rb"\x89PNG\r\n\x1a\n"),
        ("a GIF picture", rb"GIF8[79]a"),
        ("a TIFF picture", rb"II\*\x00|MM\x00\*"),
        ("a BMP picture", rb"BM.{4}\x00{4}"),
        ("a PDF file", rb"%PDF-"),
        ("an FBX file", rb"Kaydara FBX Binary"),
        ("a BVH file", rb"\s*HIERARCHY\b"),
        ("a web page", rb"(?i)\s*(<!doctype html|<html)"),
        ("an XML file", rb"(\xef\xbb\xbf)?\s*<\?xml"),
        ("a pointer of Git LFS to a file that is not there", rb"version https://git-lfs"),
        ("a pickle, which could run code when it is loaded and is not read", rb"\x80[\x02-\x05][\]}\x95cK(X\x8cG]"),
    )
)


# What a file of a kind begins with, where that is not its own name.
_SAME = {
    "npz file": ("a zip archive",),
    "checkpoint file": ("a zip archive",),
    "tar archive": ("a gzip archive",),
    "HDF5 file": ("a MATLAB 7.3 file",),
    "MATLAB file": ("a MATLAB 7.3 file", "an HDF5 file"),
    "CDF file": ("a netCDF file",),
    "video": ("an MP4 or QuickTime video", "a Matroska or WebM video", "an AVI video", "a GIF picture"),
}


def other_kind(path: Path | str, expected: str) -> str | None:
    """What a file is that should be of another kind ('npz file'); None if it is, or its first bytes say nothing."""
    found = kind_of_file(path)
    if found is None or found in _SAME.get(expected, ()):
        return None
    return None if expected.startswith(found.split(" ", 1)[1]) else found


def kind_of(start: bytes) -> str | None:
    """What a file is that begins with these bytes, None if they say nothing: text, or numbers without a header."""
    return next((name for name, pattern in _KINDS if pattern.match(start)), None)


def kind_of_file(path: Path | str) -> str | None:
    """What a file is; None if its first bytes say nothing, or it cannot be read."""
    try:
        if not Path(path).is_file():
            return None
        with Path(path).open("rb") as file:
            return kind_of(file.read(_LOOKED_AT))
    except (OSError, ValueError):
        return None
