"""Stage visualize: clips and figures of the run."""

from pathlib import Path

from wsgcn.base.trackers import Tracker
from wsgcn.rendering.pictures import PicturePaths, make_pictures
from wsgcn.running.params import Params
from wsgcn.running.stage import run_stage

PATHS = PicturePaths(
    predictions=Path("data/predictions.h5"),
    detections=Path("data/detections.h5"),
    warmup=Path("metrics/warmup.csv"),
    weak=Path("metrics/weak.csv"),
    report=Path("metrics/evaluation.json"),
    folder=Path("pictures"),
)


def main(params: Params, tracker: Tracker) -> None:
    clips = params.visualize
    make_pictures(PATHS, seconds=clips.seconds, fps=clips.fps, serial=clips.serial)
    tracker.log_artifact(PATHS.folder)


if __name__ == "__main__":
    run_stage(main, "visualize")
