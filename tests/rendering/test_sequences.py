from contextlib import ExitStack

import numpy as np
import pytest

from tests.tiny import tiny_positions_m
from wsgcn.base.errors import InputError
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections, Predictions, Sequence2D, create_detections
from wsgcn.rendering.sequences import PoseSequence, predicted_sequence, skeleton_of

KEY = ("S11", "Walking", "55011271")


def load(predictions_path, detections_path, key=KEY):
    with ExitStack() as files:
        detections = files.enter_context(Detections(detections_path)) if detections_path else None
        return predicted_sequence(files.enter_context(Predictions(predictions_path)), detections, *key)


@pytest.fixture
def sequence(predictions_path):
    return load(predictions_path, predictions_path.with_name("detections.h5"))


def test_the_truth_is_the_capture_upright_and_on_the_floor(sequence):
    """Heights are those of the world; lengths on the floor too, whatever the direction of x."""
    positions_m = tiny_positions_m("S11", "Walking", 20)[:, H36M16.indices_in(H36M17.joints, "H36M17")]
    height_m = positions_m[..., 2] - positions_m[..., 2].min(1, keepdims=True)
    assert sequence.truth_m[..., 2] == pytest.approx(height_m, abs=1e-4)
    assert sequence.truth_m[:, 0, :2] == pytest.approx(0, abs=1e-5)
    expected_m = np.linalg.norm(positions_m[..., :2] - positions_m[:, :1, :2], axis=-1)
    assert np.linalg.norm(sequence.truth_m[..., :2], axis=-1) == pytest.approx(expected_m, abs=1e-4)


def test_turning_upright_leaves_the_errors_alone(sequence):
    """Every joint but the root is 50 mm off."""
    assert sequence.mpjpe_mm == pytest.approx(np.full(20, 50 * 15 / 16), abs=1e-3)


def test_the_2d_input_is_in_the_order_of_the_skeleton(sequence, predictions_path):
    with Detections(predictions_path.with_name("detections.h5")) as detections:
        keypoints_px = detections.sequence(*KEY).keypoints_px
        assert detections.joints == list(H36M17.joints)
    assert sequence.skeleton == H36M16
    assert sequence.keypoints_px[:, H36M16.joints.index("Head")] == pytest.approx(
        keypoints_px[:, H36M17.joints.index("Head")]
    )


def test_captions_name_the_data_and_the_camera(sequence):
    assert sequence.title == "S11 Walking"
    assert sequence.data == "a tiny capture, camera 55011271"


def test_without_detections_there_is_no_2d_and_the_camera_is_taken_for_level(predictions_path):
    sequence = load(predictions_path, None)
    assert sequence.keypoints_px is None
    assert sequence.data == "a tiny capture, camera 55011271 taken for level"
    with Predictions(predictions_path) as predictions:
        camera_m = predictions.truth_m(*KEY)
    assert sequence.truth_m[..., 0] == pytest.approx(camera_m[..., 0])
    assert np.diff(sequence.truth_m[..., 2]) == pytest.approx(-np.diff(camera_m[..., 1]), abs=1e-6)


def test_an_unknown_camera_is_one_sentence_naming_those_there_are(predictions_path):
    with pytest.raises(InputError, match=r"predictions.h5: S11 Walking has no camera 1 \(it has 54138969, 55011271"):
        load(predictions_path, None, ("S11", "Walking", "1"))


def test_detections_of_another_length_are_one_sentence_naming_the_take(predictions_path, tmp_path):
    path = tmp_path / "detections.h5"
    with Detections(predictions_path.with_name("detections.h5")) as detections:
        cameras = detections.cameras()
        keypoints_px = detections.sequence(*KEY).keypoints_px[:-1]
    with create_detections(path, "gt", "exact projections", H36M17.joints) as writer:
        writer.add_cameras(cameras)
        writer.add(Sequence2D(*KEY, keypoints_px))
    with pytest.raises(InputError, match=r"S11 Walking 55011271 has 19 frames, but .*predictions.h5 has 20"):
        load(predictions_path, path)


def test_some_of_the_joints_are_a_skeleton_too():
    skeleton = skeleton_of(["Hip", "Thorax", "LShoulder", "LWrist"], "a.npz")
    assert skeleton.parents == (-1, 0, 1, 2)
    assert skeleton_of(H36M17.joints, "a.npz") is H36M17


@pytest.mark.parametrize("joints", [["Hip", "Nose"], [], ["Thorax", "Hip"]])
def test_other_joints_are_one_sentence_naming_the_file(joints):
    with pytest.raises(InputError, match=r"^a.npz: holds the joints .*; expected some of Hip, RHip"):
        skeleton_of(joints, "a.npz")


def test_resampling_takes_the_same_frames_of_everything():
    values = np.arange(4.0)[:, None, None]
    sequence = PoseSequence(
        title="a",
        data="b",
        skeleton=skeleton_of(["Hip"], "a"),
        fps=50,
        predicted_m=values + np.zeros(3),
        truth_m=values + 10 + np.zeros(3),
        keypoints_px=values + 20 + np.zeros(2),
    )
    resampled = sequence.resampled(np.array([3, 1]), 25)
    assert (len(resampled), resampled.fps) == (2, 25)
    assert resampled.predicted_m[:, 0, 0].tolist() == [3, 1]
    assert resampled.truth_m[:, 0, 0].tolist() == [13, 11]
    assert resampled.keypoints_px[:, 0, 0].tolist() == [23, 21]
    assert sequence.resampled(np.array([0])).fps == 50
