"""npy, npz and lifted npz files that declare more than they have, in a child process that has little memory."""

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.bombs import deflated_zeros, read_in_little_memory, zip_of
from tests.containers.test_hostile_pickles import ARRAY, NOTHING, ONE, call, dtype, npz, number, raw, state
from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.containers.npy import load_npy
from wsgcn.containers.npz import load_arrays, load_npz

IMPORTS = "from wsgcn.containers.npy import load_npy; from wsgcn.containers.npz import load_arrays, load_npz"


def npy(header: str, content: bytes = b"", version: int = 1) -> bytes:
    encoded = header.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(encoded))
    return b"\x93NUMPY" + bytes([version, 0]) + length + encoded + content


def declared(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


HEADERS = {
    "10^12 numbers": npy(declared("(1000000000000,)"), bytes(80)),
    "a gigabyte of them": npy(declared("(134217728,)"), bytes(80)),
    "10^12 empty texts": npy(declared("(1000000000000,)", "'<U0'")),
    "a product that wraps around to 0": npy(declared("(4294967296, 4294967296)", "'|u1'")),
    "a negative length": npy(declared("(-1, -8)"), bytes(64)),
    "10^400 numbers": npy(declared(f"(1{'0' * 400},)")),
    "a number of 9,000 digits": npy(declared(f"({'9' * 9000},)")),
    "a number of no digits": npy(declared("(0x,)")),
    "a bracket that stays open": npy("{'descr': '<f8', 'shape': ((((("),
    "a line that goes on": npy("{'descr': '<f8', \\"),
    "brackets in brackets": npy("(" * 4000),
    "minus minus": npy(declared(f"({'-' * 4000}1,)")),
    "a subarray of 8 TB": npy(declared("(1,)", "('<f8', (1000000, 1000000))")),
    "a structured array": npy(declared("(1,)", "[('a', '<f8')]"), bytes(8)),
    "objects": npy(declared("(1,)", "'|O'"), b"N."),
    "a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 100,
    "version 9": npy(declared("(1,)"), bytes(8), version=9),
    "no header": b"\x93NUMPY",
}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each header gives, as npy and in an npz, read one after the other in one child."""
    folder = tmp_path_factory.mktemp("headers")
    alone, inside = [], []
    for number_, content in enumerate(HEADERS.values()):
        alone.append(folder / f"{number_}.npy")
        alone[-1].write_bytes(content)
        inside.append(folder / f"{number_}.npz")
        with zipfile.ZipFile(inside[-1], "w") as archive:
            archive.writestr("a.npy", content)
    found = read_in_little_memory(IMPORTS, "load_npy(path)", *alone)
    found_inside = read_in_little_memory(IMPORTS, "load_arrays(path)", *inside)
    return {name: [one, two] for name, one, two in zip(HEADERS, found, found_inside, strict=True)}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_not_what_it_says_is_one_sentence(sentences: dict[str, list[str]], name: str) -> None:
    for sentence in sentences[name]:
        assert "is not a readable np" in sentence or (name == "objects" and "holds pickled Python objects" in sentence)


def test_the_sentence_has_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(HEADERS["10^12 numbers"])
    with pytest.raises(InputError, match=r"declares the shape \(1000000000000,\) of float64, 8,000 GB, but holds 80 b"):
        load_npy(tmp_path / "a.npy")


def test_a_file_of_a_terabyte_of_holes_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy(declared("(125000000000,)")))
    os.truncate(path, 10**12)
    [sentence] = read_in_little_memory(IMPORTS, "load_npy(path)", path)
    assert sentence == f"{path}: has 1,000 GB; the limit is 2.15 GB."


@pytest.mark.parametrize("size", [2**32 - 1, 2**30])
def test_an_npz_bomb_is_one_sentence(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(zip_of("a.npy", deflated_zeros(2**32, npy(declared(f"({size - 128},)", "'|u1'"))), size))
    for reader in ("load_npz(path)", "load_arrays(path)"):
        [sentence] = read_in_little_memory(IMPORTS, reader, path)
        assert sentence.startswith(f"{path}: a.npy unpacks from")


def test_ones_of_thirty_megabytes_are_read(tmp_path: Path) -> None:
    scores = np.ones((30_000, 133))
    np.savez_compressed(tmp_path / "a.npz", scores=scores)
    assert (tmp_path / "a.npz").stat().st_size * 200 < scores.nbytes
    np.testing.assert_array_equal(load_npz(tmp_path / "a.npz")["scores"], scores)


def test_an_array_is_read_into_memory_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(4_000_000.0))
    tracemalloc.start()
    array = load_arrays(tmp_path / "a.npz")["a"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * array.nbytes
    array[0] = 5  # and it may be changed


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_numpy_wrote_them(tmp_path: Path, order: str) -> None:
    arrays = {
        "a": np.asarray(np.arange(12.0).reshape(3, 4), order=order),  # type: ignore[call-overload]
        "texts": np.array(["Hip", "Head"]),
        "one": np.array(3),
        "none": np.zeros((0, 4), np.float32),
        "big": np.arange(3, dtype=">i2"),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    for found in (load_npz(tmp_path / "a.npz"), load_arrays(tmp_path / "a.npz")):
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


MEBIBYTE = raw(bytes(2**20))
COPIES = {
    "of bytes": call(
        "numpy._core.numeric._frombuffer", b"h\x07", dtype("u1"), number(2**20) + b"\x85", b"X\x01\0\0\0C"
    ),
    "of a state": ARRAY + state(ONE, number(2**20) + b"\x85", dtype("u1"), b"\x89", b"h\x07"),
    "of a text": call("_codecs.encode", b"h\x08", b"X\x06\0\0\0latin1"),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_pickle_cannot_copy_its_bytes_again_and_again(tmp_path: Path, name: str) -> None:
    text = b"X" + struct.pack("<I", 2**20) + b"x" * 2**20
    pickled = b"\x80\x05](" + MEBIBYTE + b"q\x07" + text + b"q\x08" + COPIES[name] * 3000 + b"e."
    path = npz(tmp_path / "a.npz", pickled)
    [sentence] = read_in_little_memory(IMPORTS, "load_npz(path)", path)
    assert "the same bytes again and again" in sentence


def test_a_pickle_of_nothing_but_instructions_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PICKLE_STEPS", 1000)
    path = npz(tmp_path / "a.npz", b"\x80\x05" + NOTHING * 1001 + b".")
    with pytest.raises(InputError, match="more than 1,000 instructions, which is the limit"):
        load_npz(path)


def test_a_number_beyond_all_use_and_a_deep_tree_are_one_sentence(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", b"\x80\x05]\x8a\x09" + b"\x7f" * 9 + b"a.")
    with pytest.raises(InputError, match="a number of 71 bits"):
        load_npz(path)
    path = npz(tmp_path / "a.npz", b"\x80\x05" + NOTHING + b"\x85" * 5000 + b".")
    with pytest.raises(InputError, match="containers in each other, more than 100 deep"):
        load_npz(path)


@pytest.mark.parametrize(
    "metadata", ["[" * 100_000, '{"format": "wsgcn lifted pose 1", "joints": 3, "skeleton": []}', "1" * 5000]
)
def test_a_lifted_npz_with_odd_metadata_is_one_sentence(tmp_path: Path, metadata: str) -> None:
    from wsgcn.lifting.writers import npz as lifted_npz

    np.savez(tmp_path / "me.npz", metadata=np.array(metadata), frames=np.array(3))
    with pytest.raises(InputError) as caught:
        lifted_npz.read(tmp_path / "me.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'me.npz'}: ")
    assert len(str(caught.value)) < 500


def test_a_damaged_member_fails_its_checksum(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(1000.0))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[4000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    for read in (load_npz, load_arrays):
        with pytest.raises(InputError, match=r"a\.npz: is not a readable npz file.*CRC"):
            read(tmp_path / "a.npz")


def test_an_npy_in_memory_is_left_behind_its_header() -> None:
    from wsgcn.containers.npy import read_header, read_numbers

    buffer = io.BytesIO()
    np.save(buffer, np.arange(5))
    buffer.seek(0)
    header = read_header(buffer)
    assert header.shape == (5,)
    assert read_numbers(buffer, header).tolist() == [0, 1, 2, 3, 4]
