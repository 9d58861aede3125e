import numpy as np
import pytest

from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import world_to_camera
from wsgcn.rendering.viewpoint import Viewpoint, Window, lift_to_floor, upright_from_camera

CAMERAS = [camera for by_serial in human36m_cameras().values() for camera in by_serial.values()]
UNIT_CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)


def edges_px(view):
    """Lengths on the picture of the three edges of a unit cube that meet at the origin."""
    window = Window.fitting(view.look(UNIT_CUBE)[..., :2], (10, 20, 300, 200))
    corners_px = window.to_px(view.look(np.vstack((np.zeros(3), np.eye(3)))))
    return np.linalg.norm(corners_px[1:] - corners_px[0], axis=-1)


def test_axes_are_equal_seen_along_a_diagonal_of_the_cube():
    edges = edges_px(Viewpoint(turn_deg=45, elevation_deg=np.degrees(np.arctan(np.sqrt(0.5)))))
    assert edges == pytest.approx(np.full(3, edges[0]))


def test_axes_are_equal_seen_from_the_front():
    x, y, z = edges_px(Viewpoint())
    assert x == pytest.approx(z)
    assert y == pytest.approx(0)


@pytest.mark.parametrize("view", [Viewpoint(30, 20), Viewpoint(-130, -40), Viewpoint(0, 90)])
def test_a_view_turns_without_mirroring_or_stretching(view):
    assert view.axes @ view.axes.T == pytest.approx(np.eye(3))
    right, up, away = view.axes
    assert np.cross(right, away) == pytest.approx(up), "right and away are like x and y, up is like z"


def test_an_onlooker_who_turns_by_90_degrees_looks_at_the_side():
    """Turned about the vertical to the right-hand side, what was far is to the right."""
    assert Viewpoint(turn_deg=90).look(np.array([0.0, 1.0, 0.0])) == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.serial)
def test_world_vertical_is_up_and_the_camera_looks_along_y(camera):
    upright = upright_from_camera(camera.rotation)
    place_m = np.array(camera.translation_m)
    head, foot = world_to_camera(np.array([[1.0, 2.0, 1.7], [1.0, 2.0, 0.0]]), camera.rotation, place_m)
    assert upright @ (head - foot) == pytest.approx([0, 0, 1.7], abs=1e-9)
    forward_x, forward_y, _ = upright @ np.array([0.0, 0.0, 1.0])
    assert forward_x == pytest.approx(0, abs=1e-9)
    assert forward_y > 0.9
    right_x, _, _ = upright @ np.array([1.0, 0.0, 0.0])
    assert right_x > 0.9
    assert np.linalg.det(upright) == pytest.approx(1)


def test_a_camera_without_calibration_is_taken_for_level():
    upright = upright_from_camera(None)
    assert upright @ np.array([1.0, 2.0, 3.0]) == pytest.approx([1, 3, -2])


def test_the_lowest_joint_of_each_frame_is_put_on_the_floor():
    poses = np.array([[[0, 0, 0], [0, 0, -0.9]], [[0, 0, 0.1], [0, 0, np.nan]]])
    lifted = poses + lift_to_floor(poses)
    assert np.nanmin(lifted[..., 2], axis=1) == pytest.approx([0, 0])
    assert lifted[0, 0] == pytest.approx([0, 0, 0.9])


def test_a_frame_without_any_joint_stays_missing():
    assert np.isnan(np.full((1, 2, 3), np.nan) + lift_to_floor(np.full((1, 2, 3), np.nan))).all()


def test_a_window_shows_all_points_inside_its_box_with_one_scale():
    points = np.array([[-3.0, 0.0], [5.0, 1.0], [np.nan, np.nan]])
    window = Window.fitting(points, (100, 50, 400, 200), margin=0.1)
    (left, low), (right, high) = window.to_px(points[:2])
    assert (left, right) == pytest.approx((140, 460)), "the wider direction fills the box up to its margin"
    assert (right - left) / 8 == pytest.approx((low - high) / 1), "up is up, and the scale is one"
    assert (low + high) / 2 == pytest.approx(150)
