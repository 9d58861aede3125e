"""`wsgcn detector`: the networks that find people in videos."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EPILOG = """\
examples:
  wsgcn detector install
  wsgcn detector install --models ~/blazepose
  wsgcn detector install --wheel mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl

The networks are BlazePose's, by Google (Apache-2.0). pip fetches the wheel of mediapipe 0.10.21, 36 MB, without what it
depends on; two files of it are kept, 9 MB, and their SHA-256 is checked. Nothing of it is installed or run.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "detector",
        help="install the networks that find people in videos",
        description="Install BlazePose's two networks, which `wsgcn lift clip.mp4` needs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("install",), help="what to do")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where to keep them (default: the user's cache)")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="mediapipe's wheel, if it is there already")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fetch the files and say where they are.

    Raises:
        InputError: see `wsgcn.video.models.install`.
    """
    from wsgcn.video.models import install

    print(f"{install(arguments.models, arguments.wheel)}: BlazePose's detector and landmark networks")
    return 0
