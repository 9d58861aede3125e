"""CDF files that declare more than they have, or whose records have no end, in a child with little memory."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.bombs import deflated_zeros, gzip_of, read_in_little_memory
from tests.captures.human36m.test_h36m_layouts import cdf_bytes, flat, positions_mm
from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cdf import decode_cdf
from wsgcn.captures.layouts import find_capture

IMPORTS = """
from pathlib import Path
from wsgcn.captures.human36m.cdf import decode_cdf
import wsgcn.captures.human36m.cdf_file
"""
CALL = "decode_cdf(Path(path).read_bytes(), path)"
MOST = struct.pack(">i", 2**31 - 1)


def variable(content: bytes) -> int:
    """Where the record of Pose begins (VDR: size, type, next, data type, last record, ..., name at 84)."""
    return content.index(b"Pose\0") - 84


def with_bytes(content: bytes, offset: int, new: bytes) -> bytes:
    return content[:offset] + new + content[offset + len(new) :]


def index_record(content: bytes) -> int:
    """The VXR: size, type, next, entries, used, first, last, offsets."""
    return int.from_bytes(content[variable(content) + 28 :][:8], "big")


def compressed_values(content: bytes, new: bytes) -> bytes:
    """The compressed values of Pose replaced by a gzip stream; the file compresses its variable."""
    index = index_record(content)
    entries = int.from_bytes(content[index + 20 :][:4], "big")
    record = struct.pack(">QIIQ", 24 + len(new), 13, 0, len(new)) + new
    return with_bytes(content, index + 28 + 8 * entries, struct.pack(">Q", len(content))) + record


def doubling_index(content: bytes) -> bytes:
    """Thirty index records (VXR), each of which has the next one twice."""
    start = len(content)
    records = b""
    for depth in range(30):
        next_one = start + (depth + 1) * 60
        records += struct.pack(">QIQIIiiiiQQ", 60, 6, 0, 2, 2, 0, 0, 0, 0, next_one, next_one)
    end = struct.pack(">QIQII", 28, 6, 0, 0, 0)
    return with_bytes(content, variable(content) + 28, struct.pack(">Q", start)) + records + end


def whole_file(deflated: bytes) -> bytes:
    packed = gzip_of(deflated)
    header = struct.pack(">QIQQI", 32 + len(packed), 10, 8 + 32 + len(packed), 2**32, 0)
    return bytes.fromhex("cdf30001cccc0001") + header + packed + struct.pack(">QIII", 28, 11, 5, 0) + bytes(8)


CDFS: dict[str, tuple[Callable[[bytes, bytes], bytes], str]] = {
    "a file of 4 GB": (lambda plain, packed: whole_file(deflated_zeros()), "goes on after 268 MB"),
    "values of 4 GB": (
        lambda plain, packed: compressed_values(packed, gzip_of(deflated_zeros())),
        "goes on after 268 MB",
    ),
    "2^31 records": (lambda plain, _: with_bytes(plain, variable(plain) + 24, MOST), "Pose unpacks from"),
    "2^31 frames": (lambda plain, _: with_bytes(plain, variable(plain) + 344, MOST), "Pose unpacks from"),
    "2^31 dimensions": (lambda plain, _: with_bytes(plain, variable(plain) + 340, MOST), "dimensions, expected at"),
    "a variable of text": (
        lambda plain, _: with_bytes(plain, variable(plain) + 20, struct.pack(">i", 51)),
        "expected numbers",
    ),
    "a sparse variable": (
        lambda plain, _: with_bytes(plain, variable(plain) + 48, struct.pack(">i", 2)),
        "Pose is sparse",
    ),
    "an index that leads to itself": (
        lambda plain, _: with_bytes(plain, index_record(plain) + 12, struct.pack(">Q", index_record(plain))),
        "RecursionError|without an end",
    ),
    "an index that doubles thirty times": (lambda plain, _: doubling_index(plain), "without an end"),
    "2^31 entries in the index": (lambda plain, _: with_bytes(plain, index_record(plain) + 24, MOST), ""),
    "2^31 variables": (lambda plain, _: with_bytes(plain, 8 + 312 + 60, MOST), ""),
}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("cdf")
    pose = flat(positions_mm())[None]
    plain, packed = cdf_bytes(folder, pose), cdf_bytes(folder, pose, in_file=True)
    paths = []
    for number, (make, _) in enumerate(CDFS.values()):
        paths.append(folder / f"{number}.cdf")
        paths[-1].write_bytes(make(plain, packed))
    return dict(zip(CDFS, read_in_little_memory(IMPORTS, CALL, *paths), strict=True))


@pytest.mark.parametrize("name", CDFS)
def test_a_cdf_that_has_no_bound_of_its_own_is_one_sentence(sentences: dict[str, str], name: str) -> None:
    assert sentences[name] != "read"
    assert any(part in sentences[name] for part in CDFS[name][1].split("|")), sentences[name]


def test_the_files_above_differ_from_a_sound_one_where_they_should(tmp_path: Path) -> None:
    expected = positions_mm()
    content = cdf_bytes(tmp_path, flat(expected)[None], in_file=True)
    same = compressed_values(content, gzip.compress(flat(expected).astype("<f8").tobytes()))
    np.testing.assert_array_equal(decode_cdf(same, "x.cdf"), expected)


def test_a_take_of_an_hour_is_far_below_the_limits(tmp_path: Path) -> None:
    frames = 3600 * 50
    assert frames * 96 * 8 * 7 < limits.TAKE_BYTES
    content = cdf_bytes(tmp_path, np.zeros((1, 20_000, 96)), Compressed=6)  # zeros, a thousand to one
    assert len(decode_cdf(content, "x.cdf")) == 20_000


def test_a_take_file_of_a_terabyte_of_holes_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "S1" / "MyPoseFeatures" / "D3_Positions" / "Eating.cdf"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(10**12)
    [recording] = find_capture(tmp_path).recordings()
    with pytest.raises(InputError, match=r"Eating\.cdf: has 1,000 GB; the limit is 1\.07 GB"):
        recording.read()
