"""Files of other people's tools: one balancing person, 12 frames of 1088x1920, in many forms."""

import json

import numpy as np
import pytest

from tests.foreign import foreign
from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import to_human36m
from wsgcn.lifting.keypoints.formats import open_keypoints

SIZE = (1088, 1920)


def limbs_px(file, person):
    """(T, 12, 2) pixels: the limbs, which all orders have."""
    track = file.track(person)
    points = to_human36m(file.order, track.keypoints * (SIZE if track.normalised else 1))
    limbs = [joint for joint in file.order.human36m_joints if joint[0] in "LR"]
    return points[:, [file.order.human36m_joints.index(joint) for joint in limbs]]


@pytest.fixture(scope="module")
def truth_px():
    """The same frames as COCO's numbers in Ultralytics' form, read without any reader of the product."""
    tree = json.loads(foreign("yolo_frames.json").read_text(encoding="utf-8"))
    return np.array([np.stack([people[0]["keypoints"][axis] for axis in "xy"], -1) for people in tree])


_COCO_LIMBS = [12, 14, 16, 11, 13, 15, 5, 7, 9, 6, 8, 10]  # right and left leg, left and right arm


@pytest.mark.parametrize(
    ("name", "format", "order", "person", "frames"),
    [
        ("yolo_frames.json", "ultralytics", "coco", "1", range(12)),
        ("yolo_labels", "ultralytics_labels", "coco", "1", range(1, 3)),
        ("mmpose_wholebody.json", "mmpose", "coco_wholebody", "1", range(12)),
        ("mediapipe_js_names.json", "blazepose", "blazepose_33", "1", range(6)),
        ("mediapipe_frames.json", "blazepose", "blazepose_33", "1", range(12)),
        ("easy_vitpose_coco25.json", "easy_vitpose", "easy_vitpose", "0", range(12)),
        ("openpose_scaled_json", "openpose", "body_25", "1", range(6)),
        ("openpose_null_json", "openpose", "body_25", "0", range(6)),
        ("openpose_old_json", "openpose", "body_25", "1", range(6)),
        ("alphapose_cmu.json", "alphapose", "body_25_first_18", "1", range(12)),
    ],
)
def test_the_same_person_comes_out_of_every_form(truth_px, name, format, order, person, frames):
    file = open_keypoints(foreign(name))
    assert (file.format, file.order.name) == (format, order)
    track = file.track(person)
    assert track.frames.tolist() == list(frames)
    first = 1 if name == "yolo_labels" else 0
    expected = truth_px[frames.start - first : frames.stop - first, _COCO_LIMBS]
    np.testing.assert_allclose(limbs_px(file, person), expected, atol=0.02)


def test_a_person_who_is_null_in_some_frames_is_missing_in_those():
    track = open_keypoints(foreign("openpose_null_json")).track("1")
    assert track.frames.tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, False, True, False]


def test_gast_net_is_read_from_frame_1():
    path = foreign("gastnet_skeleton.json")
    file = open_keypoints(path)
    assert (file.format, file.order.name) == ("skeleton_sequence", "coco")
    track = file.track("1")
    assert track.frames.tolist() == list(range(1, 13))
    assert not track.normalised
    person = json.loads(path.read_text(encoding="utf-8"))["data"][2]["skeleton"][0]
    np.testing.assert_allclose(track.keypoints[2], person["pose"], rtol=1e-6)
    np.testing.assert_allclose(track.scores[2], np.ravel(person["score"]), rtol=1e-6)


def test_annotations_without_images_say_what_is_missing():
    path = foreign("annotations_without_images.json")
    with pytest.raises(InputError, match=r"no image_id, and the file no list of images.* its visibilities are 0"):
        open_keypoints(path)


def test_an_array_of_several_cameras_says_how_to_pick_one():
    with pytest.raises(InputError, match=r"2, 12, 33, 2.*np\.load\('freemocap_4d\.npy'\)\[0\]"):
        open_keypoints(foreign("freemocap_4d.npy"), joints="blazepose_33")
