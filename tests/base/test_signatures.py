"""A sound file of another kind is named by its first bytes, and never called damaged."""

import io
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.base.signatures import kind_of, kind_of_file, other_kind
from wsgcn.containers.npz import load_npz
from wsgcn.lifting.keypoints.formats import open_keypoints


def picture(path: Path) -> None:
    Image.new("RGB", (4, 4)).save(path)


def moving_picture(path: Path) -> None:
    shades = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (0, 200)]
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=40)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table a (b)")
    connection.close()


WRITTEN = {
    "a.png": (picture, "a PNG picture"),
    "a.jpg": (picture, "a JPEG picture"),
    "a.gif": (picture, "a GIF picture"),
    "a.webp": (picture, "a WebP picture"),
    "a.tiff": (picture, "a TIFF picture"),
    "a.bmp": (picture, "a BMP picture"),
    "moving.png": (moving_picture, "an animated PNG"),
    "moving.webp": (moving_picture, "an animated WebP"),
    "a.zip": (zipped, "a zip archive"),
    "a.tar": (tarred, "a tar archive"),
    "a.db": (database, "an SQLite database"),
    "a.npy": (lambda path: np.save(path, np.ones(3)), "an npy file"),
    "a.npz": (lambda path: np.savez(path, np.ones(3)), "a zip archive"),
    "a.h5": (lambda path: h5py.File(path, "w").close(), "an HDF5 file"),
    "a.parquet": (lambda path: pq.write_table(pa.table({"a": [1]}), path), "a Parquet file"),
}
BYTES = {
    b"\0\0\0\x18ftypmp42": "an MP4 or QuickTime video",
    b"\0\0\0\x18ftypheic": "a HEIF or AVIF picture",
    b"ID3\x04": "a sound file",
    b"RIFF\0\0\0\0WAVEfmt": "a sound file",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM video",
    b"RIFF\0\0\0\0AVI LIST": "an AVI video",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01": "an MXF video",
    b".RMF\0\0\0\x12": "a RealMedia video",
    b"\0\0\0\x01\x67\x64\0\x28": "a raw H.264 or H.265 video",
    b"\0\0\0\x01\x40\x01\x0c\x01": "a raw H.264 or H.265 video",
    b"YUV4MPEG2 W64 H48": "a Y4M video",
    b"<!DOCTYPE html><html>": "a web page",
    b"version https://git-lfs.github.com/spec/v1": "a pointer of Git LFS to a file that is not there",
    b"\x80\x04\x95\x10": "a pickle, which could run code when it is loaded and is not read",
    b"HIERARCHY\nROOT Hips": "a BVH file",
    b'{"people": []}': None,
    b"1500 0 950": None,
    b"": None,
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_are_known_as_libraries_write_them(tmp_path: Path, name: str) -> None:
    write, kind = WRITTEN[name]
    write(tmp_path / name)
    assert kind_of_file(tmp_path / name) == kind


@pytest.mark.parametrize("start", BYTES)
def test_the_first_bytes_say_what_it_is_or_nothing(start: bytes) -> None:
    assert kind_of(start) == BYTES[start]


def test_a_damaged_file_of_the_right_kind_is_not_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    assert other_kind(tmp_path / "a.npz", "npz file") is None
    with pytest.raises(InputError, match=r"a\.npz: is not a readable npz file, truncated or damaged"):
        load_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("start", [b"\0\0\0\x18ftypmp42", b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI LIST", b"GIF89a"])
def test_a_damaged_video_of_a_kind_that_is_read_is_damaged(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a").write_bytes(start)
    assert other_kind(tmp_path / "a", "video") is None


def test_a_sound_file_of_another_kind_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: is a PNG picture, expected a readable npz file\.$"):
        load_npz(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: is a PNG picture, expected 2D keypoints, such as a detector's"):
        open_keypoints(tmp_path / "a.png")


def test_what_is_no_file_has_no_kind(tmp_path: Path) -> None:
    assert kind_of_file(tmp_path) is None
    assert kind_of_file(tmp_path / "absent") is None
    assert kind_of_file("S1.tgz: S1/a.cdf\0") is None
