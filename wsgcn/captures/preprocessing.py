"""From a raw capture in any layout to poses.h5: one spelling, metres, 17 joints, and a report of what was there."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.foreign import brief
from wsgcn.base.run import Bars, no_bars
from wsgcn.base.section import is_name
from wsgcn.captures.cameras import around_origin, centred
from wsgcn.captures.capture import Capture, Hints, Recording
from wsgcn.captures.checks import bad_frames, describe_frames
from wsgcn.captures.layouts import find_capture
from wsgcn.captures.params import RawData
from wsgcn.pose.camera import Camera
from wsgcn.pose.params import capture_name
from wsgcn.pose.store import create_poses, in_natural_order


@dataclass(frozen=True)
class SubjectReport:
    """What there is of one subject."""

    takes: int
    frames: int
    seconds: float
    missing_takes: dict[str, int]  # how many, for each action that lacks one


@dataclass(frozen=True)
class LeftOut:
    """A take that a rule of its dataset leaves out."""

    subject: str
    take: str
    action: str
    rule: str


@dataclass(frozen=True)
class DroppedFrames:
    """Frames that were dropped because a coordinate was NaN or infinite, counted from 0 in the raw file."""

    subject: str
    take: str
    frames: list[int]


@dataclass(frozen=True)
class CaptureReport:
    """What was in the raw files; equal for equal files."""

    capture: str
    layout: str
    cameras: str  # where they are from
    subjects: dict[str, SubjectReport]
    missing_subjects: list[str]
    left_out: list[LeftOut]
    dropped: list[DroppedFrames]

    @property
    def takes(self) -> int:
        return sum(subject.takes for subject in self.subjects.values())

    @property
    def frames(self) -> int:
        return sum(subject.frames for subject in self.subjects.values())

    @property
    def seconds(self) -> float:
        return round(sum(subject.seconds for subject in self.subjects.values()), 2)

    @property
    def dropped_frames(self) -> int:
        return sum(len(dropped.frames) for dropped in self.dropped)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {
            "takes": self.takes,
            "frames": self.frames,
            "seconds": self.seconds,
            "dropped_frames": self.dropped_frames,
        }

    def text(self) -> str:
        """A table of the subjects, and a line for each thing that is not as in the complete set."""
        rows = [("subject", "takes", "frames", "seconds")]
        rows += [_row(name, each.takes, each.frames, each.seconds) for name, each in self.subjects.items()]
        rows += [_row("all", self.takes, self.frames, self.seconds)]
        width = max(8, *(len(name) + 2 for name, *_ in rows))
        lines = [f"{self.capture}, layout {self.layout}, cameras: {self.cameras}"]
        lines += [f"{name:<{width}}{takes:>7}{frames:>9}{seconds:>11}" for name, takes, frames, seconds in rows]
        if self.missing_subjects:
            lines.append(f"missing subjects, not used: {', '.join(self.missing_subjects)}")
        for name, subject in self.subjects.items():
            if subject.missing_takes:
                listed = ", ".join(f"{missing} of {action}" for action, missing in subject.missing_takes.items())
                lines.append(f"missing takes of {name}: {listed}")
        lines += [f"left out: {left_out.subject} {left_out.take}, {left_out.rule}" for left_out in self.left_out]
        lines += [f"dropped: {len(drop.frames)} frames of {drop.subject} {drop.take}" for drop in self.dropped]
        return "\n".join(lines)


def _row(name: str, takes: int, frames: int, seconds: float) -> tuple[str, str, str, str]:
    return name, str(takes), str(frames), f"{seconds:.2f}"


@dataclass(frozen=True)
class _Take:
    positions_m: np.ndarray  # (T, 17, 3) float32, world
    is_bad: np.ndarray  # (T',) bool: the raw frames that were dropped
    action: str
    fps: float
    origin: str


_Takes = Mapping[tuple[str, str], _Take]  # by subject and name


def preprocess(data: RawData, poses_path: Path | str, report_path: Path | str, bars: Bars = no_bars) -> CaptureReport:
    """Read the 3D positions at `data.raw`; write poses.h5 (see `wsgcn.pose.store`) and the report as JSON.

    Each subject that is there is written, with its cameras. A capture without cameras gets the four standard ones, see
    `wsgcn.captures.cameras`; each of its takes is moved along the floor to stand between them. Both files are the same,
    byte for byte, for the same positions, and poses.h5 is so whatever the layout.

    Raises:
        InputError: no layout or more than one is found; a file is damaged or holds what it should not; or a subject
            that `data.subjects` uses is missing.
    """
    capture = find_capture(data.raw, data.layout, Hints(data.unit, data.up))
    # The order of writing decides on the bytes of an HDF5 file, and archives come in any order: all takes are kept, at
    # 200 bytes a frame, and written sorted.
    takes: dict[tuple[str, str], _Take] = {}
    left_out: list[LeftOut] = []
    with bars("preprocess", capture.expected_takes, "takes") as bar:
        for recording in capture.recordings():
            if recording.left_out_by is not None:
                left_out.append(LeftOut(recording.subject, recording.take, recording.action, recording.left_out_by))
            else:
                _add(takes, recording, data.drop_bad_frames)
            bar.advance(note=recording.subject)

    found = in_natural_order({subject for subject, _ in takes})
    unavailable = [subject for subject in data.subjects.used if subject not in found]
    if unavailable:
        raise InputError(
            f"{data.raw}: has no take of {', '.join(unavailable)}, which data.subjects uses "
            f"(it has {', '.join(found) or 'nobody that is known'})."
        )
    cameras, cameras_are = _cameras(capture, found, takes)
    report = _report(data, capture, cameras_are, found, takes, left_out)
    actions = [*capture.actions, *in_natural_order({take.action for take in takes.values()} - set(capture.actions))]
    with create_poses(poses_path, actions) as poses:
        poses.add_cameras(cameras)
        for (subject, name), take in sorted(takes.items(), key=lambda item: item[0]):
            dropped_frames = np.flatnonzero(take.is_bad).tolist()
            poses.add(subject, name, take.positions_m, take.action, take.fps, dropped_frames)
    write_atomically(report_path, json.dumps(report.as_dict(), indent=2) + "\n")
    return report


def _add(takes: dict[tuple[str, str], _Take], recording: Recording, drop_bad_frames: bool) -> None:
    key = recording.subject, recording.take
    for name in key:
        if not is_name(name):
            raise InputError(f"{recording.origin}: {brief(name, 60)!r} cannot be the name of a subject or a take.")
    if key in takes:
        raise InputError(
            f"{recording.origin}: is {' '.join(key)}, which {takes[key].origin} already is; expected one file a take."
        )
    takes[key] = _read(recording, drop_bad_frames)


def _read(recording: Recording, drop_bad_frames: bool) -> _Take:
    positions_m = recording.read()
    is_bad = bad_frames(positions_m)
    if is_bad.all() or (is_bad.any() and not drop_bad_frames):
        raise InputError(
            f"{recording.origin}: has NaN or infinite coordinates in {describe_frames(is_bad)}"
            + ("." if drop_bad_frames else "; data.drop_bad_frames: true leaves them out.")
        )
    return _Take(positions_m[~is_bad].astype(np.float32), is_bad, recording.action, recording.fps, recording.origin)


def _cameras(
    capture: Capture, subjects: Collection[str], takes: dict[tuple[str, str], _Take]
) -> tuple[dict[str, dict[str, Camera]], str]:
    """Those of each subject, and where they are from; takes without cameras of their own are moved between them."""
    cameras, invented = {}, []
    for subject in subjects:
        own = capture.cameras(subject)
        if own is None:
            names = [key for key in takes if key[0] == subject]
            for key in names:
                takes[key] = replace(takes[key], positions_m=centred(takes[key].positions_m).astype(np.float32))
            own = around_origin(takes[key].positions_m[:, 0] for key in names)
            invented.append(subject)
        cameras[subject] = own
    if not invented:
        return cameras, "the capture's own"
    return cameras, f"the four standard ones, placed around each take of {', '.join(invented)}"


def _report(
    data: RawData, capture: Capture, cameras: str, subjects: list[str], takes: _Takes, left_out: Collection[LeftOut]
) -> CaptureReport:
    return CaptureReport(
        capture=capture_name(data.raw),
        layout=capture.layout,
        cameras=cameras,
        subjects={subject: _subject_report(subject, capture, takes, left_out) for subject in subjects},
        missing_subjects=[subject for subject in capture.subjects if subject not in subjects],
        left_out=sorted(left_out, key=lambda one: (one.subject, one.take)),
        dropped=[
            DroppedFrames(subject, name, np.flatnonzero(take.is_bad).tolist())
            for (subject, name), take in sorted(takes.items(), key=lambda item: item[0])
            if take.is_bad.any()
        ],
    )


def _subject_report(subject: str, capture: Capture, takes: _Takes, left_out: Collection[LeftOut]) -> SubjectReport:
    own = {name: take for (of, name), take in takes.items() if of == subject}
    there = Counter(take.action for take in own.values())
    there.update(one.action for one in left_out if one.subject == subject)
    return SubjectReport(
        takes=len(own),
        frames=sum(len(take.positions_m) for take in own.values()),
        seconds=round(sum(len(take.positions_m) / take.fps for take in own.values()), 2),
        missing_takes={
            action: capture.takes_per_action - there[action]
            for action in capture.actions
            if there[action] < capture.takes_per_action
        },
    )
