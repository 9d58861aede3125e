"""The second pipeline: the stages of the first with parameters of its own, and what it leaves in the package."""

from pathlib import Path

import pytest
import yaml

from lifter.package import package
from tests.import_graph import ROOT
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.running.params import read_params

FOLDER = ROOT / "lifter"
STAGES = yaml.safe_load((FOLDER / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
FIRST = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SHARED = [stage for stage in STAGES if stage in FIRST]


def outside(entries):
    """Code stands beside the folder, data in it."""
    return [f"../{entry}" if str(entry).startswith(("stages/", "wsgcn/")) else entry for entry in entries]


@pytest.mark.parametrize("stage", SHARED)
def test_a_shared_stage_is_the_first_pipelines(stage):
    assert STAGES[stage]["cmd"] == f"PYTHONPATH=.. {FIRST[stage]['cmd']}"
    assert STAGES[stage]["deps"] == outside(FIRST[stage]["deps"])
    assert STAGES[stage]["params"] == FIRST[stage]["params"]
    assert names(STAGES[stage]["outs"]) == names(FIRST[stage]["outs"])


def names(entries):
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_keeps_none_of_its_outputs(stage):
    """Otherwise a checkout or a pull of the first pipeline would ask for them too."""
    assert all(isinstance(out, dict) and next(iter(out.values())) == {"cache": False} for out in STAGES[stage]["outs"])


def test_the_only_stage_of_its_own_packages():
    assert [stage for stage in STAGES if stage not in SHARED] == ["package"]


def test_its_parameters_are_whole_and_name_any_camera_and_missing_joints():
    params = read_params(FOLDER / "params.yaml")
    assert params.augmentation.camera == "any"
    assert params.augmentation.missing > 0
    assert params.augmentation.coco > 0
    assert params.weak.epochs == 0, "stage warmup is its last training stage"


def test_what_is_packaged_lifts_alike_and_cannot_be_trained_further(tmp_path: Path):
    trained = write_tiny_checkpoint(tmp_path / "trained.pt", augmentation__missing=0.2)
    package(tmp_path / "trained.pt", tmp_path / "packaged.pt")
    packaged = load_checkpoint(tmp_path / "packaged.pt")
    assert not packaged.optimiser
    assert not packaged.average
    assert packaged.params == trained.params
    expected = trained.network().state_dict()
    assert all(bool((value == expected[name]).all()) for name, value in packaged.network().state_dict().items())
