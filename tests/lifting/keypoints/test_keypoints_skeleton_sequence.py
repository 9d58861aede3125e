import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "clip.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **options)

    return open_json


def gast_net(points):
    data = [
        {"frame_index": t, "skeleton": [{"pose": frame[:, :2].tolist(), "score": frame[:, 2:].tolist()}]}
        for t, frame in enumerate(points, 1)
    ]
    return {"label": "clip", "label_index": 0, "data": data}


def kinetics(points):
    """Parts of the picture, flat."""
    data = [
        {
            "frame_index": t,
            "skeleton": [{"pose": (frame[:, :2] / 1000).ravel().tolist(), "score": frame[:, 2].tolist()}],
        }
        for t, frame in enumerate(points, 1)
    ]
    return {"data": data, "label": "skiing", "label_index": 5}


def test_gast_nets_pairs_are_cocos_pixels(open_json):
    points = triples(3)
    file = open_json(gast_net(points))
    track = file.track("1")
    assert (file.format, file.order.name, track.frames.tolist()) == ("skeleton_sequence", "coco", [1, 2, 3])
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)
    np.testing.assert_allclose(track.scores, 0.9)


def test_kinetics_flat_numbers_are_openposes_parts_of_the_picture(open_json):
    points = triples(3, "coco_18")
    points[1, 4] = 0
    file = open_json(kinetics(points))
    track = file.track("1")
    assert (file.order.name, track.normalised) == ("coco_18", True)
    np.testing.assert_allclose(track.keypoints[2] * 1000, points[2, :, :2], atol=1e-2)
    assert np.isnan(track.keypoints[1]).any(-1).nonzero()[0].tolist() == [4]


def test_empty_frames_and_null_people_are_holes(open_json):
    tree = gast_net(triples(4))
    tree["data"][1]["skeleton"], tree["data"][2]["skeleton"] = [], [None]
    assert np.isnan(open_json(tree).track("1").keypoints).all((1, 2)).tolist() == [False, True, True, False]


def test_a_person_without_a_pose_is_one_sentence(open_json):
    tree = gast_net(triples(2))
    tree["data"][1]["skeleton"] = [{"pose": "standing"}]
    with pytest.raises(InputError, match=r"clip\.json: frame 2 has a person without pose and score"):
        open_json(tree)
