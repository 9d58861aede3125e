"""Stage evaluate: errors on the test subjects."""

from pathlib import Path

from wsgcn.evaluation import EvaluationPaths, evaluate
from wsgcn.params import Params
from wsgcn.stage import run_stage
from wsgcn.trackers import Tracker

PATHS = EvaluationPaths(
    checkpoint=Path("models/weak.pt"),
    poses=Path("data/poses.h5"),
    detections=Path("data/detections.h5"),
    predictions=Path("data/predictions.h5"),
    report=Path("metrics/evaluation.json"),
    actions=Path("metrics/actions.csv"),
)


def main(params: Params, tracker: Tracker) -> None:
    evaluate(params, PATHS, tracker)
    tracker.log_artifact(PATHS.report)
    tracker.log_artifact(PATHS.actions)


if __name__ == "__main__":
    run_stage(main, "evaluate")
