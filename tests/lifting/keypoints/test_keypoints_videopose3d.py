import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints

SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]


@pytest.fixture
def open_npz(tmp_path):
    def open_npz(positions, layout="coco", sizes=None, **options):
        metadata = {
            "layout_name": layout,
            "num_joints": 17,
            "keypoints_symmetry": SYMMETRY,
            "video_metadata": sizes or {"walk.mp4": {"w": 1280, "h": 720}},
        }
        path = tmp_path / "data_2d_custom_me.npz"
        np.savez_compressed(path, positions_2d=positions, metadata=metadata)
        return open_keypoints(path, **options)

    return open_npz


def test_a_video_is_a_person_with_its_size(open_npz):
    points = triples(5)[..., :2].astype(np.float32)
    file = open_npz({"walk.mp4": {"custom": [points]}})
    assert (file.format, file.order.name) == ("videopose3d", "coco")
    track = file.track("walk.mp4")
    assert track.size == (1280, 720)
    assert track.frames.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(track.keypoints, points)
    np.testing.assert_array_equal(track.scores, 1)


def test_videos_are_told_apart_by_name(open_npz):
    a, b = triples(3)[..., :2], triples(4, seed="b")[..., :2]
    sizes = {"a.mp4": {"w": 640, "h": 480}, "b.mp4": {"w": 480, "h": 640}}
    file = open_npz({"a.mp4": {"custom": [a]}, "b.mp4": {"custom": [b, b]}}, sizes=sizes)
    assert [person.name for person in file.people] == ["a.mp4", "b.mp4/1", "b.mp4/2"]
    assert file.track("b.mp4/2").size == (480, 640)


def test_an_unknown_layout_needs_a_name(open_npz):
    positions = {"walk.mp4": {"custom": [triples(3)[..., :2]]}}
    with pytest.raises(InputError, match="has 17 joints, whose order its layout_name does not tell"):
        open_npz(positions, layout="mine")
    assert open_npz(positions, layout="mine", joints="coco").order.name == "coco"
    assert open_npz(positions, layout="h36m").order.name == "h36m17"


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ({}, "has no video in positions_2d"),
        ({"a": {"custom": ["text"]}}, "a is no array of numbers"),
        ({"a": {"custom": [np.zeros((3, 17))]}}, r"a has the shape \(3, 17\)"),
        ({"a": {"custom": [np.zeros((3, 17, 2))]}, "b": {"custom": [np.zeros((3, 16, 2))]}}, "b has 16 joints"),
    ],
)
def test_bad_content_is_one_sentence(open_npz, positions, message):
    with pytest.raises(InputError, match=r"data_2d_custom_me\.npz: " + message):
        open_npz(positions)
