import h5py
import numpy as np
import pytest

from tests.tiny import write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.keypoints.project_file import DetectionsFile
from wsgcn.pose.store import Detections


@pytest.fixture(scope="module")
def detections_path(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"), subjects=("S9",), takes=("Eating",))[1]


def test_every_sequence_is_a_person_with_its_cameras_size(detections_path):
    file = open_keypoints(detections_path)
    assert file.format == "detections"
    assert file.people[0].name == "S9/Eating/54138969"
    assert len(file.people) == 4
    track = file.track("S9/Eating/54138969")
    assert track.size == (1000, 1002)
    with Detections(detections_path) as detections:
        expected = detections.sequence("S9", "Eating", "54138969").keypoints_px
    np.testing.assert_array_equal(track.keypoints, expected)


def test_slices_put_together_are_the_track(detections_path):
    file = DetectionsFile(detections_path)
    whole = file.track("S9/Eating/54138969")
    slices = list(file.slices("S9/Eating/54138969", 7))
    assert [len(each.frames) for each in slices] == [7, 7, 6]
    np.testing.assert_array_equal(np.concatenate([each.keypoints for each in slices]), whole.keypoints)
    np.testing.assert_array_equal(np.concatenate([each.frames for each in slices]), whole.frames)


def test_other_hdf5_is_one_sentence(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"other\.h5: "):
        open_keypoints(tmp_path / "other.h5")
