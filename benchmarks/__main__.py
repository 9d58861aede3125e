"""Run the benchmarks: python -m benchmarks [NAME ...], or `make bench` for all of them."""

import argparse
import datetime
import math
import sys
import traceback
from collections.abc import Sequence

from benchmarks.page import MEASURED, PAGE, Run, keep, kept, rewrite, side_by_side
from benchmarks.processes import in_fresh_process, measure
from benchmarks.report import Measurement, Row, describe_machine, processor, row_of, table

# In this order; each is a module with `measure() -> list[Measurement]`.
USUAL = (
    "products",
    "training",
    "recipe",
    "over_time",
    "data",
    "preprocessing",
    "evaluation",
    "startup",
    "parallel",
    "neighbours",
    "cuda",
)
ON_DEMAND = ("precision",)  # runs long


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the speed of the pipeline. On a machine that does nothing else it takes a while.",
        epilog=f"Without names all of {', '.join(USUAL)} run, and {PAGE.parent.name}/{PAGE.name} gets what they found "
        "as this processor's column.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(USUAL)} or {', '.join(ON_DEMAND)} (default: the usual)"
    )
    names = tuple(parser.parse_args(arguments).names)
    for name in names:
        if name not in USUAL + ON_DEMAND:
            parser.error(f"{name!r} is no benchmark; they are {', '.join(USUAL + ON_DEMAND)}.")
    rows: list[Row] = []
    failed = False
    for name in names or USUAL:
        print(f"benchmark {name} ...", file=sys.stderr, flush=True)
        try:
            rows += [row_of(name, measurement) for measurement in in_fresh_process(measure, name)]
        except Exception as error:  # of any kind: the others' rows are worth having
            traceback.print_exception(error)
            failed = True
            rows.append(row_of(name, Measurement("failed", math.nan, "", note=" ".join(f"{error!r}".split()))))
    run = Run(processor(), in_fresh_process(describe_machine), datetime.date.today().isoformat(), "", rows)
    print(f"{run.processor}: {run.machine}\n\n{table(rows)}")
    if not names:
        keep(run, MEASURED)
        rewrite(PAGE, side_by_side(kept(MEASURED)))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
