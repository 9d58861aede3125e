import shutil

import pytest

from tests.rendering.capture import write_predictions
from wsgcn.base.errors import InputError
from wsgcn.rendering.sources import read_sequences


def shown(*arguments, **options):
    return [(sequence.title, sequence.data.split()[-1]) for sequence in read_sequences(*arguments, **options)]


def test_by_default_every_take_is_shown_by_its_first_camera(predictions_path):
    assert shown(predictions_path) == [
        ("S9 Eating", "54138969"),
        ("S9 Walking", "54138969"),
        ("S11 Eating", "54138969"),
        ("S11 Walking", "54138969"),
    ]


def test_subject_take_and_camera_can_be_chosen(predictions_path):
    assert shown(predictions_path, subject="S11", take="Walking", serial="60457274") == [("S11 Walking", "60457274")]
    assert shown(predictions_path, take="Eating") == [("S9 Eating", "54138969"), ("S11 Eating", "54138969")]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"subject": "S1"}, r"has no subject S1 \(it has S9, S11\)"),
        ({"take": "Sitting"}, r"has no take Sitting \(it has Eating, Walking\)"),
        ({"subject": "S9", "take": "Walking", "serial": "1"}, "S9 Walking has no camera 1"),
    ],
)
def test_what_is_not_there_is_one_sentence(predictions_path, choice, message):
    with pytest.raises(InputError, match=f"predictions.h5: {message}"):
        shown(predictions_path, **choice)


def test_detections_beside_the_predictions_are_found(predictions_path, tmp_path):
    alone = shutil.copy(predictions_path, tmp_path)
    assert next(read_sequences(predictions_path)).keypoints_px is not None
    assert next(read_sequences(tmp_path / "predictions.h5")).keypoints_px is None
    detections = predictions_path.with_name("detections.h5")
    assert next(read_sequences(tmp_path / "predictions.h5", detections)).keypoints_px is not None
    assert alone


def test_detections_that_are_asked_for_must_be_there(predictions_path, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.h5: not found"):
        shown(predictions_path, tmp_path / "nowhere.h5")


def test_a_file_that_holds_no_poses_is_one_sentence_naming_it(predictions_path):
    with pytest.raises(InputError, match=r"detections\.h5: holds detections, expected predictions"):
        shown(predictions_path.with_name("detections.h5"))


def test_a_take_that_one_subject_lacks_is_shown_of_the_others(tmp_path):
    path = write_predictions(tmp_path, subjects=("S9",), takes=("Directions", "Eating"), frames=2)
    assert shown(path, take="Directions") == [("S9 Directions", "54138969")]
