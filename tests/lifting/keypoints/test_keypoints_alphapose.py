import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import BODY_25
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "alphapose-results.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **options)

    return open_json


def entries(points, name="{}.jpg", **more):
    return [
        {"image_id": name.format(t), "category_id": 1, "keypoints": frame.ravel().tolist(), "score": 2.7, **more}
        for t, frame in enumerate(points)
    ]


@pytest.mark.parametrize("order", ["coco", "halpe_26", "halpe_136"])
def test_17_26_and_136_joints_are_known_and_numbered_by_file_name(open_json, order):
    points = triples(12, order)
    file = open_json(entries(points))
    assert (file.format, file.order.name) == ("alphapose", order)
    track = file.track("1")
    assert track.frames.tolist() == list(range(12))
    assert track.names is not None
    assert (track.names[2], track.names[10]) == ("2.jpg", "10.jpg")  # not in the order of the letters
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


def test_its_tracker_names_the_people(open_json):
    file = open_json(entries(triples(3), idx=1) + entries(triples(3, seed="b"), idx=2))
    assert [person.name for person in file.people] == ["1", "2"]
    np.testing.assert_allclose(file.track("2").keypoints, triples(3, seed="b")[..., :2], atol=1e-3)


def test_another_count_needs_a_name(open_json):
    with pytest.raises(InputError, match="has 16 joints, whose order the format does not tell"):
        open_json(entries(triples(2, "mpii")))
    assert open_json(entries(triples(2, "mpii")), joints="mpii").order.name == "mpii"


def test_an_entry_without_a_picture_is_one_sentence(open_json):
    tree = entries(triples(2))
    tree[1]["image_id"] = 5
    with pytest.raises(InputError, match=r"alphapose-results\.json: has an entry without the name of its picture"):
        open_json(tree)


def test_an_idx_that_tells_nobody_apart_is_no_track(open_json):
    """Without its tracker AlphaPose writes 0 for everybody, for some in nested lists; real files have both."""
    tree = entries(triples(3, "halpe_26"), idx=[0.0])
    bystander = entries(triples(2, "halpe_26"), idx=[[0.0], [0.0]])[1] | {"score": 0.4}
    file = open_json([*tree, bystander])
    assert [(person.name, person.frames) for person in file.people] == [("1", 3), ("2", 1)]


def test_an_idx_in_lists_that_does_tell_people_apart_names_them_plainly(open_json):
    people = [entries(triples(2, "coco"), idx=idx) for idx in ([3.0], [[7.0], [7.0]])]
    assert {person.name for person in open_json([*people[0], *people[1]]).people} == {"3", "7"}


@pytest.mark.parametrize(("people", "keypoints"), [("bodies", "joints"), ("people", "pose_keypoints_2d")])
def test_the_forms_cmu_and_open_are_pictures_by_name(open_json, people, keypoints):
    points = triples(3, "coco_18")
    tree = {
        f"{t}.jpg": {"version": 0.1, people: [{keypoints: frame.ravel().tolist()}]} for t, frame in enumerate(points)
    }
    tree["1.jpg"] = {"version": 0.1, people: [None]}
    file = open_json(tree)
    assert (file.format, file.order.name) == ("alphapose", "coco_18")
    track = file.track("1")
    assert track.names == ("0.jpg", "1.jpg", "2.jpg")
    np.testing.assert_allclose(track.keypoints[[0, 2]], points[[0, 2], :, :2], atol=1e-3)
    assert np.isnan(track.keypoints[1]).all()


def test_poseflows_pictures_have_tracks(open_json):
    tree = {
        f"{t}.jpg": [
            {"keypoints": a.ravel().tolist(), "scores": 2.5, "idx": 4},
            {"keypoints": b.ravel().tolist(), "scores": 2.9, "idx": 9},
        ]
        for t, (a, b) in enumerate(zip(triples(3), triples(3, seed="b"), strict=True))
    }
    file = open_json(tree)
    assert [person.name for person in file.people] == ["4", "9"]
    np.testing.assert_allclose(file.track("9").keypoints, triples(3, seed="b")[..., :2], atol=1e-3)


def test_tracked_people_are_frames_by_person(open_json):
    points = triples(4)
    frames = {
        f"{t:04}": {"keypoints": frame.ravel().tolist(), "scores": None}
        for t, frame in enumerate(points)
        if t not in (1, 2)
    }
    file = open_json({"7": frames | {"0002": None}, "12": {"0003": frames["0003"]}})
    assert (file.format, file.order.name) == ("tracked_people", "coco")
    assert [(person.name, person.frames) for person in file.people] == [("7", 2), ("12", 1)]
    track = file.track("7")
    assert track.frames.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(track.keypoints[3], points[3, :, :2], atol=1e-3)


def test_18_joints_that_were_cut_from_body_25_are_told_by_the_hip_in_the_middle(open_json):
    points = triples(3, "body_25")[:, :18]
    tree = {f"{t}.jpg": {"bodies": [{"joints": frame.ravel().tolist()}]} for t, frame in enumerate(points)}
    order = open_json(tree).order
    assert (order.name, order.joints) == ("body_25_first_18", BODY_25.joints[:18])
    assert order.human36m_joints == BODY_25.human36m_joints
    assert open_json(tree, joints="coco_18").order.name == "coco_18"


def test_what_stands_beside_the_pictures_is_no_frame(open_json):
    points = triples(2, "coco_18")
    tree = {f"{t}.jpg": {"bodies": [{"joints": frame.ravel().tolist()}]} for t, frame in enumerate(points, 5)}
    assert open_json({"version": 0.1, "info": {"by": "me"}, **tree}).track("1").frames.tolist() == [5, 6]
    people = [{"keypoints": frame.ravel().tolist(), "idx": 1} for frame in points]
    with pytest.raises(InputError, match="has people under 'clip', expected the names of pictures"):
        open_json({"clip": people})
