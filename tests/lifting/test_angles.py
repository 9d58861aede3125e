"""Joint angles: poses whose angles are known by construction, and what may not change them."""

import numpy as np
import pytest

from tests.people import person_camera_m
from wsgcn.lifting.angles import ANGLES, CAMERA_UP, SIGNS, joint_angles_deg
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton

# A figure in x right, y away, z up that looks away from us (forward: +y, its left: -x), arms hanging, legs straight.
STANDING = {
    **{"Hip": (0, 0, 1), "Spine": (0, 0, 1.25), "Thorax": (0, 0, 1.5), "Neck/Nose": (0, 0, 1.6), "Head": (0, 0, 1.7)},
    **{"LHip": (-0.1, 0, 1), "LKnee": (-0.1, 0, 0.5), "LFoot": (-0.1, 0, 0)},
    **{"RHip": (0.1, 0, 1), "RKnee": (0.1, 0, 0.5), "RFoot": (0.1, 0, 0)},
    **{"LShoulder": (-0.2, 0, 1.5), "LElbow": (-0.2, 0, 1.2), "LWrist": (-0.2, 0, 0.9)},
    **{"RShoulder": (0.2, 0, 1.5), "RElbow": (0.2, 0, 1.2), "RWrist": (0.2, 0, 0.9)},
}
UP = (0.0, 0.0, 1.0)


def posed(**moved):
    """(1, 17, 3): the standing figure with some joints elsewhere."""
    places = STANDING | moved
    return np.array([[places[joint] for joint in H36M17.joints]], dtype=float)


def angles(poses, up=UP, skeleton=H36M17):
    """(T,) by name."""
    return dict(zip(ANGLES, joint_angles_deg(poses, skeleton, up).T, strict=True))


def rotation(axis, degrees):
    """(3, 3), right-handed, about a coordinate axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = [(1, 2), (2, 0), (0, 1)]["xyz".index(axis)]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cos
    matrix[second, first], matrix[first, second] = sin, -sin
    return matrix


def turned(poses, joints, centre, matrix):
    """The poses with some joints turned about a joint."""
    poses = poses.copy()
    index = [H36M17.joints.index(joint) for joint in joints]
    place = poses[:, [H36M17.joints.index(centre)]]
    poses[:, index] = (poses[:, index] - place) @ matrix.T + place
    return poses


UPPER_BODY = [joint for joint in H36M17.joints if not joint.endswith(("Hip", "Knee", "Foot"))]


def test_who_stands_straight_has_no_angle_anywhere():
    found = angles(posed())
    assert np.isnan([found.pop("LShoulder_plane"), found.pop("RShoulder_plane")]).all(), "hanging arms have no plane"
    for name, value in found.items():
        assert value == pytest.approx([0], abs=1e-9), name


@pytest.mark.parametrize(
    ("pose", "expected"),
    [
        (posed(LFoot=(-0.1, -0.5, 0.5)), {"LKnee_flexion": 90}),
        (posed(RFoot=(0.1, -0.25, 0.5 - 0.25 * 3**0.5)), {"RKnee_flexion": 30}),
        (posed(LKnee=(-0.1, 0.5, 1), LFoot=(-0.1, 0.5, 0.5)), {"LHip_flexion": 90, "LKnee_flexion": 90}),
        (posed(RKnee=(0.1, -0.25, 1 - 0.25 * 3**0.5)), {"RHip_flexion": -30}),
        (posed(LKnee=(-0.35, 0, 1 - 0.25 * 3**0.5)), {"LHip_abduction": 30}),
        (posed(RKnee=(0.35, 0, 1 - 0.25 * 3**0.5)), {"RHip_abduction": 30}),
        (posed(RKnee=(-0.15, 0, 1 - 0.25 * 3**0.5)), {"RHip_abduction": -30}),
        (posed(LWrist=(-0.2, 0.3, 1.2)), {"LElbow_flexion": 90}),
        (posed(RWrist=(0.2, 0, 1.5)), {"RElbow_flexion": 180}),
        (posed(LElbow=(-0.5, 0, 1.5)), {"LShoulder_elevation": 90, "LShoulder_plane": 0}),
        (posed(RElbow=(0.2, 0.3, 1.5)), {"RShoulder_elevation": 90, "RShoulder_plane": 90}),
        (posed(RElbow=(0.2, -0.15, 1.5 - 0.15 * 3**0.5)), {"RShoulder_elevation": 30, "RShoulder_plane": -90}),
        (posed(LElbow=(-0.2, 0, 1.8)), {"LShoulder_elevation": 180}),
        (turned(posed(), UPPER_BODY, "Hip", rotation("x", -40)), {"Trunk_flexion": 40, "LHip_flexion": 40}),
        (turned(posed(), UPPER_BODY, "Hip", rotation("x", 20)), {"Trunk_flexion": -20, "RHip_flexion": -20}),
        (turned(posed(), UPPER_BODY, "Hip", rotation("y", 25)), {"Trunk_lateral": 25}),
        (turned(posed(), UPPER_BODY, "Hip", rotation("z", 35)), {"Trunk_rotation": 35}),
        (turned(posed(), UPPER_BODY, "Hip", rotation("z", -35)), {"Trunk_rotation": -35}),
    ],
    ids=range(18),
)
def test_angles_that_are_known_by_construction(pose, expected):
    found = angles(pose)
    for name, value in expected.items():
        assert found[name] == pytest.approx([value], abs=1e-9), name


def somebody():
    """(50, 17, 3), camera axes: the tests' moving person, bent in all joints."""
    return person_camera_m(50) + np.random.default_rng(0).normal(size=(50, 17, 3)) * 0.05


@pytest.mark.parametrize(
    "change",
    [lambda poses: 1000 * poses, lambda poses: poses + np.array([1, -2, 3]), lambda poses: poses @ rotation("y", 70).T],
    ids=["unit", "place", "turn about the vertical"],
)
def test_unit_place_and_heading_change_nothing(change):
    np.testing.assert_allclose(
        joint_angles_deg(change(somebody()), H36M17, CAMERA_UP),
        joint_angles_deg(somebody(), H36M17, CAMERA_UP),
        atol=1e-8,
    )


def test_any_turn_of_all_axes_changes_nothing():
    matrix = rotation("x", 33) @ rotation("y", -71) @ rotation("z", 120)
    np.testing.assert_allclose(
        joint_angles_deg(somebody() @ matrix.T, H36M17, tuple(matrix @ CAMERA_UP)),
        joint_angles_deg(somebody(), H36M17, CAMERA_UP),
        atol=1e-8,
    )


def test_a_tilted_camera_changes_the_lean_of_the_trunk_and_nothing_else():
    level, tilted = angles(somebody(), CAMERA_UP), angles(somebody() @ rotation("x", 15).T, CAMERA_UP)
    for name in ANGLES:
        is_same = np.allclose(level[name], tilted[name], atol=1e-8, equal_nan=True)
        assert is_same == (name not in ("Trunk_flexion", "Trunk_lateral")), name


def test_the_mirror_image_swaps_the_sides_and_turns_the_signs_of_lean_and_rotation():
    mirrored = angles((somebody() * [-1, 1, 1])[:, H36M17.mirror], CAMERA_UP)
    for name, values in angles(somebody(), CAMERA_UP).items():
        sign = -1 if name in ("Trunk_lateral", "Trunk_rotation") else 1
        other = name if name.startswith("Trunk") else {"L": "R", "R": "L"}[name[0]] + name[1:]
        np.testing.assert_allclose(mirrored[other], sign * values, atol=1e-8, err_msg=name)


def test_both_skeletons_give_the_same_angles_and_float32_is_good_for_a_thousandth_of_a_degree():
    without_nose = somebody()[:, H36M16.indices_in(H36M17.joints, "h36m17")]
    expected = joint_angles_deg(somebody(), H36M17, CAMERA_UP)
    np.testing.assert_array_equal(joint_angles_deg(without_nose, H36M16, CAMERA_UP), expected)
    relative = (without_nose - without_nose[:, :1]).astype(np.float32)
    np.testing.assert_allclose(joint_angles_deg(relative, H36M16, CAMERA_UP), expected, atol=1e-3)


def test_what_misses_a_joint_is_nan_and_the_rest_is_there():
    poses = posed(LElbow=(-0.5, 0, 1.5), RElbow=(0.5, 0, 1.5), LWrist=(np.nan, 0, 0))
    assert [name for name, value in angles(poses).items() if np.isnan(value[0])] == ["LElbow_flexion"]
    legs = Skeleton("legs", tuple(joint for joint in H36M17.joints if joint.endswith(("Hip", "Knee", "Foot"))))
    found = angles(somebody()[:1, legs.indices_in(H36M17.joints, "h36m17")], CAMERA_UP, legs)
    assert [name for name, value in found.items() if not np.isnan(value[0])] == ["RKnee_flexion", "LKnee_flexion"]
    assert joint_angles_deg(somebody()[:0], H36M17, CAMERA_UP).shape == (0, 15)


def test_joints_at_one_point_have_no_angle_and_no_warning():
    assert np.isnan(joint_angles_deg(np.zeros((2, 17, 3)), H36M17, UP)).all()


def test_the_signs_for_outputs_say_every_kind_of_angle():
    for name in ANGLES:
        assert name.split("_")[1] in SIGNS
    assert len(SIGNS) < 500
