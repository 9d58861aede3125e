"""Stage visualize: clips and figures of the run."""

from pathlib import Path

from wsgcn.base.run import Run
from wsgcn.rendering.params import VisualizeParams as Params
from wsgcn.rendering.pictures import PicturePaths, make_pictures

PATHS = PicturePaths(
    predictions=Path("data/predictions.h5"),
    detections=Path("data/detections.h5"),
    warmup=Path("metrics/warmup.csv"),
    weak=Path("metrics/weak.csv"),
    protocol=Path("metrics/protocol.json"),
    folder=Path("pictures"),
)


def main(params: Params, run: Run) -> None:
    clips = params.visualize
    make_pictures(PATHS, seconds=clips.seconds, fps=clips.fps, serial=clips.serial, bars=run.bars)
    run.tracker.log_artifact(PATHS.folder)
