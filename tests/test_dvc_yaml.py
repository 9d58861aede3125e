import re
from typing import ClassVar

import pytest
import yaml

from tests.import_graph import ROOT, imported_files, wings
from wsgcn.base.section import declared_keys
from wsgcn.running.stage import STAGES as RUN_STAGES
from wsgcn.running.stage import stage_module

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]


def names(entries):
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def code(stage):
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith(("stages/", "wsgcn/"))]


def test_the_stages_are_the_ones_that_run():
    assert tuple(STAGES) == RUN_STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_exactly_the_wings_of_the_files_that_the_stage_imports(stage):
    assert code(stage) == wings(f"stages.{stage}"), (
        f"`python -m tests.import_graph stages.{stage}` prints what dvc.yaml should list"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_runs_in_is_no_dependency(stage):
    files = imported_files(f"stages.{stage}")
    assert not any(file.startswith(("wsgcn/running/", "wsgcn/cli/")) for file in files)
    assert "stages/__main__.py" not in files


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_runs_by_its_name_and_describes_itself(stage):
    assert STAGES[stage]["cmd"] == f"python -m stages {stage}"
    assert STAGES[stage]["desc"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_parameters_are_those_that_the_stage_can_read(stage):
    assert sorted(STAGES[stage]["params"]) == sorted(declared_keys(stage_module(stage).Params))


@pytest.mark.parametrize("stage", STAGES)
def test_metrics_and_pictures_are_kept_by_git_and_the_rest_by_dvc(stage):
    for kind in ("outs", "metrics", "plots"):
        for entry in STAGES[stage].get(kind, []):
            name = names([entry])[0]
            cached = True if isinstance(entry, str) else entry[name].get("cache", True)
            assert cached == (not name.startswith(("metrics/", "pictures"))), name


def test_every_stage_reads_what_an_earlier_one_writes():
    made = set()
    for stage, entry in STAGES.items():
        for dep in names(entry["deps"]):
            if re.match(r"(data|models)/", dep):
                assert dep in made, f"{stage} reads {dep}"
        made |= set(names(entry["outs"]))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_file_is_a_short_recipe(stage):
    assert len((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8").splitlines()) < 60


class TestWhatRetrains:
    TRAINING: ClassVar = ("warmup", "weak")

    @pytest.mark.parametrize("wing", ["captures", "detections", "evaluation", "release", "rendering"])
    def test_no_edit_of_these_wings_does(self, wing):
        assert all(f"wsgcn/{wing}" not in code(stage) for stage in self.TRAINING)

    @pytest.mark.parametrize("wing", ["lifting", "running", "cli"])
    def test_an_edit_of_these_wings_reruns_nothing(self, wing):
        assert all(f"wsgcn/{wing}" not in code(stage) for stage in STAGES)


def test_the_curves_that_dvc_plots_are_the_terms_of_the_loss_that_always_have_a_column():
    from wsgcn.training.losses import TERMS

    curves = next(plot["losses"] for plot in PIPELINE["plots"] if "losses" in plot)["y"]
    assert curves["metrics/weak.csv"] == [term.name for term in TERMS if not term.of_trajectory]
