"""Stacked Hourglass in a zip, a tar.gz and a tree that the tests write themselves."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.detections.hourglass import open_finetuned, open_pretrained
from wsgcn.pose.skeleton import H36M16
from wsgcn.pose.store import Sequence2D

_SERIAL = "54138969"
# where each joint of Human3.6M-16 stands in the detector's order
_SLOTS = [6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10]


def _poses_px(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(100, 900, size=(frames, 16, 2))


def _h5(array: np.ndarray, dataset: str = "poses") -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file[dataset] = array
    return content.getvalue()


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _tree(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


def _all(_subject: str, _take: str) -> bool:
    return True


def _by_key(sequences: list[Sequence2D]) -> dict[tuple[str, str, str], np.ndarray]:
    return {(found.subject, found.take, found.serial): found.keypoints_px for found in sequences}


_FILES = {
    "S1/{}/Directions_1.54138969.h5": _poses_px(4, seed=1),
    "S1/{}/Directions.55011271.h5": _poses_px(3, seed=2),
    "S11/{}/TakingPhoto.60457274.h5": _poses_px(2, seed=3),
}
_FOUND = {
    ("S1", "Directions 1", "54138969"): _poses_px(4, seed=1),
    ("S1", "Directions", "55011271"): _poses_px(3, seed=2),
    ("S11", "Photo", "60457274"): _poses_px(2, seed=3),
}


def _files(folder: str, prefix: str = "") -> dict[str, bytes]:
    return {prefix + name.format(folder): _h5(poses_px) for name, poses_px in _FILES.items()}


_PRETRAINED = _files("StackedHourglass")
_FINETUNED = _files("StackedHourglassFineTuned240")


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: _zip(folder / "h36m.zip", _files("StackedHourglass", "h36m/")),
        lambda folder: _zip(folder / "any name", _PRETRAINED),
        lambda folder: _tree(folder, _PRETRAINED),
        lambda folder: (
            _tree(folder / "h36m", {**_PRETRAINED, "S1/MyPoses/3D_positions/Directions.h5": b"not read"}).parent
        ),
    ],
    ids=["zip", "zip of another name", "tree", "tree in a folder"],
)
def test_the_pretrained_detections_are_read_from_zip_and_tree(write: Callable[[Path], Path], tmp_path: Path) -> None:
    reader = open_pretrained(write(tmp_path))
    assert reader.joints == H36M16.joints
    _assert_found(list(reader.sequences(_all)))


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: _tar(folder / "stacked_hourglass_fined_tuned_240.tar.gz", _FINETUNED).parent,
        lambda folder: _tar(folder / "any name", _FINETUNED),
        lambda folder: _tree(folder, {**_FINETUNED, **_PRETRAINED}),
    ],
    ids=["tar", "tar of another name", "tree with both detectors"],
)
def test_the_finetuned_detections_are_read_from_tar_and_tree(write: Callable[[Path], Path], tmp_path: Path) -> None:
    reader = open_finetuned(write(tmp_path))
    assert reader.joints == H36M16.joints
    _assert_found(list(reader.sequences(_all)))


def _assert_found(sequences: list[Sequence2D]) -> None:
    found = _by_key(sequences)
    assert len(sequences) == len(found) == 3
    for key, poses_px in _FOUND.items():
        np.testing.assert_array_equal(found[key], poses_px[:, _SLOTS].astype(np.float32))


def test_a_take_that_is_not_wanted_is_not_opened(tmp_path: Path) -> None:
    files = {**_PRETRAINED, f"S1/StackedHourglass/Eating.{_SERIAL}.h5": b"no HDF5"}
    asked = set()

    def wanted(subject: str, take: str) -> bool:
        asked.add((subject, take))
        return take != "Eating"

    assert len(list(open_pretrained(_zip(tmp_path / "h36m.zip", files)).sequences(wanted))) == 3
    assert asked == {("S1", "Directions"), ("S1", "Directions 1"), ("S1", "Eating"), ("S11", "Photo")}


def test_what_an_operating_system_leaves_beside_the_files_is_passed_over(tmp_path: Path) -> None:
    strays = {"S1/StackedHourglass/._Directions.54138969.h5": b"", "S1/StackedHourglass/Thumbs.db": b""}
    reader = open_pretrained(_zip(tmp_path / "h36m.zip", {**strays, **_PRETRAINED}))
    _assert_found(list(reader.sequences(_all)))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (f"Jumping.{_SERIAL}.h5", _h5(_poses_px(2)), r"Jumping.*'Jumping' is no take of Human3.6M"),
        (
            "Eating.12345678.h5",
            _h5(_poses_px(2)),
            r"Eating.12345678.h5: is of the camera '12345678', expected .*54138969",
        ),
        ("Eating.h5", _h5(_poses_px(2)), r"Eating.h5: is of the camera 'Eating', expected <take>.<camera>.h5"),
        (
            f"Eating.{_SERIAL}.h5",
            _h5(_poses_px(2))[:-500],
            r"Eating.54138969.h5: is not a readable HDF5 file, truncated",
        ),
        (f"Eating.{_SERIAL}.h5", b"", r"Eating.54138969.h5: is not a readable HDF5 file"),
        (
            f"Eating.{_SERIAL}.h5",
            _h5(_poses_px(2), "pose"),
            r"Eating.54138969.h5: has no dataset poses \(it has pose\)",
        ),
        (f"Eating.{_SERIAL}.h5", _h5(_poses_px(2)[:, :15]), r"S1 Eating, camera 54138969: has the shape \(2, 15, 2\)"),
        (f"Eating.{_SERIAL}.h5", _h5(_poses_px(2)[0]), r"the shape \(16, 2\), expected \(frames, 16 joints, 2 or 3\)"),
        (
            f"Eating.{_SERIAL}.h5",
            _h5(np.full((2, 16, 2), b"x")),
            r"holds an array of \|S1, expected \(frames, 16 joints",
        ),
        ("../Eating.54138969.h5", b"", r"'S1/StackedHourglass/../Eating.54138969.h5' points outside the archive"),
    ],
)
def test_a_bad_member_is_one_sentence_naming_it(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    archive = _zip(tmp_path / "h36m.zip", {**_PRETRAINED, f"S1/StackedHourglass/{name}": content})
    with pytest.raises(InputError, match=sentence) as caught:
        list(open_pretrained(archive).sequences(_all))
    assert str(archive) in str(caught.value)


def test_an_archive_of_something_else_is_an_error(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "h36m.zip", {"S1/MyPoses/3D_positions/Directions.h5": b""})
    with pytest.raises(InputError, match=r"h36m.zip: holds no S\*/StackedHourglass/\*.h5"):
        list(open_pretrained(archive).sequences(_all))


def test_a_truncated_zip_and_tar_are_one_sentence_naming_the_file(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "h36m.zip", _PRETRAINED)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"h36m.zip: is not a readable zip archive"):
        list(open_pretrained(archive).sequences(_all))
    archive = _tar(tmp_path / "cut.tar.gz", _FINETUNED)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"cut.tar.gz: is not a readable tar archive"):
        list(open_finetuned(archive).sequences(_all))
    archive.write_bytes(gzip.compress(gzip.decompress(_tar(archive, _FINETUNED).read_bytes())[:5000]))
    with pytest.raises(InputError, match=r"cut.tar.gz: is not a readable tar archive"):
        list(open_finetuned(archive).sequences(_all))


def test_a_tar_member_outside_the_archive_is_refused(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "bad.tar.gz", {**_FINETUNED, "/S1/StackedHourglassFineTuned240/Eating.54138969.h5": b""})
    with pytest.raises(InputError, match=r"bad.tar.gz: the member '/S1/.*' points outside the archive"):
        list(open_finetuned(archive).sequences(_all))


def test_zip_and_tree_in_one_folder_are_an_error_that_names_both(tmp_path: Path) -> None:
    _zip(tmp_path / "h36m.zip", _PRETRAINED)
    _tree(tmp_path / "h36m", _PRETRAINED)
    with pytest.raises(InputError, match=r"holds h36m, h36m.zip, expected only one of them; set detections.path"):
        open_pretrained(tmp_path)


def test_a_folder_with_the_other_detector_alone_is_an_error(tmp_path: Path) -> None:
    _tree(tmp_path, _PRETRAINED)
    with pytest.raises(
        InputError, match=r"holds S1, S11, expected stacked_hourglass_fined_tuned_240.tar.gz or folders"
    ):
        open_finetuned(tmp_path)
