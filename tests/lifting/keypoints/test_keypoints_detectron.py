import numpy as np
import pytest

from tests.people import SIZE, triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


def write(path, people, size=SIZE):
    """As the scripts of VideoPose3D do: lists of classes, in arrays of objects; nobody is an empty list."""
    frames = len(people[0])
    boxes, keypoints = np.empty((frames, 2), dtype=object), np.empty((frames, 2), dtype=object)
    for t in range(frames):
        there = [each[t] for each in people if each[t].any()]
        points = np.array([[*frame.T[:2], np.zeros(len(frame)), frame[:, 2]] for frame in there], dtype=np.float32)
        boxes[t] = [], np.array([[0, 0, 9, 9, frame[0, 2]] for frame in there]) if there else []
        keypoints[t] = [], points if there else []
    metadata = {"w": np.int64(size[0]), "h": np.int64(size[1])}
    np.savez_compressed(path, boxes=boxes, segments=np.array(None), keypoints=keypoints, metadata=metadata)


def test_the_first_step_of_videopose3d_is_read(tmp_path):
    points = triples(4)
    points[2] = 0
    write(tmp_path / "clip.mp4.npz", [points])
    file = open_keypoints(tmp_path / "clip.mp4.npz")
    track = file.track("1")
    assert (file.format, file.order.name, track.size) == ("detectron", "coco", SIZE)
    np.testing.assert_allclose(track.keypoints[[0, 1, 3]], points[[0, 1, 3], :, :2], atol=1e-3)
    assert np.isnan(track.keypoints[2]).all()
    np.testing.assert_allclose(track.scores[0], 0.9)


def test_people_are_in_the_order_of_their_boxes_scores(tmp_path):
    sure, unsure = triples(3), triples(3, seed="b", score=0.4)
    write(tmp_path / "clip.npz", [unsure, sure])
    np.testing.assert_allclose(open_keypoints(tmp_path / "clip.npz").track("1").keypoints, sure[..., :2], atol=1e-3)


def test_parts_that_do_not_fit_are_one_sentence(tmp_path):
    np.savez(tmp_path / "a.npz", boxes=np.zeros((3, 2)), keypoints=np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"a\.npz: has boxes of 3 frames, but keypoints of 2"):
        open_keypoints(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", boxes=np.zeros((1, 2, 1, 5)), keypoints=np.ones((1, 2, 1, 17, 3)))
    with pytest.raises(InputError, match=r"a\.npz: frame 0 has keypoints of the shape \(1, 17, 3\), expected"):
        open_keypoints(tmp_path / "a.npz")
