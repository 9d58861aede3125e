"""Stage demo: write the synthetic capture, in one of Human3.6M's own layouts."""

from pathlib import Path

from wsgcn.params import DEMO_RAW, Params
from wsgcn.stage import run_stage
from wsgcn.synthetic import write_capture
from wsgcn.trackers import Tracker


def main(params: Params, tracker: Tracker) -> None:
    write_capture(Path(DEMO_RAW), params.demo.seconds, params.seed)


if __name__ == "__main__":
    run_stage(main, "demo")
