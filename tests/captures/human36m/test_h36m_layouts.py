"""Each reader against files that the tests write themselves, whole and damaged."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from cdflib.cdfwrite import CDF as CDFWriter

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cdf import decode_cdf
from wsgcn.captures.human36m.martinez import decode_h5
from wsgcn.captures.human36m.mat import decode_mat
from wsgcn.captures.human36m.names import SUBJECTS
from wsgcn.captures.human36m.recording import Human36M, RawTake
from wsgcn.captures.layouts import find_capture

FRAMES = 7
CDF_FOLDER = "MyPoseFeatures/D3_Positions"
H5_FOLDER = "MyPoses/3D_positions"


def positions_mm(seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=500, size=(frames, 32, 3))


def cdf_bytes(folder: Path, pose: np.ndarray, name: str = "Pose", in_file: bool = False, **spec: object) -> bytes:
    """A CDF file with one record of one variable; `in_file` compresses the variable, Compressed=True the file."""
    path = folder / "written.cdf"
    writer = CDFWriter(path, cdf_spec=spec, delete=True)
    variable = {
        "Variable": name,
        "Data_Type": 45 if pose.dtype == np.float64 else 44,  # CDF_DOUBLE, CDF_FLOAT
        "Num_Elements": 1,
        "Rec_Vary": True,
        "Dim_Sizes": list(pose.shape[1:]),
        "Compress": 9 if in_file else 0,
    }
    writer.write_var(variable, var_data=pose)
    writer.close()
    content = path.read_bytes()
    path.unlink()
    return content


def h5_bytes(positions: np.ndarray, name: str = "3D_positions") -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file[name] = positions
    return buffer.getvalue()


def mat5_bytes(inside: np.ndarray, name: str = "data") -> bytes:
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = inside
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {name: cell}, do_compression=True)
    return buffer.getvalue()


def mat73_bytes(inside: np.ndarray, name: str = "data") -> bytes:
    """As MATLAB 7.3 writes it: 512 bytes of its own before HDF5, a reference in the cell, axes in reverse order."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file["#refs#/a"] = inside.T
        file.create_dataset(name, data=[[file["#refs#/a"].ref]], dtype=h5py.ref_dtype)
    content = bytearray(buffer.getvalue())
    content[:19] = b"MATLAB 7.3 MAT-file"
    return bytes(content)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def takes_at(raw: Path, layout: str = "auto", subjects: Collection[str] = SUBJECTS) -> list[RawTake]:
    capture = find_capture(raw, layout)
    assert isinstance(capture, Human36M)
    return list(capture.files.raw_takes(capture.paths, subjects))


def only_take(raw: Path) -> tuple[RawTake, np.ndarray]:
    [take] = takes_at(raw)
    return take, take.decode()


def flat(positions: np.ndarray) -> np.ndarray:
    """(T, 96) of (T, 32, 3)."""
    return positions.reshape(len(positions), 96)


# whole files


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("spec", "in_file"),
    [({}, False), ({}, True), ({"Compressed": 6}, False), ({"Compressed": 6}, True), ({"Checksum": True}, False)],
)
@pytest.mark.parametrize("majority", ["row_major", "column_major"])
def test_a_cdf_is_exact_however_it_is_stored(
    tmp_path: Path, dtype: type, spec: dict[str, object], in_file: bool, majority: str
) -> None:
    expected = positions_mm().astype(dtype)
    pose = flat(expected)[None]
    if majority == "column_major":  # cdflib's writer declares the order and leaves it to the caller to have it
        pose = pose.swapaxes(1, 2).reshape(pose.shape)
    content = cdf_bytes(tmp_path, pose, in_file=in_file, Majority=majority, **spec)
    np.testing.assert_array_equal(decode_cdf(content, "x.cdf"), expected.astype(np.float64), strict=True)


def test_a_cdf_is_decoded_without_a_file_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = cdf_bytes(tmp_path, flat(positions_mm())[None], Compressed=6)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    decode_cdf(content, "x.cdf")


def test_an_unpacked_cdf_tree_is_read(tmp_path: Path) -> None:
    expected = positions_mm()
    write(tmp_path / "S9" / CDF_FOLDER / "Sitting 1.cdf", cdf_bytes(tmp_path, flat(expected)[None]))
    take, positions = only_take(tmp_path)
    assert (take.subject, take.name, take.unit) == ("S9", "Sitting 1", "mm")
    np.testing.assert_array_equal(positions, expected, strict=True)


def test_archives_of_cdf_files_are_read_in_place(tmp_path: Path) -> None:
    expected = {("S1", "TakingPhoto"): positions_mm(1), ("S5", "Eating 2"): positions_mm(2)}
    for (subject, take), positions in expected.items():
        member = f"{subject}/{CDF_FOLDER}/{take}.cdf"
        content = cdf_bytes(tmp_path, flat(positions)[None], Compressed=6)
        write_tar(tmp_path / f"Poses_D3_Positions_{subject}.tgz", {"notes.txt": b"?", member: content})
    before = sorted(tmp_path.rglob("*"))
    found = {(take.subject, take.name): take.decode() for take in takes_at(tmp_path)}
    assert list(found) == list(expected)
    for key, positions in expected.items():
        np.testing.assert_array_equal(found[key], positions, strict=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("to_bytes", [mat5_bytes, mat73_bytes])
def test_mat_files_of_both_kinds_are_read(tmp_path: Path, to_bytes: Callable[[np.ndarray], bytes]) -> None:
    expected = positions_mm()
    write(tmp_path / "S1" / CDF_FOLDER / "Walking 1.cdf.mat", to_bytes(flat(expected)))
    take, positions = only_take(tmp_path)
    assert (take.subject, take.name, take.unit) == ("S1", "Walking 1", "mm")
    np.testing.assert_array_equal(positions, expected, strict=True)


def test_martinez_files_are_read_from_their_tree_and_from_the_zip(tmp_path: Path) -> None:
    expected = positions_mm().astype(np.float32)
    name, content = f"h36m/S11/{H5_FOLDER}/Directions 1.h5", h5_bytes(flat(expected).T)
    write(tmp_path / "tree" / name, content)
    write_zip(tmp_path / "zip" / "h36m.zip", {"h36m/S11/StackedHourglass/Directions.54138969.h5": b"2D", name: content})
    for folder, layout in (("tree", "martinez"), ("zip", "martinez_zip")):
        assert find_capture(tmp_path / folder).layout == layout
        take, positions = only_take(tmp_path / folder)
        assert (take.subject, take.name, take.unit) == ("S11", "Directions 1", "mm")
        np.testing.assert_array_equal(positions, expected.astype(np.float64), strict=True)


def test_videopose3ds_file_is_read(tmp_path: Path) -> None:
    expected = (positions_mm() / 1000).astype(np.float32)
    tree = {"S1": {"Walking 1": expected}, "S5": {"Eating": expected[:2]}}
    np.savez_compressed(tmp_path / "data_3d_h36m.npz", positions_3d=np.array(tree, dtype=object))
    first, second = takes_at(tmp_path)
    assert (first.subject, first.name, first.unit) == ("S1", "Walking 1", "m")
    np.testing.assert_array_equal(first.decode(), expected.astype(np.float64), strict=True)
    assert (second.subject, second.name, second.decode().shape) == ("S5", "Eating", (2, 32, 3))


def test_only_the_wanted_subjects_are_read(tmp_path: Path) -> None:
    broken = b"not read, so it does not matter"
    good = h5_bytes(flat(positions_mm()).T)
    members = {f"h36m/S5/{H5_FOLDER}/Eating.h5": broken, f"h36m/S1/{H5_FOLDER}/Eating.h5": good}
    path = write_zip(tmp_path / "h36m.zip", members)
    assert [take.subject for take in takes_at(path, subjects=["S1"])] == ["S1"]


def test_macos_notes_beside_the_files_are_passed_over(tmp_path: Path) -> None:
    good = h5_bytes(flat(positions_mm()).T)
    write(tmp_path / "S1" / H5_FOLDER / "Eating.h5", good)
    write(tmp_path / "S1" / H5_FOLDER / "._Eating.h5", b"note")
    write_zip(
        tmp_path / "zip" / "h36m.zip",
        {f"h36m/S1/{H5_FOLDER}/Eating.h5": good, f"__MACOSX/h36m/S1/{H5_FOLDER}/._Eating.h5": b"note"},
    )
    assert [take.name for take in takes_at(tmp_path, "martinez")] == ["Eating"]
    assert [take.name for take in takes_at(tmp_path / "zip")] == ["Eating"]


# damaged and wrong files


def _pose_cdf(folder: Path, pose: np.ndarray) -> bytes:
    return cdf_bytes(folder, pose)


def _compressed_cdf(folder: Path, pose: np.ndarray) -> bytes:
    return cdf_bytes(folder, pose, Compressed=6)


KINDS: dict[str, tuple[Callable[[bytes, str], np.ndarray], Callable[[Path, np.ndarray], bytes]]] = {
    "x.cdf": (decode_cdf, lambda folder, rows: _pose_cdf(folder, rows[None])),
    "z.cdf": (decode_cdf, lambda folder, rows: _compressed_cdf(folder, rows[None])),
    "x.h5": (decode_h5, lambda _, rows: h5_bytes(rows.T)),
    "5.cdf.mat": (decode_mat, lambda _, rows: mat5_bytes(rows)),
    "73.cdf.mat": (decode_mat, lambda _, rows: mat73_bytes(rows)),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.95])
def test_a_truncated_or_empty_file_is_one_sentence_naming_it(tmp_path: Path, name: str, share: float) -> None:
    decode, encode = KINDS[name]
    content = encode(tmp_path, flat(positions_mm(frames=60)))
    with pytest.raises(InputError, match=rf"^data/{name}: is not a readable .* file, truncated or damaged \(.*\)\.$"):
        decode(content[: int(share * len(content))], f"data/{name}")


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_something_else_is_one_sentence_naming_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}: is not a readable .* file, truncated or damaged"):
        KINDS[name][0](b"<html>please sign in</html>" * 100, name)


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("x.cdf", r"\(1, 7, 93\)", r"\(1, T, 96\)"),
        ("z.cdf", r"\(1, 7, 93\)", r"\(1, T, 96\)"),
        ("x.h5", r"\(93, 7\)", r"\(96, T\)"),
        ("5.cdf.mat", r"\(7, 93\)", r"\(T, 96\)"),
        ("73.cdf.mat", r"\(7, 93\)", r"\(T, 96\)"),
    ],
)
def test_a_wrong_shape_is_told_with_the_expected_one(tmp_path: Path, name: str, found: str, expected: str) -> None:
    decode, encode = KINDS[name]
    content = encode(tmp_path, flat(positions_mm())[:, :93])
    with pytest.raises(InputError, match=rf"^{name}: .*shape {found}, expected {expected}"):
        decode(content, name)


@pytest.mark.parametrize("name", ["x.h5", "5.cdf.mat", "73.cdf.mat"])
def test_a_file_without_frames_is_told(tmp_path: Path, name: str) -> None:
    decode, encode = KINDS[name]
    with pytest.raises(InputError, match=rf"^{name}: has no frames\.$"):
        decode(encode(tmp_path, np.zeros((0, 96))), name)


def test_a_cdf_whose_frames_are_records_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^x\.cdf: .*shape \(7, 96\), expected \(1, T, 96\)"):
        decode_cdf(cdf_bytes(tmp_path, flat(positions_mm())), "x.cdf")


def test_a_file_that_lacks_the_variable_is_told_what_it_has(tmp_path: Path) -> None:
    rows = flat(positions_mm())
    with pytest.raises(InputError, match=r"^x\.cdf: has no variable Pose \(it has Angles\)\.$"):
        decode_cdf(cdf_bytes(tmp_path, rows[None], name="Angles"), "x.cdf")
    with pytest.raises(InputError, match=r"^x\.h5: has no dataset 3D_positions \(it has poses\)\.$"):
        decode_h5(h5_bytes(rows.T, name="poses"), "x.h5")
    with pytest.raises(InputError, match=r"^x\.mat: has no 1x1 cell named data\.$"):
        decode_mat(mat5_bytes(rows, name="other"), "x.mat")
    with pytest.raises(InputError, match=r"^x\.mat: has no 1x1 cell named data\.$"):
        decode_mat(mat73_bytes(rows, name="other"), "x.mat")


def test_text_instead_of_numbers_is_told() -> None:
    with pytest.raises(InputError, match=r"^x\.h5: holds an array of object, expected an array of numbers\.$"):
        decode_h5(h5_bytes(np.array([b"a", b"b"], dtype=object)), "x.h5")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"positions_2d": np.array({})}, r"has no positions_3d \(it has positions_2d\)\.$"),
        ({"positions_3d": np.zeros((4, 32, 3))}, r"positions_3d is not a dictionary of subjects"),
        ({"positions_3d": np.array({"S1": [1]}, dtype=object)}, r"positions_3d is not a dictionary of subjects"),
    ],
)
def test_an_npz_of_something_else_is_told(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "data_3d_h36m.npz", **arrays)
    with pytest.raises(InputError, match=rf"data_3d_h36m\.npz: {message}"):
        takes_at(tmp_path)


def test_a_take_of_17_joints_in_an_npz_is_named_with_its_shape(tmp_path: Path) -> None:
    tree = {"S1": {"Walking": np.zeros((5, 17, 3), dtype=np.float32)}}
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.array(tree, dtype=object))
    with pytest.raises(InputError, match=r"npz: S1 Walking: .*shape \(5, 17, 3\), expected \(T, 32, 3\)"):
        only_take(tmp_path)


def test_a_damaged_member_is_named_with_its_archive(tmp_path: Path) -> None:
    member = f"S1/{CDF_FOLDER}/Eating.cdf"
    path = write_tar(tmp_path / "Poses_D3_Positions_S1.tgz", {member: b""})
    with pytest.raises(InputError) as caught:
        only_take(path)
    assert str(caught.value).startswith(f"{path}: {member}: is not a readable CDF file")


def test_an_archive_without_takes_is_told_what_was_expected(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "Poses_D3_Positions_S1.tgz", {"readme.txt": b"hello"})
    with pytest.raises(InputError, match=r"S1\.tgz: holds no S\*/MyPoseFeatures/D3_Positions/\*\.cdf or S\*/Poses_"):
        takes_at(tar)
    only_2d = write_zip(tmp_path / "h36m.zip", {"h36m/S1/StackedHourglass/Directions.54138969.h5": b"2D"})
    with pytest.raises(InputError, match=r"h36m\.zip: holds no S\*/MyPoses/3D_positions/\*\.h5\.$"):
        takes_at(only_2d)


@pytest.mark.parametrize("name", ["Poses_D3_Positions_S1.tgz", "h36m.zip", "data_3d_h36m.npz"])
def test_an_empty_archive_is_one_sentence_naming_it(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, b"")
    with pytest.raises(InputError, match=rf"{name}: is not a readable \w+ (archive|file), truncated or damaged"):
        takes_at(tmp_path)
