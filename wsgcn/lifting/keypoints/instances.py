"""Files that name people frame by frame: everybody in every frame as flat columns, and their tracks out of those.

An instance, one person in one frame, takes 12 bytes a joint and 24 more, whoever else is in the file. A track is put
together when it is asked for, from its first to its last frame.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints.base import LONGEST_TRACK, Person, Size, Track, looks_normalised, plain_text, split_triples
from wsgcn.lifting.keypoints.continuation import JOINTS, MOST_PEOPLE, continued

# Where fewer of the numbers between the first and the last frame are there, the file holds pictures, not a video.
_VIDEO_SHARE = 0.1
# The largest frame number: differences of two stay within 64 bits. Nanoseconds since 1970 are a third of it.
LARGEST_FRAME = 2**62
_BLOCK, _SMALL_BLOCK = 2**16, 2**12  # instances in work at a time


@dataclass(frozen=True)
class Timeline:
    """The frames that a file speaks of.

    Attributes:
        frames: their numbers; None if the file lists only frames with somebody in them. Then they are all the numbers
            from the first to the last, or, if hardly any of those are there, just the ones that are.
        names: of the pictures, by frame.
    """

    frames: np.ndarray | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def of(self, present: Iterable[int]) -> np.ndarray:
        """The numbers, ascending, (F,) int64."""
        if self.frames is not None:
            return np.sort(self.frames)
        numbers = np.unique(np.asarray(present, dtype=np.int64))
        length = int(numbers[-1]) - int(numbers[0]) + 1  # not of 64 bits
        if self.is_video(numbers):
            return np.arange(numbers[0], numbers[0] + length, dtype=np.int64)
        return numbers

    def is_video(self, present: np.ndarray) -> bool:
        """Whether the frames, or those with somebody in them where no others are listed, are close to each other."""
        numbers = np.unique(present if self.frames is None else self.frames)
        return len(numbers) >= _VIDEO_SHARE * (int(numbers[-1]) - int(numbers[0]) + 1)


class Instances:
    """Everybody in every frame of a file, gathered one after the other."""

    def __init__(self, origin: Path) -> None:
        self.origin = origin
        self._values_N, self._frames_N, self._scores_N, self._ids_N = array("f"), array("q"), array("f"), array("i")
        self._width = 0
        self._id_of: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self._frames_N)

    @property
    def joints(self) -> int:
        """How many joints each of them has. Raises InputError: nobody is in the file."""
        if not self._width:
            raise InputError(f"{self.origin}: has nobody in it.")
        return self._width // 3

    def add(self, frame: int, values: object, score: object, person: object = None, place: object = None) -> None:
        """Add one.

        Args:
            values: x, y, score, x, y, score, ..., as `split_triples` wants them; null is NaN. None or an empty list is
                somebody who is not there, and adds nobody.
            score: of the whole person; orders people that have no id.
            person: the id of the track, None if there is none.
            place: what to call the frame in messages, if not by its number.

        Raises:
            InputError: the values are no list of three numbers a joint, for as many joints as before; the score is no
                number; the id is none; or the frame's number is out of bounds.
        """
        if values is None or values == []:
            return
        place = frame if place is None else place
        if not isinstance(values, list) or len(values) % 3:
            found = f"{len(values)} numbers" if isinstance(values, list) else f"a {type(values).__name__}"
            raise self._error(place, f"{found} as keypoints, expected x, y, score for each joint")
        self._width = self._width or len(values)
        expected = f"expected {self.joints} joints of x, y, score"
        if len(values) != self._width:
            raise self._error(place, f"keypoints of shape {(len(values) // 3, 3)}, {expected}")
        if not -LARGEST_FRAME <= frame <= LARGEST_FRAME:
            raise self._error(place, f"a number beyond {LARGEST_FRAME}")
        try:
            self._values_N.extend(_floats(values))
        except (TypeError, OverflowError):
            raise self._error(place, f"keypoints that are no numbers, {expected}") from None
        self._frames_N.append(frame)
        self._scores_N.append(self._score(score, place))
        self._ids_N.append(self._id_of.setdefault(self._id(person, place), len(self._id_of)))

    def _error(self, place: object, found: str) -> InputError:
        return InputError(f"{self.origin}: frame {brief(place, 60)} has {found}.")

    def _score(self, score: Any, place: object) -> float:
        try:
            return float(score)
        except OverflowError:
            return np.inf
        except (TypeError, ValueError):
            found = f"frame {brief(place, 60)} has the score {brief(score, 40)}"
            raise InputError(f"{self.origin}: has a part of another kind than its format wants ({found}).") from None

    def _id(self, id: Any, place: object) -> str | None:
        """The id of a track as text; of one in lists, the first there."""
        while isinstance(id, list) and id:
            id = id[0]
        if id is None or id == []:
            return None
        if isinstance(id, int | float):
            id = str(int(id)) if id == id // 1 else str(id)
        if not isinstance(id, str):
            raise self._error(place, f"{brief(id, 40)} as the id of a track, expected a number or text")
        return plain_text(self.origin, id)

    @cached_property
    def values(self) -> np.ndarray:
        """(N, K, 3) float32 of x, y, score as they stand in the file."""
        return np.frombuffer(self._values_N, dtype=np.float32).reshape(len(self), self.joints, 3)

    @property
    def frames(self) -> np.ndarray:
        """(N,) int64."""
        return np.frombuffer(self._frames_N, dtype=np.int64)

    def tracks(self, timeline: Timeline, frames_N: np.ndarray | None = None, *, repeats: bool = False) -> "Grouped":
        """Whose track each of them belongs to.

        Where every instance has a track id, a track is a person. Where not, people are continued by where they are, see
        `wsgcn.lifting.keypoints.continuation`; "1" is seen longest and surest, "2" next. In pictures that are no video
        "1" has the highest score in each, "2" the second.

        Args:
            frames_N: their frames, if those that were added are not.
            repeats: whether a file may have an id for several people in a frame, which then tells nobody apart.

        Raises:
            InputError: a track is twice in a frame, and may not be; or there are no tracks and more people in a frame
                than are told apart.
        """
        frames_N = self.frames if frames_N is None else frames_N
        names = list(self._id_of)
        if None not in names:
            ids_N = np.frombuffer(self._ids_N, dtype=np.int32)
            rows_N = np.lexsort((frames_N, ids_N))
            same = (np.diff(ids_N[rows_N]) == 0) & (np.diff(frames_N[rows_N]) == 0)
            if not same.any():
                return Grouped([str(name) for name in names], rows_N, ids_N, frames_N, timeline)
            if not repeats:
                row = rows_N[np.argmax(same)]
                name = brief(names[ids_N[row]], 40)
                raise InputError(f"{self.origin}: frame {frames_N[row]} has the track {name} twice.")
        people_N, told_apart = self._untracked(timeline, frames_N)
        rows_N = np.lexsort((frames_N, people_N))
        numbers = [str(number + 1) for number in range(int(people_N.max()) + 1)]
        return Grouped(numbers, rows_N, people_N, frames_N, timeline, told_apart)

    def _untracked(self, timeline: Timeline, frames_N: np.ndarray) -> tuple[np.ndarray, str]:
        """(N,) the number of the person that each of them is, from 0, and how that was found out."""
        scores_N = np.frombuffer(self._scores_N, dtype=np.float32)
        ranks_N = _ranks(frames_N, scores_N)
        if not timeline.is_video(frames_N):
            return ranks_N, "the pictures are no video, so that people are numbered by their score in each"
        if not ranks_N.any():
            return ranks_N, "no frame has more than one person, which is taken for the same"
        if ranks_N.max() >= MOST_PEOPLE:
            raise InputError(
                f"{self.origin}: frame {frames_N[ranks_N.argmax()]} has {ranks_N.max() + 1} people and the file no "
                f"tracks, expected at most {MOST_PEOPLE} to be told apart."
            )
        points_NK2 = np.concatenate([split_triples(block)[0] for block in self._blocks()])
        return (
            continued(frames_N, points_NK2, scores_N),
            "people are continued from frame to frame by where they are; 1 is seen longest",
        )

    def _blocks(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), _BLOCK):
            yield self.values[start : start + _BLOCK, :JOINTS]


class Grouped:
    """The instances of each track: rows_N[starts[p] : starts[p + 1]] are those of person p, frames ascending."""

    def __init__(
        self,
        names: list[str],
        rows_N: np.ndarray,
        ids_N: np.ndarray,
        frames_N: np.ndarray,
        timeline: Timeline,
        told_apart: str = "",
    ) -> None:
        """`told_apart` says how people were told apart; empty where the file has tracks."""
        self.told_apart = told_apart
        self.names, self.rows_N, self.frames_N = names, rows_N, frames_N
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(ids_N, minlength=len(names)))])
        self.timeline, self.all_frames = timeline, timeline.of(frames_N)
        self._index_of = {name: index for index, name in enumerate(names)}

    def rows(self, person: str) -> np.ndarray:
        """The rows of a person."""
        index = self._index_of[person]
        return self.rows_N[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True)
class InstanceFile:
    """A keypoint file of instances.

    Its tracks are in pixels, or, where all of its points lie within a few units of the picture's corner, in parts of
    the picture.
    """

    format: str
    order: JointOrder
    instances: Instances
    grouped: Grouped
    size: Size | None = None

    @property
    def origin(self) -> Path:
        return self.instances.origin

    @property
    def told_apart(self) -> str:
        """How people were told apart in a file without tracks; empty where it has some."""
        return self.grouped.told_apart

    @cached_property
    def people(self) -> tuple[Person, ...]:
        present_N = np.empty(len(self.instances), dtype=bool)
        sums_N = np.empty(len(self.instances))
        counts_N = np.empty(len(self.instances), dtype=np.int32)
        for start in range(0, len(present_N), _BLOCK):
            block = slice(start, start + _BLOCK)
            _, scores = split_triples(self.instances.values[block])
            present_N[block] = (scores > 0).any(-1)
            sums_N[block] = scores.sum(-1, dtype=np.float64)
            counts_N[block] = (scores > 0).sum(-1)
        return tuple(self._person(name, present_N, sums_N, counts_N) for name in self.grouped.names)

    def _person(self, name: str, present_N: np.ndarray, sums_N: np.ndarray, counts_N: np.ndarray) -> Person:
        rows = self.grouped.rows(name)
        seen = rows[present_N[rows]]
        frames = self.grouped.frames_N[seen if len(seen) else rows]
        score = float(sums_N[seen].sum() / counts_N[seen].sum()) if len(seen) else None
        return Person(name, len(seen), int(frames[0]), int(frames[-1]), score)

    @cached_property
    def _is_normalised(self) -> bool:
        blocks = range(0, len(self.instances), _SMALL_BLOCK)  # of which the first says it, mostly
        values = self.instances.values
        return all(looks_normalised(split_triples(values[start : start + _SMALL_BLOCK])[0]) for start in blocks)

    def track(self, person: str) -> Track:
        """Raises InputError: it is longer than LONGEST_TRACK."""
        rows = self.grouped.rows(person)
        mine, everybodys = self.grouped.frames_N[rows], self.grouped.all_frames
        frames = everybodys[np.searchsorted(everybodys, mine[0]) : np.searchsorted(everybodys, mine[-1], "right")]
        if len(frames) > LONGEST_TRACK:
            raise InputError(
                f"{self.origin}: the track {brief(person, 40)} goes over {len(frames)} frames, expected at most "
                f"{LONGEST_TRACK}; longer ones are lifted in batches, from Parquet."
            )
        triples = np.full((len(frames), self.instances.joints, 3), np.nan, dtype=np.float32)
        triples[np.searchsorted(frames, mine)] = self.instances.values[rows]
        names = self.grouped.timeline.names
        named = tuple(names.get(frame, "") for frame in frames.tolist()) if names else None
        return Track(person, frames, *split_triples(triples), named, self.size, self._is_normalised)


def _ranks(frames_N: np.ndarray, scores_N: np.ndarray) -> np.ndarray:
    """(N,) the place of each by its score among those of its frame, from 0; of equals the first comes first."""
    rows_N = np.lexsort((-scores_N, frames_N))
    sorted_N = frames_N[rows_N]
    first_N = np.concatenate([[True], sorted_N[1:] != sorted_N[:-1]])
    places_N = np.arange(len(rows_N))
    ranks_N = np.empty(len(rows_N), dtype=np.int32)
    ranks_N[rows_N] = places_N - np.maximum.accumulate(np.where(first_N, places_N, 0))
    return ranks_N


def _floats(values: list[Any]) -> array:
    """Raises TypeError or OverflowError: not all of them are numbers or null."""
    try:
        return array("f", values)
    except TypeError:
        return array("f", [np.nan if value is None else value for value in values])


def mean_score(scores: Sequence[Any]) -> float:
    """The mean of a person's scores, of those that are numbers; 0 if none is."""
    there = [score for score in scores if isinstance(score, int | float)]
    try:
        return sum(there) / max(len(there), 1)
    except OverflowError:  # a whole number beyond those with a point
        return np.inf
