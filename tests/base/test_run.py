import subprocess
import sys
from pathlib import Path

from wsgcn.base.run import NullTracker, RecordingTracker, Tracker

ROOT = Path(__file__).resolve().parents[2]


def log_a_little(tracker: Tracker) -> None:
    tracker.log_params({"model.channels": 128})
    tracker.log_metrics({"loss": 2.0, "rate": 0.1}, step=1)
    tracker.log_metrics({"loss": 1.0}, step=2)
    tracker.log_metrics({"mpjpe_mm": 50.0})
    tracker.log_artifact("models/weak.pt")
    tracker.set_tags({"device": "cpu"})


def test_the_recording_tracker_keeps_everything_in_order() -> None:
    tracker = RecordingTracker()
    log_a_little(tracker)
    assert tracker.params == {"model.channels": 128}
    assert tracker.metrics == [(1, {"loss": 2.0, "rate": 0.1}), (2, {"loss": 1.0}), (None, {"mpjpe_mm": 50.0})]
    assert tracker.history("loss") == [2.0, 1.0]
    assert tracker.artifacts == [Path("models/weak.pt")]
    assert tracker.tags == {"device": "cpu"}


def test_the_recording_tracker_does_not_see_later_changes_of_what_it_was_given() -> None:
    tracker = RecordingTracker()
    row = {"loss": 2.0}
    tracker.log_metrics(row, step=1)
    row["loss"] = 1.0
    assert tracker.history("loss") == [2.0]


def test_the_null_tracker_takes_everything() -> None:
    log_a_little(NullTracker())


def test_neither_the_trackers_nor_the_stage_import_mlflow_or_torch() -> None:
    code = "import sys, wsgcn.base.run, wsgcn.running.stage; print({'mlflow', 'torch', 'pandas'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
