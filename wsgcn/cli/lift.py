"""`wsgcn lift`: one's own people, as a video or as keypoints, to 3D."""

import argparse
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgcn.lifting.batch_lifting import Summary
    from wsgcn.lifting.keypoints.base import KeypointFile
    from wsgcn.lifting.lifted import Lifted
    from wsgcn.lifting.lifter import Lifter, Options
    from wsgcn.model.checkpoint import Checkpoint

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

# As in wsgcn.lifting.keypoints and wsgcn.lifting.writers, which are not imported for a help text; a test compares them.
FORMATS = (
    *("coco_annotations", "coco_results", "alphapose", "tracked_people", "mmpose", "openpose", "ultralytics"),
    *("ultralytics_labels", "easy_vitpose", "skeleton_sequence", "blazepose", "json", "videopose3d", "detectron"),
    *("arrays", "detections"),
)
JOINT_ORDERS = (
    *("h36m17", "h36m16", "coco", "coco_18", "body_25", "body_25b", "halpe_26", "halpe_136"),
    *("coco_wholebody", "blazepose_33", "mpii", "stacked_hourglass"),
)

_PAGES = (".html", ".htm")
_FILMS = re.compile(r"\b(video|animated)\b")  # of the kinds in wsgcn.base.signatures

_EPILOG = """\
examples:
  wsgcn lift clip.mp4 -o clip.html
  wsgcn lift clip.mp4 --keypoints-out clip.json -o clip.npz
  wsgcn lift alphapose-results.json --size 1920x1080 -o out.npz
  wsgcn lift openpose_json/ --size 1280x720 --list
  wsgcn lift openpose_json/ --size 1280x720 --person 1 --smooth 9 --fps 30 -o out.bvh
  wsgcn lift yolo_labels/ --size 1080x1920 -o out.npz
  wsgcn lift mine.json --joints coco --unit share --size 1080x1920 -o out.npz
  wsgcn lift keypoints.npy --joints coco --size 1080x1920 --intrinsics 65deg -o out.json
  wsgcn lift huge.parquet -o huge_3d.parquet
  wsgcn lift folder_of_parquet/ --ray -o folder_of_3d/

INPUT is a video (MP4, MOV, WebM, ...) or an animated GIF, in which BlazePose finds people and follows them; `wsgcn
detector install` fetches its networks. Or it is a file or a folder with keypoints: COCO results or annotations,
AlphaPose, tracked people by frame, OpenPose (a folder), Ultralytics' JSON or label files, MMPose 1.x, MediaPipe,
easy_ViTPose, skeleton sequences of GAST-Net and Kinetics, VideoPose3D's npz and Detectron's of its first step, npz or
npy arrays, detections.h5; with --joints any JSON. Parquet, and detections.h5 without --person, are lifted in batches
with everybody in them, into Parquet or HDF5. Without --intrinsics a pose is relative to its hip.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "lift",
        help="lift a video or the 2D keypoints of your own people to 3D",
        description="Lift a person in a video, or their 2D keypoints, to 3D.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("keypoints", type=Path, metavar="INPUT", help="video, or file or folder with 2D keypoints")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write it, .npz, .json, .csv, .h5, .bvh or .html"
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
        "--unit",
        choices=("px", "share"),
        help="of the values: pixels, or shares of the picture's width and height (default: seen from the format or the "
        "values)",
    )
    what.add_argument(
        "--pixel-aspect",
        type=_aspect,
        metavar="W:H",
        help="width over height of a pixel, such as 16:15, of keypoints found in a video with wide or narrow pixels "
        "that was not stretched first (default: 1:1)",
    )
    what.add_argument(
        "--person",
        metavar="ID",
        help="whom to lift: a track, or without tracks 1 for whom the file shows longest; see --list (default in a "
        "video: who is seen longest)",
    )
    what.add_argument("--list", action="store_true", help="list the people in the file and stop")
    what.add_argument("--fps", type=float, metavar="N", help="frames a second, noted in the output; BVH needs it")
    what.add_argument(
        "--intrinsics",
        metavar="K",
        help="of the camera: a file with the 3x3 matrix or a calibration (OpenCV's yml, toml, npz, JSON; FILE:NAME is "
        "one of several cameras), a focal length (1145px), or a horizontal field of view (65deg); gives the root's "
        "place",
    )
    video = parser.add_argument_group("of a video")
    video.add_argument("--keypoints-out", type=Path, metavar="FILE", help="write the 2D keypoints too, .json")
    video.add_argument(
        "--max-people", type=int, metavar="N", help="follow at most N people at a time (default: 10), the surest first"
    )
    video.add_argument("--models", type=Path, metavar="DIR", help="the detector's networks (default: the user's cache)")
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
    from wsgcn.lifting.plausibility import PlausibilityWarning

    if arguments.list:
        return _list(arguments)
    if arguments.output is None:
        raise InputError("-o: is missing; give the file to write, such as -o out.npz.")
    is_for_batches = not arguments.ray and _is_for_batches(arguments)
    if arguments.unit == "share" and (arguments.ray or is_for_batches):
        raise InputError("--unit: is share, but Parquet and detections.h5 hold pixels.")
    if arguments.pixel_aspect and (arguments.ray or is_for_batches):
        raise InputError("--pixel-aspect: is for one person; Parquet and detections.h5 are lifted as square pixels.")
    lift = _lift_folder if arguments.ray else _lift_batches if is_for_batches else _lift_clip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlausibilityWarning)  # they are told in lines of their own
        return lift(arguments)


def _lift_clip(arguments: argparse.Namespace) -> int:
    from wsgcn.lifting.plausibility import sentence

    _check_output(arguments.output)
    lifter = _lifter(arguments)
    file, fps, person = _open(arguments)
    lifted = lifter.lift(
        file,
        arguments.size,
        person=person,
        intrinsics=arguments.intrinsics,
        fps=fps,
        pixel_aspect=arguments.pixel_aspect or 1.0,
        options=_options(arguments),
    )
    _write(lifted, arguments.output, arguments.keypoints)
    print(f"{arguments.output}: {lifted.summary()}")
    if file.order.bias:
        print(f"From {file.order.name} joints: {file.order.bias}.", file=sys.stderr)
    for warning in lifted.warnings:
        _warn(sentence(arguments.keypoints, warning))
    _tell_rate(lifter, fps)
    _tell_caveat(lifter.path, lifter.checkpoint)
    return 0


def _open(arguments: argparse.Namespace) -> tuple["KeypointFile", float | None, str | None]:
    """The keypoints, how many frames they have a second, and who is asked for."""
    from wsgcn.base.errors import InputError
    from wsgcn.base.signatures import kind_of_file
    from wsgcn.lifting.keypoints.formats import open_keypoints
    from wsgcn.video.frames import KINDS, SUFFIXES, is_video

    if not is_video(arguments.keypoints):
        for option, value in (
            ("--keypoints-out", arguments.keypoints_out),
            ("--models", arguments.models),
            ("--max-people", arguments.max_people),
        ):
            if value is not None:
                raise InputError(f"{option}: is for videos, but {arguments.keypoints} is none.")
        kind = kind_of_file(arguments.keypoints)
        if kind is None and arguments.keypoints.suffix.lower() in SUFFIXES and arguments.keypoints.is_file():
            raise InputError(f"{arguments.keypoints}: begins like no video of a known kind ({KINDS}); is it damaged?")
        if kind is not None and _FILMS.search(kind):
            raise InputError(
                f"{arguments.keypoints}: is {kind}; videos are read as {KINDS}. FFmpeg makes one of it: "
                f"ffmpeg -i {arguments.keypoints.name} clip.mp4"
            )
        file = open_keypoints(arguments.keypoints, arguments.format, arguments.joints, arguments.unit)
        return file, arguments.fps, arguments.person
    for option, value in (
        ("--format", arguments.format),
        ("--joints", arguments.joints),
        ("--unit", arguments.unit),
        ("--pixel-aspect", arguments.pixel_aspect),
    ):
        if value is not None:
            raise InputError(f"{option}: is for files of keypoints, but {arguments.keypoints} is a video.")
    return _detect(arguments)


def _detect(arguments: argparse.Namespace) -> tuple["KeypointFile", float, str]:
    from wsgcn.base.errors import InputError
    from wsgcn.lifting.keypoints.base import choose_person
    from wsgcn.lifting.keypoints.video import read_video, write_keypoints
    from wsgcn.lifting.lifter import check_fps
    from wsgcn.lifting.plausibility import sentence
    from wsgcn.running.progress import TerminalBar
    from wsgcn.video.tracking import MOST_PEOPLE

    path, out = arguments.keypoints, arguments.keypoints_out
    check_fps(arguments.fps)
    if out is not None and out.suffix.lower() != ".json":
        raise InputError(f"{out}: has the suffix {out.suffix!r}; keypoints are written as .json.")
    most = MOST_PEOPLE if arguments.max_people is None else arguments.max_people
    if most < 1:
        raise InputError(f"--max-people: is {most}, expected at least 1.")
    film = read_video(path, models=arguments.models, fps=arguments.fps, most=most, bars=TerminalBar)
    person = choose_person(film.keypoints, arguments.person or film.longest)
    for note in film.notes_for(person):
        print(sentence(path, note), file=sys.stderr)
    if out is not None:
        write_keypoints(film, out)
        width, height = film.size
        whom = f" --person {person}" if len(film.keypoints.people) > 1 else ""
        print(f"{out}: the keypoints; to lift them again give --size {width}x{height} --fps {film.fps:.6g}{whom}")
    return film.keypoints, film.fps, person


def _check_output(path: Path) -> None:
    from wsgcn.lifting.writers.formats import check_suffix

    if path.suffix.lower() not in _PAGES:
        check_suffix(path)


def _write(lifted: "Lifted", path: Path, source: Path) -> None:
    from wsgcn.lifting.writers.formats import write_lifted
    from wsgcn.rendering.lifted_files import lifted_sequence
    from wsgcn.rendering.viewer import write_viewer
    from wsgcn.video.frames import is_video

    if path.suffix.lower() in _PAGES:
        video = source if is_video(source) else None
        write_viewer(path, [lifted_sequence(lifted, path)], title=str(lifted.about["source"]), video=video)
    else:
        write_lifted(lifted, path)


def _warn(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr)


def _tell_caveat(path: Path, checkpoint: "Checkpoint") -> None:
    if checkpoint.caveat:
        print(f"The checkpoint {path} was {checkpoint.caveat}.", file=sys.stderr)


def _tell_rate(lifter: "Lifter", fps: float | None) -> None:
    if note := lifter.rate_note(fps):
        print(note, file=sys.stderr)


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

    lifter = _lifter(arguments)
    summary = lift_file(
        lifter,
        arguments.keypoints,
        arguments.output,
        arguments.size,
        joints=arguments.joints,
        intrinsics=arguments.intrinsics,
        fps=arguments.fps,
        options=_options(arguments),
    )
    print(f"{arguments.output}: {summary}")
    _warn_of_people(summary)
    _tell_rate(lifter, arguments.fps)
    _tell_caveat(lifter.path, lifter.checkpoint)
    return 0


def _warn_of_people(summary: "Summary") -> None:
    if summary.warned:
        more = f" The output marks {summary.warned - 1} more of its people." if summary.warned > 1 else ""
        _warn(f"{summary.warning}{more}")


def _lift_folder(arguments: argparse.Namespace) -> int:
    from wsgcn.lifting.lifter import DEFAULT_CHECKPOINT
    from wsgcn.lifting.ray_lifting import Settings, lift_folder
    from wsgcn.model.checkpoint import load_checkpoint

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
        _warn_of_people(summary)
    _tell_caveat(settings.checkpoint, load_checkpoint(settings.checkpoint))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    file, _, _ = _open(arguments)
    print(f"{file.origin}: {file.format}, joints {file.order.name}, {len(file.people)} people")
    if told_apart := getattr(file, "told_apart", ""):
        print(f"  no tracks: {told_apart}")
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


def _aspect(text: str) -> float:
    found = re.fullmatch(r"([1-9]\d{0,4})[:/]([1-9]\d{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no shape of a pixel such as 16:15")
    return int(found[1]) / int(found[2])
