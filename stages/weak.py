"""Stage weak: go on from the warm-up with the unlabelled subjects."""

from pathlib import Path

from wsgcn.base.run import Run
from wsgcn.training.params import WeakParams as Params
from wsgcn.training.stages import train_weakly

WARMUP = Path("models/warmup.pt")
CHECKPOINT, CURVES = Path("models/weak.pt"), Path("metrics/weak.csv")


def main(params: Params, run: Run) -> None:
    train_weakly(params, WARMUP, Path("data/poses.h5"), Path("data/detections.h5"), CHECKPOINT, CURVES, run)
    run.tracker.log_artifact(CHECKPOINT)
    run.tracker.log_artifact(CURVES)
