"""`wsgcn view`: poses as a web page."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EPILOG = """\
examples:
  wsgcn view lifted.npz -o page.html
  wsgcn view lifted.npz --video clip.mp4 -o page.html
  wsgcn view data/predictions.h5 -o page.html
  wsgcn view data/predictions.h5 --subject S11 --take Walking --serial 54138969 -o page.html

The page is one file that needs no network: play, scrub and turn the poses, the 2D input beside them, joint angles
below; prediction over truth where there is one, and the error of each joint over time. 20,000 frames, the most unless
--max-frames says otherwise, are about 5 MB. --video puts small pictures behind the 2D input, at most 400, about 5 MB;
it needs the extra video (pip install 'wsgcn[video]'). Frame 0 of the keypoints is the video's first.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "view",
        help="write poses as a web page that plays them",
        description="Write predictions, or the output of `wsgcn lift`, as one HTML file that plays them in a browser.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("poses", type=Path, metavar="POSES", help="predictions.h5, or .npz or .h5 of `wsgcn lift`")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="where to write it, .html")
    parser.add_argument("--subject", help="of predictions.h5: this subject alone, such as S11")
    parser.add_argument("--take", help="of predictions.h5: this take alone, such as 'Walking 1'")
    parser.add_argument("--serial", help="of predictions.h5: this camera (default: the first of each take)")
    parser.add_argument(
        "--detections",
        type=Path,
        metavar="FILE",
        help="the cameras that predictions.h5 was made with (default: detections.h5 beside it, if there is one)",
    )
    parser.add_argument(
        "--video",
        type=Path,
        metavar="FILE",
        help="of `wsgcn lift`'s output: the video that the keypoints were found in",
    )
    parser.add_argument(
        "--max-frames", type=int, default=20_000, metavar="N", help="stop after so many frames (default: 20000)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page and say what it shows.

    Raises:
        InputError: the file is missing, is not one of poses, or has not what was asked for.
    """
    from wsgcn.base.errors import InputError
    from wsgcn.rendering.sources import read_sequences
    from wsgcn.rendering.video_strip import note_on_pixels
    from wsgcn.rendering.viewer import within, write_viewer

    if arguments.output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{arguments.output}: has the suffix '{arguments.output.suffix}'; expected .html.")
    if arguments.max_frames < 1:
        raise InputError(f"--max-frames: is {arguments.max_frames}, but must be at least 1.")
    sequences = read_sequences(
        arguments.poses, arguments.detections, arguments.subject, arguments.take, arguments.serial
    )
    shown = list(within(sequences, arguments.max_frames))
    note = None if arguments.video is None else note_on_pixels(arguments.video, shown)
    about = "" if note is None else f"{note}."
    frames = write_viewer(arguments.output, shown, title=arguments.poses.name, about=about, video=arguments.video)
    if note is not None:
        print(f"Warning: {note}.", file=sys.stderr)
    size_mb = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {frames} frames of {len(shown)} sequences, {size_mb:.1f} MB")
    if frames == arguments.max_frames:
        print(f"That is all that --max-frames {frames} allows; what follows in {arguments.poses} is left out.")
    return 0
