import os
import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.containers.npz import load_npz

# What numpy 1 under Python 2 writes for {'S1': {'Walking': [array([0.5, -2.0], '<f4'), u'\xe9', 3]}} at protocol 2, an
# object array included; composed by hand from the documented opcodes.
_PYTHON_2_PICKLE = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01)cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89"
    b"](}U\x02S1}U\x07Walking]("
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    b"U\x08\x00\x00\x00?\x00\x00\x00\xc0tb"
    b"X\x02\x00\x00\x00\xc3\xa9K\x03esse"
    b"tb."
)


def _npy_of_objects(pickled: bytes, shape: str = "()") -> bytes:
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickled


def _write_npz(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class _RunsCode:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch owned",)


def test_plain_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.asfortranarray(np.eye(3)), "c": np.array(7)}
    np.savez(tmp_path / "plain.npz", **arrays)
    loaded = load_npz(tmp_path / "plain.npz")
    assert list(loaded) == ["a", "b", "c"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)


def test_a_pickled_tree_of_arrays_comes_back_as_dicts_and_lists(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tree = {
        "S1": {
            "Walking 1": rng.normal(size=(5, 32, 3)).astype(np.float32),
            "Eating": [np.zeros((0, 2)), rng.random(3)],
        },
        "about": {
            "layout": "h36m",
            "joints": 17,
            "pairs": [[1, 2], (3, 4)],
            "scale": np.float64(0.5),
            "bytes": b"\xe9",
        },
    }
    np.savez_compressed(tmp_path / "tree.npz", positions_3d=np.array(tree, dtype=object))
    loaded = load_npz(tmp_path / "tree.npz")["positions_3d"]
    assert isinstance(loaded, dict)
    np.testing.assert_array_equal(loaded["S1"]["Walking 1"], tree["S1"]["Walking 1"], strict=True)
    np.testing.assert_array_equal(loaded["S1"]["Eating"][1], tree["S1"]["Eating"][1], strict=True)
    assert loaded["about"] == tree["about"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_binary_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    tree = np.array({"a": np.arange(3.0), "b": b"\xe9", "c": b"", "d": np.float32(2)}, dtype=object)
    path = _write_npz(tmp_path / "tree.npz", {"x.npy": _npy_of_objects(pickle.dumps(tree, protocol))})
    loaded = load_npz(path)["x"]
    assert isinstance(loaded, dict)
    np.testing.assert_array_equal(loaded["a"], np.arange(3.0))
    assert (loaded["b"], loaded["c"], loaded["d"]) == (b"\xe9", b"", 2)


def test_both_spellings_of_numpys_core_are_read(tmp_path: Path) -> None:
    pickled = pickle.dumps(np.array([np.arange(2), "text"], dtype=object), protocol=2)
    assert b"numpy._core" in pickled
    older = pickled.replace(b"numpy._core", b"numpy.core")
    path = _write_npz(
        tmp_path / "both.npz", {"new.npy": _npy_of_objects(pickled, "(2,)"), "old.npy": _npy_of_objects(older, "(2,)")}
    )
    for loaded in load_npz(path).values():
        assert isinstance(loaded, np.ndarray)
        assert loaded[0].tolist() == [0, 1]
        assert loaded[1] == "text"


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    path = _write_npz(tmp_path / "python2.npz", {"positions_2d.npy": _npy_of_objects(_PYTHON_2_PICKLE)})
    loaded = load_npz(path)["positions_2d"]
    assert isinstance(loaded, dict)
    array, text, number = loaded["S1"]["Walking"]
    np.testing.assert_array_equal(array, np.array([0.5, -2], dtype=np.float32), strict=True)
    assert (text, number) == ("é", 3)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(np.array({"a": _RunsCode()}, dtype=object), protocol)
    path = _write_npz(tmp_path / "evil.npz", {"positions_3d.npy": _npy_of_objects(pickled)})
    with pytest.raises(InputError, match=r"evil\.npz: would run code on loading \(found \w+\.system\)") as caught:
        load_npz(path)
    assert str(caught.value).count(". ") == 0
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("pickled", "found"),
    [
        (b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", r"builtins\.eval"),
        (b"\x80\x04\x8c\x05numpy\x8c\x09testing.x\x93.", r"numpy\.testing\.x"),
        (b"\x80\x02cnumpy\nload\nX\x01\x00\x00\x001\x85R.", r"numpy\.load"),
        (pickle.dumps(OrderedDict(a=1), 2), r"collections\.OrderedDict"),
    ],
)
def test_every_other_name_is_refused(tmp_path: Path, pickled: bytes, found: str) -> None:
    path = _write_npz(tmp_path / "evil.npz", {"x.npy": _npy_of_objects(pickled)})
    with pytest.raises(InputError, match=f"would run code on loading .found {found}."):
        load_npz(path)


def test_other_codecs_than_latin1_are_refused(tmp_path: Path) -> None:
    pickled = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-7\x86R."
    path = _write_npz(tmp_path / "codec.npz", {"x.npy": _npy_of_objects(pickled)})
    with pytest.raises(InputError, match="utf-7"):
        load_npz(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_npz_is_one_sentence_naming_the_file(tmp_path: Path, share: float) -> None:
    whole = BytesIO()
    np.savez(whole, x=np.array({"a": np.arange(1000.0)}, dtype=object))
    path = tmp_path / "cut.npz"
    path.write_bytes(whole.getvalue()[: int(share * len(whole.getvalue()))])
    with pytest.raises(InputError, match=r"cut\.npz: is not a readable npz file, truncated or damaged"):
        load_npz(path)


def test_a_truncated_pickle_in_a_whole_npz_names_the_file(tmp_path: Path) -> None:
    pickled = pickle.dumps(np.array({"a": np.arange(1000.0)}, dtype=object))
    path = _write_npz(tmp_path / "cut.npz", {"x.npy": _npy_of_objects(pickled[:500])})
    with pytest.raises(InputError, match=r"cut\.npz: is not a readable npz file"):
        load_npz(path)


def test_a_flipped_bit_fails_the_checksum(tmp_path: Path) -> None:
    whole = BytesIO()
    np.savez(whole, x=np.array({"a": np.arange(1000.0)}, dtype=object))  # stored, not compressed
    damaged = bytearray(whole.getvalue())
    damaged[len(damaged) // 2] ^= 1
    path = tmp_path / "damaged.npz"
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"damaged\.npz: .*Bad CRC-32"):
        load_npz(path)


def test_a_zip_of_other_things_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"other\.npz: .*notes\.txt"):
        load_npz(_write_npz(tmp_path / "other.npz", {"notes.txt": b"hello"}))
    with pytest.raises(InputError, match=r"absent\.npz: not found"):
        load_npz(tmp_path / "absent.npz")
