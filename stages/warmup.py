"""Stage warmup: train on the labelled subjects alone."""

from pathlib import Path

from wsgcn.base.run import Run
from wsgcn.training.params import WarmupParams as Params
from wsgcn.training.stages import warm_up

CHECKPOINT, CURVES = Path("models/warmup.pt"), Path("metrics/warmup.csv")


def main(params: Params, run: Run) -> None:
    warm_up(params, Path("data/poses.h5"), Path("data/detections.h5"), CHECKPOINT, CURVES, run)
    run.tracker.log_artifact(CHECKPOINT)
    run.tracker.log_artifact(CURVES)
