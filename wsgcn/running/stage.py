"""What `python -m stages NAME` does around a stage's work: parameters, tracker, and one sentence for bad input."""

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

from wsgcn.base.errors import InputError
from wsgcn.base.files import remove_abandoned
from wsgcn.base.foreign import shown
from wsgcn.base.run import NullTracker, Run
from wsgcn.running.params import read_params
from wsgcn.running.progress import TerminalBar
from wsgcn.running.provenance import outputs, resume_folder
from wsgcn.running.tracking import open_tracker

STAGES = ("demo", "preprocess", "detections", "warmup", "weak", "evaluate", "visualize")


class _Terminated(BaseException):
    """SIGTERM, which schedulers and `docker stop` send, on its way up through what has to be tidied."""


def stage_module(stage: str) -> Any:
    """The module of a stage: `Params`, what it reads of params.yaml, and `main(params, run)`, its work."""
    return import_module(f"stages.{stage}")


def run_stage(stage: str, tracked: bool = True) -> None:
    """Read params.yaml, open the stage's run, and call the stage with its own part of the parameters.

    Bad input ends the process with status 1 and "<stage>: <sentence>" on stderr (WSGCN_DEBUG=1 shows the traceback),
    an interruption with status 130, SIGTERM with 143; anything else is our own slip, and its traceback is wanted.

    What a killed run of the stage left half-written beside its outputs is removed. A training that was broken off is
    gone on with, see `wsgcn.training.snapshots`; WSGCN_SNAPSHOT_SECONDS is the least time between two snapshots.

    Args:
        stage: its name in dvc.yaml.
        tracked: whether the stage has a run of its own, and goes on with a broken-off one.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        params = read_params()
        module = stage_module(stage)
        own = module.Params.of(params)
        for output in outputs(stage, params):
            remove_abandoned(output.parent, [output.name])
            if output.is_dir():
                remove_abandoned(output)
        if tracked:
            seconds = _snapshot_seconds()
            with open_tracker(stage, params) as tracker:
                module.main(own, Run(tracker, TerminalBar, resume_folder(), seconds))
        else:
            module.main(own, Run(NullTracker(), TerminalBar))
    except InputError as error:
        if os.environ.get("WSGCN_DEBUG") == "1":
            raise
        sys.exit(f"{stage}: {error}")
    except KeyboardInterrupt:
        print(f"{stage}: interrupted.", file=sys.stderr)
        sys.exit(130)
    except _Terminated:
        print(f"{stage}: terminated.", file=sys.stderr)
        sys.exit(143)


def _snapshot_seconds() -> float:
    given = os.environ.get("WSGCN_SNAPSHOT_SECONDS", "")
    try:
        return float(given or Run.snapshot_seconds)
    except ValueError:
        raise InputError(f"WSGCN_SNAPSHOT_SECONDS: is {shown(given)}, expected a number of seconds.") from None


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one is not to break off the tidying
    raise _Terminated
