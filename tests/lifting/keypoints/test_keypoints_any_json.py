"""Any JSON is read where the joints' order is named."""

import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints

POINTS = triples(3)


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **{"joints": "coco", **options})

    return open_json


def named(frame):
    return [{"name": "a", "x": x, "y": y, "score": score} for x, y, score in frame.tolist()]


FORMS = {
    "lists of triples": [frame.tolist() for frame in POINTS],
    "flat": [frame.ravel().tolist() for frame in POINTS],
    "pairs": [{"pts": frame[:, :2].tolist(), "scores": frame[:, 2].tolist()} for frame in POINTS],
    "flat pairs": [frame[:, :2].ravel().tolist() for frame in POINTS],
    "people in frames": [{"t": 1, "people": [{"box": [1, 2, 3, 4], "joints": frame.tolist()}]} for frame in POINTS],
    "tensorflow.js": [[{"score": 0.9, "keypoints": named(frame)}] for frame in POINTS],
    "columns": [{"x": frame[:, 0].tolist(), "y": frame[:, 1].tolist()} for frame in POINTS],
    "under a key": {"fps": 30, "size": [1, 2], "clip": {"frames": [[frame.tolist()] for frame in POINTS]}},
    "by number": {str(t): {"pose": frame.tolist()} for t, frame in enumerate(POINTS)},
    "by picture": {f"walk_{t:04}.jpg": [{"pose": frame.tolist()}] for t, frame in enumerate(POINTS)},
}


@pytest.mark.parametrize("form", FORMS)
def test_keypoints_are_found_wherever_they_stand(open_json, form):
    file = open_json(FORMS[form])
    assert (file.format, file.order.name) == ("json", "coco")
    [person] = file.people
    track = file.track(person.name)
    assert track.frames.tolist() == [0, 1, 2]
    np.testing.assert_allclose(track.keypoints, POINTS[..., :2], atol=1e-3)


def test_a_frames_own_number_and_a_persons_own_id_are_kept(open_json):
    tree = [{"frame": 10 * t, "people": [{"id": "anna", "pose": frame.tolist()}]} for t, frame in enumerate(POINTS)]
    track = open_json(tree).track("anna")
    assert track.frames[[0, -1]].tolist() == [0, 20]


def test_people_under_numbers_are_these_people(open_json):
    tree = {
        "poses": [
            {"1": frame.tolist(), "2": other.tolist()}
            for frame, other in zip(POINTS, triples(3, seed="b"), strict=True)
        ]
    }
    file = open_json(tree)
    assert [person.name for person in file.people] == ["1", "2"]
    np.testing.assert_allclose(file.track("2").keypoints, triples(3, seed="b")[..., :2], atol=1e-3)


def test_null_and_absent_people_are_holes(open_json):
    tree = [[{"pose": POINTS[0].tolist()}], None, [], [None], [{"pose": POINTS[1].tolist()}]]
    track = open_json(tree).track("1")
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, True, True, False]


def test_the_unit_is_seen_from_the_values_or_named(open_json):
    shares = [(frame / [1000, 1000, 1]).tolist() for frame in POINTS]
    assert open_json(shares).track("1").normalised
    assert not open_json(shares, unit="px").track("1").normalised


def test_without_a_name_the_sentence_says_what_lies_there(open_json):
    tree = {"fps": 30, "frames": [{"poses": [1], "time": 0.1}], "who": {"a": 1}}
    with pytest.raises(InputError) as error:
        open_json(tree, joints=None)
    assert str(error.value).endswith(
        "mine.json: is JSON in none of the known forms; it has fps: 30; frames: a list of {poses, time}; who: {a}. If "
        "there are keypoints in it, name their order by joints."
    )


def test_a_named_order_that_nobody_has_is_one_sentence(open_json):
    with pytest.raises(InputError, match=r"mine\.json: has nobody with the 25 joints of body_25 in any of 3 frames"):
        open_json(FORMS["lists of triples"], joints="body_25")


def test_a_folder_with_a_file_a_frame_is_read_too(tmp_path):
    folder = tmp_path / "poses"
    folder.mkdir()
    for t, frame in enumerate(POINTS):
        (folder / f"frame_{t + 5}.json").write_text(json.dumps({"pose": frame.tolist()}), encoding="utf-8")
    track = open_keypoints(folder, joints="coco").track("1")
    assert track.frames.tolist() == [5, 6, 7]
    np.testing.assert_allclose(track.keypoints, POINTS[..., :2], atol=1e-3)


def test_a_frame_with_more_people_than_can_be_is_one_sentence(open_json):
    with pytest.raises(InputError, match=r"mine\.json: has a frame with more than 10000 people or joints in a list"):
        open_json({"0": [None] * 10_001})
