"""The whole pipeline on a tiny capture in a temporary clone, through dvc as a user calls it."""

import json
import sys
import time

import pytest
import yaml

from benchmarks.clone import change_params, make_tiny_clone
from benchmarks.clone import run as call

OUTPUTS = [
    "data/poses.h5",
    "data/detections.h5",
    "data/predictions.h5",
    "models/warmup.pt",
    "models/weak.pt",
    "models/weak.onnx",
    "models/MODEL_CARD.md",
    "metrics/preprocess.json",
    "metrics/detections.json",
    "metrics/warmup.csv",
    "metrics/weak.csv",
    "metrics/evaluation.json",
    "metrics/protocol.json",
    "metrics/actions.csv",
    "metrics/joints.csv",
    "pictures/losses.png",
    "pictures/actions.png",
    "pictures/errors.png",
    "pictures/poses.png",
]


def evaluation(folder):
    return json.loads((folder / "metrics/evaluation.json").read_text())


def protocol(folder):
    return json.loads((folder / "metrics/protocol.json").read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone with the working tree's files, small parameters, and the pipeline run once and committed."""
    folder = tmp_path_factory.mktemp("clones") / "project"
    assert "synthetic capture" in make_tiny_clone(folder)
    return folder


def test_dvc_repro_makes_every_output(project):
    assert [name for name in OUTPUTS if not (project / name).is_file()] == []
    assert protocol(project)["data"] == "synthetic capture of stage demo"
    assert len((project / "metrics/actions.csv").read_text().splitlines()) == 1 + 15
    assert evaluation(project)["mpjpe_mm"].keys() == {"action_mean", "frame_mean"}
    assert protocol(project)["frames"] == (30 + 29) * 4 * 50


def test_a_second_repro_does_nothing(project):
    before = time.time()
    result = call(project, "dvc", "repro")
    assert "Data and pipelines are up to date" in result.stdout
    assert all((project / name).stat().st_mtime < before for name in OUTPUTS)
    assert call(project, "git", "status", "--porcelain").stdout == ""


def test_a_forced_training_gives_the_same_bytes(project):
    before = {name: (project / name).read_bytes() for name in OUTPUTS if name.startswith(("models", "data"))}
    call(project, "dvc", "repro", "--force", "--single-item", "warmup")
    call(project, "dvc", "repro", "--force", "--single-item", "weak")
    assert {name: (project / name).read_bytes() for name in before} == before
    call(project, "git", "checkout", "--", ".")
    call(project, "dvc", "checkout")


def test_mlflow_has_one_run_a_stage_and_one_above_them_with_its_provenance(project):
    code = """
        import json, mlflow
        client = mlflow.MlflowClient("sqlite:///mlflow.db")
        experiment = client.get_experiment_by_name("wsgcn")
        runs = client.search_runs([experiment.experiment_id])
        print(json.dumps([[run.data.tags, run.data.metrics, len(run.data.params), run.info.status] for run in runs]))
    """
    import textwrap

    runs = json.loads(call(project, sys.executable, "-c", textwrap.dedent(code)).stdout)
    stages = {tags["wsgcn.stage"] for tags, *_ in runs}
    assert stages == {"pipeline", "demo", "preprocess", "detections", "warmup", "weak", "evaluate", "visualize"}
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    made = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    for tags, metrics, params, status in runs:
        assert status == "FINISHED"
        assert params > 30
        assert tags["git.commit"]
        if tags["wsgcn.stage"] in ("pipeline", "evaluate"):
            assert metrics["mpjpe_mm.action_mean"] == evaluation(project)["mpjpe_mm"]["action_mean"]
        if tags["wsgcn.stage"] == "evaluate":
            assert tags["input.models/weak.pt"] == made["models/weak.pt"]


def test_an_experiment_changes_its_parameter_and_what_follows_from_it(project):
    call(project, "dvc", "exp", "run", "--temp", "--name", "no-teacher", "-S", "weak.pseudo_labels.share=0.0")
    shown, row = experiment(project, "no-teacher")
    assert shown["mpjpe_mm"] != evaluation(project)["mpjpe_mm"]
    assert shown["recipe"] == protocol(project)["recipe"] | {"weak": {}}
    assert row["bone"] == row["reprojection"] == ""
    assert "no-teacher" in call(project, "dvc", "exp", "show", "--csv").stdout
    assert call(project, "git", "status", "--porcelain").stdout == "", "--temp leaves the workspace alone"


def experiment(project, name):
    """Its evaluation and protocol, and the first row of its weak curve."""
    refs = call(project, "git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    ref = next(ref for ref in refs if ref.endswith(f"/{name}"))

    def of(file):
        return call(project, "git", "show", f"{ref}:metrics/{file}").stdout

    header, first, *_ = of("weak.csv").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    return json.loads(of("evaluation.json")) | json.loads(of("protocol.json")), row


def test_the_published_recipe_is_one_command(project):
    tiny = "-S model.semgcn.channels=8 -S training.epoch_steps=5 -S weak.epochs=1"
    call(project, "bash", "-c", f"dvc exp run --temp --name published $(cat recipes/published) {tiny}")
    shown, row = experiment(project, "published")
    assert shown["recipe"] == {
        "loss": "mse",
        "schedule": "staircase",
        "warmup_steps": 0,
        "average": 0.0,
        "augmentation": {},
        "weak": {"reprojection_weight": 1.0, "bone_weight": 1.0, "root": "ground_truth"},
    }
    assert float(row["bone"]) > 0
    assert float(row["reprojection"]) > 0


def test_the_ablation_table_is_written_from_experiments(project):
    command = [sys.executable, "-m", "benchmarks.ablations", "--only", "weak", "--only", "ours"]
    command += ["-S", "model.semgcn.channels=8", "-S", "training.epoch_steps=5", "-S", "weak.epochs=1"]
    call(project, *command)
    table = (project / "metrics/ablations.md").read_text()
    assert "| published | weak, bone loss, warm-up | 1 |" in table
    assert "| ours | weak | 1 |" in table
    assert "synthetic" in table
    assert "49.23" not in table, "published figures stand beside runs of their own setting alone"
    assert "is there already" in call(project, *command).stdout
    (project / "metrics/ablations.md").unlink()


def test_a_wrong_parameter_stops_before_any_work_and_is_named(project):
    before = {name: (project / name).stat().st_mtime_ns for name in OUTPUTS}
    original = (project / "params.yaml").read_text()
    try:
        change_params(project, {("weak", "bone_wieght"): 1.0, ("demo", "seconds"): 2})
        result = call(project, "dvc", "repro", check=False)
    finally:
        (project / "params.yaml").write_text(original)
    assert result.returncode != 0
    assert "params.yaml: weak.bone_wieght: is not a known key" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    call(project, "dvc", "checkout")  # dvc removes a stage's outputs before it runs it
    assert [name for name in before if not (project / name).is_file()] == []


def test_h36m17_runs_through_the_whole_pipeline(project):
    call(project, "dvc", "exp", "run", "--temp", "--name", "joints-17", "-S", "data.skeleton=h36m17")
    shown, _ = experiment(project, "joints-17")
    assert shown["joints"] == 17


def test_a_pull_into_a_second_clone_leaves_nothing_to_do(project, tmp_path):
    call(project, "dvc", "remote", "add", "--default", "--force", "local", str(tmp_path / "remote"))
    call(project, "dvc", "push")
    call(project, "git", "commit", "--quiet", "--all", "-m", "remote")
    second = tmp_path / "second"
    call(tmp_path, "git", "clone", "--quiet", str(project), str(second))
    call(second, "dvc", "pull")
    assert "Data and pipelines are up to date" in call(second, "dvc", "repro").stdout
    assert call(second, "git", "status", "--porcelain").stdout == ""


def test_a_version_of_an_artifact_can_be_had_from_elsewhere(project, tmp_path):
    artifacts = yaml.safe_load((project / "dvc.yaml").read_text())["artifacts"]
    assert [entry["path"] for entry in artifacts.values()] == [
        "models/weak.pt",
        "models/weak.onnx",
        "wsgcn/lifting/general_lifter.pt",
    ]
    call(project, "dvc", "remote", "add", "--default", "--force", "local", str(tmp_path / "remote"))
    call(project, "dvc", "push")
    call(project, "git", "commit", "--quiet", "--all", "--allow-empty", "-m", "remote")
    for name, entry in artifacts.items():
        call(project, "git", "tag", "--annotate", f"{name}@v0.1.0", "-m", "a version")
        call(tmp_path, "dvc", "artifacts", "get", str(project), name, "--out", name)
        assert (tmp_path / name).read_bytes() == (project / entry["path"]).read_bytes()
