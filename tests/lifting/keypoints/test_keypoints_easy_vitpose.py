import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import HALPE_26
from wsgcn.lifting.keypoints.formats import open_keypoints

NAMES = [
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle", "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe"),
    *("right_small_toe", "left_heel", "right_heel"),
]


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "out.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **options)

    return open_json


def tree_of(points, names=NAMES):
    """y stands before x."""
    frames = [{"3": frame[:, [1, 0, 2]].tolist()} for frame in points]
    return {"keypoints": frames, "skeleton": {str(number): name for number, name in enumerate(names)}}


def test_y_stands_before_x_and_the_joints_are_those_that_the_file_names(open_json):
    points = triples(3, "halpe_26")
    file = open_json(tree_of(points))
    assert (file.format, file.order) == ("easy_vitpose", HALPE_26)
    np.testing.assert_allclose(file.track("3").keypoints, points[..., :2], atol=1e-3)


def test_frames_without_anybody_are_holes(open_json):
    tree = tree_of(triples(4, "halpe_26"))
    tree["keypoints"][1], tree["keypoints"][2] = {}, {"3": None}
    track = open_json(tree).track("3")
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, True, False]


def test_names_that_make_no_body_are_one_sentence(open_json):
    tree = tree_of(triples(2, "halpe_26"), ["a"] + NAMES[1:11] + ["tail"] * 15)
    with pytest.raises(InputError, match=r"out\.json: its skeleton names a, left_eye.*lack a limb"):
        open_json(tree)
    assert open_json(tree, joints="halpe_26").order is HALPE_26
