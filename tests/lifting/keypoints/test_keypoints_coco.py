import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints

COCO_NAMES = ["nose", *(f"{side}_{part}" for part in ("eye", "ear") for side in ("left", "right"))]
COCO_NAMES += [
    f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
]


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **options)

    return open_json


def results(points, first=0, **more):
    return [
        {"image_id": first + t, "category_id": 1, "keypoints": frame.ravel().tolist(), "score": 0.9, **more}
        for t, frame in enumerate(points)
    ]


def annotations(points, **image):
    return {
        "images": [
            {"id": 100 + t, "file_name": f"{t:05}.jpg", "width": 640, "height": 480, **image}
            for t in range(len(points))
        ],
        "annotations": [
            {"id": t, "image_id": 100 + t, "category_id": 1, "area": 10, "keypoints": frame.ravel().tolist()}
            for t, frame in enumerate(points)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": COCO_NAMES}],
    }


def test_results_are_read_as_they_stand(open_json):
    points = triples(4)
    file = open_json(results(points, first=7))
    assert (file.format, file.order.name) == ("coco_results", "coco")
    track = file.track("1")
    assert track.frames.tolist() == [7, 8, 9, 10]
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)
    np.testing.assert_allclose(track.scores, 0.9)


def test_results_with_track_ids_are_tracks(open_json):
    file = open_json(results(triples(3), track_id=5) + results(triples(3, seed="b"), track_id=6))
    assert [person.name for person in file.people] == ["5", "6"]


def test_a_frame_that_is_not_in_the_results_is_a_hole(open_json):
    entries = results(triples(4))
    del entries[2]
    assert np.isnan(open_json(entries).track("1").keypoints).all((1, 2)).tolist() == [False, False, True, False]


def test_results_of_26_joints_need_the_name_of_their_order(open_json):
    entries = results(triples(2, "halpe_26"))
    with pytest.raises(InputError, match="has 26 joints, whose order the format does not tell"):
        open_json(entries)
    assert open_json(entries, joints="halpe_26").order.name == "halpe_26"


def test_annotations_know_their_names_sizes_and_empty_frames(open_json):
    points = triples(4)
    tree = annotations(points)
    del tree["annotations"][1]
    file = open_json(tree)
    assert (file.format, file.order.name) == ("coco_annotations", "coco")
    track = file.track("1")
    assert track.size == (640, 480)
    assert track.frames.tolist() == [100, 101, 102, 103]
    assert track.names == ("00000.jpg", "00001.jpg", "00002.jpg", "00003.jpg")
    assert np.isnan(track.keypoints[1]).all()
    np.testing.assert_allclose(track.keypoints[2], points[2, :, :2], atol=1e-3)


def test_visibility_0_is_missing_and_1_is_there(open_json):
    points = triples(1)
    points[0, :, 2] = 2
    points[0, 3] = 0
    points[0, 4, 2] = 1
    track = open_json(annotations(points)).track("1")
    assert np.isnan(track.keypoints[0]).any(-1).nonzero()[0].tolist() == [3]


def test_an_annotation_without_keypoints_is_not_a_person(open_json):
    tree = annotations(triples(2))
    tree["annotations"].append({"id": 9, "image_id": 100, "category_id": 3, "bbox": [0, 0, 1, 1]})
    assert len(open_json(tree).people) == 1


def test_frame_ids_of_a_video_are_the_frame_numbers(open_json):
    tree = annotations(triples(3))
    for t, image in enumerate(tree["images"]):
        image["frame_id"] = 10 * t
    assert open_json(tree).track("1").frames.tolist() == [0, 10, 20]


def test_a_category_with_other_joints_is_not_taken_for_coco(open_json):
    tree = annotations(triples(2))
    tree["categories"][0]["keypoints"] = [f"point {k}" for k in range(17)]
    with pytest.raises(InputError, match="whose order its category does not tell"):
        open_json(tree)


def bad_trees():
    def sizes(tree):
        tree["images"][0]["width"] = 320

    def stranger(tree):
        tree["annotations"][0]["image_id"] = 999

    def videos(tree):
        for image in tree["images"]:
            image["frame_id"] = 0

    def nobody(tree):
        tree["annotations"] = []

    return {
        "pictures of several sizes (320x480, 640x480 ...)": sizes,
        "an annotation of the image 999, which is not among its images": stranger,
        "images of several videos": videos,
        "no annotation with keypoints": nobody,
    }


@pytest.mark.parametrize("message", bad_trees())
def test_bad_annotations_are_one_sentence_naming_the_file(open_json, message):
    tree = annotations(triples(2))
    bad_trees()[message](tree)
    with pytest.raises(InputError) as error:
        open_json(tree)
    assert "coco.json: has " + message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2]}, "frame 1 has 2 numbers as keypoints, expected x, y, score for each joint"),
        ({"keypoints": [1, 2, 3]}, r"frame 1 has keypoints of shape \(1, 3\), expected 17 joints"),
        ({"keypoints": ["x"] * 51}, "frame 1 has keypoints that are no numbers"),
        ({"image_id": None}, "has an entry with image_id None"),
    ],
)
def test_bad_results_are_one_sentence_naming_the_frame(open_json, change, message):
    entries = results(triples(2))
    entries[1] |= change
    with pytest.raises(InputError, match=message):
        open_json(entries)


def test_133_joints_are_coco_wholebodys(open_json):
    assert open_json(results(triples(2, "coco_wholebody"))).order.name == "coco_wholebody"


def test_null_people_and_whole_numbers_with_a_point_block_nothing(open_json):
    entries = results(triples(3))
    entries[0]["image_id"], entries[1]["keypoints"] = 0.0, None
    track = open_json(entries).track("1")
    assert track.frames.tolist() == [0, 1, 2]
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, False]


def test_annotations_without_images_say_what_is_missing(open_json):
    tree = annotations(triples(2))
    del tree["images"]
    with pytest.raises(InputError, match=r"coco\.json: has annotations, but no list of images, which numbers"):
        open_json(tree)
    for entry in tree["annotations"]:
        del entry["image_id"]
    with pytest.raises(InputError, match=r"has an annotation with id, category_id, area, keypoints, but no image_id, "):
        open_json(tree)
