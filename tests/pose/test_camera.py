import math

import numpy as np
import pytest
import torch

from wsgcn.captures.human36m.cameras import SERIALS, human36m_cameras
from wsgcn.pose.camera import (
    Camera,
    camera_to_world,
    denormalise_screen,
    normalise_intrinsics,
    normalise_screen,
    project,
    root_normal_inverse,
    rotation_from_quaternion,
    solve_root,
    undistort,
    world_to_camera,
)

HALF = math.sqrt(0.5)
# fx, fy, cx, cy, k1, k2, k3, p1, p2: stronger distortion than a real camera's, so that every term counts.
STRONG = np.array([1000.0, 1100.0, 500.0, 510.0, 0.1, -0.2, 0.05, 0.01, -0.02])

CAMERAS = human36m_cameras()
real_cameras = pytest.mark.parametrize("serial", SERIALS)


def camera_of(serial: str) -> Camera:
    return CAMERAS["S1"][serial]


def poses_in_view(seed: int, poses: int = 6, joints: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Root-relative poses (T, J, 3) of the size of a person and roots (T, 3) 4 to 6 m away, metres."""
    generator = np.random.default_rng(seed)
    pose_TJ3 = generator.normal(0, 0.4, (poses, joints, 3))
    pose_TJ3[:, 0] = 0
    return pose_TJ3, generator.uniform([-1, -0.7, 4], [1, 0.7, 6], (poses, 3))


def picture_grid(camera: Camera) -> np.ndarray:
    """Points (N, 2) all over the picture, its edges and corners included, px."""
    x, y = np.meshgrid(np.linspace(0, camera.width_px, 41), np.linspace(0, camera.height_px, 41))
    return np.stack((x.ravel(), y.ravel()), -1)


def literal_projection(point: list[float], intrinsics: list[float]) -> tuple[float, float]:
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = intrinsics
    x = max(-1.0, min(1.0, point[0] / point[2]))
    y = max(-1.0, min(1.0, point[1] / point[2]))
    r2 = x**2 + y**2
    factor = 1 + (k1 * r2 + k2 * r2**2 + k3 * r2**3) + (p1 * x + p2 * y)
    return fx * (x * factor + p1 * r2) + cx, fy * (y * factor + p2 * r2) + cy


# Rotation, world and camera frames


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    rotation = rotation_from_quaternion(np.array([HALF, 0, 0, HALF]))
    np.testing.assert_allclose(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)


def test_a_quaternion_of_any_length_gives_a_proper_rotation() -> None:
    quaternion = np.array([0.3, -1.2, 0.7, 2.0])
    rotation = rotation_from_quaternion(quaternion)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation_from_quaternion(-5 * quaternion), rotation, atol=1e-15)


@pytest.mark.parametrize(
    ("orientation_wxyz", "translation_m", "world_m", "camera_m"),
    [
        pytest.param((1, 0, 0, 0), (0, 0, 0), (1, 2, 3), (1, 2, 3), id="identity"),
        pytest.param((1, 0, 0, 0), (10, 20, 30), (1, 2, 3), (-9, -18, -27), id="shifted"),
        pytest.param((HALF, 0, 0, HALF), (1, 0, 0), (1, 2, 3), (2, 0, 3), id="quarter turn about z"),
        # 5 m in front of the volume, 1 m high, looking along the world's y: half a metre right of it, 1 m above.
        pytest.param((HALF, -HALF, 0, 0), (0, -5, 1), (0.5, 0, 2), (0.5, -1, 5), id="looking along y"),
    ],
)
def test_a_world_point_lands_where_the_hand_computes_it(
    orientation_wxyz: tuple[float, ...],
    translation_m: tuple[float, ...],
    world_m: tuple[float, ...],
    camera_m: tuple[float, ...],
) -> None:
    camera = Camera(
        serial="0",
        width_px=1000,
        height_px=1000,
        focal_px=(1000, 1000),
        centre_px=(500, 500),
        radial=(0, 0, 0),
        tangential=(0, 0),
        orientation_wxyz=orientation_wxyz,  # type: ignore[arg-type]
        translation_m=translation_m,  # type: ignore[arg-type]
    )
    result = world_to_camera(np.array([world_m], dtype=float), camera.rotation, np.array(translation_m))
    np.testing.assert_allclose(result, [camera_m], atol=1e-14)


@real_cameras
def test_camera_to_world_undoes_world_to_camera(serial: str) -> None:
    camera = camera_of(serial)
    points_m = np.random.default_rng(0).normal(0, 2, (5, 16, 3))
    there = world_to_camera(points_m, camera.rotation, np.array(camera.translation_m))
    assert np.abs(there - points_m).max() > 1
    back = camera_to_world(there, camera.rotation, np.array(camera.translation_m))
    np.testing.assert_allclose(back, points_m, atol=1e-13)


@pytest.mark.parametrize("subject", CAMERAS)
@real_cameras
def test_the_real_cameras_see_the_middle_of_the_volume_upright(subject: str, serial: str) -> None:
    camera = CAMERAS[subject][serial]
    middle_and_above_m = np.array([[0, 0, 1.0], [0, 0, 1.5]])
    seen_m = world_to_camera(middle_and_above_m, camera.rotation, np.array(camera.translation_m))
    assert (seen_m[:, 2] > 3).all()
    (x_px, y_px), (_, y_above_px) = project(seen_m, camera.intrinsics_px)
    assert 250 < x_px < 750
    assert 250 < y_px < 750
    assert y_above_px < y_px - 50


# Projection


def test_a_point_on_the_axis_projects_to_the_centre() -> None:
    np.testing.assert_allclose(project(np.array([[0, 0, 7.0]]), STRONG), [[500, 510]], atol=1e-12)


def test_without_distortion_the_projection_is_a_pinhole() -> None:
    pinhole = np.array([1000.0, 1100.0, 500.0, 510.0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(project(np.array([[1, -2, 4.0]]), pinhole), [[750, -40]], atol=1e-12)


def test_a_distorted_point_lands_where_the_hand_computes_it() -> None:
    # r2 = 0.3125; radial 1 + 0.03125 - 0.01953125 + 0.00152587890625; tangential 0.01 on the factor, then p r2.
    point = np.array([[0.5, -0.25, 1.0]])
    np.testing.assert_allclose(project(point, STRONG), [[1014.747314453125, 221.73272705078125]], rtol=1e-14)
    np.testing.assert_allclose(project(3 * point, STRONG), project(point, STRONG), rtol=1e-14)


def test_a_point_far_to_the_side_is_clamped_to_45_degrees() -> None:
    # x/z = 1.5 and y/z = -4 become 1 and -1; r2 = 2; radial 1 + 0.2 - 0.8 + 0.4; tangential 0.03.
    np.testing.assert_allclose(project(np.array([[3, -8, 2.0]]), STRONG), [[1350, -447]], rtol=1e-13)


def test_projection_agrees_with_a_literal_loop() -> None:
    generator = np.random.default_rng(1)
    points_TJ3 = generator.uniform([-4, -4, 0.5], [4, 4, 6], (5, 16, 3))
    intrinsics_T9 = STRONG * generator.uniform(0.5, 1.5, (5, 9))
    beyond = np.abs(points_TJ3[..., :2] / points_TJ3[..., 2:]) > 1
    assert 0.1 < beyond.mean() < 0.9
    expected = [
        [literal_projection(point, intrinsics) for point in points]
        for points, intrinsics in zip(points_TJ3.tolist(), intrinsics_T9.tolist(), strict=True)
    ]
    np.testing.assert_allclose(project(points_TJ3, intrinsics_T9), expected, rtol=1e-12)


def test_one_camera_serves_any_number_of_leading_axes() -> None:
    points = np.random.default_rng(2).uniform([-1, -1, 2], [1, 1, 4], (3, 4, 16, 3))
    together = project(points, STRONG)
    assert together.shape == (3, 4, 16, 2)
    np.testing.assert_array_equal(together[2, 1], project(points[2, 1], STRONG))


def test_the_gradient_of_the_projection_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64) - 0.5
    points[..., 2] += 2
    intrinsics = torch.from_numpy(np.stack((STRONG, STRONG * 1.1)))
    assert torch.autograd.gradcheck(project, (points.requires_grad_(), intrinsics.requires_grad_()))


def test_a_clamped_coordinate_has_no_gradient() -> None:
    points = torch.tensor([[3.0, 0.5, 2.0]], dtype=torch.float64, requires_grad=True)
    project(points, torch.from_numpy(STRONG)).sum().backward()
    assert points.grad is not None
    assert points.grad[0, 0] == 0
    assert points.grad[0, 1] != 0


# Undistortion


@real_cameras
@pytest.mark.parametrize("unit", ["pixels", "screen"])
def test_undistort_inverts_the_projection_all_over_the_picture(serial: str, unit: str) -> None:
    camera = camera_of(serial)
    grid_px = picture_grid(camera)
    if unit == "pixels":
        points, intrinsics = grid_px, camera.intrinsics_px
    else:
        points = normalise_screen(grid_px, camera.width_px, camera.height_px)
        intrinsics = camera.intrinsics_screen
    xy = undistort(points, intrinsics)
    assert np.abs(xy).max() < 1, "the projection clamps nothing inside the picture"
    rays = np.concatenate((xy, np.ones((len(xy), 1))), -1)
    np.testing.assert_allclose(project(rays, intrinsics), points, rtol=0, atol=1e-9)


@real_cameras
def test_undistort_finds_the_coordinates_that_were_projected(serial: str) -> None:
    camera = camera_of(serial)
    pose_TJ3, root_T3 = poses_in_view(seed=4)
    points_TJ3 = pose_TJ3 + root_T3[:, None]
    xy = undistort(project(points_TJ3, camera.intrinsics_px), camera.intrinsics_px)
    np.testing.assert_allclose(xy, points_TJ3[..., :2] / points_TJ3[..., 2:], rtol=0, atol=1e-9)


# Screen units


def test_the_corners_of_a_picture_have_known_screen_units() -> None:
    corners_px = np.array([[0, 0], [1000, 0], [0, 1002], [1000, 1002], [500, 501]], dtype=float)
    expected = [[-1, -1.002], [1, -1.002], [-1, 1.002], [1, 1.002], [0, 0]]
    np.testing.assert_allclose(normalise_screen(corners_px, 1000, 1002), expected, atol=1e-15)
    wide = normalise_screen(np.array([[0, 0], [1920.0, 1080.0]]), 1920, 1080)
    np.testing.assert_allclose(wide, [[-1, -0.5625], [1, 0.5625]], atol=1e-15)


@pytest.mark.parametrize(("width_px", "height_px"), [(1000, 1002), (1920, 1080), (480, 640)])
def test_denormalise_undoes_normalise(width_px: int, height_px: int) -> None:
    points_px = np.random.default_rng(5).uniform(-200, 2000, (4, 16, 2))
    before = points_px.copy()
    screen = normalise_screen(points_px, width_px, height_px)
    back = denormalise_screen(screen, width_px, height_px)
    np.testing.assert_allclose(back, before, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(points_px, before, err_msg="the input was changed in place")


@real_cameras
def test_intrinsics_in_screen_units_project_to_normalised_pixels(serial: str) -> None:
    camera = camera_of(serial)
    pose_TJ3, root_T3 = poses_in_view(seed=6)
    points_TJ3 = pose_TJ3 + root_T3[:, None]
    pixels = project(points_TJ3, camera.intrinsics_px)
    expected = normalise_screen(pixels, camera.width_px, camera.height_px)
    np.testing.assert_allclose(project(points_TJ3, camera.intrinsics_screen), expected, rtol=0, atol=1e-14)


def test_normalising_intrinsics_leaves_the_input_and_the_distortion_alone() -> None:
    given = STRONG.copy()
    screen = normalise_intrinsics(given, 1000, 1020)
    np.testing.assert_array_equal(given, STRONG)
    np.testing.assert_allclose(screen, [2, 2.2, 0, 0, *STRONG[4:]], atol=1e-15)


# The root from its projection


def exact_uv(pose_TJ3: np.ndarray, root_T3: np.ndarray) -> np.ndarray:
    points_TJ3 = pose_TJ3 + root_T3[:, None]
    return points_TJ3[..., :2] / points_TJ3[..., 2:]


def literal_root(pose_J3: np.ndarray, uv_J2: np.ndarray) -> np.ndarray:
    rows, right_hand_side = [], []
    for (px, py, pz), (u, v) in zip(pose_J3, uv_J2, strict=True):
        rows += [[1, 0, -u], [0, 1, -v]]
        right_hand_side += [u * pz - px, v * pz - py]
    return np.linalg.lstsq(np.array(rows), np.array(right_hand_side))[0]


@pytest.mark.parametrize("joints", [16, 17])
def test_the_solved_root_is_exact_for_exact_data(joints: int) -> None:
    pose_TJ3, root_T3 = poses_in_view(seed=7, poses=50, joints=joints)
    uv = exact_uv(pose_TJ3, root_T3)
    np.testing.assert_allclose(solve_root(pose_TJ3, uv, root_normal_inverse(uv)), root_T3, rtol=0, atol=1e-9)


@real_cameras
def test_the_solved_root_is_exact_through_a_distorting_camera(serial: str) -> None:
    camera = camera_of(serial)
    pose_TJ3, root_T3 = poses_in_view(seed=8)
    pixels = project(pose_TJ3 + root_T3[:, None], camera.intrinsics_px)
    uv = undistort(pixels, camera.intrinsics_px)
    np.testing.assert_allclose(solve_root(pose_TJ3, uv, root_normal_inverse(uv)), root_T3, rtol=0, atol=1e-9)


def test_the_solved_root_of_noisy_data_is_the_least_squares_solution() -> None:
    pose_TJ3, root_T3 = poses_in_view(seed=9, poses=20)
    generator = np.random.default_rng(10)
    uv = exact_uv(pose_TJ3, root_T3) + generator.normal(0, 0.01, (20, 16, 2))
    solved = solve_root(pose_TJ3, uv, root_normal_inverse(uv))
    expected = [literal_root(pose_J3, uv_J2) for pose_J3, uv_J2 in zip(pose_TJ3, uv, strict=True)]
    np.testing.assert_allclose(solved, expected, rtol=0, atol=1e-9)
    assert np.abs(solved - root_T3).max() > 1e-3


def test_the_solved_root_scales_with_the_pose_so_its_projection_is_blind_to_size() -> None:
    pose_TJ3, root_T3 = poses_in_view(seed=11)
    uv = exact_uv(pose_TJ3, root_T3) + np.random.default_rng(12).normal(0, 0.01, (6, 16, 2))
    inverse = root_normal_inverse(uv)
    root, doubled = solve_root(pose_TJ3, uv, inverse), solve_root(2 * pose_TJ3, uv, inverse)
    np.testing.assert_allclose(doubled, 2 * root, rtol=1e-12)
    np.testing.assert_allclose(
        project(2 * pose_TJ3 + doubled[:, None], STRONG), project(pose_TJ3 + root[:, None], STRONG), rtol=1e-12
    )


def test_gradients_flow_through_the_solved_root() -> None:
    pose_TJ3, root_T3 = poses_in_view(seed=13, poses=2, joints=5)
    uv = exact_uv(pose_TJ3, root_T3) + np.random.default_rng(14).normal(0, 0.01, (2, 5, 2))
    pose, given, inverse = (torch.from_numpy(array) for array in (pose_TJ3, uv, root_normal_inverse(uv)))
    assert torch.autograd.gradcheck(lambda pose: solve_root(pose, given, inverse), (pose.requires_grad_(),))


def test_in_single_precision_the_solved_root_is_right_to_a_tenth_of_a_millimetre() -> None:
    pose_TJ3, root_T3 = poses_in_view(seed=15, poses=200)
    uv = exact_uv(pose_TJ3, root_T3)
    single = [torch.from_numpy(array.astype(np.float32)) for array in (pose_TJ3, uv, root_normal_inverse(uv))]
    np.testing.assert_allclose(solve_root(*single).numpy(), root_T3, rtol=0, atol=1e-4)


def test_a_pose_whose_joints_all_project_to_one_point_spoils_no_other_pose() -> None:
    pose_TJ3, root_T3 = poses_in_view(seed=17, poses=3)
    uv = exact_uv(pose_TJ3, root_T3)
    expected = root_normal_inverse(uv)
    uv[1] = 0
    inverse = root_normal_inverse(uv)
    assert not np.isfinite(inverse[1]).all()
    np.testing.assert_array_equal(inverse[[0, 2]], expected[[0, 2]])


# One code for NumPy and torch


def numpy_and_torch_cases() -> list:
    camera = camera_of(SERIALS[0])
    pose_TJ3, root_T3 = poses_in_view(seed=16)
    points = pose_TJ3 + root_T3[:, None]
    pixels = project(points, camera.intrinsics_px)
    uv = undistort(pixels, camera.intrinsics_px)
    translation_m = np.array(camera.translation_m)
    return [
        pytest.param(world_to_camera, (points, camera.rotation, translation_m), id="world_to_camera"),
        pytest.param(camera_to_world, (points, camera.rotation, translation_m), id="camera_to_world"),
        pytest.param(project, (points * [3, 3, 1], camera.intrinsics_px), id="project"),
        pytest.param(undistort, (pixels, camera.intrinsics_px), id="undistort"),
        pytest.param(lambda points: normalise_screen(points, 1000, 1002), (pixels,), id="normalise_screen"),
        pytest.param(lambda points: denormalise_screen(points, 1000, 1002), (pixels,), id="denormalise_screen"),
        pytest.param(solve_root, (pose_TJ3, uv, root_normal_inverse(uv)), id="solve_root"),
    ]


@pytest.mark.parametrize(("function", "arrays"), numpy_and_torch_cases())
def test_numpy_arrays_and_tensors_give_the_same_result(function: object, arrays: tuple[np.ndarray, ...]) -> None:
    from_arrays = function(*arrays)  # type: ignore[operator]
    from_tensors = function(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))  # type: ignore[operator]
    assert isinstance(from_arrays, np.ndarray)
    assert isinstance(from_tensors, torch.Tensor)
    np.testing.assert_allclose(from_tensors.numpy(), from_arrays, rtol=1e-12, atol=1e-12)
