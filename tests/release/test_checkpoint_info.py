import hashlib
from dataclasses import replace
from typing import get_args

import pytest

from tests.tiny import tiny_params
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.errors import InputError
from wsgcn.model.checkpoint import Chosen
from wsgcn.model.networks import count_parameters, describe_network
from wsgcn.pose.skeleton import H36M17
from wsgcn.release.checkpoint_info import CHOSEN_BY, describe, describe_epoch
from wsgcn.training.params import Training


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    path = tmp_path_factory.mktemp("described") / "weak.pt"
    checkpoint = write_tiny_checkpoint(path, data__skeleton="h36m17")
    return path, checkpoint, describe(path)


def values(text):
    """Name -> value of each aligned row, wrapped ones joined."""
    rows, name = {}, ""
    for line in text.splitlines():
        if line.startswith("   "):
            rows[name] += " " + line.strip()
        elif line.startswith("  "):
            name, value = line.strip().split("  ", 1)
            rows[name] = value.strip()
    return rows


def test_it_says_what_the_checkpoint_is(described):
    path, checkpoint, text = described
    rows = values(text)
    content = path.read_bytes()
    assert text.splitlines()[0] == str(path)
    assert rows["skeleton"] == "h36m17 (17 joints)"
    assert rows["joints"] == ", ".join(H36M17.joints)
    assert rows["network"] == "semgcn, 8 channels, 1 residual block, non-local layers"
    assert rows["parameters"] == f"{count_parameters(checkpoint.network()):,}"
    assert rows["2D source"] == "gt (exact projections)"
    assert rows["cameras"].startswith("trained for the cameras of its capture alone; seen by another, a body may lean")
    assert rows["normalisation"].endswith("x / w * 2 - 1, y / w * 2 - h / w")
    assert rows["epoch"] == "2 of 2, the last epoch"
    assert rows["step"] == "1,234"
    assert rows["size"] == f"{len(content):,} bytes"
    assert rows["SHA-256"] == hashlib.sha256(content).hexdigest()


def test_it_says_how_it_was_trained(described):
    rows = values(described[2])
    assert rows["data.subjects.labelled"] == "S1"
    assert rows["data.subjects.validation"] == "-"
    assert rows["training.learning_rate"] == "0.001"
    assert rows["weak.root"] == "ground_truth"


def test_it_is_aligned_and_fits_a_terminal(described):
    block = described[2].split("\n\n")[0].splitlines()[1:]
    starts = {line.index(line[2:].split("  ", 1)[1].strip()) for line in block if not line.startswith("   ")}
    assert len(starts) == 1
    assert all(len(line) <= 120 for line in described[2].splitlines()[1:])


def test_an_epoch_that_the_validation_set_chose_has_its_error(described):
    checkpoint = replace(described[1], epoch=8, chosen=Chosen(epoch=5, by="validation", validation_mpjpe_mm=52.125))
    assert describe_epoch(checkpoint) == "5 of 8, the best of the validation set (MPJPE 52.12 mm there)"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model__name": "linear"}, "linear, 1024 wide, 2 residual blocks, dropout 0.5"),
        (
            {
                "model__semgcn__non_local": False,
                "model__semgcn__channelwise": True,
                "model__semgcn__dropout": 0.25,
            },
            "semgcn, 8 channels, 1 residual block, channel-wise edge weights, dropout 0.25",
        ),
    ],
)
def test_a_network_in_one_line(changes, text):
    assert describe_network(tiny_params(**changes).model) == text


def test_every_way_to_choose_an_epoch_has_words():
    assert set(CHOSEN_BY) == set(get_args(Training.model_fields["choose_epoch"].annotation))


def test_a_file_that_is_no_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    with pytest.raises(InputError, match=r"notes\.pt: "):
        describe(tmp_path / "notes.pt")


def test_the_recipe_is_named(described, tmp_path):
    published = (
        "loss mse; schedule staircase; weights not averaged; no augmentation; unlabelled: reprojection_weight 1.0, "
    )
    assert values(described[2])["recipe"] == published + "bone_weight 1.0, root ground_truth"
    on = {
        "training__loss": "mean_distance",
        "training__schedule": "cosine",
        "training__average": 0.995,
        "augmentation__turn": True,
        "augmentation__size": 0.06,
        "weak__pseudo_labels__share": 0.5,
        "weak__reprojection_weight": 0.0,
        "weak__bone_weight": 0.0,
        "weak__root": "solved",
    }
    write_tiny_checkpoint(tmp_path / "weak.pt", **on)
    words = (
        "loss mean_distance; schedule cosine; weights averaged, 0.995 a step; augmentation: turn, size 0.06; "
        "unlabelled: pseudo_labels.share 0.5, views independent, root solved"
    )
    assert values(describe(tmp_path / "weak.pt"))["recipe"] == words
    write_tiny_checkpoint(tmp_path / "weak.pt", augmentation__camera="any", weak__epochs=0)
    rows = values(describe(tmp_path / "weak.pt"))
    assert rows["cameras"] == "any"
    assert rows["recipe"].endswith("; nothing of the unlabelled")
    assert "augmentation: camera any, any.pitch_deg -20.0, 35.0, any.roll_deg 3" in rows["recipe"]
