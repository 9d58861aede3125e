"""From raw Human3.6M in any layout to poses.h5: one spelling, metres, 17 joints, and a report of what was there."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.progress import Bar
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.checks import bad_frames, describe_frames, to_metres
from wsgcn.captures.human36m.find import find_layout
from wsgcn.captures.human36m.names import ACTIONS, FPS, SUBJECTS, action_of
from wsgcn.captures.human36m.quirks import TAKES_PER_ACTION, canonical_take, rule_against
from wsgcn.captures.human36m.recording import Recording
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX
from wsgcn.pose.store import create_poses
from wsgcn.running.params import Data

_TAKES_IN_ALL = len(SUBJECTS) * len(ACTIONS) * TAKES_PER_ACTION


@dataclass(frozen=True)
class SubjectReport:
    """What there is of one subject."""

    takes: int
    frames: int
    seconds: float
    missing_takes: dict[str, int]  # how many, for each action that lacks one


@dataclass(frozen=True)
class LeftOut:
    """A take that one of `wsgcn.captures.human36m.quirks`' rules leaves out."""

    subject: str
    take: str
    rule: str


@dataclass(frozen=True)
class DroppedFrames:
    """Frames that were dropped because a coordinate was NaN or infinite, counted from 0 in the raw file."""

    subject: str
    take: str
    frames: list[int]


@dataclass(frozen=True)
class Report:
    """What was in the raw files; equal for equal files."""

    capture: str
    layout: str
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
    def dropped_frames(self) -> int:
        return sum(len(dropped.frames) for dropped in self.dropped)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {
            "takes": self.takes,
            "frames": self.frames,
            "seconds": _seconds(self.frames),
            "dropped_frames": self.dropped_frames,
        }

    def text(self) -> str:
        """A table of the subjects, and a line for each thing that is not as in the complete set."""
        rows = [("subject", "takes", "frames", "seconds")]
        rows += [_row(name, subject.takes, subject.frames) for name, subject in self.subjects.items()]
        rows += [_row("all", self.takes, self.frames)]
        lines = [f"{self.capture}, layout {self.layout}"]
        lines += [f"{name:<8}{takes:>7}{frames:>9}{seconds:>11}" for name, takes, frames, seconds in rows]
        if self.missing_subjects:
            lines.append(f"missing subjects, not used: {', '.join(self.missing_subjects)}")
        for name, subject in self.subjects.items():
            if subject.missing_takes:
                listed = ", ".join(f"{missing} of {action}" for action, missing in subject.missing_takes.items())
                lines.append(f"missing takes of {name}: {listed}")
        lines += [f"left out: {left_out.subject} {left_out.take}, {left_out.rule}" for left_out in self.left_out]
        lines += [f"dropped: {len(drop.frames)} frames of {drop.subject} {drop.take}" for drop in self.dropped]
        return "\n".join(lines)


def _row(name: str, takes: int, frames: int) -> tuple[str, str, str, str]:
    return name, str(takes), str(frames), f"{_seconds(frames):.2f}"


def _seconds(frames: int) -> float:
    return round(frames / FPS, 2)


@dataclass(frozen=True)
class _Take:
    positions_m: np.ndarray  # (T, 17, 3) float32, world
    is_bad: np.ndarray  # (T',) bool: the raw frames that were dropped
    origin: str


_Takes = Mapping[tuple[str, str], _Take]  # by subject and name


def preprocess(data: Data, poses_path: Path | str, report_path: Path | str) -> Report:
    """Read Human3.6M's 3D positions from `data.raw`; write poses.h5 (see `wsgcn.pose.store`) and the report as JSON.

    Each of the seven subjects that is there is written, with its cameras. Both files are the same, byte for byte, for
    the same positions, and poses.h5 is so whatever the layout.

    Raises:
        InputError: no layout or more than one is found; a file is damaged or holds what it should not; or a subject
            that `data.subjects` uses is missing.
    """
    capture = find_layout(data.raw, data.layout)
    # The order of writing decides on the bytes of an HDF5 file, and archives come in any order: all takes are kept, at
    # 200 bytes a frame, and written sorted.
    takes: dict[tuple[str, str], _Take] = {}
    left_out: list[LeftOut] = []
    with Bar("preprocess", _TAKES_IN_ALL, "takes") as bar:
        for recording in capture.recordings(SUBJECTS):
            if rule := rule_against(recording.subject, recording.name):
                left_out.append(LeftOut(recording.subject, recording.name, rule))
            else:
                _add(takes, recording, data.drop_bad_frames)
            bar.advance(note=recording.subject)

    report = _report(data, capture.layout.name, takes, left_out)
    unavailable = [subject for subject in data.subjects.used if subject not in report.subjects]
    if unavailable:
        raise InputError(
            f"{data.raw}: has no take of {', '.join(unavailable)}, which data.subjects uses "
            f"(it has {', '.join(report.subjects) or 'none of the seven subjects'})."
        )

    cameras = human36m_cameras()
    with create_poses(poses_path) as poses:
        poses.add_cameras({subject: cameras[subject] for subject in report.subjects})
        for (subject, name), take in sorted(takes.items(), key=lambda item: item[0]):
            poses.add(subject, name, take.positions_m, FPS, np.flatnonzero(take.is_bad).tolist())
    write_atomically(report_path, json.dumps(report.as_dict(), indent=2) + "\n")
    return report


def _add(takes: dict[tuple[str, str], _Take], recording: Recording, drop_bad_frames: bool) -> None:
    key = recording.subject, canonical_take(recording.name, recording.origin)
    if key in takes:
        raise InputError(
            f"{recording.origin}: is {' '.join(key)}, which {takes[key].origin} already is; expected one file a take."
        )
    takes[key] = _read(recording, drop_bad_frames)


def _read(recording: Recording, drop_bad_frames: bool) -> _Take:
    positions_TJC = recording.decode()
    is_bad = bad_frames(positions_TJC)
    if is_bad.all() or (is_bad.any() and not drop_bad_frames):
        raise InputError(
            f"{recording.origin}: has NaN or infinite coordinates in {describe_frames(is_bad)}"
            + ("." if drop_bad_frames else "; data.drop_bad_frames: true leaves them out.")
        )
    positions_m = to_metres(positions_TJC[~is_bad], recording.unit, recording.origin)
    used_joints = [H36M32_INDEX[joint] for joint in H36M17.joints]
    return _Take(positions_m[:, used_joints].astype(np.float32), is_bad, recording.origin)


def _report(data: Data, layout: str, takes: _Takes, left_out: Collection[LeftOut]) -> Report:
    found = [subject for subject in SUBJECTS if any(subject == of for of, _ in takes)]
    return Report(
        capture=data.capture,
        layout=layout,
        subjects={subject: _subject_report(subject, takes, left_out) for subject in found},
        missing_subjects=[subject for subject in SUBJECTS if subject not in found],
        left_out=sorted(left_out, key=lambda one: (one.subject, one.take)),
        dropped=[
            DroppedFrames(subject, name, np.flatnonzero(take.is_bad).tolist())
            for (subject, name), take in sorted(takes.items(), key=lambda item: item[0])
            if take.is_bad.any()
        ],
    )


def _subject_report(subject: str, takes: _Takes, left_out: Collection[LeftOut]) -> SubjectReport:
    own = {name: take for (of, name), take in takes.items() if of == subject}
    names = [*own, *(one.take for one in left_out if one.subject == subject)]
    there = Counter(action_of(name) for name in names)
    frames = sum(len(take.positions_m) for take in own.values())
    return SubjectReport(
        takes=len(own),
        frames=frames,
        seconds=_seconds(frames),
        missing_takes={
            action: TAKES_PER_ACTION - there[action] for action in ACTIONS if there[action] < TAKES_PER_ACTION
        },
    )
