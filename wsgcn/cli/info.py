"""`wsgcn info`: what a checkpoint is."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EPILOG = """\
example:
  wsgcn info models/weak.pt
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "info",
        help="say what a checkpoint is",
        description="Print a checkpoint's network, joints, 2D source, epoch, parameters and hash.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint, such as models/weak.pt")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it.

    Raises:
        InputError: see `wsgcn.release.checkpoint_info.describe`.
    """
    from wsgcn.release.checkpoint_info import describe

    print(describe(arguments.checkpoint))
    return 0
