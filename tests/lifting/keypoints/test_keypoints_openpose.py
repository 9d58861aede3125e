import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def write(folder, people, first=0):
    """One JSON a frame; `people` is (P, T, K, 3)."""
    folder.mkdir()
    for t in range(len(people[0])):
        tree = {
            "version": 1.3,
            "people": [
                {"person_id": [-1], "pose_keypoints_2d": person[t].ravel().tolist(), "face_keypoints_2d": []}
                for person in people
            ],
        }
        (folder / f"walk_{first + t:012}_keypoints.json").write_text(json.dumps(tree), encoding="utf-8")


@pytest.mark.parametrize("order", ["body_25", "coco_18"])
def test_25_and_18_joints_are_known(folder, order):
    points = triples(5, order)
    write(folder, [points], first=30)
    file = open_keypoints(folder)
    assert (file.format, file.order.name) == ("openpose", order)
    track = file.track("1")
    assert track.frames.tolist() == [30, 31, 32, 33, 34]
    assert track.names is not None
    assert track.names[0] == "walk_000000000030_keypoints.json"
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


def test_a_missing_joint_a_frame_without_people_and_a_missing_file_are_holes(folder):
    points = triples(4, "body_25")
    points[0, 3] = 0
    write(folder, [points])
    (folder / "walk_000000000001_keypoints.json").write_text('{"people": []}', encoding="utf-8")
    (folder / "walk_000000000002_keypoints.json").unlink()
    track = open_keypoints(folder).track("1")
    assert track.frames.tolist() == [0, 1, 2, 3]
    assert np.isnan(track.keypoints).any(-1)[0].nonzero()[0].tolist() == [3]
    assert np.isnan(track.keypoints[1:3]).all()


def test_the_surest_person_of_each_frame_comes_first(folder):
    unsure, sure = triples(3, "body_25", score=0.3), triples(3, "body_25", "b", score=0.8)
    write(folder, [unsure, sure])
    file = open_keypoints(folder)
    np.testing.assert_allclose(file.track("1").scores, 0.8)
    np.testing.assert_allclose(file.track("2").scores, 0.3)


def test_person_ids_of_its_tracking_are_tracks(folder):
    write(folder, [triples(2, "body_25"), triples(2, "body_25", "b")])
    for path in folder.iterdir():
        tree = json.loads(path.read_text(encoding="utf-8"))
        for id, person in enumerate(tree["people"]):
            person["person_id"] = [id]
        path.write_text(json.dumps(tree), encoding="utf-8")
    assert [person.name for person in open_keypoints(folder).people] == ["0", "1"]


def test_body_25b_is_not_mistaken_for_body_25(folder):
    write(folder, [triples(3, "body_25b")])
    with pytest.raises(InputError, match=r"25 joints that are not in the order of BODY_25 .*such as body_25b"):
        open_keypoints(folder)
    assert open_keypoints(folder, joints="body_25b").order.name == "body_25b"


def test_a_single_file_is_a_clip_of_one_frame(folder):
    points = triples(1, "body_25")
    write(folder, [points])
    track = open_keypoints(next(folder.iterdir())).track("1")
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"people": [', "walk_000000000001_keypoints.json: is not JSON, or truncated"),
        ('{"bodies": []}', "walk_000000000001_keypoints.json: has no list of people"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "out: frame 1 has 2 numbers as keypoints"),
        ('{"people": [5]}', "out: frame 1 has a person that is 5, expected pose_keypoints_2d"),
    ],
)
def test_a_bad_file_is_one_sentence_naming_it(folder, content, message):
    write(folder, [triples(2, "body_25")])
    (folder / "walk_000000000001_keypoints.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        open_keypoints(folder)


def test_a_folder_of_nobody_or_of_nothing_is_one_sentence(folder):
    folder.mkdir()
    with pytest.raises(InputError, match="out: is a folder without a JSON file"):
        open_keypoints(folder)
    (folder / "a_0_keypoints.json").write_text('{"people": []}', encoding="utf-8")
    with pytest.raises(InputError, match="out: has nobody in any of its 1 frames"):
        open_keypoints(folder)


def change(folder, edit):
    for path in folder.iterdir():
        tree = json.loads(path.read_text(encoding="utf-8"))
        for person in tree["people"]:
            edit(person)
        path.write_text(json.dumps(tree), encoding="utf-8")


def test_version_1_0_calls_them_pose_keypoints(folder):
    points = triples(3, "body_25")
    write(folder, [points])
    change(folder, lambda person: person.update(pose_keypoints=person.pop("pose_keypoints_2d")))
    np.testing.assert_allclose(open_keypoints(folder).track("1").keypoints, points[..., :2], atol=1e-3)


def test_a_person_of_unknown_keys_names_them(folder):
    write(folder, [triples(2, "body_25")])
    change(folder, lambda person: person.update(joints=person.pop("pose_keypoints_2d")))
    with pytest.raises(InputError, match="has a person with person_id, face_keypoints_2d, joints, expected pose_key"):
        open_keypoints(folder)


@pytest.mark.parametrize("nobody", [None, []])
def test_a_null_person_does_not_block_the_others(folder, nobody):
    points = triples(3, "body_25")
    write(folder, [points, triples(3, "body_25", "b")])
    edits = iter([False, True] * 3)
    change(folder, lambda person: person.update(pose_keypoints_2d=nobody) if next(edits) else None)
    file = open_keypoints(folder)
    assert len(file.people) == 1
    np.testing.assert_allclose(file.track("1").keypoints, points[..., :2], atol=1e-3)


@pytest.mark.parametrize("scale", [3, 4])
def test_scaled_keypoints_are_parts_of_the_picture(folder, scale):
    """keypoint_scale 3 goes from 0 to 1, 4 from -1 to 1; a missing joint stays 0, 0, 0."""
    points = triples(3, "body_25")
    scaled = points / [1000, 1000, 1]
    scaled[..., :2] = scaled[..., :2] * 2 - 1 if scale == 4 else scaled[..., :2]
    scaled[1, 4] = 0
    write(folder, [scaled])
    track = open_keypoints(folder).track("1")
    assert track.normalised
    np.testing.assert_allclose(track.keypoints[[0, 2]] * 1000, points[[0, 2], :, :2], atol=1e-2)
    assert np.isnan(track.keypoints[1]).any(-1).nonzero()[0].tolist() == [4]
