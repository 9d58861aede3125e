"""The four cameras of a capture that has none."""

import numpy as np
import pytest

from tests.tiny import tiny_positions_m
from wsgcn.captures.cameras import around_origin, centred
from wsgcn.captures.human36m.cameras import SERIALS, human36m_cameras
from wsgcn.pose.camera import Camera, project, world_to_camera
from wsgcn.pose.skeleton import H36M17

HEAD = H36M17.joints.index("Head")
FEET = [H36M17.joints.index(joint) for joint in ("LFoot", "RFoot")]
AT_ORIGIN = [np.zeros((1, 3))]  # roots of somebody who stays there


def way_m(reach_m: float) -> np.ndarray:
    """(T, 3) of a root that gets as far from the origin as it may."""
    return np.array([[0.0, 0, 0.9], [0, -reach_m, 0.9]])


def seen(camera: Camera, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World points (..., J, 3) in the camera's axes, m, and in its picture, px."""
    camera_m = world_to_camera(points_m, camera.rotation, np.array(camera.translation_m))
    return camera_m, project(camera_m, camera.intrinsics_px)


def assert_in_picture(camera: Camera, points_m: np.ndarray) -> None:
    camera_m, points_px = seen(camera, points_m)
    assert (camera_m[..., 2] > 0).all()
    assert (points_px >= 0).all()
    assert (points_px < [camera.width_px, camera.height_px]).all()


def people_m(reach_m: float) -> np.ndarray:
    """(N, 17, 3): the same person all over the floor as far as the reach, turned in each place in several ways."""
    radii, angles = np.meshgrid(np.linspace(0, reach_m, 9), np.radians(np.arange(0, 360, 7.5)))
    places_m = np.stack([radii * np.cos(angles), radii * np.sin(angles), np.zeros_like(radii)], axis=-1).reshape(-1, 3)
    poses_m = centred(tiny_positions_m("S1", "Walking", 200).astype(float))[::40]
    poses_m[..., :2] -= poses_m[:, :1, :2]
    return (poses_m[None] + places_m[:, None, None]).reshape(-1, 17, 3)


def test_there_are_four_with_the_serials_and_the_optics_of_human36m() -> None:
    cameras = around_origin(AT_ORIGIN)
    assert list(cameras) == list(SERIALS)
    for serial, model in human36m_cameras()["S1"].items():
        camera = cameras[serial]
        assert camera.serial == serial
        assert (camera.width_px, camera.height_px) == (model.width_px, model.height_px)
        np.testing.assert_array_equal(camera.intrinsics_px, model.intrinsics_px)


@pytest.mark.parametrize("serial", SERIALS)
@pytest.mark.parametrize("reach_m", [0.0, 8.0])
def test_the_rotation_is_one_with_a_level_horizon(serial: str, reach_m: float) -> None:
    camera = around_origin([way_m(reach_m)])[serial]
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    right, down, forward = camera.rotation
    assert right[2] == pytest.approx(0, abs=1e-12)
    assert down[2] < -0.9
    # towards the height of a hip above the origin
    to_hip_m = np.array([0, 0, 0.95]) - np.array(camera.translation_m)
    np.testing.assert_allclose(forward, to_hip_m / np.linalg.norm(to_hip_m), atol=1e-12)


@pytest.mark.parametrize("serial", SERIALS)
def test_somebody_at_the_origin_is_upright_and_whole_in_every_picture(serial: str) -> None:
    camera = around_origin(AT_ORIGIN)[serial]
    people = people_m(0)
    assert_in_picture(camera, people)
    camera_m, points_px = seen(camera, people)
    assert (points_px[:, HEAD, 1] + 100 < points_px[:, FEET, 1].min(axis=1)).all(), "y counts down"
    distances_m = np.linalg.norm(camera_m, axis=-1)
    assert 4.5 < distances_m.min() < distances_m.max() < 6


@pytest.mark.parametrize("serial", SERIALS)
def test_left_is_not_mirrored(serial: str) -> None:
    """Of somebody who faces the camera, the left hand is on the picture's right."""
    camera = around_origin(AT_ORIGIN)[serial]
    place_m = np.array(camera.translation_m) * [1, 1, 0]
    towards = place_m / np.linalg.norm(place_m)
    to_the_left = np.cross([0, 0, 1], towards)
    _, points_px = seen(camera, np.array([0, 0, 1]) + np.outer([0.3, -0.3], to_the_left))
    assert points_px[0, 0] > points_px[1, 0] + 50


@pytest.mark.parametrize("serial", SERIALS)
def test_a_hip_at_the_origin_is_near_the_middle_of_the_picture(serial: str) -> None:
    camera = around_origin(AT_ORIGIN)[serial]
    _, points_px = seen(camera, np.array([[0, 0, 0.95]]))
    np.testing.assert_allclose(points_px[0], [camera.width_px / 2, camera.height_px / 2], atol=30)


@pytest.mark.parametrize("serial", SERIALS)
@pytest.mark.parametrize("reach_m", [1.0, 1.5, 2.0, 3.0, 5.0, 8.0])
def test_whoever_stands_within_the_reach_is_in_every_picture(serial: str, reach_m: float) -> None:
    assert_in_picture(around_origin([way_m(0.3), way_m(reach_m)])[serial], people_m(reach_m))


def test_the_cameras_stand_on_four_sides_at_one_height_and_one_distance() -> None:
    places_m = np.array([camera.translation_m for camera in around_origin(AT_ORIGIN).values()])
    assert {(x > 0, y > 0) for x, y, _ in places_m} == {(True, True), (True, False), (False, True), (False, False)}
    assert np.ptp(places_m[:, 2]) < 1e-9
    assert np.ptp(np.linalg.norm(places_m, axis=1)) < 1e-9


def test_a_small_reach_and_no_takes_at_all_leave_the_cameras_where_they_are() -> None:
    assert around_origin([]) == around_origin(AT_ORIGIN) == around_origin([way_m(0.5), np.zeros((0, 3))])


def test_a_centred_take_keeps_its_shape_and_heights_and_has_its_roots_way_around_the_origin() -> None:
    take_m = tiny_positions_m("S1", "Walking", 30).astype(float)
    take_m[..., :2] += np.linspace([3, -7], [9, -5], 30)[:, None]
    moved_m = centred(take_m)
    shift_m = moved_m - take_m
    np.testing.assert_allclose(shift_m, np.broadcast_to(shift_m[0, 0], shift_m.shape), atol=1e-12)
    np.testing.assert_array_equal(moved_m[..., 2], take_m[..., 2])
    root_m = moved_m[:, 0, :2]
    np.testing.assert_allclose(root_m.max(axis=0), -root_m.min(axis=0), atol=1e-12)
    np.testing.assert_allclose(centred(moved_m), moved_m, atol=1e-12)
