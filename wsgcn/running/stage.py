"""What `python -m stages.<stage>` does around its work: parameters, the tracker, and one sentence for bad input."""

import os
import sys
from collections.abc import Callable

from wsgcn.base.errors import InputError
from wsgcn.base.trackers import NullTracker, Tracker
from wsgcn.running.params import Params, read_params
from wsgcn.running.tracking import open_tracker


def run_stage(main: Callable[[Params, Tracker], None], stage: str, tracked: bool = True) -> None:
    """Read params.yaml, open the stage's run and call `main` with both.

    Bad input ends the process with status 1 and "<stage>: <sentence>" on stderr (WSGCN_DEBUG=1 shows the traceback),
    an interruption with status 130; anything else is our own slip, and its traceback is wanted.

    Args:
        main: the stage's work.
        stage: its name in dvc.yaml.
        tracked: whether the stage has a run of its own.
    """
    try:
        params = read_params()
        if tracked:
            with open_tracker(stage, params) as tracker:
                main(params, tracker)
        else:
            main(params, NullTracker())
    except InputError as error:
        if os.environ.get("WSGCN_DEBUG") == "1":
            raise
        sys.exit(f"{stage}: {error}")
    except KeyboardInterrupt:
        print(f"{stage}: interrupted.", file=sys.stderr)
        sys.exit(130)
