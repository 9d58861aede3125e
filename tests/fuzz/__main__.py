"""python -m tests.fuzz: damaged files for every reader, see `make fuzz`."""

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.runner import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=340, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="number of the first case; the others follow it")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="targets that begin like this")
    parser.add_argument("--case", metavar="TARGET:NUMBER", help="this case alone, with all that is known about it")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="where the files of failing cases go")
    parser.add_argument("--workers", type=int, help="child processes at a time; as many as there are cores by default")
    arguments = parser.parse_args()
    started = time.monotonic()
    if arguments.case:
        name, _, number = arguments.case.rpartition(":")
        report = run([name], 1, int(number), save=arguments.save, workers=1)
        print("\n".join(str(result) for result in report.results if result.target == name))
        return 1 if report.failures else 0
    report = run(arguments.only, arguments.cases, arguments.seed, save=arguments.save, workers=arguments.workers)
    if not report.results:
        parser.error(f"no target is called {' or '.join(arguments.only)}; they stand in tests/fuzz/targets.py")
    print(report.table())
    if report.failures:
        print(f"\n{report.distinct()}\n\nOne case again: python -m tests.fuzz --case TARGET:NUMBER --save FOLDER")
    print(f"{len(report.results)} cases in {time.monotonic() - started:.0f} s")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
