"""No output depends on who watches: tracker and bars get their words, and the files are the same bytes."""

from pathlib import Path

import pytest

from stages import evaluate, warmup, weak
from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.base.run import RecordingTracker, Run
from wsgcn.running.progress import TerminalBar

STAGES = (warmup, weak, evaluate)
OUTPUTS = {
    "data/predictions.h5",
    "metrics/actions.csv",
    "metrics/joints.csv",
    "metrics/protocol.json",
    "metrics/evaluation.json",
    "metrics/warmup.csv",
    "metrics/weak.csv",
    "models/MODEL_CARD.md",
    "models/warmup.pt",
    "models/weak.onnx",
    "models/weak.pt",
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_stages(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Training and evaluation on the tiny capture in a folder of its own; every file that they make."""
    (folder / "data").mkdir(parents=True)
    write_tiny_capture(folder / "data", frames=10)
    given = files_of(folder)
    monkeypatch.chdir(folder)
    for stage in STAGES:
        stage.main(stage.Params.of(tiny_params()), run)
    made = files_of(folder)
    assert {name: made.pop(name) for name in given} == given
    return made


def test_the_outputs_are_the_same_bytes_whether_a_run_is_watched_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unwatched = run_stages(tmp_path / "unwatched", Run(), monkeypatch)
    assert capsys.readouterr().err == ""
    tracker = RecordingTracker()
    watched = run_stages(tmp_path / "watched", Run(tracker, TerminalBar), monkeypatch)

    assert set(unwatched) == OUTPUTS
    assert [name for name in OUTPUTS if watched[name] != unwatched[name]] == []
    assert set(watched) == OUTPUTS

    shown = capsys.readouterr().err
    assert all(f"{label}: " in shown for label in ("warm-up", "weak", "evaluate"))
    assert len(tracker.history("total")) == 2
    assert len(tracker.history("mpjpe_mm.action_mean")) == 1
    made = {str(path) for path in (*tracker.artifacts, *tracker.models)}
    assert made == OUTPUTS - {"data/predictions.h5"}
