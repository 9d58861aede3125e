from pathlib import Path

import pytest

from wsgcn.base.errors import InputError
from wsgcn.detections.locate import locate


def _is_cpn(entry: Path) -> bool:
    return "cpn" in entry.name


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path: Path) -> None:
    file = _file(tmp_path / "mine.bin")
    assert locate(file, _is_cpn, "a cpn file") == file


def test_a_folder_is_searched_three_levels_deep(tmp_path: Path) -> None:
    file = _file(tmp_path / "a/b/cpn.npz")
    _file(tmp_path / "a/b/c/cpn_too_deep.npz")
    _file(tmp_path / "other.npz")
    assert locate(tmp_path, _is_cpn, "a cpn file") == file


def test_a_folder_may_match_itself(tmp_path: Path) -> None:
    assert locate(tmp_path, lambda entry: entry == tmp_path, "a folder") == tmp_path


def test_no_match_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    _file(tmp_path / "notes.txt")
    _file(tmp_path / "data_3d_h36m.npz")
    with pytest.raises(InputError, match=r"holds data_3d_h36m.npz, notes.txt, expected a cpn file; detections.path"):
        locate(tmp_path, _is_cpn, "a cpn file")


def test_several_matches_are_an_error_that_names_them(tmp_path: Path) -> None:
    _file(tmp_path / "cpn_1.npz")
    _file(tmp_path / "a/cpn_2.npz")
    with pytest.raises(InputError, match=r"holds a/cpn_2.npz, cpn_1.npz, .* set detections.path to the one"):
        locate(tmp_path, _is_cpn, "a cpn file")


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"away: not found; detections.path must be a cpn file"):
        locate(tmp_path / "away", _is_cpn, "a cpn file")
