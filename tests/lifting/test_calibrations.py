"""Intrinsics as calibration tools write them, distortion included."""

import json

import numpy as np
import pytest

from tests.lifting.test_intrinsics import MATRIX, SIZE
from wsgcn.base.errors import InputError
from wsgcn.lifting.calibrations import read_calibration
from wsgcn.lifting.intrinsics import intrinsics_px
from wsgcn.pose.camera import undistort

ROWS = MATRIX.astype(float).tolist()
K1, K2, P1, P2, K3 = -0.2, 0.1, 0.003, -0.002, 0.05
COEFFICIENTS = [K1, K2, P1, P2, K3]
VECTOR = [1500, 1490, 950, 545, K1, K2, K3, P2, P1]

OPENCV = """%YAML:1.0
---
calibration_time: "Mon Nov 2 10:00:00 2020"
image_width: 1920
image_height: 1080
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 1500., 0., 950., 0., 1.49e+03, 545., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -2.0000000000000001e-01, 0.1, 3.0e-03, -2.0e-03, 5.0e-02 ]
avg_reprojection_error: 0.3
"""
ROS = """image_width: 1920
image_height: 1080
camera_name: narrow
distortion_model: plumb_bob
camera_matrix: {rows: 3, cols: 3, data: [1500, 0, 950, 0, 1490, 545, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [-0.2, 0.1, 0.003, -0.002, 0.05]}
projection_matrix: {rows: 3, cols: 4, data: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]}
"""
TOML = """[cam_a]
name = "a"
size = [1920.0, 1080.0]
matrix = [[1500.0, 0.0, 950.0], [0.0, 1490.0, 545.0], [0.0, 0.0, 1.0]]
distortions = [-0.2, 0.1, 0.003, -0.002, 0.05]
rotation = [0.1, 0.2, 0.3]
fisheye = false

[metadata]
adjusted = false
"""
REALSENSE = {"width": 1920, "height": 1080, "ppx": 950, "ppy": 545, "fx": 1500, "fy": 1490, "coeffs": COEFFICIENTS}
TEXTS = {
    "opencv.yml": OPENCV,
    "opencv_without_ending": OPENCV,
    "ros.yaml": ROS,
    "Calib.toml": TOML,
    "a.json": json.dumps({"camera_matrix": ROWS, "dist_coeff": [COEFFICIENTS]}),
    "b.json": json.dumps({"K": np.ravel(ROWS).tolist(), "distCoeffs": [[value] for value in COEFFICIENTS]}),
    "realsense.json": json.dumps(REALSENSE),
    "nested.json": json.dumps({"rms": 0.3, "intrinsics": REALSENSE}),
    "one_by_one.json": json.dumps(REALSENSE | {"coeffs": None, "k1": K1, "k2": K2, "p1": P1, "p2": P2, "k3": K3}),
    "with_mark.json": "\ufeff" + json.dumps({"mtx": ROWS, "dist": COEFFICIENTS}),
}


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", TEXTS)
def test_the_usual_names_are_read_with_their_distortion(write, name):
    assert intrinsics_px(write(name, TEXTS[name]), SIZE).tolist() == VECTOR


@pytest.mark.parametrize(("matrix", "distortion"), [("mtx", "dist"), ("K", "D"), ("camera_matrix", "dist_coeffs")])
def test_npz_is_read(tmp_path, matrix, distortion):
    np.savez(
        tmp_path / "cal.npz", **{matrix: MATRIX, distortion: np.array([COEFFICIENTS]), "rvecs": np.ones((4, 3, 1))}
    )
    assert intrinsics_px(tmp_path / "cal.npz", SIZE).tolist() == VECTOR


def test_open3ds_nine_numbers_go_down_the_columns(write):
    text = json.dumps({"width": 1920, "height": 1080, "intrinsic_matrix": np.ravel(MATRIX.T).tolist()})
    assert intrinsics_px(write("a.json", text), SIZE).tolist()[:4] == VECTOR[:4]


def opencv_distorted(x, y):
    """OpenCV's documented formula."""
    r2 = x * x + y * y
    radial = 1 + K1 * r2 + K2 * r2**2 + K3 * r2**3
    return np.array(
        [x * radial + 2 * P1 * x * y + P2 * (r2 + 2 * x * x), y * radial + P1 * (r2 + 2 * y * y) + 2 * P2 * x * y]
    )


@pytest.mark.parametrize(("x", "y"), [(0.3, -0.2), (-0.4, 0.3), (0.0, 0.3)])
def test_the_distortion_is_opencvs_but_for_half_of_a_tangential_term(write, x, y):
    vector = intrinsics_px(write("a.json", TEXTS["a.json"]), SIZE)
    focal_px, centre_px = vector[:2], vector[2:4]
    seen_px = opencv_distorted(x, y) * focal_px + centre_px
    half_term_px = np.array([x, y]) * (P2 * x + P1 * y) * focal_px
    found_px = undistort((seen_px - half_term_px)[None], vector)[0] * focal_px
    np.testing.assert_allclose(found_px, np.array([x, y]) * focal_px, atol=1e-3)
    assert np.abs(half_term_px).max() < 1.1


def test_one_of_several_cameras_is_chosen_by_name(write):
    path = write("Calib.toml", TOML + TOML.replace("cam_a", "cam_b").replace("1500.0", "1600.0").split("[meta")[0])
    with pytest.raises(InputError, match=r"has the cameras cam_a, cam_b, choose one, such as Calib\.toml:cam_a\."):
        intrinsics_px(path, SIZE)
    assert intrinsics_px(f"{path}:cam_b", SIZE)[0] == 1600
    with pytest.raises(InputError, match=r"has the cameras cam_a, cam_b, but no 'c'; choose Calib\.toml:cam_a"):
        intrinsics_px(f"{path}:c", SIZE)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"focal": 5, "date": 1}', r"no camera matrix under .*names \(k, mtx, .*; it has focal, date\."),
        ("a.json", '{"K": [1, 2]}', "has 2 numbers as camera matrix"),
        ("a.json", '{"K": "see above"}', "has 'see above' as camera matrix"),
        ("a.json", '{"K": [1, ', "is not a readable JSON file"),
        ("a.toml", "[a", "is not a readable toml file"),
        ("a.yml", "a: [", "is not a readable YAML file"),
        ("a.yml", "K: !!python/object:os.system {}", "is not a readable YAML file"),
        ("a.json", json.dumps({"K": ROWS, "D": [1, 2, 3]}), "has 3 coefficients as distortion"),
        ("a.json", json.dumps({"K": ROWS, "D": [0.1] * 8}), "more than OpenCV's five coefficients"),
        ("a.json", json.dumps({"K": ROWS, "distortion_model": "equidistant"}), "is a fisheye camera"),
        ("a.toml", TOML.replace("fisheye = false", "fisheye = true"), "a.toml: cam_a: is a fisheye camera"),
        ("a.json", json.dumps({"K": ROWS, "width": 960, "height": 540}), "is for pictures of 960x540 px, but these"),
        ("a.json", json.dumps({"K": [[10**400, 0, 0], [0, 1, 0], [0, 0, 1]]}), "expected a 3x3 matrix of numbers"),
    ],
    ids=range(13),
)
def test_what_is_no_camera_is_one_sentence(write, name, text, message):
    with pytest.raises(InputError, match=message) as error:
        intrinsics_px(write(name, text), SIZE)
    assert "\n" not in str(error.value)


def test_coefficients_that_are_zero_are_none(write):
    found = read_calibration(write("a.json", json.dumps({"K": ROWS, "D": [K1, K2, P1, P2, K3, 0, 0, 0]})))
    assert found.distortion == (K1, K2, P1, P2, K3)
