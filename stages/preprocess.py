"""Stage preprocess: Human3.6M in any layout to data/poses.h5."""

from pathlib import Path

from wsgcn.params import Params
from wsgcn.preprocessing import preprocess
from wsgcn.stage import run_stage
from wsgcn.trackers import Tracker

REPORT = Path("metrics/preprocess.json")


def main(params: Params, tracker: Tracker) -> None:
    report = preprocess(params.data, Path("data/poses.h5"), REPORT)
    print(report.text())
    tracker.log_artifact(REPORT)


if __name__ == "__main__":
    run_stage(main, "preprocess")
