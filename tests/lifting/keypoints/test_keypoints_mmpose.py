import json

import numpy as np
import pytest

from tests.lifting.keypoints.test_keypoints_coco import COCO_NAMES
from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def open_json(tmp_path):
    def open_json(tree, **options):
        path = tmp_path / "video.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return open_keypoints(path, **options)

    return open_json


def instance(points, **more):
    return {
        "keypoints": points[:, :2].tolist(),
        "keypoint_scores": points[:, 2].tolist(),
        "bbox": [[0, 0, 9, 9]],
        "bbox_score": 0.8,
        **more,
    }


def frames(points):
    return [{"frame_id": t, "instances": [instance(frame)]} for t, frame in enumerate(points, 1)]


def with_names(points, names):
    meta = {"dataset_name": "coco", "num_keypoints": len(names), "keypoint_id2name": dict(enumerate(names))}
    return {"meta_info": meta, "instance_info": frames(points)}


def test_the_form_with_meta_info_knows_its_joints(open_json):
    points = triples(4)
    file = open_json(with_names(points, COCO_NAMES))
    assert (file.format, file.order.name) == ("mmpose", "coco")
    track = file.track("1")
    assert track.frames.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


def test_the_bare_list_needs_the_name_of_its_order(open_json):
    """17 joints may be COCO's or Human3.6M's."""
    points = triples(3)
    with pytest.raises(InputError, match=r"whose order the format does not tell; .*\(orders of 17: h36m17, coco\)"):
        open_json(frames(points))
    np.testing.assert_allclose(
        open_json(frames(points), joints="coco").track("1").keypoints, points[..., :2], atol=1e-3
    )


def test_unknown_names_are_not_taken_for_coco(open_json):
    with pytest.raises(InputError, match="whose order the format does not tell"):
        open_json(with_names(triples(2), [f"paw {k}" for k in range(17)]))


def test_the_instances_of_one_picture_are_a_clip_of_one_frame(open_json):
    points = triples(1)
    file = open_json([instance(points[0])], joints="coco")
    np.testing.assert_allclose(file.track("1").keypoints, points[..., :2], atol=1e-3)


def test_empty_frames_are_holes_and_whoever_joins_is_somebody_else(open_json):
    points, other = triples(3), triples(3, seed="b")
    tree = frames(points)
    tree[1]["instances"] = []
    tree[2]["instances"].insert(0, instance(other[2], bbox_score=[0.95]))
    track = open_json(tree, joints="coco").track("1")
    assert np.isnan(track.keypoints[1]).all()
    np.testing.assert_allclose(track.keypoints[2], points[2, :, :2], atol=1e-3)


def test_track_ids_are_tracks(open_json):
    tree = frames(triples(2))
    for entry in tree:
        entry["instances"] = [instance(triples(1)[0], track_id=4), instance(triples(1, seed="b")[0], track_id=2)]
    assert [person.name for person in open_json(tree, joints="coco").people] == ["4", "2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_id": None}, "a frame with frame_id None"),
        ({"instances": [{"keypoints": [[1, 2]]}]}, "frame 2 has an instance without as many keypoint_scores"),
        ({"instances": [{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}]}, "frame 2 has keypoints of another form"),
    ],
)
def test_bad_frames_are_one_sentence(open_json, change, message):
    tree = frames(triples(2))
    tree[1] |= change
    with pytest.raises(InputError, match=r"video\.json: .*" + message):
        open_json(tree, joints="coco")


@pytest.mark.parametrize("order", ["halpe_26", "coco_wholebody"])
def test_26_and_133_joints_are_known_by_their_number(open_json, order):
    assert open_json(frames(triples(2, order))).order.name == order


def test_null_people_and_whole_numbers_with_a_point_block_nothing(open_json):
    tree = frames(triples(3))
    tree[0]["frame_id"], tree[1]["instances"], tree[2]["frame_id"] = 1.0, [None, {"keypoints": None}], "3"
    track = open_json(tree, joints="coco").track("1")
    assert track.frames.tolist() == [1, 2, 3]
    assert np.isnan(track.keypoints).all((1, 2)).tolist() == [False, True, False]


def test_names_of_a_skeleton_of_ones_own_make_an_order(open_json):
    names = [
        f"{side}_{joint}"
        for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        for side in ("left", "right")
    ]
    names += ["nose", "head"]
    points = np.concatenate([triples(2), triples(2)[:, :1]], axis=1)[:, :14]
    file = open_json(with_names(points, names))
    assert file.order.joints[:3] == ("LHip", "RHip", "LKnee")
    assert file.order.means["Hip"] == ("LHip", "RHip")
    assert "Head" not in file.order.means
