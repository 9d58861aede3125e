"""The import of 2D detections: from any source to detections.h5, on the takes and cameras of poses.h5."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.run import Bars, no_bars, track
from wsgcn.captures.checks import bad_frames, describe_frames
from wsgcn.detections.base import DetectionReader
from wsgcn.detections.params import DetectionsSection
from wsgcn.detections.projections import Projections
from wsgcn.detections.sources import SOURCES
from wsgcn.pose.store import Cameras, Poses, Sequence2D, create_detections, in_natural_order

# Normalised coordinates lie in [-1, 1], or a little beyond at the picture's edge; no person is four pixels tall.
_LARGEST_NORMALISED = 2.0
_LINE = 120  # characters of a list of names in a text; the report's file has all of them

Frames = Mapping[str, Mapping[str, int]]  # of the motion capture, by subject and take


@dataclass(kw_only=True)
class SubjectCounts:
    """How much detections.h5 holds of one subject."""

    takes: int = 0
    sequences: int = 0
    frames: int = 0  # summed over the sequences


@dataclass(kw_only=True)
class ImportReport:
    """What was imported and what was not.

    Attributes:
        source: detections.source.
        joints: the joint order.
        subjects: the counts of each subject of poses.h5 that has detections.
        trimmed_sequences: how many were longer than the motion capture; trimmed_frames: by how much, together.
        clipped_confidences: how many confidences lay outside [0, 1] and were set to its nearer end.
        missing_subjects: subjects of poses.h5 without any detections.
        missing_takes: 'S1 Walking', takes of the other subjects without any.
        missing_cameras: 'S1 Walking 54138969', cameras of the other takes without any.
        ignored_takes: 'S1 Walking', takes with detections that are not in poses.h5.
    """

    source: str
    joints: tuple[str, ...]
    subjects: dict[str, SubjectCounts] = field(default_factory=dict)
    trimmed_sequences: int = 0
    trimmed_frames: int = 0
    clipped_confidences: int = 0
    missing_subjects: list[str] = field(default_factory=list)
    missing_takes: list[str] = field(default_factory=list)
    missing_cameras: list[str] = field(default_factory=list)
    ignored_takes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in the report file."""
        return asdict(self)

    def text(self) -> str:
        """A table of the subjects, and a line for each thing that was left out or changed."""
        counted = self.subjects.values()
        total = SubjectCounts(
            takes=sum(counts.takes for counts in counted),
            sequences=sum(counts.sequences for counts in counted),
            frames=sum(counts.frames for counts in counted),
        )
        width = max(8, *(len(name) + 2 for name in self.subjects)) if self.subjects else 8
        lines = [
            f"2D detections: {self.source}, {len(self.joints)} joints",
            f"{'subject':<{width}}{'takes':>7}{'sequences':>11}{'frames':>10}",
        ]
        for name, counts in (*self.subjects.items(), ("all", total)):
            lines.append(f"{name:<{width}}{counts.takes:>7}{counts.sequences:>11}{counts.frames:>10}")
        if self.trimmed_sequences:
            lines.append(f"longer than the capture, trimmed: {self.trimmed_sequences} ({self.trimmed_frames} frames)")
        if self.clipped_confidences:
            lines.append(f"confidences clipped to [0, 1]: {self.clipped_confidences}")
        lists = {
            "subjects without detections": self.missing_subjects,
            "takes without detections": self.missing_takes,
            "cameras without detections": self.missing_cameras,
            "takes that are not in poses.h5, ignored": self.ignored_takes,
        }
        lines += [f"{label}: {len(names)} ({_listed(names)})" for label, names in lists.items() if names]
        return "\n".join(lines)


def import_detections(
    params: DetectionsSection,
    poses_path: Path | str,
    detections_path: Path | str,
    report_path: Path | str,
    bars: Bars = no_bars,
) -> ImportReport:
    """Write detections.h5: every take of poses.h5 as each of its cameras sees it, according to `params.source`.

    The takes of poses.h5 decide: others are ignored, and detections that go on after the motion capture are trimmed to
    it. Cameras, takes and subjects without detections are left out, and named in the report.

    Args:
        params: the section detections of params.yaml.
        poses_path: is read.
        detections_path: is written, with bytes that depend on the detections alone, not on their order in the source.
        report_path: is written, JSON.
        bars: show the progress.

    Raises:
        InputError: the source is missing, damaged or of another format (see its reader); nothing in it is in poses.h5;
            it has a sequence twice, or of a camera that poses.h5 does not have; or a sequence is shorter than the
            motion capture, not finite, or plainly not in pixels.
    """
    with Poses(poses_path) as poses:
        frames = {
            subject: {take: poses.frames(subject, take) for take in poses.takes(subject)} for subject in poses.subjects
        }
        cameras = poses.cameras()
        dropped = {
            (subject, take): poses.dropped_frames(subject, take) for subject, takes in frames.items() for take in takes
        }
        open_source = SOURCES[params.source].open
        if open_source is None and params.order is not None:
            raise InputError(f"detections.joints: is {params.joints}, but projections have their own; expected auto.")
        reader = Projections(poses) if open_source is None else open_source(Path(params.path), order=params.order)
        report = ImportReport(source=params.source, joints=reader.joints)
        expected = sum(len(cameras[subject]) * len(takes) for subject, takes in frames.items())
        read = _read(reader, frames, {} if open_source is None else dropped, cameras, report)
        sequences = track(read, bars, f"detections from {params.source}", expected, "sequences")
        if not isinstance(reader, Projections):  # projections come in this order, and need not be in memory together
            place = {subject: index for index, subject in enumerate(frames)}
            sequences = iter(sorted(sequences, key=lambda found: (place[found.subject], found.take, found.serial)))
        imported: dict[str, dict[str, list[str]]] = {}  # serials, by subject and take
        with create_detections(detections_path, params.source, SOURCES[params.source].words, reader.joints) as writer:
            writer.add_cameras(cameras)
            for sequence in sequences:
                writer.add(sequence)
                imported.setdefault(sequence.subject, {}).setdefault(sequence.take, []).append(sequence.serial)
            if not imported:
                raise InputError(f"{reader.origin}: has no detections of any take in {poses_path}.")
    _count(imported, frames, cameras, report)
    write_atomically(report_path, json.dumps(report.as_dict(), indent=2) + "\n")
    return report


def _read(
    reader: DetectionReader,
    frames: Frames,
    dropped: Mapping[tuple[str, str], list[int]],
    cameras: Cameras,
    report: ImportReport,
) -> Iterator[Sequence2D]:
    """The sequences of takes in poses.h5, checked and trimmed; what that changes and what is ignored is counted.

    The frames in `dropped` are those of a raw take that poses.h5 lacks and the source still has.
    """
    ignored: set[tuple[str, str]] = set()
    seen: set[tuple[str, str, str]] = set()

    def is_wanted(subject: str, take: str) -> bool:
        if take not in frames.get(subject, {}):
            ignored.add((subject, take))
            return False
        return True

    for sequence in reader.sequences(is_wanted):
        where = f"{reader.origin}: {sequence.subject} {sequence.take}, camera {sequence.serial}"
        key = (sequence.subject, sequence.take, sequence.serial)
        if key in seen:
            raise InputError(f"{where}: is there twice.")
        seen.add(key)
        if sequence.serial not in cameras[sequence.subject]:
            raise InputError(f"{where}: poses.h5 has no such camera, only {', '.join(cameras[sequence.subject])}.")
        own_dropped = dropped.get((sequence.subject, sequence.take), [])
        yield _fitted(sequence, frames[sequence.subject][sequence.take], own_dropped, where, report)
    report.ignored_takes = in_natural_order(f"{subject} {take}" for subject, take in ignored)


def _fitted(sequence: Sequence2D, frames: int, dropped: list[int], where: str, report: ImportReport) -> Sequence2D:
    """The sequence on the frames of the motion capture, with confidences in [0, 1]."""
    raw_frames = frames + len(dropped)
    surplus = len(sequence.keypoints_px) - raw_frames
    if surplus < 0:
        raise InputError(
            f"{where}: has {len(sequence.keypoints_px)} frames, expected the motion capture's {raw_frames}."
        )
    if surplus:
        report.trimmed_sequences += 1
        report.trimmed_frames += surplus
    keypoints_px = np.delete(sequence.keypoints_px[:raw_frames], dropped, axis=0)
    _check_finite(keypoints_px, "coordinates", where)
    if (np.abs(keypoints_px) <= _LARGEST_NORMALISED).all():
        raise InputError(
            f"{where}: all coordinates lie within ±{_LARGEST_NORMALISED:g}, as if normalised; expected pixels."
        )
    confidence = sequence.confidence
    if confidence is not None:
        confidence = np.delete(confidence[:raw_frames], dropped, axis=0)
        _check_finite(confidence[..., None], "confidences", where)
        report.clipped_confidences += int(((confidence < 0) | (confidence > 1)).sum())
        confidence = confidence.clip(0, 1)
    return replace(sequence, keypoints_px=keypoints_px, confidence=confidence)


def _check_finite(values_TJC: np.ndarray, what: str, where: str) -> None:
    is_bad = bad_frames(values_TJC)
    if is_bad.any():
        raise InputError(f"{where}: has NaN or infinite {what} in {describe_frames(is_bad)}.")


def _count(
    imported: Mapping[str, Mapping[str, list[str]]], frames: Frames, cameras: Cameras, report: ImportReport
) -> None:
    """Fill in the report's counts per subject and what is missing."""
    for subject, takes in frames.items():
        if subject not in imported:
            report.missing_subjects.append(subject)
            continue
        counts = report.subjects[subject] = SubjectCounts(takes=len(imported[subject]))
        for take, length in takes.items():
            serials = imported[subject].get(take, [])
            counts.sequences += len(serials)
            counts.frames += len(serials) * length
            if not serials:
                report.missing_takes.append(f"{subject} {take}")
            else:
                missing = [serial for serial in cameras[subject] if serial not in serials]
                report.missing_cameras += [f"{subject} {take} {serial}" for serial in missing]


def _listed(names: list[str]) -> str:
    return textwrap.shorten(", ".join(names), _LINE, placeholder=" ...")
