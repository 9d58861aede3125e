"""Stage preprocess: a motion capture in any layout to data/poses.h5."""

from pathlib import Path

from wsgcn.base.run import Run
from wsgcn.captures.params import PreprocessParams as Params
from wsgcn.captures.preprocessing import preprocess

REPORT = Path("metrics/preprocess.json")


def main(params: Params, run: Run) -> None:
    report = preprocess(params.data, Path("data/poses.h5"), REPORT, run.bars)
    print(report.text())
    run.tracker.log_artifact(REPORT)
