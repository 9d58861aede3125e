"""`wsgcn render`: poses as a GIF or a video."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EPILOG = """\
examples:
  wsgcn render data/predictions.h5 --subject S11 --take Walking --serial 54138969 -o walking.gif
  wsgcn render data/predictions.h5 --subject S11 --take Walking --start 2 --seconds 6 --fps 50 -o walking.mp4
  wsgcn render lifted.npz -o me.gif
  wsgcn render one/predictions.h5 --beside another/predictions.h5 -o both.gif

2D input, predictions and truth stand side by side, as far as they are known; MP4 needs ffmpeg on PATH.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "render",
        help="write poses as a GIF or a video",
        description="Write predictions, or the output of `wsgcn lift`, as a GIF or an MP4.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("poses", type=Path, metavar="POSES", help="predictions.h5, or .npz or .h5 of `wsgcn lift`")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", required=True, help="where to write it, .gif or .mp4"
    )
    parser.add_argument(
        "--beside",
        type=Path,
        action="append",
        default=[],
        metavar="POSES",
        help="another file of the same frames, to be shown beside it; may be given several times",
    )
    parser.add_argument("--subject", help="of predictions.h5: such as S11 (default: the first)")
    parser.add_argument("--take", help="of predictions.h5: such as 'Walking 1' (default: the subject's first)")
    parser.add_argument("--serial", help="of predictions.h5: the camera (default: the take's first)")
    parser.add_argument(
        "--detections",
        type=Path,
        metavar="FILE",
        help="the 2D input and cameras of predictions.h5 (default: detections.h5 beside it, if there is one)",
    )
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="seconds left out at the start (default: 0)"
    )
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="length at most (default: 4)")
    parser.add_argument("--fps", type=float, default=25.0, metavar="N", help="frames a second (default: 25)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the clip and say how long it is.

    Raises:
        InputError: the file is missing, is not one of poses, or has not what was asked for; see `write_clip`.
    """
    from wsgcn.base.errors import InputError
    from wsgcn.rendering.animation import write_clip
    from wsgcn.rendering.sources import read_sequences

    paths = [arguments.poses, *arguments.beside]
    sequences = []
    for path in paths:
        found = read_sequences(path, arguments.detections, arguments.subject, arguments.take, arguments.serial)
        sequence = next(found, None)
        if sequence is None:
            raise InputError(f"{path}: holds no poses; there is nothing to render.")
        sequences.append(sequence)
    sequence, *others = sequences
    if others:
        sequence = sequence.beside(others, _short_names(paths))
    frames = write_clip(
        arguments.output, sequence, seconds=arguments.seconds, fps=arguments.fps, start_s=arguments.start
    )
    size_mb = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {sequence.title}, {frames / arguments.fps:.1f} s, {size_mb:.1f} MB")
    return 0


def _short_names(paths: Sequence[Path]) -> list[str]:
    """The parts of paths by which they differ, without the ends that all of them share."""
    parts = [path.absolute().with_suffix("").parts for path in paths]
    while len({each[-1] for each in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [each[:-1] for each in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-count:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {path.name}" for number, path in enumerate(paths, 1)]
