"""Training that is broken off and goes on: the same bytes as without a break, and never from another run's snapshot."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.import_graph import wings
from tests.tiny import ROOT, tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.base.run import RecordingTracker, Run
from wsgcn.model.checkpoint import Checkpoint
from wsgcn.running.params import Params
from wsgcn.training import snapshots
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.snapshots import digest
from wsgcn.training.stages import train_weakly, warm_up
from wsgcn.training.trainer import Trainer

EPOCHS = {"warmup__epochs": 3, "weak__epochs": 3, "training__epoch_steps": 4}
OURS = {
    "training__average": 0.9,
    "training__loss": "mean_distance",
    "training__schedule": "cosine",
    "augmentation__turn": True,
    "augmentation__size": 0.1,
    "weak__pseudo_labels__share": 0.5,
    "weak__pseudo_labels__poses": 32,
    "weak__root": "solved",
}
MODEL = {"weak__root": "model", "weak__reprojection_weight": 1.0}
CHOSEN = {
    "data__subjects": {
        "labelled": ["S1"],
        "labelled_takes": 1.0,
        "unlabelled": ["S5"],
        "validation": ["S6"],
        "test": ["S9"],
    },
    "training__choose_epoch": "validation",
    "training__learning_rate": 0.1,
    "weak__bone_weight": 100.0,
}


class Break(BaseException):
    """As a signal's exception: nothing on the way catches it."""


@dataclass
class Project:
    """A tiny capture, and training on it."""

    capture: tuple[Path, Path]
    folder: Path

    @property
    def kept(self) -> list[str]:
        folder = self.folder / "kept"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def run(self, out: str, params: Params, tracker: RecordingTracker | None = None, seconds: float = 0) -> None:
        run = Run(tracker or RecordingTracker(), snapshots=self.folder / "kept", snapshot_seconds=seconds)
        train(self.capture, self.folder / out, params, run)

    def made(self, out: str) -> dict[str, bytes]:
        folder = self.folder / out
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def train(capture: tuple[Path, Path], out: Path, params: Params, run: Run) -> None:
    """Both stages; the second only follows where the first has ended, as in the pipeline."""
    if not (out / "warmup.pt").exists():
        warm_up(WarmupParams.of(params), *capture, out / "warmup.pt", out / "warmup.csv", run)
    train_weakly(WeakParams.of(params), out / "warmup.pt", *capture, out / "weak.pt", out / "weak.csv", run)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_tiny_capture(tmp_path_factory.mktemp("capture"), subjects=("S1", "S5", "S6", "S9"))


@pytest.fixture
def project(capture: tuple[Path, Path], tmp_path: Path) -> Project:
    return Project(capture, tmp_path)


@pytest.fixture
def broken_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Training breaks off before these epochs, counted over all that are begun."""

    def broken_at(*begun: int) -> None:
        count, whole = [0], Trainer.run_epoch

        def run_epoch(self: Trainer, on_step: Callable[[], None] = lambda: None) -> dict[str, float]:
            count[0] += 1
            if count[0] in begun:
                raise Break
            return whole(self, on_step)

        monkeypatch.setattr(Trainer, "run_epoch", run_epoch)

    return broken_at


@pytest.mark.parametrize(
    "changes",
    [{}, OURS, OURS | MODEL, CHOSEN, {"model__name": "linear"}, {"model__semgcn__dropout": 0.2}],
    ids=lambda c: "-".join(c),
)
def test_broken_off_training_goes_on_and_ends_with_the_same_bytes(
    project: Project, broken_at: Callable[..., None], changes: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    params = tiny_params(**EPOCHS, **changes)
    project.run("whole", params)
    assert "goes on" not in capsys.readouterr().out
    broken_at(3, 6, 7)  # in the warm-up after epoch 2, in the weak stage after epochs 4 and 4
    for _ in range(3):
        with pytest.raises(Break):
            project.run("broken", params)
    project.run("broken", params)
    assert project.made("broken") == project.made("whole")
    assert capsys.readouterr().out.splitlines() == [
        "warm-up: goes on after epoch 2 of 3, where an interrupted run left it.",
        "weak: goes on after epoch 4 of 6, where an interrupted run left it.",
        "weak: goes on after epoch 4 of 6, where an interrupted run left it.",
    ]
    assert project.kept == [], "snapshots are removed when the stage has ended"


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.tiny import tiny_params
from tests.training.test_snapshots import EPOCHS, OURS, train
from wsgcn.base.run import Run
from wsgcn.training.trainer import Average

steps = int(sys.argv[2])
update = Average.update
def update_and_die(self, step):
    update(self, step)
    if step == steps:
        os.kill(os.getpid(), signal.SIGKILL)
Average.update = update_and_die
folder = Path(sys.argv[1])
run = Run(snapshots=folder / "kept", snapshot_seconds=0)
train((Path(sys.argv[3]), Path(sys.argv[4])), folder / "killed", tiny_params(**EPOCHS, **OURS), run)
"""


@pytest.mark.parametrize(
    ("step", "where"), [(7, "warm-up: goes on after epoch 1"), (17, "weak: goes on after epoch 4")]
)
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    project: Project, step: int, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Step 7 is the last of its epoch, 17 in the midst of one."""
    params = tiny_params(**EPOCHS, **OURS)
    threads = torch.get_num_threads()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", KILLED, str(project.folder), str(step), *map(str, project.capture)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(project.kept) == 1
    os.environ["OMP_NUM_THREADS"], before = str(threads), os.environ.get("OMP_NUM_THREADS")
    try:
        project.run("killed", params)
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
    assert where in capsys.readouterr().out
    project.run("whole", params)
    assert project.made("killed") == project.made("whole")


def test_no_snapshot_is_taken_before_it_is_time(project: Project, broken_at: Callable[..., None]) -> None:
    broken_at(3)
    with pytest.raises(Break):
        project.run("broken", tiny_params(**EPOCHS), seconds=3600)
    assert project.kept == []


def test_without_a_folder_nothing_is_kept(project: Project) -> None:
    train(project.capture, project.folder / "out", tiny_params(**EPOCHS), Run(snapshot_seconds=0))
    assert {path.name for path in project.folder.iterdir()} == {"out"}


def test_the_run_that_goes_on_names_the_one_before_and_has_its_curves(
    project: Project, broken_at: Callable[..., None]
) -> None:
    params, first, second = tiny_params(**EPOCHS), RecordingTracker("first"), RecordingTracker("second")
    broken_at(3)
    with pytest.raises(Break):
        project.run("broken", params, first)
    project.run("broken", params, second)
    assert (first.tags, second.tags) == ({}, {"continues": "first"})
    assert [step for step, _ in second.metrics] == [1, 2, 3, 4, 5, 6]
    assert second.metrics[:2] == first.metrics


class TestADigestDependsOn:
    @pytest.fixture
    def of(self, tmp_path: Path) -> Callable[..., str]:
        (tmp_path / "poses.h5").write_bytes(b"poses")

        def of(stage: str = "warmup", content: bytes = b"poses", **changes: object) -> str:
            (tmp_path / "poses.h5").write_bytes(content)
            params = WarmupParams.of(tiny_params(**changes))
            return digest(stage, params, [tmp_path / "poses.h5"], torch.device("cpu"))

        return of

    def test_nothing_else(self, of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        before = of()
        monkeypatch.setenv("DVC_EXP_NAME", "another")
        monkeypatch.chdir("/")
        assert of(evaluate__batch=7) == before

    @pytest.mark.parametrize(
        "change", [{"stage": "weak"}, {"content": b"others"}, {"seed": 1}, {"training__learning_rate": 0.5}], ids=str
    )
    def test_stage_parameters_and_inputs(self, of: Callable[..., str], change: dict[str, object]) -> None:
        assert of(**change) != of()

    def test_the_code(self, of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        package = tmp_path / "wsgcn"
        for wing in snapshots.WINGS:
            (package / wing).mkdir(parents=True)
        monkeypatch.setattr(snapshots, "__file__", str(package / "training" / "snapshots.py"))
        before = of()
        (package / "pose" / "camera.py").write_text("SCALE = 2\n")
        assert of() != before

    def test_the_code_is_that_of_the_wings_that_the_stages_import(self) -> None:
        for stage in ("warmup", "weak"):
            assert {f"wsgcn/{wing}" for wing in snapshots.WINGS} == set(wings(f"stages.{stage}")) - {
                f"stages/{stage}.py"
            }

    def test_threads_variables_and_versions(self, of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        found = {of()}
        with monkeypatch.context() as patch:
            patch.setattr(torch, "get_num_threads", lambda: 77)
            found.add(of())
        for name, value in (("MKL_CBWR", "COMPATIBLE"), ("OPENBLAS_CORETYPE", "Prescott")):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                found.add(of())
        with monkeypatch.context() as patch:
            patch.setattr(snapshots.metadata, "version", lambda package: "0.0")
            found.add(of())
        with monkeypatch.context() as patch:
            patch.setattr(snapshots, "processor", lambda: "another")
            found.add(of())
        assert len(found) == 6


@pytest.mark.parametrize("change", [{"seed": 1}, {"training__gradient_clip": 0.5}], ids=str)
def test_a_snapshot_is_for_its_own_parameters_alone(
    project: Project, broken_at: Callable[..., None], change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_at(3)
    with pytest.raises(Break):
        project.run("broken", tiny_params(**EPOCHS))
    [kept] = project.kept
    other = tiny_params(**EPOCHS, **change)
    project.run("other", other)
    assert "goes on" not in capsys.readouterr().out
    assert project.kept == [kept], "it may still be wanted"


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK" + b[2:][::-1]])
def test_a_damaged_snapshot_is_said_and_training_begins_anew(
    project: Project,
    broken_at: Callable[..., None],
    damage: Callable[[bytes], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = tiny_params(**EPOCHS)
    broken_at(3)
    with pytest.raises(Break):
        project.run("broken", params)
    [kept] = (project.folder / "kept").iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    project.run("broken", params)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"warmup: begins anew, since the snapshot of an interrupted run is unusable ({kept}")
    project.run("whole", params)
    assert project.made("broken") == project.made("whole")
    assert project.kept == []


def test_a_full_disk_costs_a_line_and_not_the_training(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = Checkpoint.save

    def full(self: Checkpoint, path: Path) -> None:
        if self.unfinished is not None:
            raise InputError(f"{path}: could not be written (No space left on device).")
        save(self, path)

    monkeypatch.setattr(Checkpoint, "save", full)
    project.run("out", tiny_params(**EPOCHS))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "warmup: goes on without snapshots, and would begin anew",
        "weak: goes on without snapshots, and would begin anew",
    ]
    assert (project.folder / "out" / "weak.pt").exists()


def test_old_snapshots_and_half_written_ones_are_removed(project: Project) -> None:
    kept = project.folder / "kept"
    kept.mkdir()
    for name in ("warmup-old.pt", "warmup-new.pt", ".warmup-x-abcdefgh.part.pt"):
        (kept / name).write_bytes(b"")
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(kept / "warmup-old.pt", (month_ago, month_ago))
    project.run("out", tiny_params(**EPOCHS))
    assert project.kept == ["warmup-new.pt"]
