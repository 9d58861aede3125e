import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
        return path

    return save


def test_an_npy_array_is_read_with_a_named_order_only(tmp_path):
    points = triples(4)
    np.save(tmp_path / "mine.npy", points)
    with pytest.raises(InputError, match=r"mine\.npy: has 17 joints, whose order the file does not tell; name it by"):
        open_keypoints(tmp_path / "mine.npy")
    track = open_keypoints(tmp_path / "mine.npy", joints="coco").track("1")
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)
    np.testing.assert_allclose(track.scores, 0.9)


def test_an_npz_may_name_its_joints_and_have_scores(save):
    points = triples(4)
    by_name = open_keypoints(save(keypoints=points[..., :2], joints="coco"))
    assert by_name.order.name == "coco"
    by_list = open_keypoints(save(keypoints=points[..., :2], joints=np.array(by_name.order.joints)))
    assert by_list.order.name == "coco"
    scored = open_keypoints(save(keypoints=points[..., :2], scores=points[..., 2], joints="coco"))
    np.testing.assert_allclose(scored.track("1").scores, 0.9)


def test_one_frame_may_leave_the_time_axis_out(save):
    points = triples(1)
    track = open_keypoints(save(keypoints=points[0], joints="coco")).track("1")
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


def test_the_only_array_may_have_any_name(save):
    assert open_keypoints(save(arr_0=triples(2)), joints="coco").order.name == "coco"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros(3)}, r"holds a \(3,\), b \(3,\), expected an array called keypoints"),
        ({"keypoints": np.zeros((4, 17))}, r"has the shape \(1, 4, 17\)|has the shape \(4, 17\)"),
        ({"keypoints": np.zeros((4, 17, 5))}, r"has the shape \(4, 17, 5\)"),
        ({"keypoints": np.zeros((0, 17, 2))}, "in which there is nothing"),
        ({"keypoints": np.full((4, 17, 2), "x")}, "of <U1"),
        ({"keypoints": np.zeros((4, 17, 2)), "scores": np.zeros(5)}, r"has scores of shape \(5,\)"),
        ({"keypoints": np.zeros((4, 17, 2)), "joints": "koko"}, "has joints that are no known order"),
        ({"keypoints": np.zeros((4, 17, 2)), "joints": "halpe_26"}, "has 17 joints, but the order halpe_26 has 26"),
    ],
    ids=range(8),
)
def test_bad_arrays_are_one_sentence(save, arrays, message):
    arrays.setdefault("joints", "coco") if "keypoints" in arrays else None
    with pytest.raises(InputError, match=r"mine\.npz: .*" + f"({message})"):
        open_keypoints(save(**arrays))


def test_a_pickled_npy_is_not_loaded(tmp_path):
    np.save(tmp_path / "mine.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"mine\.npy: holds pickled Python objects, expected an array of numbers"):
        open_keypoints(tmp_path / "mine.npy", joints="coco")


@pytest.mark.parametrize("channels", [2, 3])
def test_a_row_may_hold_a_frame(tmp_path, channels):
    points = triples(4)
    np.save(tmp_path / "a.npy", points[..., :channels].reshape(4, -1))
    track = open_keypoints(tmp_path / "a.npy", joints="coco").track("1")
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)


def test_several_cameras_or_people_are_one_sentence_that_says_how_to_pick_one(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([triples(4), triples(4)]))
    with pytest.raises(InputError, match=r"a\.npy: has the shape \(2, 4, 17, 3\), .*np\.load\('a\.npy'\)\[0\]\."):
        open_keypoints(tmp_path / "a.npy", joints="coco")


def test_an_npz_of_other_names_holds_the_array_that_fits_the_named_order(tmp_path):
    points = triples(4)
    np.savez(tmp_path / "a.npz", kpts=points[..., :2], boxes=np.ones((4, 4)), pose3d=np.ones((4, 16, 3)))
    track = open_keypoints(tmp_path / "a.npz", joints="coco").track("1")
    np.testing.assert_allclose(track.keypoints, points[..., :2], atol=1e-3)
    with pytest.raises(InputError, match=r"a\.npz: holds kpts \(4, 17, 2\), boxes \(4, 4\), pose3d \(4, 16, 3\), exp"):
        open_keypoints(tmp_path / "a.npz")


def test_a_sound_npy_of_objects_is_not_called_damaged(tmp_path):
    np.save(tmp_path / "a.npy", np.array({"a": 1}, dtype=object))
    with pytest.raises(InputError, match=r"a\.npy: holds pickled Python objects, expected an array of numbers\.$"):
        open_keypoints(tmp_path / "a.npy")
