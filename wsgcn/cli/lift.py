"""`wsgcn lift`: keypoints of one's own people to 3D."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgcn.lifting.lifter import Lifter, Options

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

# As in wsgcn.lifting.keypoints and wsgcn.lifting.writers, which are not imported for a help text; a test compares them.
FORMATS = (
    *("coco_annotations", "coco_results", "alphapose", "mmpose", "openpose", "blazepose", "videopose3d", "arrays"),
    "detections",
)
JOINT_ORDERS = (
    *("h36m17", "h36m16", "coco", "coco_18", "body_25", "body_25b", "halpe_26", "halpe_136", "blazepose_33", "mpii"),
    "stacked_hourglass",
)

_EPILOG = """\
examples:
  wsgcn lift alphapose-results.json --size 1920x1080 -o out.npz
  wsgcn lift openpose_json/ --size 1280x720 --list
  wsgcn lift openpose_json/ --size 1280x720 --person 1 --smooth 9 --fps 30 -o out.bvh
  wsgcn lift keypoints.npy --joints coco --size 1080x1920 --intrinsics 65deg -o out.json
  wsgcn lift huge.parquet -o huge_3d.parquet
  wsgcn lift folder_of_parquet/ --ray -o folder_of_3d/

KEYPOINTS is a file or a folder: COCO results or annotations, AlphaPose, OpenPose (a folder), MMPose 1.x, BlazePose,
VideoPose3D's npz, npz or npy arrays, detections.h5. Parquet, and detections.h5 without --person, are lifted in batches
with everybody in them, into Parquet or HDF5. Without --intrinsics a pose is relative to its hip.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "lift",
        help="lift the 2D keypoints of your own people to 3D",
        description="Lift the 2D keypoints of a person in a video to 3D.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("keypoints", type=Path, metavar="KEYPOINTS", help="file or folder with 2D keypoints")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write it, .npz, .json, .csv, .h5 or .bvh"
    )
    parser.add_argument("--size", type=_size, metavar="WxH", help="of the picture in pixels, such as 1920x1080")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="the trained network (default: the general lifter that comes with wsgcn)",
    )
    what = parser.add_argument_group("what is in the file")
    what.add_argument(
        "--format",
        choices=FORMATS,
        metavar="NAME",
        help=f"of the file (default: seen from its content): {', '.join(FORMATS)}",
    )
    what.add_argument(
        "--joints",
        choices=JOINT_ORDERS,
        metavar="NAME",
        help=f"the joint order, where the format does not tell it: {', '.join(JOINT_ORDERS)}",
    )
    what.add_argument(
        "--person", metavar="ID", help="whom to lift: a track, or without tracks 1 for the highest score in each frame"
    )
    what.add_argument("--list", action="store_true", help="list the people in the file and stop")
    what.add_argument("--fps", type=float, metavar="N", help="frames a second, noted in the output; BVH needs it")
    what.add_argument(
        "--intrinsics",
        metavar="K",
        help="of the camera: a file with the 3x3 matrix, a focal length (1145px), or a horizontal field of view "
        "(65deg); gives the root's place",
    )
    holes = parser.add_argument_group("holes and noise")
    holes.add_argument(
        "--max-gap",
        type=int,
        default=10,
        metavar="N",
        help="interpolate missing joints over at most N frames (default: 10); longer holes stay missing",
    )
    holes.add_argument(
        "--min-score", type=float, default=0.0, metavar="S", help="joints with this score or less are missing (0)"
    )
    holes.add_argument(
        "--smooth", type=int, default=0, metavar="N", help="smooth over N frames, odd (Savitzky-Golay; default: not)"
    )
    holes.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored keypoints")
    parser.add_argument("--ray", action="store_true", help="lift a folder of Parquet or HDF5 files as a Ray Data job")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the people, or lift.

    Raises:
        InputError: see `wsgcn.lifting.lifter.Lifter.lift`.
    """
    from wsgcn.base.errors import InputError

    if arguments.list:
        return _list(arguments)
    if arguments.output is None:
        raise InputError("-o: is missing; give the file to write, such as -o out.npz.")
    if arguments.ray:
        return _lift_folder(arguments)
    if _is_for_batches(arguments):
        return _lift_batches(arguments)
    return _lift_clip(arguments)


def _lift_clip(arguments: argparse.Namespace) -> int:
    from wsgcn.lifting.keypoints.formats import open_keypoints
    from wsgcn.lifting.writers.formats import check_suffix, write_lifted

    check_suffix(arguments.output)
    file = open_keypoints(arguments.keypoints, arguments.format, arguments.joints)
    lifted = _lifter(arguments).lift(
        file,
        arguments.size,
        person=arguments.person,
        intrinsics=arguments.intrinsics,
        fps=arguments.fps,
        options=_options(arguments),
    )
    write_lifted(lifted, arguments.output)
    print(f"{arguments.output}: {lifted.summary()}")
    if file.order.bias:
        print(f"From {file.order.name} joints: {file.order.bias}.", file=sys.stderr)
    return 0


def _is_for_batches(arguments: argparse.Namespace) -> bool:
    """Parquet always; detections.h5 where no person is named and the output can hold them all."""
    from wsgcn.lifting.keypoints.formats import HDF5, PARQUET, signature

    if arguments.keypoints.is_dir():
        return False
    magic = signature(arguments.keypoints)
    if magic == HDF5:
        return arguments.person is None and arguments.output.suffix.lower() in (".h5", ".parquet")
    return magic.startswith(PARQUET)


def _lift_batches(arguments: argparse.Namespace) -> int:
    from wsgcn.lifting.batch_lifting import lift_file

    summary = lift_file(
        _lifter(arguments),
        arguments.keypoints,
        arguments.output,
        arguments.size,
        joints=arguments.joints,
        intrinsics=arguments.intrinsics,
        fps=arguments.fps,
        options=_options(arguments),
    )
    print(f"{arguments.output}: {summary}")
    return 0


def _lift_folder(arguments: argparse.Namespace) -> int:
    from wsgcn.lifting.lifter import DEFAULT_CHECKPOINT
    from wsgcn.lifting.ray_lifting import Settings, lift_folder

    settings = Settings(
        checkpoint=(arguments.checkpoint or DEFAULT_CHECKPOINT).absolute(),
        size=arguments.size,
        joints=arguments.joints,
        intrinsics=arguments.intrinsics,
        fps=arguments.fps,
        options=_options(arguments),
    )
    for name, summary in lift_folder(arguments.keypoints, arguments.output, settings).items():
        print(f"{name}: {summary}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from wsgcn.lifting.keypoints.formats import open_keypoints

    file = open_keypoints(arguments.keypoints, arguments.format, arguments.joints)
    print(f"{file.origin}: {file.format}, joints {file.order.name}, {len(file.people)} people")
    for person in file.people:
        print(f"  {person}")
    return 0


def _lifter(arguments: argparse.Namespace) -> "Lifter":
    from wsgcn.lifting.lifter import DEFAULT_CHECKPOINT, Lifter

    return Lifter.load(arguments.checkpoint or DEFAULT_CHECKPOINT)


def _options(arguments: argparse.Namespace) -> "Options":
    from wsgcn.lifting.lifter import Options

    return Options(
        max_gap=arguments.max_gap, min_score=arguments.min_score, smooth=arguments.smooth, flip=arguments.flip
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)[xX×]([1-9]\d*)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1920x1080")
    return int(found[1]), int(found[2])
