import subprocess
from pathlib import Path

import pytest

from wsgcn.running.params import Params, read_params
from wsgcn.running.provenance import environment_tags, input_hashes, project_root, run_name, source_tags

ROOT = Path(__file__).resolve().parents[2]

DVC_YAML = {
    "stages": {
        "preprocess": {
            "cmd": "python -m stages preprocess",
            "deps": ["${data.raw}", "wsgcn/pose/store.py"],
            "outs": ["data/poses.h5"],
        },
        "weak": {
            "cmd": "python -m stages weak",
            "deps": ["./data/poses.h5", {"models/${data.skeleton}.pt": {"cache": False}}, "wsgcn/pose/store.py"],
            "outs": ["models/weak.pt"],
        },
    }
}
DVC_LOCK = {
    "schema": "2.0",
    "stages": {
        "preprocess": {
            "cmd": "python -m stages preprocess",
            "deps": [
                {"path": "raw.zip", "hash": "md5", "md5": "aaaa", "size": 3},
                {"path": "wsgcn/pose/store.py", "hash": "md5", "md5": "cccc", "size": 5},
            ],
            "outs": [{"path": "data/poses.h5", "hash": "md5", "md5": "bbbb", "size": 9}],
        },
        "warmup": {"outs": [{"path": "models/h36m16.pt", "hash": "md5", "md5": "dddd", "size": 9}]},
        "weak": {"deps": [{"path": "data/poses.h5", "hash": "md5", "md5": "an older one", "size": 9}]},
    },
}


@pytest.fixture
def params() -> Params:
    return read_params(ROOT / "params.yaml")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory that is no git repository and knows nothing of DVC."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def with_raw(params: Params, path: str) -> Params:
    return params.model_copy(update={"data": params.data.model_copy(update={"raw": path})})


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_an_input_that_another_stage_makes_has_that_stages_hash_and_not_the_one_of_this_stages_last_run() -> None:
    hashes = input_hashes("weak", DVC_YAML, DVC_LOCK, {"data": {"skeleton": "h36m16"}})
    assert hashes == {"data/poses.h5": "bbbb", "models/h36m16.pt": "dddd"}


def test_a_raw_input_has_the_hash_of_the_stages_own_entry_if_the_path_is_the_same() -> None:
    assert input_hashes("preprocess", DVC_YAML, DVC_LOCK, {"data": {"raw": "raw.zip"}})["raw.zip"] == "aaaa"
    assert set(input_hashes("preprocess", DVC_YAML, DVC_LOCK, {"data": {"raw": "other.zip"}})) == {
        "wsgcn/pose/store.py"
    }


def test_what_is_not_known_has_no_hash() -> None:
    assert input_hashes("weak", DVC_YAML, {}, {}) == {}
    assert input_hashes("weak", {}, DVC_LOCK, {}) == {}
    assert input_hashes("demo", DVC_YAML, DVC_LOCK, {}) == {}
    assert input_hashes("preprocess", DVC_YAML, DVC_LOCK, {"data": 3}) == {"wsgcn/pose/store.py": "cccc"}


def write_pipeline(folder: Path) -> None:
    (folder / "dvc.yaml").write_text(
        "stages: {preprocess: {cmd: x, deps: ['${data.raw}', wsgcn/pose/store.py], outs: [data/poses.h5]}}"
    )
    (folder / "dvc.lock").write_text(
        "stages: {preprocess: {deps: ["
        "{path: raw.zip, md5: aaaa, size: 3}, {path: wsgcn/pose/store.py, md5: cccc, size: 5}]}}"
    )
    (folder / "wsgcn" / "pose").mkdir(parents=True)
    (folder / "wsgcn" / "pose" / "store.py").write_text("12345")


def test_an_unchanged_raw_input_is_tagged_and_the_code_is_left_to_the_commit(here: Path, params: Params) -> None:
    write_pipeline(here)
    (here / "raw.zip").write_text("123")
    tags = source_tags("preprocess", with_raw(params, "raw.zip"))
    assert tags == {
        "wsgcn.stage": "preprocess",
        "mlflow.source.name": "stages.preprocess",
        "input.raw.zip": "aaaa",
    }


def test_a_raw_input_of_another_size_is_not_tagged_with_the_hash_of_the_last_run(here: Path, params: Params) -> None:
    write_pipeline(here)
    (here / "raw.zip").write_text("123456")
    assert "input.raw.zip" not in source_tags("preprocess", with_raw(params, "raw.zip"))


def test_the_commit_and_whether_code_or_parameters_differ_from_it_are_tagged(here: Path, params: Params) -> None:
    git("init", "-q")
    (here / "params.yaml").write_text("seed: 0")
    (here / "metrics.json").write_text("{}")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")

    (here / "metrics.json").write_text('{"mpjpe_mm": 50}')  # every `dvc repro` changes it
    tags = source_tags("warmup", params)
    assert (tags["git.commit"], tags["mlflow.source.git.commit"], tags["git.dirty"]) == (commit, commit, "false")
    assert run_name("warmup") == f"warmup {git('rev-parse', '--short', 'HEAD')}"
    assert project_root() == here.resolve()

    (here / "params.yaml").write_text("seed: 1")
    assert source_tags("warmup", params)["git.dirty"] == "true"


def test_an_experiment_of_dvc_names_the_run_and_its_root_is_the_original_one(
    here: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123abcd")
    monkeypatch.setenv("DVC_ROOT", str(here / "original"))
    tags = source_tags("weak", params)
    assert (tags["dvc.exp_name"], tags["dvc.exp_baseline_rev"]) == ("puffy-daks", "0123abcd")
    assert run_name("weak") == "weak puffy-daks"
    assert project_root() == (here / "original").resolve()


def test_without_git_the_run_has_the_stages_name_and_the_root_is_the_working_directory(here: Path) -> None:
    assert run_name("weak") == "weak"
    assert project_root() == here.resolve()


def test_the_environment_names_device_threads_and_versions(params: Params) -> None:
    torch = pytest.importorskip("torch")
    on_cpu = params.model_copy(update={"runtime": params.runtime.model_copy(update={"device": "cpu"})})
    tags = environment_tags(on_cpu)
    assert tags["device"] == "cpu"
    assert tags["torch"] == torch.__version__
    assert tags["threads"] == str(torch.get_num_threads())
    assert {"python", "numpy", "platform", "cpus"} <= set(tags)
