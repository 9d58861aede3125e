"""`wsgcn export`: a checkpoint as an ONNX file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EPILOG = """\
example:
  wsgcn export models/weak.pt -o pose.onnx

inputs and output of the file, float32, B >= 1 poses at a time:
  keypoints_px (B, J, 2)  pixels, in the order of the metadata's `joints`
  size_px      (B, 2)     width and height of the picture; (1, 2) if all are from one
  pose_m       (B, J, 3)  metres, camera axes (x right, y down, z forward), relative to the hip
of a network over time, B >= 1 windows or whole sequences at a time, T >= its frames:
  keypoints_px (B, T, J, 2), and pose_m (B, T - context, J, 3); the metadata's frames_before and frames_after are the
  context, for which the ends of a clip are repeated

in Python:
  session = onnxruntime.InferenceSession("pose.onnx")
  [pose_m] = session.run(None, {"keypoints_px": keypoints_px, "size_px": size_px})
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="write a checkpoint as an ONNX file",
        description="Write a checkpoint as an ONNX file that runs without this project: pixels in, metres out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint, such as models/weak.pt")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write it (default: CHECKPOINT with the suffix .onnx)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export and say what was written.

    Raises:
        InputError: see `wsgcn.release.export.export_onnx`.
    """
    from wsgcn.release.export import export_onnx

    export = export_onnx(arguments.checkpoint, arguments.output or arguments.checkpoint.with_suffix(".onnx"))
    size_mb = export.path.stat().st_size / 1e6
    print(f"{export.path}: {size_mb:.1f} MB, differs from torch by at most {export.deviation_m * 1000:.1g} mm")
    return 0
