import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.pose.skeleton import H36M16, H36M17, H36M32_INDEX, SKELETONS, Skeleton

# fmt: off
JOINTS_17 = (
    "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head",
    "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
)
JOINTS_16 = (
    "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Head",
    "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
)
HOURGLASS = (
    "RFoot", "RKnee", "RHip", "LHip", "LKnee", "LFoot", "Hip", "Spine", "Thorax", "Head",
    "RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist",
)
# fmt: on

both = pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)


def test_the_joints_stand_in_human36m_order() -> None:
    assert H36M16.joints == JOINTS_16
    assert H36M17.joints == JOINTS_17
    assert SKELETONS == {"h36m16": H36M16, "h36m17": H36M17}


def test_the_17_joints_are_taken_from_their_places_among_the_32() -> None:
    assert tuple(H36M32_INDEX) == JOINTS_17
    assert list(H36M32_INDEX.values()) == [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


def test_the_parents_are_the_published_ones() -> None:
    assert H36M16.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14)
    assert H36M17.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)


def test_a_joint_whose_parents_are_absent_hangs_from_the_nearest_ancestor_present() -> None:
    sparse = Skeleton("sparse", ("Hip", "RFoot", "Head", "LWrist"))
    assert sparse.parents == (-1, 0, 0, 0)


@both
def test_every_joint_but_the_root_has_one_bone_to_its_parent(skeleton: Skeleton) -> None:
    joints = len(skeleton.joints)
    assert [child for child, _ in skeleton.bones] == list(range(1, joints))
    assert all(skeleton.parents[child] == parent for child, parent in skeleton.bones)
    assert len(skeleton.bone_names) == joints - 1
    assert all(
        name == f"{skeleton.joints[parent]}-{skeleton.joints[child]}"
        for name, (child, parent) in zip(skeleton.bone_names, skeleton.bones, strict=True)
    )


def test_the_head_hangs_from_the_thorax_only_where_there_is_no_neck() -> None:
    assert H36M16.bone_names[8] == "Thorax-Head"
    assert H36M17.bone_names[8:10] == ("Thorax-Neck/Nose", "Neck/Nose-Head")


def test_the_mirror_images_are_left_and_right_of_the_same_name() -> None:
    assert H36M16.mirror == (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 13, 14, 15, 10, 11, 12)
    assert H36M17.mirror == (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)


@both
def test_mirroring_twice_changes_nothing_and_keeps_the_bones(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[mirror[joint]] for joint in range(len(mirror))] == list(range(len(mirror)))
    assert {(mirror[child], mirror[parent]) for child, parent in skeleton.bones} == set(skeleton.bones)


def test_the_sides_follow_from_the_names() -> None:
    assert H36M16.sides == ("middle", *["right"] * 3, *["left"] * 3, *["middle"] * 3, *["left"] * 3, *["right"] * 3)
    assert H36M17.sides == ("middle", *["right"] * 3, *["left"] * 3, *["middle"] * 4, *["left"] * 3, *["right"] * 3)


@both
def test_the_adjacency_joins_bones_and_self_loops_and_nothing_else(skeleton: Skeleton) -> None:
    joints = len(skeleton.joints)
    expected = {(joint, joint) for joint in range(joints)}
    expected |= {(child, skeleton.parents[child]) for child in range(1, joints)}
    expected |= {(skeleton.parents[child], child) for child in range(1, joints)}
    assert skeleton.adjacency_JJ.dtype == bool
    assert {(int(i), int(j)) for i, j in np.argwhere(skeleton.adjacency_JJ)} == expected
    assert len(expected) == joints + 2 * (joints - 1)


def test_the_groups_of_16_joints_are_the_published_ones() -> None:
    assert H36M16.groups == ((2, 3), (5, 6), (1, 4), (0, 7), (8, 9), (14, 15), (11, 12), (10, 13))


def test_the_groups_of_17_joints_put_the_neck_with_thorax_and_head() -> None:
    assert H36M17.groups == ((2, 3), (5, 6), (1, 4), (0, 7), (8, 9, 10), (15, 16), (12, 13), (11, 14))


@both
def test_8_groups_hold_every_joint_once(skeleton: Skeleton) -> None:
    assert len(skeleton.groups) == 8
    assert sorted(joint for group in skeleton.groups for joint in group) == list(range(len(skeleton.joints)))


def test_joints_are_found_in_a_detectors_own_order() -> None:
    assert H36M16.indices_in(HOURGLASS, "a detector") == [6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10]
    assert H36M16.indices_in(JOINTS_17, "17 joints") == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16]


def test_a_joint_that_an_order_lacks_is_one_sentence_naming_it() -> None:
    with pytest.raises(
        InputError, match=r"^detections\.h5: has no Neck/Nose, which the skeleton h36m17 needs"
    ) as caught:
        H36M17.indices_in(HOURGLASS, "detections.h5")
    assert "\n" not in str(caught.value)
