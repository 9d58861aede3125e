"""Stage detections: 2D joints from any source to data/detections.h5."""

from pathlib import Path

from wsgcn.base.trackers import Tracker
from wsgcn.detections.importing import import_detections
from wsgcn.running.params import Params
from wsgcn.running.stage import run_stage

REPORT = Path("metrics/detections.json")


def main(params: Params, tracker: Tracker) -> None:
    report = import_detections(params.detections, Path("data/poses.h5"), Path("data/detections.h5"), REPORT)
    print(report.text())
    tracker.log_artifact(REPORT)


if __name__ == "__main__":
    run_stage(main, "detections")
