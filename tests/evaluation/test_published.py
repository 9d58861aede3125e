"""A published figure stands beside a run of exactly its setting, and beside no other."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import evaluation_paths, published_tree, tiny_params, write_tiny_capture
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.section import flat
from wsgcn.evaluation.evaluate import evaluate
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.evaluation.published import ROWS, published_row
from wsgcn.model.networks import NETWORKS
from wsgcn.running.params import Params, parse_params
from wsgcn.training.params import WarmupParams, WeakParams

DEFAULT = published_tree()
PAPER = {"data.raw": "data/raw/h36m.zip", "data.stride": 1, "warmup.epochs": 20, "weak.epochs": 80}
FULLY = {
    "data.subjects.labelled": ["S1", "S5", "S6", "S7", "S8"],
    "data.subjects.unlabelled": [],
}
SETTINGS = {  # the changes of the published recipe that make each row
    "full supervision (S1, S5-S8 labelled)": {**PAPER, **FULLY},
    "weak, no bone loss, warm-up": {**PAPER, "weak.bone_weight": 0.0},
    "weak, bone loss, warm-up": PAPER,
    "weak, bone loss, no warm-up": {**PAPER, "warmup.epochs": 0, "weak.epochs": 100},
}
WEAKLY = [name for name in SETTINGS if name.startswith("weak")]


def params_of(changes: dict[str, Any]) -> Params:
    """The published recipe with values put at dotted names."""
    tree = copy.deepcopy(DEFAULT)
    for name, value in changes.items():
        put(tree, name, value)
    return parse_params(tree, "params.yaml")


def put(tree: dict[str, Any], name: str, value: object) -> None:
    *sections, key = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[key] = value


def record_of(params: Params) -> dict[str, Any]:
    """What the weak stage's checkpoint says it was trained with."""
    return {**WarmupParams.of(params).model_dump(), **WeakParams.of(params).model_dump()}


def evaluation_of(params: Params) -> dict[str, Any]:
    return {
        "data.subjects.test": params.data.subjects.test,
        "detections.source": params.detections.source,
        "evaluate.flip": params.evaluate.flip,
    }


def found(params: Params) -> str | None:
    row = published_row(record_of(params), evaluation_of(params))
    return row and row.name


def changed(value: object) -> object:
    """Another value of the same type; of a number it is that of no row either."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.125
        case str():
            return f"another {value}"
        case list():
            return [*value, "S20"]
    raise TypeError(value)


UNREAD_OF_PSEUDO_LABELS = tuple(f"weak.pseudo_labels.{key}" for key in ("poses", "bone_sd_m", "depth_sd_m"))


def relevant_keys(name: str) -> list[str]:
    """Every setting that a row depends on: all but the seed, the machine, other networks, and what is not read."""
    params = params_of(SETTINGS[name])
    irrelevant: tuple[str, ...] = ("seed", "runtime.", *(f"model.{other}." for other in NETWORKS if other != "semgcn"))
    irrelevant += ("augmentation.any.", "training.final_share", *UNREAD_OF_PSEUDO_LABELS, "weak.views")
    if name not in WEAKLY:  # nothing is unlabelled, so the losses of what is do not come in
        irrelevant += ("weak.reprojection_weight", "weak.bone_weight", "weak.root", "weak.pseudo_labels.share")
    keys = {**flat(record_of(params)), **evaluation_of(params)}
    return [key for key in keys if not key.startswith(irrelevant)]


def test_there_is_a_setting_for_each_row() -> None:
    assert [row.name for row in ROWS] == list(SETTINGS)
    assert (ROWS[2].mpjpe_mm, ROWS[2].p_mpjpe_mm) == (49.23, 39.88)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_row_is_found_for_its_own_setting(name: str) -> None:
    assert found(params_of(SETTINGS[name])) == name


@pytest.mark.parametrize("name", SETTINGS)
def test_the_order_of_subjects_seed_machine_and_other_networks_do_not_matter(name: str) -> None:
    params = params_of(SETTINGS[name])
    other = {
        "data.subjects.labelled": params.data.subjects.labelled[::-1],
        "data.subjects.unlabelled": params.data.subjects.unlabelled[::-1],
        "data.subjects.test": params.data.subjects.test[::-1],
        "seed": 7,
        "runtime.device": "cpu",
        "runtime.threads": 3,
        "model.linear.width": 3,
        "evaluate.batch": 7,
        "tracking.experiment": "other",
    }
    assert found(params_of({**SETTINGS[name], **other})) == name


@pytest.mark.parametrize("epochs", [(0, 100), (100, 0), (50, 50)])
def test_with_labels_alone_both_stages_are_one_training(epochs: tuple[int, int]) -> None:
    changes = {"warmup.epochs": epochs[0], "weak.epochs": epochs[1]}
    assert found(params_of({**PAPER, **FULLY, **changes})) == "full supervision (S1, S5-S8 labelled)"
    changes = {"warmup.epochs": epochs[0], "weak.epochs": epochs[1] + 1}
    assert found(params_of({**PAPER, **FULLY, **changes})) is None


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "changes",
    [
        {"training.final_share": 0.5},
        {"augmentation.any.roll_deg": 7.0},
        {"weak.pseudo_labels.poses": 99, "weak.pseudo_labels.depth_sd_m": 0.7},
    ],
    ids=str,
)
def test_a_setting_that_is_not_read_makes_no_difference(name: str, changes: dict[str, Any]) -> None:
    assert found(params_of({**SETTINGS[name], **changes})) == name


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in SETTINGS for key in relevant_keys(name)])
def test_any_single_other_setting_is_nobodys(name: str, key: str) -> None:
    params = params_of(SETTINGS[name])
    trained, tested = copy.deepcopy(record_of(params)), evaluation_of(params)
    before = {**flat(trained), **tested}[key]
    if key in tested:
        tested[key] = changed(before)
    else:
        put(trained, key, changed(before))
    assert published_row(trained, tested) is None


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in SETTINGS for key in relevant_keys(name)])
def test_a_setting_that_is_not_recorded_is_nobodys(name: str, key: str) -> None:
    params = params_of(SETTINGS[name])
    trained, tested = flat(record_of(params)), evaluation_of(params)
    del (tested if key in tested else trained)[key]
    row = published_row(trained, tested)
    if key == "weak.bone_weight":  # without a weight there is no such loss
        assert (row and row.name) == (None if name == "weak, bone loss, no warm-up" else "weak, no bone loss, warm-up")
    else:
        assert row is None


SECTIONS = ("data", "data.subjects", "model", "model.semgcn", "training", "warmup", "weak", "evaluate", "augmentation")


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", [True, False, 0, 1, "on", None], ids=repr)
def test_a_setting_that_the_paper_does_not_have_is_nobodys(name: str, section: str, value: object) -> None:
    params = params_of(SETTINGS[name])
    trained = copy.deepcopy(record_of(params))
    put(trained, f"{section}.unheard_of", value)
    assert published_row(trained, evaluation_of(params)) is None


@pytest.mark.parametrize("name", SETTINGS)
def test_a_further_setting_of_the_test_is_nobodys(name: str) -> None:
    params = params_of(SETTINGS[name])
    assert published_row(record_of(params), {**evaluation_of(params), "evaluate.scale": True}) is None


@pytest.mark.parametrize("name", WEAKLY)
@pytest.mark.parametrize("section", ["training", "weak"])
def test_a_further_loss_without_weight_changes_nothing_and_with_some_is_nobodys(name: str, section: str) -> None:
    params = params_of(SETTINGS[name])
    trained = copy.deepcopy(record_of(params))
    put(trained, f"{section}.symmetry_weight", 0.0)
    row = published_row(trained, evaluation_of(params))
    assert row is not None
    assert row.name == name
    put(trained, f"{section}.symmetry_weight", 0.1)
    assert published_row(trained, evaluation_of(params)) is None


@pytest.mark.parametrize("name", SETTINGS)
def test_a_third_network_is_nobodys_and_its_section_alone_changes_nothing(name: str) -> None:
    params = params_of(SETTINGS[name])
    trained = copy.deepcopy(record_of(params))
    trained["model"]["transformer"] = {"heads": 4}
    row = published_row(trained, evaluation_of(params))
    assert row is not None
    assert row.name == name
    for network in ("linear", "transformer"):
        trained["model"]["name"] = network
        assert published_row(trained, evaluation_of(params)) is None


@pytest.mark.parametrize(("raw", "is_shown"), [("data/raw/h36m.zip", True), ("data/raw/demo", False)])
def test_the_row_is_in_the_report_but_not_on_the_synthetic_capture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], raw: str, is_shown: bool
) -> None:
    """Over the whole way, with a small network that passes for the paper's."""
    changes = {**PAPER, "data.raw": raw}
    write_tiny_capture(tmp_path, subjects=("S1", "S9", "S11"), takes=("Eating",), frames=2)
    checkpoint = write_tiny_checkpoint(tmp_path / "weak.pt")
    replace(checkpoint, params=record_of(params_of(changes))).save(tmp_path / "weak.pt")
    paths = evaluation_paths(tmp_path, tmp_path)
    subjects = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": [], "validation": [], "test": ["S9", "S11"]}
    evaluate(EvaluateParams.of(tiny_params(data__raw=raw, data__subjects=subjects)), paths)
    protocol, printed = json.loads(paths.protocol.read_text(encoding="utf-8")), capsys.readouterr().out
    assert ("published" in protocol) == is_shown
    assert ("published: weak, bone loss, warm-up" in printed) == is_shown
    assert not is_shown or protocol["published"]["mpjpe_mm"] == 49.23


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "change",
    [
        {"augmentation.turn": True},
        {"augmentation.camera": "any"},
        {"training.loss": "mean_distance"},
        {"training.schedule": "cosine"},
        {"training.warmup_steps": 50},
        {"training.average": 0.995},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_recipe_is_nobodys(name: str, change: dict[str, Any]) -> None:
    assert found(params_of({**SETTINGS[name], **change})) is None
