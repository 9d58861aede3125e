"""Poses drawn anew: 2D and 3D agree, bodies stay bodies, and nothing but seed and step decides."""

import math

import numpy as np
import pytest
import torch

from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import project, root_normal_inverse, solve_root, undistort, world_to_camera
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.training.augmentation import Drawer, pose_set
from wsgcn.training.params import AnyCamera, Augmentation
from wsgcn.training.rotations import normal, uniform

RANGES = AnyCamera(pitch_deg=[-20.0, 35.0], roll_deg=3.0, focal=[1.2, 3.5], apparent=[0.35, 1.7], centre=0.6)
OFF = Augmentation(
    mirror=False,
    turn=False,
    place=False,
    size=0.0,
    bones=0.0,
    tilt_rad=0.0,
    distance=0.0,
    camera="capture",
    any=RANGES,
    trunk=0.0,
    recombine=0.0,
    sway=0.0,
    limbs=0.0,
    tip=0.0,
    noise=0.0,
    outliers=0.0,
    coco=0.0,
    missing=0.0,
)
ON = {"mirror": True, "turn": True, "place": True, "size": 0.06, "bones": 0.05, "tilt_rad": 0.01, "distance": 0.02}
CPU = torch.device("cpu")


def drawn_with(**changes):
    """The settings of a usual augmentation, with changes."""
    return OFF.model_copy(update=ON | changes)


SKELETONS = [H36M16, H36M17]


def world_poses(skeleton, count=40, seed=0):
    """People of random limbs, left and right of equal length, who stand somewhere in the capture volume: (N, J, 3)."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(0.1, 0.45, (count, len(skeleton.joints)))
    lengths = np.minimum(lengths, lengths[:, list(skeleton.mirror)])
    directions = rng.normal(size=(count, len(skeleton.joints), 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    positions = np.zeros((count, len(skeleton.joints), 3))
    for child, parent in skeleton.bones:
        positions[:, child] = positions[:, parent] + lengths[:, child, None] * directions[:, child]
    positions[..., 2] += rng.uniform(0.0, 0.2, (count, 1)) - positions[..., 2].min(1, keepdims=True)
    positions[..., :2] += rng.uniform(-1, 1, (count, 1, 2))
    return positions


def make_set(skeleton, count=40, residual=False, seed=0):
    cameras = list(human36m_cameras()["S1"].values())
    positions = world_poses(skeleton, count, seed)
    camera_N = np.arange(count) % len(cameras)

    def stacked(values):
        return torch.tensor(np.stack(values), dtype=torch.float32)

    keypoints = None
    if residual:
        exact = [
            project(
                world_to_camera(p, cameras[c].rotation, np.array(cameras[c].translation_m)),
                cameras[c].intrinsics_screen,
            )
            for p, c in zip(positions, camera_N, strict=True)
        ]
        keypoints = stacked(exact) + 0.01 * torch.randn(
            count, len(skeleton.joints), 2, generator=torch.Generator().manual_seed(3)
        )
    return (
        pose_set(
            torch.tensor(positions, dtype=torch.float32),
            torch.tensor(camera_N),
            stacked([camera.rotation for camera in cameras]),
            stacked([np.array(camera.translation_m) for camera in cameras]),
            stacked([camera.intrinsics_screen for camera in cameras]),
            skeleton,
            keypoints,
        ),
        positions,
        [cameras[c] for c in camera_N],
        keypoints,
    )


def lengths(pose_BJ3, skeleton):
    child, parent = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    return torch.linalg.vector_norm(pose_BJ3[:, child] - pose_BJ3[:, parent], dim=-1)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_off_gives_the_captured_pose_and_its_projection(skeleton):
    poses, positions, cameras, _ = make_set(skeleton)
    drawn = Drawer(skeleton, OFF, 0, CPU).draw(poses, torch.arange(40), 5)
    for n, camera in enumerate(cameras):
        pose = world_to_camera(positions[n], camera.rotation, np.array(camera.translation_m))
        np.testing.assert_allclose(drawn.pose_BJ3[n], pose - pose[:1], atol=2e-6)
        np.testing.assert_allclose(drawn.keypoints_BJ2[n], project(pose, camera.intrinsics_screen), atol=2e-6)


@pytest.mark.parametrize("camera", ["capture", "any"])
@pytest.mark.parametrize("skeleton", SKELETONS)
def test_2d_is_the_distorted_projection_of_3d(skeleton, camera):
    """By an independent way: undistorted, the 2D joints are the directions of the 3D joints, to float32."""
    poses, *_ = make_set(skeleton)
    drawn = Drawer(skeleton, drawn_with(camera=camera), 0, CPU).draw(poses, torch.arange(40), 5)
    uv = undistort(drawn.keypoints_BJ2.double().numpy(), drawn.intrinsics_B9.double().numpy())
    points = (drawn.pose_BJ3 + drawn.root_B3[:, None]).double().numpy()
    in_range = (np.abs(points[..., :2] / points[..., 2:]) < 1).all((1, 2))  # beyond, `project` clamps
    assert in_range.mean() > 0.8
    np.testing.assert_allclose(uv[in_range], (points[..., :2] / points[..., 2:])[in_range], atol=5e-6)
    assert (points[..., 2] > 0).all()
    root = solve_root(drawn.pose_BJ3.double().numpy(), uv, root_normal_inverse(uv))
    np.testing.assert_allclose(root[in_range], drawn.root_B3.numpy()[in_range], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_left_and_right_stay_of_equal_length(skeleton):
    poses, *_ = make_set(skeleton)
    drawn = Drawer(skeleton, drawn_with(bones=0.3), 0, CPU).draw(poses, torch.arange(40), 5)
    lengths_BE = lengths(drawn.pose_BJ3, skeleton)
    mirror_E = [joint - 1 for joint in skeleton.mirror[1:]]
    torch.testing.assert_close(lengths_BE, lengths_BE[:, mirror_E], rtol=1e-4, atol=1e-5)
    assert (lengths_BE / poses.lengths_NE).log().std() > 0.2


def test_size_alone_scales_all_bones_alike():
    poses, *_ = make_set(H36M16)
    drawn = Drawer(H36M16, drawn_with(bones=0.0, size=0.1), 0, CPU).draw(poses, torch.arange(40), 5)
    factors_BE = lengths(drawn.pose_BJ3, H36M16) / poses.lengths_NE
    # A mirrored pose has the other side's lengths, which are the same here.
    torch.testing.assert_close(factors_BE, factors_BE[:, :1].expand_as(factors_BE), rtol=1e-3, atol=1e-4)
    assert 0.05 < factors_BE[:, 0].log().std() < 0.2


def test_the_lowest_joint_keeps_its_height_above_the_floor():
    poses, *_ = make_set(H36M16)
    settings = drawn_with(tilt_rad=0.0, distance=0.0)  # the camera stays, so its world is known
    drawn = Drawer(H36M16, settings, 0, CPU).draw(poses, torch.arange(40), 5)
    rotation_B33 = poses.rotation_K33[poses.camera_N]
    world_BJ3 = (drawn.pose_BJ3 + drawn.root_B3[:, None]) @ rotation_B33 + poses.translation_K3[poses.camera_N, None]
    torch.testing.assert_close(world_BJ3[..., 2].amin(1), poses.lowest_N, rtol=0, atol=1e-5)


def test_every_place_is_that_of_a_pose_of_the_set():
    poses, *_ = make_set(H36M16)
    drawn = Drawer(H36M16, drawn_with(tilt_rad=0.0, distance=0.0), 0, CPU).draw(poses, torch.arange(40), 5)
    root_B3 = (poses.rotation_K33[poses.camera_N].mT @ drawn.root_B3[..., None])[..., 0] + poses.translation_K3[
        poses.camera_N
    ]
    nearest_B = (root_B3[:, None, :2] - poses.place_N2).norm(dim=-1).amin(1)
    assert nearest_B.amax() < 1e-5


def mirrored_world(positions, skeleton):
    return positions[:, list(skeleton.mirror)] * np.array([-1.0, 1.0, 1.0])


def test_mirrored_poses_are_mirror_images_and_the_mirror_of_a_mirror_image_is_the_pose():
    poses, *_ = make_set(H36M16)
    drawer = Drawer(
        H36M16, drawn_with(turn=False, place=False, size=0.0, bones=0.0, tilt_rad=0.0, distance=0.0), 0, CPU
    )
    plain = Drawer(H36M16, OFF, 0, CPU)
    every = torch.arange(40)
    rotation_B33 = poses.rotation_K33[poses.camera_N]
    once = drawer.draw(poses, every, 5).pose_BJ3 @ rotation_B33  # world axes
    original = plain.draw(poses, every, 5).pose_BJ3 @ rotation_B33
    is_mirrored = (once - original).abs().amax((1, 2)) > 1e-4
    assert 5 < is_mirrored.sum() < 35
    image = original[:, list(H36M16.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(once, torch.where(is_mirrored[:, None, None], image, original), rtol=0, atol=1e-5)
    again = pose_set(once, poses.camera_N, poses.rotation_K33, poses.translation_K3, poses.intrinsics_K9, H36M16)
    twice = drawer.draw(again, every, 5).pose_BJ3 @ rotation_B33
    torch.testing.assert_close(twice, original, rtol=0, atol=1e-5)


def test_the_turn_is_about_the_vertical():
    poses, *_ = make_set(H36M16)
    settings = drawn_with(mirror=False, place=False, size=0.0, bones=0.0, tilt_rad=0.0, distance=0.0)
    drawn = Drawer(H36M16, settings, 0, CPU).draw(poses, torch.arange(40), 5)
    world_BJ3 = drawn.pose_BJ3 @ poses.rotation_K33[poses.camera_N]
    plain = Drawer(H36M16, OFF, 0, CPU).draw(poses, torch.arange(40), 5).pose_BJ3 @ poses.rotation_K33[poses.camera_N]
    torch.testing.assert_close(world_BJ3[..., 2], plain[..., 2], rtol=0, atol=1e-5)
    torch.testing.assert_close(world_BJ3.norm(dim=-1), plain.norm(dim=-1), rtol=0, atol=1e-5)
    angle = torch.atan2(world_BJ3[:, 1, 1], world_BJ3[:, 1, 0]) - torch.atan2(plain[:, 1, 1], plain[:, 1, 0])
    quarters = torch.bincount(((angle / (math.pi / 2)) % 4).long(), minlength=4)
    assert (quarters > 2).all()


def test_a_detectors_residual_goes_along_and_is_mirrored_with_the_pose():
    poses, _, _, keypoints = make_set(H36M16, residual=True)
    every = torch.arange(40)
    still = Drawer(H36M16, OFF, 0, CPU).draw(poses, every, 5)
    torch.testing.assert_close(still.keypoints_BJ2, keypoints, rtol=0, atol=3e-6)
    settings = drawn_with(turn=False, place=False, size=0.0, bones=0.0, tilt_rad=0.0, distance=0.0)
    drawn = Drawer(H36M16, settings, 0, CPU).draw(poses, every, 5)
    exact = project(drawn.pose_BJ3 + drawn.root_B3[:, None], drawn.intrinsics_B9)
    is_mirrored = (drawn.pose_BJ3 - still.pose_BJ3).abs().amax((1, 2)) > 1e-4
    assert 5 < is_mirrored.sum() < 35
    image = poses.residual_NJ2[:, list(H36M16.mirror)] * torch.tensor([-1.0, 1.0])
    expected = torch.where(is_mirrored[:, None, None], image, poses.residual_NJ2)
    scale = drawn.intrinsics_B9[:, 0] / drawn.root_B3[:, 2] / poses.apparent_N
    torch.testing.assert_close(drawn.keypoints_BJ2 - exact, expected * scale[:, None, None], rtol=0, atol=1e-6)


def test_seed_and_step_alone_decide():
    poses, *_ = make_set(H36M16)
    index = torch.arange(40)
    first = Drawer(H36M16, drawn_with(), 3, CPU).draw(poses, index, 17)
    torch.manual_seed(99)
    drawer = Drawer(H36M16, drawn_with(), 3, CPU)
    drawer.draw(poses, index, 1)
    again = drawer.draw(poses, index, 17)
    by_tensor = drawer.draw(poses, index, torch.tensor(17))
    assert torch.equal(first.keypoints_BJ2, again.keypoints_BJ2)
    assert torch.equal(first.keypoints_BJ2, by_tensor.keypoints_BJ2)
    assert not torch.equal(first.keypoints_BJ2, drawer.draw(poses, index, 18).keypoints_BJ2)
    assert not torch.equal(
        first.keypoints_BJ2, Drawer(H36M16, drawn_with(), 4, CPU).draw(poses, index, 17).keypoints_BJ2
    )


def test_the_hash_is_uniform_and_its_columns_and_steps_are_unrelated():
    draws = torch.stack([uniform(0, step, 256, 8, CPU) for step in range(200)])
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws, 20, 0, 1) / draws.numel()
    assert (counts - 0.05).abs().max() < 0.002
    rows = draws.flatten(0, 1)
    correlation = torch.corrcoef(rows.T) - torch.eye(8)
    assert correlation.abs().max() < 0.02
    assert abs(torch.corrcoef(torch.stack((draws[:-1].flatten(), draws[1:].flatten())))[0, 1]) < 0.01
    normals = normal(draws.flatten())
    assert normals.isfinite().all()
    assert abs(normals.mean()) < 0.01
    assert abs(normals.std() - 1) < 0.01


def test_any_camera_stays_within_its_ranges():
    poses, *_ = make_set(H36M16)
    ranges = RANGES
    drawer = Drawer(H36M16, drawn_with(camera="any"), 0, CPU)
    focal, centre = [], []
    for step in range(20):
        drawn = drawer.draw(poses, torch.arange(40), step)
        focal.append(drawn.intrinsics_B9[:, 0])
        centre.append(drawn.keypoints_BJ2[:, 0])
    focal_N = torch.cat(focal)
    assert ranges.focal[0] <= focal_N.min() < 1.4
    assert 3.0 < focal_N.max() <= ranges.focal[1]
    assert torch.cat(centre).abs().max() <= ranges.centre + 1e-5


KEYS = [("mirror", True), ("turn", True), ("place", True), ("size", 0.1), ("bones", 0.1), ("tilt_rad", 0.1)]
WIDENING = [(name, 1.0) for name in ("recombine", "limbs", "tip", "coco", "missing")]


OTHERS = [("trunk", 0.2), ("sway", 0.2), ("distance", 0.1), ("noise", 0.1), ("outliers", 0.5), ("camera", "any")]


@pytest.mark.parametrize(("key", "value"), [*KEYS, *WIDENING, *OTHERS])
def test_each_setting_alone_is_on_and_changes_the_pictures(key, value):
    poses, *_ = make_set(H36M16)
    settings = OFF.model_copy(update={key: value})
    assert settings.is_on
    assert not OFF.is_on
    still, drawn = (Drawer(H36M16, s, 0, CPU).draw(poses, torch.arange(40), 5) for s in (OFF, settings))
    is_changed_B = (still.keypoints_BJ2 - drawn.keypoints_BJ2).abs().amax((1, 2)) > 1e-4
    assert is_changed_B.float().mean() > 0.3


def test_every_setting_is_tested_alone():
    assert {*dict(KEYS + WIDENING + OTHERS), "any"} == set(Augmentation.model_fields)


def test_tilt_turns_the_camera_about_both_of_its_axes_and_distance_moves_the_person_along_the_ray():
    poses, *_ = make_set(H36M16)
    every = torch.arange(40)
    still, tilted, moved = (
        Drawer(H36M16, OFF.model_copy(update=change), 0, CPU).draw(poses, every, 5)
        for change in ({}, {"tilt_rad": 0.05}, {"distance": 0.05})
    )
    # A rotation of the camera keeps all distances, the one to the camera among them.
    torch.testing.assert_close(tilted.root_B3.norm(dim=-1), still.root_B3.norm(dim=-1), rtol=1e-5, atol=0)
    torch.testing.assert_close(tilted.pose_BJ3.norm(dim=-1), still.pose_BJ3.norm(dim=-1), rtol=1e-5, atol=1e-6)
    assert (tilted.pose_BJ3 - still.pose_BJ3).abs().amax((0, 1)).min() > 1e-3
    assert torch.equal(moved.pose_BJ3, still.pose_BJ3)
    factor_B3 = moved.root_B3 / still.root_B3
    torch.testing.assert_close(factor_B3, factor_B3[:, :1].expand(-1, 3), rtol=1e-4, atol=1e-5)
    assert 0.02 < factor_B3[:, 2].log().std() < 0.1
