"""Motion and 2D errors that no capture has: each does what it says, and switched off changes no bit."""

import math

import numpy as np
import pytest
import torch

from tests.training.test_augmentation import CPU, OFF, SKELETONS, lengths, make_set
from wsgcn.captures.synthetic.body import BODIES, LIMITS, joints_from_angles
from wsgcn.model.missing import fill_missing
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.training.augmentation import Drawer, pose_set
from wsgcn.training.widening import _GONE_TOGETHER, _LIMITS_DEG, _limb_directions

MOTION = ("recombine", "sway", "limbs", "tip")
SEEN = ("noise", "outliers", "coco", "missing")
WIDENED = (*MOTION, *SEEN)
EVERY = torch.arange(40)
ARMS = ("LElbow", "LWrist", "RElbow", "RWrist")
LEGS = ("LKnee", "LFoot", "RKnee", "RFoot")


def draw(poses, skeleton=H36M16, step=5, seed=0, **changes):
    return Drawer(skeleton, OFF.model_copy(update=changes), seed, CPU).draw(poses, EVERY, step)


def bone_indices(skeleton, joints):
    return [skeleton.joints.index(joint) - 1 for joint in joints]


def directions(drawn, poses, skeleton=H36M16):
    """(B, E, 3) in world axes, of poses that were seen by their own cameras."""
    world_BJ3 = drawn.pose_BJ3 @ poses.rotation_K33[poses.camera_N]
    child, parent = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    bones_BE3 = world_BJ3[:, child] - world_BJ3[:, parent]
    return bones_BE3 / bones_BE3.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("camera", ["capture", "any"])
@pytest.mark.parametrize("name", WIDENED)
def test_one_of_them_changes_nothing_else_that_is_drawn(name, camera):
    """The 2D ones leave the very bits of 3D; those of motion leave sizes, and with them all other random numbers."""
    usual = {"mirror": True, "turn": True, "size": 0.06, "bones": 0.05, "camera": camera}
    poses, *_ = make_set(H36M16)
    plain, widened = draw(poses, **usual), draw(poses, **usual, **{name: 0.5})
    torch.testing.assert_close(lengths(widened.pose_BJ3, H36M16), lengths(plain.pose_BJ3, H36M16), rtol=1e-4, atol=1e-6)
    if name in SEEN:
        assert torch.equal(widened.pose_BJ3, plain.pose_BJ3)
        assert torch.equal(widened.root_B3, plain.root_B3)
    else:
        assert not torch.equal(widened.pose_BJ3, plain.pose_BJ3)
    assert not torch.equal(widened.keypoints_BJ2, plain.keypoints_BJ2)


def test_seed_and_step_alone_decide():
    poses, *_ = make_set(H36M16)
    settings = dict.fromkeys((*WIDENED, "trunk"), 0.4)
    first, again = draw(poses, **settings), draw(poses, **settings)
    assert torch.equal(first.keypoints_BJ2, again.keypoints_BJ2)
    by_tensor = draw(poses, step=torch.tensor(5), **settings)
    assert torch.equal(first.keypoints_BJ2, by_tensor.keypoints_BJ2)
    assert not torch.equal(first.keypoints_BJ2, draw(poses, step=6, **settings).keypoints_BJ2)
    assert not torch.equal(first.keypoints_BJ2, draw(poses, seed=1, **settings).keypoints_BJ2)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_another_trunk_has_other_lengths_alike_on_both_sides_and_other_shoulders_and_leaves_the_limbs(skeleton):
    poses, *_ = make_set(skeleton)
    plain, drawn = draw(poses, skeleton), draw(poses, skeleton, trunk=0.2)
    limbs = bone_indices(skeleton, ARMS + LEGS)
    factors_BE = lengths(drawn.pose_BJ3, skeleton) / lengths(plain.pose_BJ3, skeleton)
    torch.testing.assert_close(factors_BE[:, limbs], torch.ones(40, 8), rtol=1e-4, atol=1e-4)
    ends = [directions(drawn, poses, skeleton), directions(plain, poses, skeleton)]
    others = [
        bone for bone in range(len(skeleton.bones)) if bone not in bone_indices(skeleton, ("LShoulder", "RShoulder"))
    ]
    torch.testing.assert_close(ends[0][:, others], ends[1][:, others], rtol=1e-4, atol=1e-4)
    trunk = ("Spine", "LHip", "LShoulder", "Head")
    for first, second in zip(trunk, ("Thorax", "RHip", "RShoulder", None), strict=True):
        factor_B = factors_BE[:, bone_indices(skeleton, [first])[0]]
        assert 0.12 < factor_B.log().std() < 0.28
        wider = math.log(1.15) if first == "LShoulder" else 0.0
        assert abs(factor_B.log().mean() - wider) < 0.1
        if second:
            same_B = factors_BE[:, bone_indices(skeleton, [second])[0]]
            torch.testing.assert_close(same_B, factor_B, rtol=1e-4, atol=1e-4)
    free = [factors_BE[:, bone].log() for bone in bone_indices(skeleton, trunk)]
    assert torch.corrcoef(torch.stack(free)).fill_diagonal_(0).abs().max() < 0.6, "each by itself"
    up_B3 = ends[1][:, bone_indices(skeleton, ["Thorax"])[0]]
    rise = [
        ((ends[0] - ends[1])[:, bone] * up_B3).sum(-1) for bone in bone_indices(skeleton, ["LShoulder", "RShoulder"])
    ]
    assert torch.stack(rise).abs().mean() > 0.05
    assert ((rise[0] > 0) == (rise[1] > 0)).float().mean() > 0.9, "both shoulders move up, or both down"


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_recombined_limbs_are_those_of_some_pose_as_seen_from_its_own_trunk_and_the_trunk_stays(skeleton):
    poses, *_ = make_set(skeleton)
    drawn_BE3 = directions(draw(poses, skeleton, recombine=1.0), poses, skeleton)
    trunk = [bone for bone in range(len(skeleton.bones)) if bone not in bone_indices(skeleton, ARMS + LEGS)]
    torch.testing.assert_close(drawn_BE3[:, trunk], poses.directions_NE3[:, trunk], rtol=0, atol=1e-4)
    for middle, pair, ends in (
        ("Thorax", "Shoulder", ARMS[:2]),
        ("Thorax", "Shoulder", ARMS[2:]),
        ("Spine", "Hip", LEGS),
    ):
        # Angles with the up axis and with the line across say where a limb is, without any of the module's axes.
        up, left, right = bone_indices(skeleton, (middle, f"L{pair}", f"R{pair}"))
        across_N3 = (
            poses.directions_NE3[:, left] * poses.lengths_NE[:, left, None]
            - poses.directions_NE3[:, right] * poses.lengths_NE[:, right, None]
        )
        limb = bone_indices(skeleton, ends)

        def seen_from_trunk(directions_NE3, across_N3=across_N3, up=up, limb=limb):
            upward_N3 = directions_NE3[:, up]
            left_N3 = across_N3 - (across_N3 * upward_N3).sum(-1, keepdim=True) * upward_N3
            left_N3 = left_N3 / left_N3.norm(dim=-1, keepdim=True)
            limb_NE3 = directions_NE3[:, limb]
            return torch.stack([(limb_NE3 * axis_N3[:, None]).sum(-1) for axis_N3 in (upward_N3, left_N3)], -1)

        own_NE2, new_BE2 = seen_from_trunk(poses.directions_NE3), seen_from_trunk(drawn_BE3)
        differences_BN = (new_BE2[:, None] - own_NE2[None]).abs().amax((2, 3))
        assert differences_BN.amin(1).amax() < 1e-3, "every limb is somebody's"
        assert (differences_BN.argmin(1) != EVERY).float().mean() > 0.8, "and seldom one's own"


def test_limbs_and_their_outer_bones_sway_by_as_much_as_was_asked_and_the_trunk_stays():
    poses, *_ = make_set(H36M16)
    drawn_BE3 = directions(draw(poses, sway=0.1), poses)
    others = [bone for bone in range(15) if bone not in bone_indices(H36M16, ARMS + LEGS)]
    torch.testing.assert_close(drawn_BE3[:, others], poses.directions_NE3[:, others], rtol=1e-4, atol=1e-5)
    # Two of the three axes turn a direction: the mean length of a plane's normal vector of 0.1; outer bones turn twice.
    for bones, times in ((ARMS[::2] + LEGS[::2], 1), (ARMS[1::2] + LEGS[1::2], math.sqrt(2))):
        index = bone_indices(H36M16, bones)
        cosine_BE = (poses.directions_NE3[:, index] * drawn_BE3[:, index]).sum(-1)
        expected = 0.1 * times * math.sqrt(math.pi / 2)
        assert cosine_BE.clamp(-1, 1).arccos().mean().item() == pytest.approx(expected, rel=0.15)


def test_the_share_of_recombined_limbs_is_as_asked():
    poses, *_ = make_set(H36M16)
    elbow = bone_indices(H36M16, ["LElbow"])
    changed = [
        (directions(draw(poses, step=step, recombine=0.3), poses)[:, elbow] - poses.directions_NE3[:, elbow]).norm(
            dim=-1
        )
        > 1e-3
        for step in range(30)
    ]
    assert 0.25 < torch.stack(changed).float().mean() < 0.35


def test_the_limits_are_those_of_the_synthetic_bodies():
    names = {
        "Arm": ("shoulder_flexion", "shoulder_abduction", "shoulder_rotation", "elbow_flexion"),
        "Leg": ("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion"),
    }
    for part, limits in _LIMITS_DEG.items():
        assert np.allclose(limits, [np.degrees(LIMITS[f"left_{name}"]) for name in names[part]])


@pytest.mark.parametrize("limb", ["LArm", "RArm", "LLeg", "RLeg"])
def test_a_limb_of_angles_is_that_of_the_synthetic_bodies_kinematics(limb):
    side, part = {"L": "left", "R": "right"}[limb[0]], limb[1:]
    rng = np.random.default_rng(0)
    names = {
        "Arm": ("shoulder_flexion", "shoulder_abduction", "shoulder_rotation", "elbow_flexion"),
        "Leg": ("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion"),
    }[part]
    angle_B4 = np.radians([rng.uniform(low, high, 20) for low, high in _LIMITS_DEG[part]]).T
    angles = {name: np.zeros(20) for name in LIMITS} | {
        f"{side}_{name}": angle_B4[:, index] for index, name in enumerate(names)
    }
    joints_TJ3 = joints_from_angles(BODIES["S1"], np.zeros((20, 3)), np.zeros(20), angles)
    chain = {"Arm": ("Shoulder", "Elbow", "Wrist"), "Leg": ("Hip", "Knee", "Foot")}[part]
    first, middle, last = (joints_TJ3[:, H36M17.joints.index(limb[0] + joint)] for joint in chain)
    found = _limb_directions(limb, torch.tensor(angle_B4))
    for bone_B3, expected_B3 in zip(found, (middle - first, last - middle), strict=True):
        unit_B3 = expected_B3 / np.linalg.norm(expected_B3, axis=-1, keepdims=True)
        np.testing.assert_allclose(bone_B3.numpy(), unit_B3, atol=1e-6)


def test_limbs_anywhere_leave_trunk_and_lengths_and_bend_knees_and_elbows_the_right_way():
    """In poses of the synthetic kinematics, whose neutral knees and elbows are straight."""
    rest = {name: np.zeros(40) for name in LIMITS}
    world = joints_from_angles(BODIES["S1"], np.tile([0.0, 0.0, 1.0], (40, 1)), np.linspace(0, 6, 40), rest)
    chosen = [H36M17.joints.index(joint) for joint in H36M16.joints]
    still, *_ = make_set(H36M16)
    poses = pose_set(
        torch.tensor(world[:, chosen], dtype=torch.float32),
        still.camera_N,
        still.rotation_K33,
        still.translation_K3,
        still.intrinsics_K9,
        H36M16,
    )
    drawn = draw(poses, limbs=1.0)
    drawn_BE3 = directions(drawn, poses)
    trunk = [bone for bone in range(15) if bone not in bone_indices(H36M16, ARMS + LEGS)]
    torch.testing.assert_close(drawn_BE3[:, trunk], poses.directions_NE3[:, trunk], rtol=0, atol=1e-4)
    torch.testing.assert_close(lengths(drawn.pose_BJ3, H36M16), poses.lengths_NE, rtol=1e-4, atol=1e-6)
    upper, fore = (drawn_BE3[:, bone] for bone in bone_indices(H36M16, ("LElbow", "LWrist")))
    bend_deg = torch.rad2deg(torch.arccos((upper * fore).sum(-1).clamp(-1, 1)))
    assert bend_deg.max() <= 150.5
    assert bend_deg.std() > 25, "from straight to fully bent"


def test_tipped_bodies_keep_their_shape_and_lean_up_to_110_degrees():
    poses, *_ = make_set(H36M16)
    plain, tipped = draw(poses), draw(poses, tip=1.0)
    distances = [torch.cdist(drawn.pose_BJ3, drawn.pose_BJ3) for drawn in (plain, tipped)]
    torch.testing.assert_close(distances[1], distances[0], rtol=0, atol=2e-3)
    # The turn that takes one to the other, in world axes: by how much, and how far its axis is from level.
    worlds = [drawn.pose_BJ3 @ poses.rotation_K33[poses.camera_N] for drawn in (plain, tipped)]
    turn_B33 = torch.linalg.lstsq(worlds[0], worlds[1]).solution.mT
    angle_deg = torch.rad2deg(torch.arccos(((turn_B33.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1)))
    assert angle_deg.max() <= 110.5
    assert 40 < angle_deg.mean() < 70
    twist_B = turn_B33[:, 1, 0] - turn_B33[:, 0, 1]  # the turn about the vertical, which there is none of
    assert twist_B.abs().max() < 1e-2
    assert torch.equal(draw(poses, tip=0.0).pose_BJ3, plain.pose_BJ3)


def test_noise_has_the_size_that_was_asked_relative_to_the_person_and_differs_from_pose_to_pose():
    poses, *_ = make_set(H36M16)
    ratios = []
    for step in range(50):
        exact, noisy = (draw(poses, step=step, camera="any", noise=noise).keypoints_BJ2 for noise in (0.0, 0.02))
        extent_B = (exact.amax(1) - exact.amin(1)).norm(dim=-1)
        ratios.append((noisy - exact) / extent_B[:, None, None])
    error_SBJ2 = torch.stack(ratios)
    level_SB = error_SBJ2.square().mean((2, 3)).sqrt()
    assert level_SB.mean().item() == pytest.approx(0.02, rel=0.05)
    assert level_SB.min() < 0.006
    assert 0.034 < level_SB.max() < 0.06
    assert error_SBJ2.mean().abs() < 1e-3


def test_outliers_are_as_rare_as_asked_and_far_off():
    poses, *_ = make_set(H36M16)
    offs = []
    for step in range(50):
        exact, noisy = (draw(poses, step=step, camera="any", outliers=rate).keypoints_BJ2 for rate in (0.0, 0.05))
        extent_B = (exact.amax(1) - exact.amin(1)).norm(dim=-1)
        offs.append((noisy - exact).norm(dim=-1) / extent_B[:, None])
    off = torch.stack(offs)
    assert (off > 0).float().mean().item() == pytest.approx(0.05, rel=0.1)
    assert 0.1 < off[off > 0].mean() < 0.2


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_coco_derives_the_trunk_from_hips_and_shoulders_and_puts_the_head_at_the_eyes(skeleton):
    rest = {name: np.zeros(40) for name in LIMITS}
    world = joints_from_angles(BODIES["S1"], np.tile([0.0, 0.0, 1.0], (40, 1)), np.linspace(0, 6, 40), rest)
    still, *_ = make_set(skeleton)
    poses = pose_set(
        torch.tensor(world[:, [H36M17.joints.index(joint) for joint in skeleton.joints]], dtype=torch.float32),
        *(still.camera_N, still.rotation_K33, still.translation_K3, still.intrinsics_K9, skeleton),
    )
    exact, seen = draw(poses, skeleton), draw(poses, skeleton, coco=1.0)
    at = skeleton.joints.index
    hips = exact.keypoints_BJ2[:, [at("LHip"), at("RHip")]].mean(1)
    shoulders = exact.keypoints_BJ2[:, [at("LShoulder"), at("RShoulder")]].mean(1)
    for joint, expected in (("Hip", hips), ("Thorax", shoulders), ("Spine", (hips + shoulders) / 2)):
        torch.testing.assert_close(seen.keypoints_BJ2[:, at(joint)], expected)
    others = [index for index, joint in enumerate(skeleton.joints) if joint not in ("Hip", "Spine", "Thorax", "Head")]
    assert torch.equal(seen.keypoints_BJ2[:, others], exact.keypoints_BJ2[:, others])
    # In world axes, at the depth of the head: below the top of the skull and, on average, before it.
    points = exact.pose_BJ3 + exact.root_B3[:, None]
    ahead = torch.tensor(np.stack([np.cos(np.linspace(0, 6, 40)), np.sin(np.linspace(0, 6, 40)), np.zeros(40)], -1))
    ahead_B3 = (poses.rotation_K33[poses.camera_N] @ ahead.float()[..., None])[..., 0]
    down_B3 = -(poses.rotation_K33[poses.camera_N][:, :, 2])
    eyes = points[:, at("Head")] + 0.1 * down_B3 + 0.09 * ahead_B3
    expected = project(eyes[:, None], exact.intrinsics_B9)[:, 0]
    moved = (exact.keypoints_BJ2[:, at("Head")] - seen.keypoints_BJ2[:, at("Head")]).norm(dim=-1)
    off = (expected - seen.keypoints_BJ2[:, at("Head")]).norm(dim=-1)
    assert off.mean() < 0.5 * moved.mean()


def test_a_missing_joint_lies_on_its_parent_and_3d_does_not_know():
    poses, *_ = make_set(H36M16)
    exact, holed = draw(poses), draw(poses, missing=1.0)
    assert torch.equal(exact.pose_BJ3, holed.pose_BJ3)
    is_moved_BJ = (exact.keypoints_BJ2 != holed.keypoints_BJ2).any(-1)
    assert is_moved_BJ.any(1).all(), "every pose lacks something"
    assert 0.1 < is_moved_BJ.float().mean() < 0.4
    for pose, joint in is_moved_BJ[:, 1:].nonzero().tolist():
        parent = H36M16.parents[joint + 1]
        assert torch.equal(holed.keypoints_BJ2[pose, joint + 1], holed.keypoints_BJ2[pose, parent])


def test_half_of_the_poses_lack_nothing_where_half_was_asked():
    poses, *_ = make_set(H36M16)
    whole = [
        (draw(poses, step=step).keypoints_BJ2 == draw(poses, step=step, missing=0.5).keypoints_BJ2).flatten(1).all(1)
        for step in range(20)
    ]
    assert 0.42 < torch.stack(whole).float().mean() < 0.58


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_filling_uses_nothing_of_what_is_missing(skeleton):
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.randn(60, len(skeleton.joints), 2, generator=generator)
    is_missing = torch.rand(60, len(skeleton.joints), generator=generator) < 0.4
    is_missing[:, skeleton.joints.index("Spine")] = False
    filled = fill_missing(torch.where(is_missing[..., None], math.nan, keypoints), is_missing, skeleton)
    assert filled.isfinite().all()
    assert torch.equal(filled[~is_missing], keypoints[~is_missing])
    root_is_missing = is_missing[:, 0]
    assert torch.equal(filled[root_is_missing, 0], keypoints[root_is_missing, skeleton.joints.index("Spine")])


def test_what_is_gone_together_are_joints_of_both_skeletons():
    for names in _GONE_TOGETHER:
        assert set(names) <= set(H36M16.joints)
