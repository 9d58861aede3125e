from dataclasses import replace

import pytest

from tests.tiny import evaluation_paths, tiny_params, write_tiny_capture
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.files import file_sha256
from wsgcn.evaluation.evaluate import evaluate
from wsgcn.evaluation.metrics import METRICS
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.release.model_card import model_card
from wsgcn.training.params import WarmupParams


def params_of(**changes):
    return EvaluateParams.of(tiny_params(**changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A checkpoint's path and the report of its evaluation."""
    folder = tmp_path_factory.mktemp("card")
    write_tiny_capture(folder, takes=("Eating", "Walking", "Walking 1"))
    write_tiny_checkpoint(folder / "weak.pt")
    return folder / "weak.pt", evaluate(params_of(), evaluation_paths(folder, folder))


def rows(card):
    """The cells of every table row by the first cell, emphasis removed."""
    lines = [line.strip("| ").replace("**", "") for line in card.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.split("|")] for line in lines)}


def section(card, title):
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_errors_are_those_of_the_evaluation_and_the_means_have_names(run):
    path, report = run
    table = rows(model_card(path, report, params_of()))
    assert table["action"] == [*(metric.words for metric in METRICS), "frames"]
    for action in ("Eating", "Walking"):
        assert table[action][:-1] == [f"{report['actions'][action][metric.name]:.2f}" for metric in METRICS]
    assert table["Walking"][-1] == "160"
    assert table["mean over actions (`action_mean`)"][0] == f"{report['mpjpe_mm']['action_mean']:.2f}"
    assert table["mean over frames (`frame_mean`)"][0] == f"{report['mpjpe_mm']['frame_mean']:.2f}"
    assert report["mpjpe_mm"]["action_mean"] != report["mpjpe_mm"]["frame_mean"]


def test_the_checkpoint_is_named_by_its_hash_and_described(run):
    path, report = run
    card = model_card(path, report, params_of())
    table = rows(card)
    assert table["checkpoint"] == [f"SHA-256 `{file_sha256(path)}`"]
    assert table["epoch"] == ["2 of 2, the last epoch"]
    assert table["skeleton"][0].startswith("h36m16: Hip, RHip")
    assert "x / w * 2 - 1" in table["input"][0]
    for title in ("Training", "Protocol of the test", "Intended use", "What it is not good for", "Licence"):
        assert section(card, title).strip()
    for word in ("children", "Hidden", "field of view", "Several people", "Hands", "middle of the eyes"):
        assert word in section(card, "What it is not good for")


def test_the_synthetic_capture_is_called_what_it_is(run):
    path, report = run
    card = model_card(path, report, params_of())
    assert "**Trained and tested on a synthetic capture.**" in card
    assert "say nothing about real people" in card
    assert "Human3.6M is for academic research only" not in card
    assert "Published for this setting" not in card


def test_other_data_has_its_terms_and_no_word_of_a_synthetic_capture(run):
    path, report = run
    card = model_card(path, report | {"data": "h36m.zip"}, params_of(data__raw="data/raw/h36m.zip"))
    assert "synthetic" not in card
    assert "h36m.zip" in section(card, "Training")
    assert "academic research only" in section(card, "Licence")


def test_the_published_row_stands_beside_a_run_of_its_setting(run):
    path, report = run
    published = {"name": "weak, bone loss, warm-up", "mpjpe_mm": 49.23, "p_mpjpe_mm": 39.88}
    card = model_card(path, report | {"published": published}, params_of(data__raw="data/raw/h36m.zip"))
    assert "(weak, bone loss, warm-up)" in section(card, "Errors")
    assert "MPJPE 49.23 mm, P-MPJPE 39.88 mm" in section(card, "Errors")
    assert "only if h36m.zip is Human3.6M" in section(card, "Errors")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "true 3D root of the unlabelled subjects was used"),
        ({"weak__root": "solved"}, "of the unlabelled subjects no 3D was used"),
        ({"weak__root": "model"}, "The root was predicted from the 2D, as labels teach it"),
        ({"weak__epochs": 0}, "2 epochs on the labelled subjects alone."),
        ({}, "1 epoch on the labelled subjects alone, then 1 with"),
        ({"data__stride": 5}, "one frame in 5 of every camera"),
        ({}, "every frame of every camera"),
        (
            {
                "data__subjects": {
                    "labelled": ["S1"],
                    "labelled_takes": 1.0,
                    "unlabelled": [],
                    "validation": 0.1,
                    "test": ["S9"],
                }
            },
            "for validation: 10% of the labelled takes",
        ),
        ({}, "Subjects with 3D labels: S1; without: S5; for validation: none."),
    ],
)
def test_the_training_is_told_from_the_checkpoint(run, tmp_path, changes, sentence):
    """The evaluation's parameters stay the same: what was trained stands in the checkpoint."""
    write_tiny_checkpoint(tmp_path / "weak.pt", **changes)
    assert sentence in section(model_card(tmp_path / "weak.pt", run[1], params_of()), "Training")


def test_the_checkpoint_of_the_warm_up_has_a_card_too(run, tmp_path):
    _, report = run
    checkpoint = write_tiny_checkpoint(tmp_path / "warmup.pt")
    replace(checkpoint, params=WarmupParams.of(tiny_params()).model_dump()).save(tmp_path / "warmup.pt")
    assert "2 epochs on the labelled subjects alone." in model_card(tmp_path / "warmup.pt", report, params_of())


def test_the_same_run_gives_the_same_card(run):
    path, report = run
    assert model_card(path, report, params_of()) == model_card(path, report, params_of())


def test_the_recipe_has_a_line(run, tmp_path):
    path, report = run
    assert "- Recipe: loss mse; schedule staircase; " in model_card(path, report, params_of())
    write_tiny_checkpoint(tmp_path / "weak.pt", training__average=0.995, augmentation__mirror=True)
    training = section(model_card(tmp_path / "weak.pt", report, params_of()), "Training")
    (line,) = [line for line in training.splitlines() if line.startswith("- Recipe: ")]
    assert "; weights averaged, 0.995 a step; augmentation: mirror; " in line


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "then 1 with the unlabelled ones: pseudo-labels (50% of each batch)."),
        ({}, "- The root was solved from the 2D: of the unlabelled subjects no 3D was used."),
        ({"weak__views": "synchronised"}, "cameras were calibrated and in step"),
        ({"weak__reprojection_weight": 0.5}, "pseudo-labels (50% of each batch), reprojection loss (weight 0.5)."),
        ({"weak__pseudo_labels__share": 0.0}, "nothing of theirs weighed anything"),
        ({"data__subjects__labelled_takes": 0.1}, "with 3D labels: S1 (10% of the takes); without: S5"),
        ({"data__subjects__labelled_takes": ["Eating"]}, "with 3D labels: S1 (only Eating); without: S5"),
    ],
    ids=str,
)
def test_the_supervision_by_pseudo_labels_is_told(run, tmp_path, changes, sentence):
    ours = {
        "weak__pseudo_labels__share": 0.5,
        "weak__reprojection_weight": 0.0,
        "weak__bone_weight": 0.0,
        "weak__root": "solved",
    }
    write_tiny_checkpoint(tmp_path / "weak.pt", **ours | changes)
    assert sentence in section(model_card(tmp_path / "weak.pt", run[1], params_of()), "Training")


def test_the_warm_ups_checkpoint_has_a_card_of_labels_alone(run, tmp_path):
    checkpoint = write_tiny_checkpoint(tmp_path / "warmup.pt")
    params = WarmupParams.of(tiny_params(weak__root="model")).model_dump()
    replace(checkpoint, params=params, epoch=1).save(tmp_path / "warmup.pt")
    assert "1 epoch on the labelled subjects alone." in model_card(tmp_path / "warmup.pt", run[1], params_of())


def test_the_evaluation_names_the_recipe(run):
    none = {"loss": "mse", "schedule": "staircase", "warmup_steps": 0, "average": 0.0, "augmentation": {}}
    none["weak"] = {"reprojection_weight": 1.0, "bone_weight": 1.0, "root": "ground_truth"}
    assert run[1]["recipe"] == none
