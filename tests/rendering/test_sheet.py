import numpy as np
import pytest
from PIL import Image

from wsgcn.rendering import palette
from wsgcn.rendering.sheet import choose_poses, write_sheet
from wsgcn.rendering.sources import read_sequences

ERRORS_MM = {
    ("S9", "Eating", "54138969"): np.array([50.0, 10.0, 60.0]),
    ("S9", "Eating 1", "54138969"): np.array([5.0, 55.0]),
    ("S9", "Walking", "54138969"): np.array([20.0, 300.0]),
    ("S11", "Walking", "55011271"): np.array([52.0, 400.0]),
    ("S11", "Sitting", "55011271"): np.array([100.0, 51.0]),
}


def action_of_take(subject, take):
    return take.removesuffix(" 1")


def chosen(columns):
    return [
        [(*one.key[:2], one.frame, one.mpjpe_mm) for one in row]
        for row in choose_poses(ERRORS_MM, action_of_take, columns).values()
    ]


def test_the_best_and_the_worst_frames_are_found_one_an_action():
    best, _, worst = chosen(columns=5)
    assert best == [("S9", "Eating 1", 0, 5), ("S9", "Walking", 0, 20), ("S11", "Sitting", 1, 51)]
    assert worst == [("S11", "Walking", 1, 400), ("S11", "Sitting", 0, 100), ("S9", "Eating", 2, 60)]


def test_typical_frames_are_those_next_to_the_median():
    assert list(choose_poses(ERRORS_MM, action_of_take))[1] == "Typical: close to the median of 52 mm"
    _, typical, _ = chosen(columns=5)
    assert typical == [("S11", "Walking", 0, 52), ("S11", "Sitting", 1, 51), ("S9", "Eating", 0, 50)]


def test_there_are_no_more_than_fit_into_a_row():
    assert [len(row) for row in chosen(columns=2)] == [2, 2, 2]


@pytest.fixture
def written(predictions_path, tmp_path):
    sequences = {
        (*sequence.title.split(), sequence.data.split()[-1]): sequence for sequence in read_sequences(predictions_path)
    }
    rows = choose_poses({key: sequence.mpjpe_mm for key, sequence in sequences.items()}, action_of_take)
    for name in ("a.png", "b.png"):
        write_sheet(tmp_path / name, rows, sequences.__getitem__, "a tiny capture")
    return tmp_path / "a.png", tmp_path / "b.png"


def test_a_cell_shows_the_prediction_in_colour_and_the_truth_in_grey(written):
    with Image.open(written[0]) as picture:
        cell = np.array(picture.convert("RGB").crop((8, 70, 168, 260)))
        empty = np.array(picture.convert("RGB").crop((700, 70, 840, 260)))
    for colour in (palette.LEFT, palette.RIGHT, palette.TRUTH):
        rgb = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        assert (cell == rgb).all(-1).sum() > 20, colour
    assert (empty == 255).all(), "two actions are two columns"


def test_the_same_poses_are_the_same_bytes_and_few(written):
    assert written[0].read_bytes() == written[1].read_bytes()
    assert written[0].stat().st_size < 150_000
