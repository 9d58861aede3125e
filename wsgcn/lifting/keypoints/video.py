"""Keypoints out of a film: BlazePose follows its people through it (`wsgcn.video`)."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.run import Bars, no_bars
from wsgcn.detections.joint_orders import BLAZEPOSE_33
from wsgcn.lifting.keypoints.base import Size, Track, Tracks
from wsgcn.video.frames import Video
from wsgcn.video.timing import Rows, rows_of
from wsgcn.video.tracking import PersonTracker

# The format's names, which outputs keep, tell how frames are numbered: at a constant rate from the first on, or as they
# come, where the film's own times are not known or not used.
TIMED, COUNTED = "video", "video_counted"

_NOBODY = np.full((33, 3), np.nan, dtype=np.float32)
_DECIMALS = 6  # of parts of a picture: a hundredth of a pixel


@dataclass(frozen=True)
class Film:
    """A film's people, and what is to be known of the film.

    Attributes:
        keypoints: with a track for each of them, one after the other in time, in pixels; their frames are numbered from
            the film's first, at a constant rate, see TIMED and COUNTED.
        fps: frames a second, as they are numbered.
        size: of the upright picture, px.
        notes: sentences on what the user should know: who is in it, a variable frame rate, damage.
    """

    keypoints: Tracks
    fps: float
    size: Size
    notes: tuple[str, ...]

    @property
    def longest(self) -> str:
        """The person who is seen in the most frames."""
        return max(self.keypoints.people, key=lambda person: person.frames).name


def read_video(path: Path, *, models: Path | None = None, fps: float | None = None, bars: Bars = no_bars) -> Film:
    """Find a person in a film and follow them; when they are gone, the next.

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
        times_F, people_F, values_F33 = _followed(video, tracker, bars)
    timeline = rows_of(path, times_F, video.rate, fps)
    tracks = []
    for person in np.unique(people_F[people_F > 0]):
        of_them = np.where((people_F == person)[:, None, None], values_F33, np.nan)
        tracks += _track(str(person), timeline.of(of_them), video.size)
    if not tracks:
        raise InputError(f"{path}: nobody was found in its {len(times_F)} frames.")
    format = TIMED if timeline.is_timed else COUNTED
    film = Film(Tracks(path, format, BLAZEPOSE_33, tuple(tracks)), timeline.fps, video.size, ())
    return replace(film, notes=tuple(_notes(film, video, tracker, timeline, people_F)))


def _followed(video: Video, tracker: PersonTracker, bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For the F frames: (F,) seconds, NaN where the film does not say; (F,) who; (F, 33, 3) x, y, visibility."""
    times, people, values = [], [], []
    last_s = -math.inf
    with bars(video.path.name, video.frames, "frames") as bar:
        for number, frame in enumerate(video):
            # The tracker needs a time that goes on, whatever the film says.
            time_s = number / (video.rate or 30.0) if frame.time_s is None else frame.time_s
            last_s = max(time_s, last_s + 1e-4)
            seen = tracker(last_s, frame.picture_HWC)
            times.append(math.nan if frame.time_s is None else frame.time_s)
            people.append(0 if seen is None else seen.person)
            values.append(
                _NOBODY
                if seen is None
                else np.column_stack([seen.landmarks.points_px, seen.landmarks.visibility]).astype(np.float32)
            )
            bar.advance()
    return np.array(times), np.array(people), np.array(values)


def _track(person: str, values_T33: np.ndarray, size: Size) -> list[Track]:
    """The track from the person's first row to their last; none if they are in no row."""
    seen = np.flatnonzero(np.isfinite(values_T33[:, 0, 0]))
    if not len(seen):
        return []
    numbers = np.arange(seen[0], seen[-1] + 1)
    points = values_T33[numbers, :, :2].astype(np.float32)
    scores = np.nan_to_num(values_T33[numbers, :, 2]).astype(np.float32)
    return [Track(person, numbers, points, scores, size=size)]


def _notes(film: Film, video: Video, tracker: PersonTracker, timeline: Rows, people_F: np.ndarray) -> Iterator[str]:
    if (without := int((people_F == 0).sum())) > 0:
        yield f"the person was not found in {without} of {len(people_F)} frames"
    if tracker.most_people > 1:
        yield f"shows {tracker.most_people} people at a time; one is followed until they are gone"
    if (count := len(film.keypoints.tracks)) > 1:
        yield f"{count} people were followed, one after the other; number {film.longest} is seen longest"
    if timeline.is_variable:
        yield f"has a variable frame rate; the rows have a constant one, {timeline.fps:g} a second, between its frames"
    elif (missing := int((timeline.before < 0).sum())) > 0:
        yield f"leaves out {missing} frames, which are missing"
    if video.damaged:
        yield f"is damaged; {video.damaged} packets or frames could not be decoded, or not wholly"


def write_keypoints(film: Film, person: str, path: Path) -> None:
    """Write a person's track as `wsgcn.lifting.keypoints.blazepose` reads it: an entry a frame, null where nobody is.

    Raises:
        InputError: the file cannot be written.
    """
    track = film.keypoints.track(person)
    parts = np.concatenate([track.keypoints / np.array(film.size), track.scores[..., None]], axis=-1)
    entries: list[Any] = [None] * int(track.frames[0])
    entries += [
        None
        if np.isnan(row).any()
        else [{"x": x, "y": y, "visibility": score} for x, y, score in row.round(_DECIMALS).tolist()]
        for row in parts.astype(np.float64)
    ]
    write_atomically(path, json.dumps(entries, separators=(",", ":")))
