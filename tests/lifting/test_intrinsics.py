import json

import numpy as np
import pytest

from tests.foreign import foreign
from wsgcn.base.errors import InputError
from wsgcn.lifting.intrinsics import intrinsics_px

SIZE = (1920, 1080)
MATRIX = np.array([[1500, 0, 950], [0, 1490, 545], [0, 0, 1]])
VECTOR = [1500, 1490, 950, 545, 0, 0, 0, 0, 0]


def test_a_matrix_becomes_the_vector():
    assert intrinsics_px(MATRIX, SIZE).tolist() == VECTOR


@pytest.mark.parametrize("given", [1145, 1145.0, "1145", "1145px", " 1145 px "])
def test_a_focal_length_has_its_principal_point_in_the_middle(given):
    assert intrinsics_px(given, SIZE).tolist() == [1145, 1145, 960, 540, 0, 0, 0, 0, 0]


def test_a_field_of_view_is_horizontal():
    """At 90 degrees the picture is twice as wide as the focal length is long."""
    np.testing.assert_allclose(intrinsics_px("90deg", SIZE)[:2], 960)


def test_of_wide_pixels_a_calibration_is_made_square_and_a_field_of_view_is_of_square_ones():
    np.testing.assert_allclose(intrinsics_px(MATRIX, SIZE, 4 / 3)[:4], [2000, 1490, 950 * 4 / 3, 545])
    np.testing.assert_allclose(intrinsics_px("90deg", SIZE, 4 / 3)[:4], [1280, 1280, 1280, 540])


@pytest.mark.parametrize("suffix", ["npy", "json", "txt", "csv"])
def test_a_matrix_is_read_from_a_file(tmp_path, suffix):
    path = tmp_path / f"K.{suffix}"
    match suffix:
        case "npy":
            np.save(path, MATRIX)
        case "json":
            path.write_text(json.dumps(MATRIX.tolist()), encoding="utf-8")
        case "txt":
            path.write_text("1500 0 950\n0 1490 545\n0 0 1\n", encoding="utf-8")
        case "csv":
            path.write_text("1500, 0, 950\n0, 1490, 545\n0, 0, 1\n", encoding="utf-8")
    assert intrinsics_px(path, SIZE).tolist() == VECTOR
    assert intrinsics_px(str(path), SIZE).tolist() == VECTOR


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.txt", "nothing.txt is neither a file nor a focal length"),
        ("0deg", "a field of view of 0 degrees"),
        ("180deg", "a field of view of 180 degrees"),
        ("0px", "the focal length 0, 0 px"),
        ("1.1.1px", "is no number"),
        (MATRIX[:2], r"has the shape \(2, 3\)"),
        (MATRIX.T, "is no camera matrix"),
        (MATRIX * 2, "is no camera matrix"),
        (np.array([[1500, 0, 4000], [0, 1500, 540], [0, 0, 1]]), r"principal point \(4000, 540\) outside the picture"),
        (np.array([[np.nan, 0, 960], [0, 1500, 540], [0, 0, 1]]), "focal length nan|is no camera matrix"),
    ],
    ids=range(10),
)
def test_what_is_no_camera_is_one_sentence(given, message):
    with pytest.raises(InputError, match=message):
        intrinsics_px(given, SIZE)


def test_a_file_of_something_else_is_one_sentence(tmp_path):
    (tmp_path / "K.txt").write_text("one two three", encoding="utf-8")
    with pytest.raises(InputError, match=r"K\.txt: is not a readable 3x3 matrix"):
        intrinsics_px(tmp_path / "K.txt", SIZE)


def test_a_byte_order_mark_is_no_part_of_the_matrix(tmp_path):
    (tmp_path / "K.txt").write_text("1500 0 950\r\n0 1490 545\r\n0 0 1\r\n", encoding="utf-8-sig")
    assert intrinsics_px(tmp_path / "K.txt", SIZE).tolist() == VECTOR


def test_a_flat_error_of_another_kind_of_file_names_the_kind(tmp_path):
    (tmp_path / "K.png").write_bytes(b"\x89PNG\r\n\x1a\n and more")
    with pytest.raises(InputError, match=r"K\.png: is a PNG picture, expected a camera's intrinsics"):
        intrinsics_px(tmp_path / "K.png", SIZE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Calib.toml", [1300, 1300, 544, 960, -0.05, 0.1, 0, 0, 0]),
        ("bom.txt", [1300, 1300, 544, 960, 0, 0, 0, 0, 0]),
        ("cal.json", [1300, 1300, 544, 960, 0, 0, 0, 0, 0]),
        ("cal.npz", [1300, 1300, 544, 960, 0, 0, 0, 0, 0]),
        ("opencv.yml", [1300, 1300, 544, 960, 0, 0, 0, 0, 0]),
    ],
)
def test_files_of_other_tools_are_read(name, expected):
    assert intrinsics_px(foreign(f"intrinsics/{name}"), (1088, 1920)).tolist() == expected
