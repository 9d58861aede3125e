"""Keypoints out of a film: BlazePose follows one person through it (`wsgcn.video`)."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.run import Bars, no_bars
from wsgcn.detections.joint_orders import BLAZEPOSE_33
from wsgcn.lifting.keypoints.base import Track, Tracks
from wsgcn.video.frames import Video
from wsgcn.video.timing import Rows, rows_of
from wsgcn.video.tracking import PersonTracker

FORMAT = "video"
PERSON = "1"

_NOBODY = np.full((33, 3), np.nan)
_DECIMALS = 6  # of parts of a picture: a hundredth of a pixel


@dataclass(frozen=True)
class Film:
    """A film's person, and what is to be known of the film.

    Attributes:
        keypoints: with the one track, in pixels; its frames are numbered from the film's first, at a constant rate.
        fps: frames a second, as they are numbered.
        notes: sentences on what the user should know: other people in it, a variable frame rate, damage.
    """

    keypoints: Tracks
    fps: float
    notes: tuple[str, ...]

    @property
    def track(self) -> Track:
        return self.keypoints.tracks[0]


def read_video(path: Path, *, models: Path | None = None, fps: float | None = None, bars: Bars = no_bars) -> Film:
    """Find a person in a film and follow them.

    Args:
        models: the folder with the detector's networks; None is the user's cache, see `wsgcn.video.models`.
        fps: frames a second, if it is another than the film's own, as in slow motion.
        bars: shows how far it is.

    Raises:
        InputError: the extra or the networks are not installed, the file is no film that can be read (see
            `wsgcn.video.frames.Video`), its frame rate is not known, or nobody is in it.
    """
    with Video(path) as video:
        tracker = PersonTracker(models)
        times_F, values_F33 = _followed(video, tracker, bars)
    timeline = rows_of(path, times_F, video.rate, fps)
    values_T33 = timeline.of(values_F33)
    seen = np.flatnonzero(np.isfinite(values_T33[:, 0, 0]))
    if not len(seen):
        raise InputError(f"{path}: nobody was found in its {len(times_F)} frames.")
    numbers = np.arange(seen[0], seen[-1] + 1)
    points = values_T33[numbers, :, :2].astype(np.float32)
    scores = np.nan_to_num(values_T33[numbers, :, 2]).astype(np.float32)
    track = Track(PERSON, numbers, points, scores, size=video.size)
    keypoints = Tracks(path, FORMAT, BLAZEPOSE_33, (track,))
    return Film(keypoints, timeline.fps, tuple(_notes(video, tracker, timeline, values_F33)))


def _followed(video: Video, tracker: PersonTracker, bars: Bars) -> tuple[np.ndarray, np.ndarray]:
    """(F,) when the frames are shown, in seconds, NaN where the film does not say; (F, 33, 3) x, y, visibility."""
    times, values = [], []
    last_s = -math.inf
    with bars(video.path.name, video.frames, "frames") as bar:
        for number, frame in enumerate(video):
            # The tracker needs a time that goes on, whatever the film says.
            time_s = number / (video.rate or 30.0) if frame.time_s is None else frame.time_s
            last_s = max(time_s, last_s + 1e-4)
            found = tracker(last_s, frame.picture_HWC)
            times.append(math.nan if frame.time_s is None else frame.time_s)
            values.append(_NOBODY if found is None else np.column_stack([found.points_px, found.visibility]))
            bar.advance()
    return np.array(times), np.array(values)


def _notes(video: Video, tracker: PersonTracker, timeline: Rows, values_F33: np.ndarray) -> Iterator[str]:
    if (without := int(np.isnan(values_F33[:, 0, 0]).sum())) > 0:
        yield f"nobody was found in {without} of {len(values_F33)} frames"
    if tracker.most_people > 1:
        yield f"shows {tracker.most_people} people; one of them was followed"
    if timeline.is_variable:
        yield f"has a variable frame rate; the rows have a constant one, {timeline.fps:g} a second, between its frames"
    elif (missing := int((timeline.before < 0).sum())) > 0:
        yield f"leaves out {missing} frames, which are missing"
    if video.damaged:
        yield f"is damaged: {video.damaged} packets could not be decoded"


def write_keypoints(film: Film, path: Path) -> None:
    """Write the track as `wsgcn.lifting.keypoints.blazepose` reads it: an entry a frame, null where nobody is.

    Raises:
        InputError: the file cannot be written.
    """
    track = film.track
    assert track.size is not None
    parts = np.concatenate([track.keypoints / np.array(track.size), track.scores[..., None]], axis=-1)
    entries: list[Any] = [None] * int(track.frames[0])
    entries += [
        None
        if np.isnan(row).any()
        else [{"x": x, "y": y, "visibility": score} for x, y, score in row.round(_DECIMALS).tolist()]
        for row in parts.astype(np.float64)
    ]
    write_atomically(path, json.dumps(entries, separators=(",", ":")))
