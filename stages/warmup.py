"""Stage warmup: train on the labelled subjects alone."""

from pathlib import Path

from wsgcn.base.trackers import Tracker
from wsgcn.running.params import Params
from wsgcn.running.stage import run_stage
from wsgcn.training.stages import warm_up

CHECKPOINT, CURVES = Path("models/warmup.pt"), Path("metrics/warmup.csv")


def main(params: Params, tracker: Tracker) -> None:
    warm_up(params, Path("data/poses.h5"), Path("data/detections.h5"), CHECKPOINT, CURVES, tracker)
    tracker.log_artifact(CHECKPOINT)
    tracker.log_artifact(CURVES)


if __name__ == "__main__":
    run_stage(main, "warmup")
