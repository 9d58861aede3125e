"""When what stands in the metrics files is the pipeline's result, and when a later stage will still change it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsgcn.running.params import Params, read_params
from wsgcn.running.results import result_after

ROOT = Path(__file__).resolve().parents[2]
RESULT = {"mpjpe_mm.action_mean": 48.7, "frames": 12.0}

DVC_YAML: dict[str, Any] = {
    "stages": {
        "demo": {"cmd": "d", "outs": ["demo.txt"]},
        "preprocess": {"cmd": "p", "deps": ["raw.zip", "wsgcn/a"], "params": ["seed"], "outs": ["poses.h5"]},
        "weak": {"cmd": "w", "deps": ["poses.h5"], "params": ["weak"], "outs": [{"weak.pt": {"cache": False}}]},
        "evaluate": {"cmd": "e", "deps": ["weak.pt"], "metrics": [{"evaluation.json": {"cache": False}}]},
        "visualize": {"cmd": "v", "deps": ["evaluation.json"], "outs": ["pictures"]},
    }
}


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def entry(path: str) -> dict[str, Any]:
    """As dvc.lock has it, of what lies there."""
    if Path(path).is_dir():
        files = [{"md5": md5(file.read_text()), "relpath": file.name} for file in sorted(Path(path).glob("*.py"))]
        size = sum(file.stat().st_size for file in Path(path).glob("*.py"))
        return {"path": path, "md5": f"{md5(json.dumps(files, sort_keys=True))}.dir", "size": size}
    return {"path": path, "md5": md5(Path(path).read_text()), "size": Path(path).stat().st_size}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The pipeline after a whole run, in the working directory."""
    monkeypatch.chdir(tmp_path)
    params = read_params(ROOT / "params.yaml")
    Path("wsgcn/a").mkdir(parents=True)
    for name in ("raw.zip", "demo.txt", "poses.h5", "weak.pt", "pictures", "wsgcn/a/x.py", "wsgcn/a/y.py"):
        Path(name).write_text(name)
    tree = {"mpjpe_mm": {"action_mean": 48.7}, "frames": 12, "flip": True, "skeleton": "h36m16", "none": None}
    Path("evaluation.json").write_text(json.dumps(tree))
    Path("dvc.yaml").write_text(yaml.safe_dump(DVC_YAML))
    values = {"seed": params.seed, "weak": params.model_dump(mode="json")["weak"]}
    lock: dict[str, Any] = {"stages": {}}
    for name, stage in DVC_YAML["stages"].items():
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage.get("outs", stage.get("metrics"))]
        lock["stages"][name] = {
            "cmd": stage["cmd"],
            "deps": [entry(path) for path in stage.get("deps", [])],
            "params": {"params.yaml": {key: values[key] for key in stage.get("params", [])}},
            "outs": [entry(path) for path in outs],
        }
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    return params


@pytest.mark.parametrize("stage", ["demo", "preprocess", "weak", "evaluate", "visualize"])
def test_after_a_stage_that_changed_nothing_the_result_is_there(params: Params, stage: str) -> None:
    assert result_after(stage, params) == RESULT


@pytest.mark.parametrize("stage", ["evaluate", "visualize"])
def test_the_stage_that_makes_it_and_what_comes_after_have_it_whatever_dvc_lock_says(
    params: Params, stage: str
) -> None:
    Path("dvc.lock").unlink()
    assert result_after(stage, params) == RESULT


@pytest.mark.parametrize("stage", ["preprocess", "weak"])
def test_another_output_than_last_time_changes_the_result_later(params: Params, stage: str) -> None:
    Path({"preprocess": "poses.h5", "weak": "weak.pt"}[stage]).write_text("another")
    assert result_after(stage, params) == {}


def test_changed_parameters_of_a_later_stage_change_the_result_later(params: Params) -> None:
    changed = params.model_copy(update={"weak": params.weak.model_copy(update={"epochs": 7})})
    assert result_after("preprocess", changed) == {}
    assert result_after("weak", changed) == RESULT


@pytest.mark.parametrize("change", ["edit", "new file", "raw", "cmd", "missing output", "another dependency"])
def test_a_later_stage_that_dvc_will_run_changes_the_result(params: Params, change: str) -> None:
    """Stage demo, which stands by itself, has just run; preprocess has to be looked at."""
    match change:
        case "edit":
            Path("wsgcn/a/x.py").write_text("wsgcn/a/X.py")  # as long as before
        case "new file":
            Path("wsgcn/a/z.py").write_text("")
        case "raw":
            Path("raw.zip").write_text("longer than it was")
        case "cmd":
            Path("dvc.yaml").write_text(Path("dvc.yaml").read_text().replace("cmd: p", "cmd: q"))
        case "missing output":
            Path("weak.pt").unlink()
        case "another dependency":
            Path("dvc.yaml").write_text(Path("dvc.yaml").read_text().replace("raw.zip", "other.zip"))
    assert result_after("demo", params) == {}


def test_what_python_leaves_in_folders_is_no_change(params: Params) -> None:
    Path("wsgcn/a/__pycache__").mkdir()
    Path("wsgcn/a/__pycache__/x.pyc").write_text("compiled")
    assert result_after("demo", params) == RESULT


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "3"])
def test_a_metrics_file_that_is_none_is_nothing(params: Params, text: str | None) -> None:
    Path("evaluation.json").unlink()
    if text is not None:
        Path("evaluation.json").write_text(text)
    assert result_after("evaluate", params) == {}


def test_outside_a_pipeline_there_is_no_result(params: Params) -> None:
    Path("dvc.yaml").unlink()
    assert result_after("evaluate", params) == {}
