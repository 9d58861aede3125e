"""What every format of keypoint files gives: people, and the track of each of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import JOINT_ORDERS, JointOrder

Size = tuple[int, int]  # width and height of the picture, px

_MOST_NAMED = 8
# Where fewer of the numbers between the first and the last frame are there, the file holds pictures, not a video.
_VIDEO_SHARE = 0.1


@dataclass(frozen=True)
class Track:
    """One person over T frames, in the file's own joint order.

    Attributes:
        person: what the file calls them, or their rank by score, see `tracks_of`.
        frames: (T,) int64, the numbers of the frames, ascending.
        keypoints: (T, K, 2) float32; NaN where a joint or the person is missing. Pixels, or parts of the picture's
            width and height if `normalised`.
        scores: (T, K) float32; 0 where missing, 1 where the file has none.
        names: of each frame's picture, where the file knows them.
        size: of the picture, where the file knows it.
    """

    person: str
    frames: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...] | None = None
    size: Size | None = None
    normalised: bool = False


@dataclass(frozen=True)
class Person:
    """A line of the listing of a file's people."""

    name: str
    frames: int  # with the person in them
    first: int
    last: int
    score: float | None  # mean of the joints' scores

    def __str__(self) -> str:
        score = "" if self.score is None else f", mean score {self.score:.2f}"
        return f"{self.name} ({self.frames} frames from {self.first} to {self.last}{score})"


class KeypointFile(Protocol):
    """An open keypoint file."""

    @property
    def origin(self) -> Path:
        """The file or folder, for messages."""

    @property
    def format(self) -> str:
        """The format's name."""

    @property
    def order(self) -> JointOrder:
        """The joint order of its keypoints."""

    @property
    def people(self) -> Sequence[Person]:
        """Everybody in it."""

    def track(self, person: str) -> Track:
        """The track of one of them, by name."""


@dataclass(frozen=True)
class Tracks:
    """A keypoint file that is in memory."""

    origin: Path
    format: str
    order: JointOrder
    tracks: tuple[Track, ...]

    @cached_property
    def people(self) -> tuple[Person, ...]:
        return tuple(_person(track) for track in self.tracks)

    def track(self, person: str) -> Track:
        return next(track for track in self.tracks if track.person == person)


def _person(track: Track) -> Person:
    present = track.scores.max(-1) > 0
    frames = track.frames[present]
    if not len(frames):
        return Person(track.person, 0, int(track.frames[0]), int(track.frames[-1]), None)
    seen = track.scores[track.scores > 0]
    return Person(track.person, len(frames), int(frames[0]), int(frames[-1]), float(seen.mean()))


def choose_person(file: KeypointFile, person: str | None) -> str:
    """The person that is asked for; without asking, the only one there is.

    Raises:
        InputError: there is no such person, or there are several and none was asked for; it lists them.
    """
    names = [each.name for each in file.people]
    if person is None and len(names) == 1:
        return names[0]
    if person in names:
        assert person is not None
        return person
    listed = ", ".join(str(each) for each in file.people[:_MOST_NAMED])
    listed += f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    if person is None:
        raise InputError(f"{file.origin}: has {len(names)} people, choose one by person: {listed}.")
    raise InputError(f"{file.origin}: has no person {person!r}, but {listed}.")


@dataclass(frozen=True)
class Instance:
    """One person in one frame, as a file has them.

    Attributes:
        keypoints: K rows of x, y, score; see `split_triples`.
        score: of the whole person; orders people that have no id.
        person: the track's id, None if there is none.
    """

    frame: int
    keypoints: Sequence[Sequence[float]] | np.ndarray
    score: float
    person: str | None = None


@dataclass(frozen=True)
class Timeline:
    """The frames that a file speaks of.

    Attributes:
        frames: their numbers; None if the file lists only frames with somebody in them. Then they are all the numbers
            from the first to the last, or, if hardly any of those are there, just the ones that are.
        names: of the pictures, by frame.
    """

    frames: Sequence[int] | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def of(self, present: Iterable[int]) -> np.ndarray:
        if self.frames is not None:
            return np.array(sorted(self.frames), dtype=np.int64)
        numbers = sorted(set(present))
        length = numbers[-1] - numbers[0] + 1
        if len(numbers) >= _VIDEO_SHARE * length:
            return np.arange(numbers[0], numbers[0] + length, dtype=np.int64)
        return np.array(numbers, dtype=np.int64)


def tracks_of(
    origin: Path, instances: Sequence[Instance], order: JointOrder, timeline: Timeline, size: Size | None = None
) -> tuple[Track, ...]:
    """The tracks of people who stand in a file frame by frame.

    Where every instance has a track id, a track is a person. Where not, the people of each frame are put in the order
    of their scores, and track "1" is the highest in every frame, "2" the second: right for one person with a few
    false detections, and no tracking.

    Raises:
        InputError: nobody is in the file, a keypoint is no number, an instance has another number of joints, or a track
            is twice in a frame.
    """
    if not instances:
        raise InputError(f"{origin}: has nobody in it.")
    has_ids = all(instance.person is not None for instance in instances)
    frames = timeline.of(instance.frame for instance in instances)
    row_of = {frame: row for row, frame in enumerate(frames.tolist())}
    names = tuple(timeline.names.get(frame, "") for frame in frames.tolist()) if timeline.names else None
    ranks: dict[int, int] = {}
    columns: dict[str, dict[int, Instance]] = {}
    for instance in instances if has_ids else sorted(instances, key=lambda each: -each.score):
        ranks[instance.frame] = ranks.get(instance.frame, 0) + 1
        person = str(instance.person) if has_ids else str(ranks[instance.frame])
        rows = columns.setdefault(person, {})
        if row_of[instance.frame] in rows:
            raise InputError(f"{origin}: frame {instance.frame} has the track {person} twice.")
        rows[row_of[instance.frame]] = instance
    tracks = []
    for person, rows in columns.items():
        triples = np.full((len(frames), len(order.joints), 3), np.nan, dtype=np.float32)
        triples[..., 2] = 0
        for row, instance in rows.items():
            triples[row] = _triples(origin, instance, order)
        tracks.append(Track(person, frames, *split_triples(triples), names, size))
    return tuple(tracks)


def _triples(origin: Path, instance: Instance, order: JointOrder) -> np.ndarray:
    expected = f"expected {len(order.joints)} joints of x, y, score"
    try:
        triples = np.asarray(instance.keypoints, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{origin}: frame {instance.frame} has keypoints that are no numbers, {expected}.") from None
    if triples.shape != (len(order.joints), 3):
        raise InputError(f"{origin}: frame {instance.frame} has keypoints of shape {triples.shape}, {expected}.")
    return triples


def split_triples(triples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., K, 3) of x, y, score to points (..., K, 2) and scores (..., K), both float32.

    A joint whose score is not above 0 or whose place is NaN is missing: NaN, score 0.
    """
    points, scores = triples[..., :2].astype(np.float32), triples[..., 2].astype(np.float32)
    missing = ~(scores > 0) | np.isnan(points).any(-1)
    points[missing] = np.nan
    scores[missing] = 0
    return points, scores


def chunks_of_three(origin: Path, frame: int | str, flat: object) -> list[Sequence[float]]:
    """[x, y, score, x, y, score, ...] as K triples.

    Raises:
        InputError: it is no list, or its length is no multiple of 3.
    """
    if not isinstance(flat, list) or len(flat) % 3:
        found = f"{len(flat)} numbers" if isinstance(flat, list) else f"a {type(flat).__name__}"
        raise InputError(f"{origin}: frame {frame} has {found} as keypoints, expected x, y, score for each joint.")
    return [flat[start : start + 3] for start in range(0, len(flat), 3)]


def joint_order(
    origin: Path, count: int, named: JointOrder | None, known: Iterable[JointOrder] = (), format: str = "the file"
) -> JointOrder:
    """The order of `count` joints: the named one, or the one that the format is known to have for that many.

    Raises:
        InputError: the named order has another number of joints; or none is named, and the format does not tell.
    """
    if named is not None:
        if len(named.joints) != count:
            raise InputError(f"{origin}: has {count} joints, but the order {named.name} has {len(named.joints)}.")
        return named
    for order in known:
        if len(order.joints) == count:
            return order
    fitting = ", ".join(order.name for order in JOINT_ORDERS.values() if len(order.joints) == count)
    raise InputError(
        f"{origin}: has {count} joints, whose order {format} does not tell; name it by joints "
        f"({f'orders of {count}: {fitting}' if fitting else f'no known order has {count}'})."
    )


def named_order(name: str | None) -> JointOrder | None:
    """The order of that name.

    Raises:
        InputError: there is none.
    """
    if name is None or name in JOINT_ORDERS:
        return None if name is None else JOINT_ORDERS[name]
    raise InputError(f"joints: {name!r} is no known joint order; known are {', '.join(JOINT_ORDERS)}.")


def order_of_names(names: Sequence[str]) -> JointOrder | None:
    """The order whose joints are called like that, None if none is.

    Both `left_shoulder` and `LShoulder` are understood.
    """
    joints = tuple(_joint_name(name) for name in names)
    return next((order for order in JOINT_ORDERS.values() if order.joints == joints), None)


def _joint_name(name: str) -> str:
    if "_" not in name and not name.islower():
        return name
    side, *rest = name.lower().split("_")
    short = {"left": "L", "right": "R"}.get(side)
    words = rest if short else [side, *rest]
    return (short or "") + "".join(word.capitalize() for word in words)


def frame_numbers(names: Iterable[str]) -> dict[str, int]:
    """The frame number of each picture or file name: the last number in it, if that tells all of them apart.

    Otherwise they are counted from 0 in the order of the names.
    """
    unique = sorted(set(names))
    numbers = [_last_number(name) for name in unique]
    if None in numbers or len(set(numbers)) < len(unique):
        numbers = list(range(len(unique)))
    return {name: number for name, number in zip(unique, numbers, strict=True) if number is not None}


def _last_number(name: str) -> int | None:
    digits = "".join(char if char.isdecimal() else " " for char in Path(name).stem).split()
    return int(digits[-1]) if digits else None


def load_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it is missing, unreadable or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON, or truncated ({error}).") from error
