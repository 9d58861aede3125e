"""The test of general lifters: its cameras are cameras, its 2D is a projection with errors, its lean is an angle."""

import numpy as np
import pytest

from benchmarks import lifter as benchmark
from tests.tiny import tiny_positions_m
from wsgcn.detections.joint_orders import COCO, to_human36m
from wsgcn.pose.skeleton import H36M17

J = {joint: index for index, joint in enumerate(H36M17.joints)}
MOCAP = benchmark.SHARED / "mocap"


def people(count=50):
    return tiny_positions_m("S1", "a", count).astype(float)


def test_cameras_are_rotations_within_their_ranges_and_see_everybody_before_them():
    world = people()
    rotation, root, focal = benchmark.cameras(world, np.random.default_rng(0))
    np.testing.assert_allclose(rotation @ rotation.swapaxes(1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    pitch = -np.degrees(np.arcsin(rotation[:, 2, 2]))  # of the optical axis, downwards
    assert (pitch >= benchmark._PITCH_DEG[0] - 1e-9).all()
    assert (pitch <= benchmark._PITCH_DEG[1] + 1e-9).all()
    assert (rotation[:, 1, 2] < -0.7).all(), "the world's up is the picture's up"
    assert ((focal >= 1.1) & (focal <= 3.2)).all()
    seen = (world - world[:, :1]) @ rotation.swapaxes(1, 2) + root[:, None]
    assert (seen[..., 2] > 0).all()


def test_a_person_who_turns_does_not_count_as_moving_and_one_who_waves_does():
    standing = np.repeat(people(1), 30, axis=0)
    angle = np.linspace(0, 6, 30)
    turn = np.zeros((30, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0], turn[:, 0, 1], turn[:, 2, 2] = np.sin(angle), -np.sin(angle), 1
    turning = (standing - standing[:, :1]) @ turn.swapaxes(1, 2)
    assert benchmark.moving(turning @ benchmark.facing(turning)) == [0]
    waving = standing - standing[:, :1]
    for joint in ("LElbow", "LWrist", "RElbow", "RWrist"):
        waving[15:, J[joint], 2] += 0.5
    assert benchmark.moving(waving @ benchmark.facing(waving)) == [0, 15]


def test_the_derived_joints_are_those_of_a_coco_detector():
    keypoints = people()[..., :2]
    as_coco = np.stack(
        [
            keypoints[:, J[joint.replace("Ankle", "Foot")]] if joint.replace("Ankle", "Foot") in J else keypoints[:, 0]
            for joint in COCO.joints
        ],
        axis=1,
    )
    expected = to_human36m(COCO, as_coco)
    found = benchmark.as_coco(keypoints)
    for joint in ("Hip", "Spine", "Thorax", "LKnee"):
        np.testing.assert_allclose(found[:, J[joint]], expected[:, J[joint]])


def test_leaning_counts_trunks_more_than_20_degrees_off():
    truth = people(2) - people(2)[:, :1]

    def tipped(degrees):
        angle = np.radians(degrees)
        about_x = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        return truth @ about_x.T

    assert benchmark.errors(tipped(15), truth, H36M17).leaning == 0
    assert benchmark.errors(tipped(25), truth, H36M17).leaning == 1
    assert benchmark.errors(tipped(25), truth, H36M17).p_mpjpe_mm == pytest.approx(0, abs=1e-6)


@pytest.mark.skipif(not MOCAP.is_dir(), reason="no ../shared/data/mocap")
def test_the_test_is_the_same_each_time_and_exact_without_errors():
    first, second = (benchmark.make_test(MOCAP, np.zeros((1, 17, 2)), ["reactidle.zip"]) for _ in range(2))
    assert len(first.pose_NJ3) > 100
    np.testing.assert_array_equal(first.keypoints["coco"], second.keypoints["coco"])
    others = [index for joint, index in J.items() if joint not in ("Hip", "Spine", "Thorax", "Head")]
    np.testing.assert_allclose(first.keypoints["coco"][:, others], first.keypoints["h36m"][:, others])
    np.testing.assert_allclose(first.pose_NJ3[:, 0], 0, atol=1e-9)
