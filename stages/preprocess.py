"""Stage preprocess: Human3.6M in any layout to data/poses.h5."""

from pathlib import Path

from wsgcn.base.trackers import Tracker
from wsgcn.captures.preprocessing import preprocess
from wsgcn.running.params import Params
from wsgcn.running.stage import run_stage

REPORT = Path("metrics/preprocess.json")


def main(params: Params, tracker: Tracker) -> None:
    report = preprocess(params.data, Path("data/poses.h5"), REPORT)
    print(report.text())
    tracker.log_artifact(REPORT)


if __name__ == "__main__":
    run_stage(main, "preprocess")
