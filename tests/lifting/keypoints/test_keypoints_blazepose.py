import json
import re

import numpy as np
import pytest

from tests.people import SIZE, triples
from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import BLAZEPOSE_33
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "landmarks.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **options)

    return open_json


def landmarks(frame, scale=1.0):
    return [{"x": x / scale, "y": y / scale, "z": -0.1, "visibility": score} for x, y, score in frame.tolist()]


def test_mediapipes_normalised_landmarks_are_recognised_as_such(open_json):
    points = triples(3, "blazepose_33")
    file = open_json([landmarks(frame, SIZE[0]) for frame in points])
    assert (file.format, file.order.name) == ("blazepose", "blazepose_33")
    track = file.track("1")
    assert track.normalised
    np.testing.assert_allclose(track.keypoints * SIZE[0], points[..., :2], atol=1e-2)
    np.testing.assert_allclose(track.scores, 0.9)


def test_pixels_are_recognised_as_such(open_json):
    points = triples(3, "blazepose_33")
    track = open_json([landmarks(frame) for frame in points]).track("1")
    assert not track.normalised
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


@pytest.mark.parametrize("nobody", [None, [], {"pose_landmarks": []}, {"pose_landmarks": None}])
def test_a_frame_without_anybody_is_a_hole(open_json, nobody):
    points = triples(3, "blazepose_33")
    tree = [nobody, landmarks(points[0]), nobody, landmarks(points[1]), nobody]
    track = open_json(tree).track("1")
    assert track.frames.tolist() == [1, 2, 3]
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, False]


def test_several_people_of_the_tasks_api_are_told_apart_by_visibility(open_json):
    sure, unsure = triples(2, "blazepose_33"), triples(2, "blazepose_33", "b", score=0.2)
    file = open_json([{"pose_landmarks": [landmarks(b), landmarks(a)]} for a, b in zip(sure, unsure, strict=True)])
    np.testing.assert_allclose(file.track("1").keypoints, sure[..., :2], atol=1e-3)
    np.testing.assert_allclose(file.track("2").keypoints, unsure[..., :2], atol=1e-3)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_an_array_of_33_by_4_is_blazepose(tmp_path, suffix):
    points = triples(3, "blazepose_33")
    array = np.insert(points, 2, 0.5, axis=-1)  # x, y, z, visibility
    array[1] = np.nan
    path = tmp_path / f"a.{suffix}"
    np.save(path, array) if suffix == "npy" else np.savez(path, array)
    file = open_keypoints(path)
    assert file.order.name == "blazepose_33"
    track = file.track("1")
    np.testing.assert_allclose(track.keypoints[[0, 2]], points[[0, 2], :, :2], atol=1e-3)
    np.testing.assert_allclose(track.scores[0], 0.9)
    assert np.isnan(track.keypoints[1]).all()


def test_another_number_of_landmarks_is_one_sentence_naming_the_frame(open_json):
    points = triples(3, "blazepose_33")
    tree = [landmarks(frame) for frame in points]
    del tree[2][5]
    with pytest.raises(InputError, match=r"landmarks\.json: frame 2 has no 33 landmarks"):
        open_json(tree)


POINTS = triples(3, "blazepose_33")
NAMES = [
    re.sub("^([LR])(?=[A-Z])", lambda side: {"L": "left_", "R": "right_"}[side[1]], j) for j in BLAZEPOSE_33.joints
]


def spelled(name):
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).upper()


SPELLINGS = {
    "javascript": [{"poseLandmarks": landmarks(frame)} for frame in POINTS],
    "tasks in javascript": [{"landmarks": [landmarks(frame)], "worldLandmarks": []} for frame in POINTS],
    "protobuf": [{"pose_landmarks": {"landmark": landmarks(frame)}} for frame in POINTS],
    "tensorflow.js": [
        [{"score": 0.9, "keypoints": [{"x": x, "y": y, "score": score} for x, y, score in frame.tolist()]}]
        for frame in POINTS
    ],
    "lists": [{"landmarks": np.insert(frame, 2, -0.2, axis=-1).tolist()} for frame in POINTS],
    "frames": {
        "fps": 30,
        "size": [1000, 1000],
        "frames": [{"frame": t, "landmarks": landmarks(frame)} for t, frame in enumerate(POINTS)],
    },
    "by number": {str(t): landmarks(frame) for t, frame in enumerate(POINTS)},
    "by name": [
        {spelled(name): landmark for name, landmark in zip(NAMES, landmarks(frame), strict=True)} for frame in POINTS
    ],
    "lists of frames under the landmarks' key": {"pose_landmarks": [landmarks(frame) for frame in POINTS]},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_read(open_json, spelling):
    file = open_json(SPELLINGS[spelling])
    assert file.format == "blazepose"
    track = file.track("1")
    assert track.frames.tolist() == [0, 1, 2]
    np.testing.assert_allclose(track.keypoints, POINTS[..., :2], atol=1e-3)
    np.testing.assert_allclose(track.scores, 0.9)


def test_landmarks_alone_are_one_frame(open_json):
    track = open_json({"pose_landmarks": landmarks(POINTS[0])}).track("1")
    np.testing.assert_allclose(track.keypoints, POINTS[:1, :, :2], atol=1e-3)


def test_frames_keep_their_own_numbers(open_json):
    tree = [{"frame_number": 7 + t, "landmarks": landmarks(frame)} for t, frame in enumerate(POINTS)]
    assert open_json(tree).track("1").frames.tolist() == [7, 8, 9]


def test_world_landmarks_alone_are_named_for_what_they_are(open_json):
    with pytest.raises(InputError, match=r"frame 0 has world landmarks, metres from the hip, and no others"):
        open_json([{"pose_world_landmarks": landmarks(frame, 1000)} for frame in POINTS])
