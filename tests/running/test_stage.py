import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

STAGE = """
import os, signal, sys
from types import SimpleNamespace
from wsgcn.base.errors import InputError
from wsgcn.captures.params import DemoParams
from wsgcn.running import stage

def main(params, run):
    tracker = run.tracker
    print("seed", params.seed, type(tracker).__name__, run.bars.__name__, "mlflow" in sys.modules)
    {work}

stage.stage_module = {{"warmup": SimpleNamespace(Params=DemoParams, main=main)}}.__getitem__
stage.run_stage("warmup", tracked={tracked})
print("after")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a stage runs: a params.yaml without tracking."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert "mlflow: true" in text
    (tmp_path / "params.yaml").write_text(text.replace("mlflow: true", "mlflow: false"), encoding="utf-8")
    return tmp_path


def run(folder: Path, work: str = "pass", tracked: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WSGCN_"))}
    environment |= {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder), **variables}
    command = [sys.executable, "-c", STAGE.format(work=work, tracked=tracked)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def set_value(folder: Path, line: str, changed: str) -> None:
    path = folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert line in text
    path.write_text(text.replace(line, changed), encoding="utf-8")


def test_a_stage_gets_its_parameters_a_tracker_and_bars(folder: Path) -> None:
    set_value(folder, "seed: 0", "seed: 7")
    result = run(folder)
    assert result.stdout == "seed 7 NullTracker TerminalBar False\nafter\n"
    assert (result.returncode, result.stderr) == (0, "")


def test_an_untracked_stage_never_imports_mlflow(folder: Path) -> None:
    set_value(folder, "mlflow: false", "mlflow: true")
    result = run(folder, tracked=False)
    assert result.stdout == "seed 0 NullTracker TerminalBar False\nafter\n"
    assert [path.name for path in folder.iterdir()] == ["params.yaml"]


def test_a_wrong_parameter_is_one_sentence_before_any_work(folder: Path) -> None:
    set_value(folder, "stride: 1", "stride: 0")
    result = run(folder)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("warmup: params.yaml: data.stride: ")
    assert result.stderr.count("\n") == 1


def test_missing_parameters_are_one_sentence(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.returncode == 1
    assert result.stderr == "warmup: params.yaml: not found; run from the project's root.\n"


def test_bad_input_is_one_sentence_without_a_traceback(folder: Path) -> None:
    result = run(folder, work="raise InputError('raw.zip: is truncated.')")
    assert (result.returncode, result.stderr) == (1, "warmup: raw.zip: is truncated.\n")
    assert "after" not in result.stdout


def test_bad_input_has_its_traceback_when_debugging(folder: Path) -> None:
    result = run(folder, work="raise InputError('raw.zip: is truncated.')", WSGCN_DEBUG="1")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("InputError: raw.zip: is truncated.\n")


def test_an_interruption_is_one_line_and_status_130(folder: Path) -> None:
    # A shell's job in the background, which these tests may be, has it ignored.
    heeded = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    result = run(folder, work=f"{heeded}; os.kill(os.getpid(), signal.SIGINT)")
    assert (result.returncode, result.stderr) == (130, "warmup: interrupted.\n")


def test_a_termination_is_one_line_and_status_143_and_leaves_no_temporary_file(folder: Path) -> None:
    """A second signal on the way out changes nothing."""
    work = (
        "from wsgcn.base.files import atomic_path\n"
        "    with atomic_path('out.bin') as temporary:\n"
        "        temporary.write_bytes(b'part')\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "        finally:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)"
    )
    before = set(folder.iterdir())
    result = run(folder, work=work)
    assert (result.returncode, result.stderr) == (143, "warmup: terminated.\n")
    assert set(folder.iterdir()) == before


def test_what_a_killed_run_left_beside_its_outputs_is_removed(folder: Path) -> None:
    (folder / "dvc.yaml").write_text("stages: {warmup: {outs: [models/warmup.pt, pictures: {cache: false}]}}")
    kept = ["models/.weak-abcdefgh.part.pt", "models/warmup.pt", "pictures/a.png"]
    left = ["models/.warmup-abcdefgh.part.pt", "pictures/.a-abcdefgh.part.png", ".pictures-abcdefgh.part/new/a.png"]
    for name in kept + left:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    result = run(folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert (
        sorted(str(p.relative_to(folder)) for p in folder.rglob("*.p*") if p.is_file() and p.suffix != ".yaml") == kept
    )
    assert not (folder / ".pictures-abcdefgh.part").exists()


def test_snapshots_go_to_the_projects_root_from_a_temporary_checkout_too(folder: Path) -> None:
    work = "print(run.snapshots, run.snapshot_seconds)"
    root = str(folder.parent / "original")
    assert run(folder, work, DVC_ROOT=root).stdout.splitlines()[1] == f"{root}/.resume 60.0"
    result = run(folder, work, WSGCN_SNAPSHOT_SECONDS="2.5")
    assert result.stdout.splitlines()[1] == f"{folder}/.resume 2.5"
    result = run(folder, work, WSGCN_SNAPSHOT_SECONDS="often")
    assert (result.returncode, result.stderr) == (
        1,
        "warmup: WSGCN_SNAPSHOT_SECONDS: is 'often', expected a number of seconds.\n",
    )


def test_our_own_slip_has_its_traceback(folder: Path) -> None:
    for work in ("params.no_such_key", "params.weak"):  # the latter is there, but not for a stage that declares `demo`
        result = run(folder, work=work)
        assert result.returncode == 1
        assert "Traceback" in result.stderr
        assert "AttributeError" in result.stderr


def test_a_tracked_stage_whose_mlflow_is_away_does_its_work(folder: Path) -> None:
    set_value(folder, "mlflow: false", "mlflow: true")
    result = run(folder, work="tracker.log_metrics({'loss': 1.0})", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert result.returncode == 0
    assert result.stdout.endswith("after\n")
    assert result.stderr.startswith("warmup: MLflow at http://127.0.0.1:9 failed")
    assert result.stderr.count("\n") == 1


def test_a_stage_is_run_by_its_name_and_another_name_is_refused(folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages"]

    def call(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, name], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    result = call("warmup")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("warmup: data/")
    assert result.stderr.endswith("not found; `dvc repro` makes it.\n")
    assert call("training").returncode == 2
