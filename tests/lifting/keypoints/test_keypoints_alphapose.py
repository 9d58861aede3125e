import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
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
