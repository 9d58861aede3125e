"""Stage demo: write the synthetic capture, in one of Human3.6M's own layouts."""

from pathlib import Path

from wsgcn.base.run import Run
from wsgcn.captures.params import DemoParams as Params
from wsgcn.captures.synthetic import write_capture
from wsgcn.pose.params import DEMO_RAW


def main(params: Params, run: Run) -> None:
    write_capture(Path(DEMO_RAW), params.demo.seconds, params.seed, run.bars)
