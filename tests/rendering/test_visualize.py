"""The stage and what it makes out of a tiny run."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from stages import visualize
from tests.rendering.capture import write_predictions
from tests.tiny import ROOT
from wsgcn.base.errors import InputError
from wsgcn.base.run import RecordingTracker, Run
from wsgcn.evaluation.metrics import mpjpe_mm, p_mpjpe_mm
from wsgcn.pose.store import Predictions
from wsgcn.rendering import pictures
from wsgcn.rendering.pictures import PicturePaths, make_pictures, read_curves

WARMUP = "epoch,step,supervised,total,learning_rate,seconds,validation_mpjpe_mm\n1,10,0.1,0.1,0.001,2,\n"
WEAK = (
    "epoch,step,supervised,reprojection,bone,total,learning_rate,seconds,validation_mpjpe_mm\n"
    "2,20,0.05,0.01,,0.06,0.001,2,91.5\n3,30,0.04,0.009,,0.05,0.001,2,88.25\n"
)
OPTIONS = {"seconds": 0.2, "fps": 25, "serial": "54138969"}
FIGURES = {"losses.png", "actions.png", "errors.png", "poses.png"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with what the stages before leave; S11 Photo is missing, and so is all of SittingDown."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "metrics").mkdir()
    write_predictions(folder / "data", takes=("Eating", "Walking", "Walking 1"))
    (folder / "metrics/warmup.csv").write_text(WARMUP)
    (folder / "metrics/weak.csv").write_text(WEAK)
    protocol = {"data": "a tiny capture", "recipe": {"weak": {"root": "solved"}}}
    (folder / "metrics/protocol.json").write_text(json.dumps(protocol))
    return folder


def paths(run, folder):
    return PicturePaths(
        predictions=run / "data/predictions.h5",
        detections=run / "data/detections.h5",
        warmup=run / "metrics/warmup.csv",
        weak=run / "metrics/weak.csv",
        protocol=run / "metrics/protocol.json",
        folder=folder,
    )


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_there_is_a_clip_of_the_first_take_of_each_action_that_there_is(run, tmp_path, capsys):
    make_pictures(paths(run, tmp_path), **OPTIONS)
    assert names(tmp_path) == FIGURES | {"S11_Eating.gif", "S11_Walking.gif"}
    assert capsys.readouterr().out == ""
    with Image.open(tmp_path / "S11_Walking.gif") as clip:
        assert clip.n_frames == 5


def test_the_bars_of_the_actions_are_the_means_over_their_frames(run, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "plot_actions", lambda path, actions, data: drawn.append(actions))
    make_pictures(paths(run, tmp_path), **OPTIONS)
    expected = {}
    with Predictions(run / "data/predictions.h5") as predictions:
        for subject in predictions.subjects:
            for take in predictions.takes(subject):
                for serial in predictions.serials(subject, take):
                    pair = predictions.predicted_m(subject, take, serial), predictions.truth_m(subject, take, serial)
                    expected.setdefault(take.split()[0], []).append([mpjpe_mm(*pair), p_mpjpe_mm(*pair)])
    [actions] = drawn
    assert actions.keys() == expected.keys() == {"Eating", "Walking"}
    for action, row in actions.items():
        assert [row["mpjpe_mm"], row["p_mpjpe_mm"]] == pytest.approx(np.mean(expected[action], axis=(0, 2)))


def test_a_camera_that_is_not_there_leaves_the_clips_out_and_nothing_else(run, tmp_path, capsys):
    make_pictures(paths(run, tmp_path), **(OPTIONS | {"serial": "1"}))
    assert names(tmp_path) == FIGURES
    assert capsys.readouterr().out.splitlines() == [
        f"S11 {take}, camera 1: not in {run / 'data/predictions.h5'}; its clip is left out."
        for take in ("Eating", "Walking")
    ]


def test_the_same_run_gives_the_same_bytes_and_few_of_them(run, tmp_path):
    for name in ("first", "second"):
        make_pictures(paths(run, tmp_path / name), **OPTIONS)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second
    assert all(len(content) < 1_000_000 for content in first.values())
    assert sum(len(content) for content in first.values()) < 4_000_000


@pytest.mark.parametrize(
    ("field", "content", "message"),
    [
        ("predictions", None, "not found"),
        ("detections", None, "not found"),
        ("warmup", None, "not found"),
        ("weak", "epoch,step\n1,two\n", "is not a table of numbers with a header"),
        ("weak", "epoch,step\n1\n", "is not a table of numbers with a header"),
        ("protocol", None, "not found"),
        ("protocol", "{", "is not JSON"),
        ("protocol", '{"data": "x"}', "has no recipe"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_naming_the_file_and_leaves_no_pictures(
    run, tmp_path, field, content, message
):
    wrong = tmp_path / "wrong"
    if content is not None:
        wrong.write_text(content)
    with pytest.raises(InputError, match=f"^{wrong}: {message}"):
        make_pictures(replace(paths(run, tmp_path / "pictures"), **{field: wrong}), **OPTIONS)
    assert not (tmp_path / "pictures").exists()


def test_a_wrong_rate_is_one_sentence(run, tmp_path):
    with pytest.raises(InputError, match="fps: is 60"):
        make_pictures(paths(run, tmp_path), **(OPTIONS | {"fps": 60}))


def test_empty_cells_of_a_curve_are_no_numbers_and_a_stage_without_epochs_has_no_rows(run, tmp_path):
    curves = read_curves(run / "metrics/weak.csv")
    assert curves["validation_mpjpe_mm"].tolist() == [91.5, 88.25]
    assert str(curves["bone"].tolist()) == "[nan, nan]"
    (tmp_path / "empty.csv").write_text("epoch,step,supervised\n")
    assert read_curves(tmp_path / "empty.csv")["epoch"].tolist() == []


def test_the_stage_writes_pictures_and_hands_them_to_the_tracker(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    tracker = RecordingTracker()
    visualize.main(SimpleNamespace(visualize=SimpleNamespace(**OPTIONS)), Run(tracker))
    assert names(tmp_path / "project/pictures") == FIGURES | {"S11_Eating.gif", "S11_Walking.gif"}
    assert [str(path) for path in tracker.artifacts] == ["pictures"]


def test_the_stage_is_a_short_recipe():
    assert len((ROOT / "stages/visualize.py").read_text(encoding="utf-8").splitlines()) < 60
