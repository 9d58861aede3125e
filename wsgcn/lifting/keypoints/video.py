"""Keypoints out of a film: BlazePose follows its people through it (`wsgcn.video`)."""

import json
import math
from collections.abc import Iterable, Iterator
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
from wsgcn.video.tracking import MOST_PEOPLE, PeopleTracker

# The format's names, which outputs keep, tell how frames are numbered: at a constant rate from the first on, or as they
# come, where the film's own times are not known or not used.
TIMED, COUNTED = "video", "video_counted"

_MOST_DECLARED = 0.95  # of the frames that a file lists; a few may be there that are never shown
_DECIMALS = 6  # of parts of a picture: a hundredth of a pixel


@dataclass(frozen=True)
class Film:
    """A film's people, and what is to be known of the film.

    Attributes:
        keypoints: with a track for each of them, in pixels: "1" is seen longest, "2" next, and so on. Frames are
            numbered from the film's first, at a constant rate, see TIMED and COUNTED.
        fps: frames a second, as they are numbered.
        size: of the upright picture, px.
        frames: how many rows show a picture of the film.
        notes: sentences on what the user should know: who is in it, a variable frame rate, damage.
    """

    keypoints: Tracks
    fps: float
    size: Size
    frames: int
    notes: tuple[str, ...]

    @property
    def longest(self) -> str:
        """The person who is seen in the most frames."""
        return self.keypoints.tracks[0].person

    def notes_for(self, person: str) -> Iterator[str]:
        """The notes, and how often the person is missing."""
        [found] = [each.frames for each in self.keypoints.people if each.name == person]
        if found < self.frames:
            who = f"person {person}" if len(self.keypoints.people) > 1 else "the person"
            yield f"{who} was not found in {self.frames - found} of {self.frames} frames"
        yield from self.notes


@dataclass(frozen=True)
class _Sightings:
    """Who is seen where in a film of F frames.

    Attributes:
        times_F: seconds, NaN where the film does not say.
        people_N: a number for each person.
        frames_N: the film's own.
        values_N33: (N, 33, 3) x, y, visibility.
    """

    times_F: np.ndarray
    people_N: np.ndarray
    frames_N: np.ndarray
    values_N33: np.ndarray

    def of(self, people: Iterable[int]) -> "_Sightings":
        """Those of some people."""
        is_theirs = np.isin(self.people_N, list(people))
        return replace(
            self,
            people_N=self.people_N[is_theirs],
            frames_N=self.frames_N[is_theirs],
            values_N33=self.values_N33[is_theirs],
        )


def read_video(
    path: Path,
    *,
    models: Path | None = None,
    fps: float | None = None,
    most: int = MOST_PEOPLE,
    bars: Bars = no_bars,
) -> Film:
    """Find the people in a film and follow them.

    Args:
        models: the folder with the detector's networks; None is the user's cache, see `wsgcn.video.models`.
        fps: frames a second, if it is another than the film's own, as in slow motion.
        most: how many people to follow at a time.
        bars: shows how far it is.

    Raises:
        InputError: the extra or the networks are not installed, the file is no film that can be read (see
            `wsgcn.video.frames.Video`), its frame rate is not known, or nobody is in it.
    """
    with Video(path) as video:
        tracker = PeopleTracker(models, most)
        seen = _followed(video, tracker, bars)
    if tracker.sure:
        seen = seen.of(tracker.sure)
    timeline = rows_of(path, seen.times_F, video.rate, fps)
    people, counts = np.unique(seen.people_N, return_counts=True)
    tracks: list[Track] = []
    for person in people[np.argsort(-counts, kind="stable")]:
        tracks += _track(str(len(tracks) + 1), timeline.of(_by_frame(seen.of([person]))), video.size)
    if not tracks:
        count = len(seen.times_F)
        raise InputError(
            f"{path}: nobody was found in its {count} frames." if count > 1 else f"{path}: nobody was found."
        )
    keypoints = Tracks(path, TIMED if timeline.is_timed else COUNTED, BLAZEPOSE_33, tuple(tracks))
    notes = tuple(_notes(seen, video, tracker.left_out and most, timeline))
    return Film(keypoints, timeline.fps, video.size, int((timeline.before >= 0).sum()), notes)


def _followed(video: Video, tracker: PeopleTracker, bars: Bars) -> _Sightings:
    times, people, frames, values = [], [], [], []
    last_s = -math.inf
    with bars(video.path.name, video.frames, "frames") as bar:
        for number, frame in enumerate(video):
            # The tracker needs a time that goes on, whatever the film says.
            time_s = number / (video.rate or 30.0) if frame.time_s is None else frame.time_s
            last_s = max(time_s, last_s + 1e-4)
            times.append(math.nan if frame.time_s is None else frame.time_s)
            for seen in tracker(last_s, frame.picture_HWC):
                people.append(seen.person)
                frames.append(number)
                values.append(np.column_stack([seen.landmarks.points_px, seen.landmarks.visibility]).astype(np.float32))
            bar.advance()
    values_N33 = np.array(values, dtype=np.float32).reshape(-1, len(BLAZEPOSE_33.joints), 3)
    return _Sightings(np.array(times), np.array(people, dtype=int), np.array(frames, dtype=int), values_N33)


def _by_frame(seen: _Sightings) -> np.ndarray:
    """(F, 33, 3) of one person; NaN where they are not seen."""
    values_F33 = np.full((len(seen.times_F), *seen.values_N33.shape[1:]), np.nan, dtype=np.float32)
    values_F33[seen.frames_N] = seen.values_N33
    return values_F33


def _track(person: str, values_T33: np.ndarray, size: Size) -> list[Track]:
    """The track from the person's first row to their last; none if they are in no row."""
    seen = np.flatnonzero(np.isfinite(values_T33[:, 0, 0]))
    if not len(seen):
        return []
    numbers = np.arange(seen[0], seen[-1] + 1)
    points = values_T33[numbers, :, :2].astype(np.float32)
    scores = np.nan_to_num(values_T33[numbers, :, 2]).astype(np.float32)
    return [Track(person, numbers, points, scores, size=size)]


def _notes(seen: _Sightings, video: Video, full: int, timeline: Rows) -> Iterator[str]:
    if (count := len(np.unique(seen.people_N))) > 1:
        at_a_time = np.bincount(seen.frames_N).max()
        yield f"{count} people were followed, {at_a_time} at a time at most; person 1 is seen longest"
    if full:
        yield f"shows more people than are followed at a time, {full}"
    if timeline.is_variable:
        yield f"has a variable frame rate; the rows have a constant one, {timeline.fps:g} a second, between its frames"
    elif (missing := int((timeline.before < 0).sum())) > 0:
        yield f"leaves out {missing} frames, which are missing"
    if len(seen.times_F) < _MOST_DECLARED * video.declared:
        yield f"ends after {len(seen.times_F)} of the {video.declared} frames that it declares; is it cut off?"
    if video.damaged:
        yield f"is damaged; {video.damaged} packets or frames could not be decoded, or not wholly"


def write_keypoints(film: Film, path: Path) -> None:
    """Write everybody as `wsgcn.lifting.keypoints.blazepose` reads them.

    An entry a frame: the landmarks of the only person, null where they are not seen; of several people a list of those
    who are seen, each with their number.

    Raises:
        InputError: the file cannot be written.
    """
    entries: list[list[dict[str, Any]]] = [[] for _ in range(1 + max(int(t.frames[-1]) for t in film.keypoints.tracks))]
    for track in film.keypoints.tracks:
        parts = np.concatenate([track.keypoints / np.array(film.size), track.scores[..., None]], axis=-1)
        for frame, row in zip(track.frames.tolist(), parts.astype(np.float64).round(_DECIMALS), strict=True):
            if not np.isnan(row).any():
                landmarks = [{"x": x, "y": y, "visibility": score} for x, y, score in row.tolist()]
                entries[frame].append({"id": track.person, "keypoints": landmarks})
    if len(film.keypoints.tracks) > 1:
        content: list[Any] = entries
    else:
        content = [people[0]["keypoints"] if people else None for people in entries]
    write_atomically(path, json.dumps(content, separators=(",", ":")))
