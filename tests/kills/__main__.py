"""python -m tests.kills: kill each stage at random moments, see `make kills`."""

import argparse
import sys
import time

from tests.kills.runner import SIGNALS, run_kills, table
from wsgcn.running.stage import STAGES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="kills of each stage by each signal")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--stage", action="append", choices=STAGES, help="this one alone; may be repeated")
    parser.add_argument("--signal", action="append", choices=SIGNALS, help="this one alone; may be repeated")
    arguments = parser.parse_args()
    started = time.monotonic()
    results = run_kills(arguments.stage or STAGES, arguments.signal or SIGNALS, arguments.rounds, arguments.seed)
    print(table(results))
    failed = [result for result in results if result.problems]
    for result in failed:
        print(f"\n{result.case}: {'; '.join(result.problems)}")
    print(f"{len(results) - len(failed)} of {len(results)} survived, in {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
