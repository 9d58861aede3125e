"""Stage demo: write the synthetic capture, in one of Human3.6M's own layouts."""

from pathlib import Path

from wsgcn.base.trackers import Tracker
from wsgcn.captures.synthetic import write_capture
from wsgcn.running.params import DEMO_RAW, Params
from wsgcn.running.stage import run_stage


def main(params: Params, tracker: Tracker) -> None:
    write_capture(Path(DEMO_RAW), params.demo.seconds, params.seed)


if __name__ == "__main__":
    run_stage(main, "demo")
