"""Stage weak: go on from the warm-up with the unlabelled subjects."""

from pathlib import Path

from wsgcn.base.trackers import Tracker
from wsgcn.running.params import Params
from wsgcn.running.stage import run_stage
from wsgcn.training.stages import train_weakly

CHECKPOINT, CURVES = Path("models/weak.pt"), Path("metrics/weak.csv")


def main(params: Params, tracker: Tracker) -> None:
    warmup = Path("models/warmup.pt")
    train_weakly(params, warmup, Path("data/poses.h5"), Path("data/detections.h5"), CHECKPOINT, CURVES, tracker)
    tracker.log_artifact(CHECKPOINT)
    tracker.log_artifact(CURVES)


if __name__ == "__main__":
    run_stage(main, "weak")
