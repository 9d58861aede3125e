"""The command `wsgcn`: one module a subcommand, each with `add_parser`, whose `run` gives the exit status.

Heavy imports stand inside `run`, so that help and completion answer at once.
"""

import sys

try:
    import argparse
    import io
    import os
    import traceback
    from collections.abc import Sequence
    from pathlib import Path

    from wsgcn.base.errors import InputError
    from wsgcn.cli import detector, export, info, lift, render, view
except KeyboardInterrupt:
    sys.exit(130)

_EPILOG = """\
examples:
  wsgcn lift alphapose-results.json --size 1920x1080 -o out.npz
  wsgcn lift clip.mp4 -o out.html
  wsgcn view out.npz -o out.html
  wsgcn info models/weak.pt

`wsgcn COMMAND --help` shows the options and examples of a subcommand.
For tab completion in bash: eval "$(wsgcn --print-completion bash)"
"""

_SUBCOMMANDS = (lift, info, render, view, export, detector)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 all is well, 1 bad input, 2 wrong usage.

    Args:
        argv: without the program's name; None takes the process's own.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path or a name may be none in its encoding; stderr does so already
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        parser = build_parser()
        try:
            arguments = parser.parse_args(argv)
            status = arguments.run(arguments)
        except SystemExit as stop:  # of argparse: help is status 0, wrong usage 2
            status = int(stop.code or 0)
        sys.stdout.flush()
        return status
    except InputError as error:
        if arguments.debug:
            traceback.print_exc()
        else:
            print(f"wsgcn {arguments.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output, such as head, has enough; nothing more is to be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("wsgcn: interrupted.", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    import shtab

    parser = argparse.ArgumentParser(
        prog="wsgcn",
        description="3D human pose from the 2D joints of one frame.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    debug = "show the traceback of an error"
    parser.add_argument("--debug", action="store_true", help=debug)
    shtab.add_argument_to(parser, ["--print-completion"], help="print a script for tab completion in this shell")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for subcommand in _SUBCOMMANDS:
        subcommand.add_parser(subparsers)
    for subparser in subparsers.choices.values():
        # Also behind the subcommand, where one adds it after an error.
        subparser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=debug)
        for action in subparser._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser
