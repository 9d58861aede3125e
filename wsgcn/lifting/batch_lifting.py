"""Lifting files of millions of frames in bounded memory: Parquet or detections.h5 in, Parquet or HDF5 out.

Everybody in the file is lifted. The pieces overlap by as many frames as filling, the network and smoothing look around,
so that the result is that of the whole track.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.base.run import Bars, no_bars
from wsgcn.lifting.intrinsics import Intrinsics, intrinsics_px
from wsgcn.lifting.keypoints.base import Size, Track, named_order
from wsgcn.lifting.keypoints.formats import PARQUET, open_keypoints, signature
from wsgcn.lifting.keypoints.parquet import ParquetFile
from wsgcn.lifting.keypoints.project_file import DetectionsFile
from wsgcn.lifting.lifted import ROOT_RELATIVE, Rows, metadata
from wsgcn.lifting.lifter import Lifter, Options, check_fps, picture_size
from wsgcn.lifting.plausibility import PlausibilityWarning, Tally, Verdict, camera_warnings, judge, sentence
from wsgcn.lifting.writers import h5, parquet

SUFFIXES = (".parquet", ".h5")
_PIECE_FRAMES = 16384


@dataclass(frozen=True)
class Summary:
    """What was lifted.

    Attributes:
        warned: people with warnings, which the output holds.
        warning: the first of those, naming the person; empty if there is none.
    """

    people: int
    frames: int
    missing: int
    warned: int = 0
    warning: str = ""

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.people} people, {self.missing} missing"


class _Writer(Protocol):
    def add(self, person: str, rows: Rows, about: Mapping[str, Any]) -> None: ...
    def mark(self, person: str, about: Mapping[str, Any]) -> None: ...


def lift_file(
    lifter: Lifter,
    source: Path | str,
    target: Path | str,
    size: Size | None = None,
    *,
    joints: str | None = None,
    intrinsics: Intrinsics | None = None,
    fps: float | None = None,
    options: Options | None = None,
    piece_frames: int = _PIECE_FRAMES,
    bars: Bars = no_bars,
) -> Summary:
    """Lift everybody in a Parquet file or a detections.h5; the target appears whole or not at all.

    Args:
        source: see `wsgcn.lifting.keypoints.parquet` and `wsgcn.pose.store`.
        target: with the suffix .parquet or .h5, see `wsgcn.lifting.writers`.
        size: width and height of the picture, px; needed unless the file knows it.
        joints: the joint order's name; needed unless the file knows it.
        intrinsics: of the camera of all of them, see `wsgcn.lifting.intrinsics.intrinsics_px`.
        fps: frames a second, passed on to the output.
        options: holes and smoothing.
        piece_frames: frames in work at a time.
        bars: show the progress.

    Raises:
        InputError: see `Lifter.lift`; or the source or the target has another format. What speaks against one person
            ends the job only where it does against most of the file; otherwise it is a warning of that person.

    Warns:
        PlausibilityWarning: a part of the result may be wrong; it also stands in the output and in the summary.
    """
    source, target, options = Path(source), Path(target), options or Options()
    if target.suffix.lower() not in SUFFIXES:
        raise InputError(f"{target}: has the suffix {target.suffix!r}, expected {' or '.join(SUFFIXES)} for batches.")
    check_fps(fps)
    file = _open(source, joints)
    about = lifter.about(source.name, file.format, file.order, options) | {"fps": fps} | lifter.about_rate(fps)
    people = frames = missing = refused_frames = 0
    warned: list[str] = []
    refusal, most_refused = "", 0
    with (
        _create(target, lifter, about, intrinsics is not None) as writer,
        bars(f"lift {source.name}", _total(file), "frames") as bar,
    ):
        windows = _windows(_pieces(file, piece_frames), lifter.context(options, fps))
        for person, its_windows in groupby(windows, key=lambda window: window[0].person):
            found: Tally | None = None
            doubts: tuple[str, ...] = ()
            length = 0
            for track, first, last in its_windows:
                picture = picture_size(source, track.size, size)
                camera = None if intrinsics is None else intrinsics_px(intrinsics, picture)
                doubts = () if camera is None else camera_warnings(camera, picture)
                rows = lifter.lift_rows(source, track, file.order, picture, camera, options, fps)[first:last]
                counted = lifter.tally(_part(track, first, last), file.order, rows, picture)
                found = counted if found is None else found + counted
                writer.add(person, rows, {"size_px": list(picture)})
                length, missing = length + len(rows), missing + int(rows.missing.sum())
                bar.advance(len(rows))
            verdict = Verdict(None, ()) if found is None else judge(found, picture)
            sentences = [*([verdict.refusal] if verdict.refusal else []), *doubts, *verdict.warnings]
            if sentences:
                is_nowhere = found is not None and found.root_frames and not found.root_known
                writer.mark(person, {"warnings": sentences} | ({"origin": ROOT_RELATIVE} if is_nowhere else {}))
                warned.append(sentence(f"{source}: person {brief(person, 40)}", sentences[0]))
            if verdict.refusal:
                refused_frames += length
                if length > most_refused:
                    most_refused, refusal = length, warned[-1]
            people, frames = people + 1, frames + length
        if 2 * refused_frames > frames:
            raise InputError(refusal)
    summary = Summary(people, frames, missing, len(warned), warned[0] if warned else "")
    if warned:
        warnings.warn(summary.warning, PlausibilityWarning, stacklevel=2)
    return summary


def _open(source: Path, joints: str | None) -> ParquetFile | DetectionsFile:
    if signature(source).startswith(PARQUET):
        return ParquetFile(source, named_order(joints))
    file = open_keypoints(source, None, joints)
    if not isinstance(file, DetectionsFile):
        raise InputError(f"{source}: is {file.format}, expected Parquet or a detections.h5 to lift in batches.")
    return file


def _create(target: Path, lifter: Lifter, about: dict[str, Any], is_absolute: bool) -> AbstractContextManager[_Writer]:
    content = metadata(lifter.skeleton, about, is_absolute=is_absolute)
    if target.suffix.lower() == ".h5":
        return h5.create(target, content)
    return parquet.create(target, content, is_absolute=is_absolute)


def _total(file: ParquetFile | DetectionsFile) -> int:
    return file.rows if isinstance(file, ParquetFile) else sum(person.frames for person in file.people)


def _pieces(file: ParquetFile | DetectionsFile, frames: int) -> Iterator[Track]:
    if isinstance(file, ParquetFile):
        yield from file.pieces(frames)
        return
    for person in file.people:
        yield from file.slices(person.name, frames)


def _windows(pieces: Iterable[Track], context: int) -> Iterator[tuple[Track, int, int]]:
    """Windows (track, first, last) with `context` frames on either side of track[first:last], where there are any.

    The parts track[first:last] of all windows follow each other and are everything.
    """
    window: Track | None = None
    first = 0
    for piece in pieces:
        if window is not None and piece.person != window.person:
            yield window, first, len(window.frames)
            window, first = None, 0
        window = piece if window is None else _joined(window, piece)
        last = len(window.frames) - context
        if last > first:
            yield window, first, last
            dropped = max(last - context, 0)
            window, first = _part(window, dropped, len(window.frames)), last - dropped
    if window is not None and first < len(window.frames):
        yield window, first, len(window.frames)


def _joined(a: Track, b: Track) -> Track:
    return Track(
        a.person,
        np.concatenate([a.frames, b.frames]),
        np.concatenate([a.keypoints, b.keypoints]),
        np.concatenate([a.scores, b.scores]),
        size=a.size,
    )


def _part(track: Track, first: int, last: int) -> Track:
    rows = slice(first, last)
    return replace(track, frames=track.frames[rows], keypoints=track.keypoints[rows], scores=track.scores[rows])
