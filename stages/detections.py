"""Stage detections: 2D joints from any source to data/detections.h5."""

from pathlib import Path

from wsgcn.base.run import Run
from wsgcn.detections.importing import import_detections
from wsgcn.detections.params import DetectionsParams as Params

REPORT = Path("metrics/detections.json")


def main(params: Params, run: Run) -> None:
    report = import_detections(params.detections, Path("data/poses.h5"), Path("data/detections.h5"), REPORT, run.bars)
    print(report.text())
    run.tracker.log_artifact(REPORT)
