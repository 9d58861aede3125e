import json

import numpy as np
import pytest

from tests.people import SIZE, triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "poses.json"
        path.write_text(json.dumps(tree), encoding="utf-8-sig")  # with a byte order mark
        return open_keypoints(path, **options)

    return open_json


def person(frame, **more):
    x, y, visible = frame.T.tolist()
    return {"name": "person", "confidence": 0.9, "keypoints": {"x": x, "y": y, "visible": visible}, **more}


def frames(points, **more):
    return [[person(frame, **more)] for frame in points]


def write_labels(folder, people, extras=(), channels=3):
    """`people` is (P, T, K, 3) in pixels."""
    folder.mkdir()
    for t in range(len(people[0])):
        lines = []
        for each in people:
            shares = each[t] / [*SIZE, 1]
            numbers = [0, 0.5, 0.5, 0.2, 0.4, *shares[:, :channels].ravel(), *extras]
            lines.append(" ".join(f"{number:g}" for number in numbers))
        (folder / f"walk_{t + 1}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_list_of_frames_is_read_with_its_tracks_and_its_holes(open_json):
    tree = frames(triples(4), track_id=7)
    tree[1], tree[2] = [], None
    tree.append([None, person(triples(1)[0], track_id=7.0)])
    file = open_json(tree)
    assert (file.format, file.order.name) == ("ultralytics", "coco")
    track = file.track("7")
    assert track.frames.tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, True, False, False]
    np.testing.assert_allclose(track.keypoints[3], triples(4)[3, :, :2], atol=1e-3)


def test_frames_as_the_text_that_to_json_returns_are_read(open_json):
    points = triples(2)
    track = open_json([json.dumps(frame) for frame in frames(points)]).track("1")
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


def test_a_list_of_people_is_one_frame(open_json):
    file = open_json([person(triples(1)[0]), person(triples(1, seed="b")[0])])
    assert [each.frames for each in file.people] == [1, 1]


def test_a_joint_at_the_corner_is_missing(open_json):
    points = triples(1)
    points[0, 9] = (0, 0, 0.4)
    assert np.isnan(open_json(frames(points)).track("1").keypoints[0]).any(-1).nonzero()[0].tolist() == [9]


def test_normalised_values_are_seen_as_parts_of_the_picture(open_json):
    assert open_json(frames(triples(2) / [1000, 1000, 1])).track("1").normalised
    assert not open_json(frames(triples(2) / [1000, 1000, 1]), unit="px").track("1").normalised
    assert open_json(frames(triples(2)), unit="share").track("1").normalised


@pytest.mark.parametrize("channels", [3, 2])
def test_label_files_are_parts_of_the_picture(tmp_path, channels):
    points = triples(3)
    write_labels(tmp_path / "labels", [points], channels=channels)
    file = open_keypoints(tmp_path / "labels")
    track = file.track("1")
    assert (file.format, track.frames.tolist(), track.normalised) == ("ultralytics_labels", [1, 2, 3], True)
    np.testing.assert_allclose(track.keypoints * SIZE, points[..., :2], atol=1e-2)
    assert track.scores.max() == pytest.approx(0.9 if channels == 3 else 1)


@pytest.mark.parametrize(("extras", "name"), [((0.87,), "1"), ((5,), "5"), ((0.87, 5), "5")])
def test_what_stands_behind_the_joints_is_a_confidence_a_track_or_both(tmp_path, extras, name):
    write_labels(tmp_path / "labels", [triples(2)], extras)
    assert [person.name for person in open_keypoints(tmp_path / "labels").people] == [name]


def test_label_files_that_are_none_of_poses_are_one_sentence(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a_1.txt").write_text("0 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    with pytest.raises(InputError, match="labels: has label files of 5 numbers a line, boxes without joints"):
        open_keypoints(folder)
    (folder / "a_1.txt").write_text(" ".join(["0.5"] * 68), encoding="utf-8")
    with pytest.raises(InputError, match="68 numbers a line, which are no box and 17 joints"):
        open_keypoints(folder)
    (folder / "a_2.txt").write_text("0 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"has lines of (5|68) and of (5|68) numbers"):
        open_keypoints(folder)
    (folder / "a_1.txt").write_text("nothing to see here", encoding="utf-8")
    with pytest.raises(InputError, match=r"a_1\.txt: is not a readable label file"):
        open_keypoints(folder)


def test_people_of_another_form_are_one_sentence(open_json):
    tree = frames(triples(2))
    tree[1] = [5]
    with pytest.raises(InputError, match=r"poses\.json: frame 1 is \[5\], expected a list of Ultralytics' people"):
        open_json(tree)
    tree[1] = [{"keypoints": {"x": [1], "y": []}}]
    with pytest.raises(InputError, match=r"poses\.json: frame 1 has keypoints other than"):
        open_json(tree)
