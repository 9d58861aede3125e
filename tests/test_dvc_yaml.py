import re

import pytest
import yaml

from tests.import_graph import ROOT, imported_files
from wsgcn.running.params import STAGE_PARAMS

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def names(entries):
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def test_the_stages_are_the_ones_documented():
    assert list(STAGES) == ["demo", "preprocess", "detections", "warmup", "weak", "evaluate", "visualize"]
    assert set(STAGE_PARAMS) == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_exactly_the_files_that_the_stage_imports(stage):
    declared = [dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")]
    assert sorted(declared) == sorted(imported_files(f"stages.{stage}")), (
        f"`python -m tests.import_graph stages.{stage}` prints what dvc.yaml should list"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_runs_as_a_module_and_describes_itself(stage):
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert STAGES[stage]["desc"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_parameters_are_those_that_the_outputs_depend_on(stage):
    assert STAGES[stage]["params"] == list(STAGE_PARAMS[stage])


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


def test_editing_the_metrics_does_not_retrain():
    for stage in ("warmup", "weak"):
        assert "wsgcn/evaluation/metrics.py" not in STAGES[stage]["deps"]
        assert "wsgcn/evaluation/evaluate.py" not in STAGES[stage]["deps"]
