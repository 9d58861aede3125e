"""What every format of keypoint files gives: people, and the track of each of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, TypeGuard

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import JOINT_ORDERS, JointOrder, order_by_names

Size = tuple[int, int]  # width and height of the picture, px

# What a file may ask for. Lifting takes some 2 kB a frame; this is 18 hours at 30 frames a second.
LONGEST_TRACK = 2_000_000  # frames
MOST_VIDEOS = 100_000  # arrays in one file, which may stand for the same bytes
LARGEST_SIDE = 1_000_000  # px, of a picture
# Names go into every output; some formats give each as much room as the longest has.
LONGEST_NAME = 1000  # characters, of a person or a picture

Unit = Literal["px", "share"]  # pixels, or parts of the picture's width and height
_LARGEST_NORMALISED = 4.0

_MOST_NAMED = 4  # people, in a message
_MOST_DIGITS = 18  # of a frame number in a name, so that it fits 64 bits


@dataclass(frozen=True)
class Track:
    """One person over T frames, in the file's own joint order.

    Attributes:
        person: what the file calls them, or a number, see `Instances.tracks`.
        frames: (T,) int64, the numbers of the frames, ascending, from the person's first to their last.
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


@dataclass(frozen=True, slots=True)
class Person:
    """A line of the listing of a file's people."""

    name: str
    frames: int  # with the person in them
    first: int
    last: int
    score: float | None  # mean of the joints' scores

    def __str__(self) -> str:
        score = "" if self.score is None else f", mean score {self.score:.2f}"
        return f"{brief(self.name, 40)} ({self.frames} frames from {self.first} to {self.last}{score})"


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
    """A keypoint file of arrays, which are in memory."""

    origin: Path
    format: str
    order: JointOrder
    tracks: tuple[Track, ...]

    @cached_property
    def people(self) -> tuple[Person, ...]:
        return tuple(person_of(track) for track in self.tracks)

    def track(self, person: str) -> Track:
        return next(track for track in self.tracks if track.person == person)


@dataclass(frozen=True)
class InUnit:
    """A keypoint file whose unit the user names, whatever its values look like."""

    file: KeypointFile
    unit: Unit

    @property
    def origin(self) -> Path:
        return self.file.origin

    @property
    def format(self) -> str:
        return self.file.format

    @property
    def order(self) -> JointOrder:
        return self.file.order

    @property
    def people(self) -> Sequence[Person]:
        return self.file.people

    @property
    def told_apart(self) -> str:
        """How people without tracks were told apart; empty where that is no question."""
        return getattr(self.file, "told_apart", "")

    def track(self, person: str) -> Track:
        return replace(self.file.track(person), normalised=self.unit == "share")


def looks_normalised(points: np.ndarray) -> bool:
    """Whether points (..., 2) are parts of the picture: nobody in pixels lies within 4 of its corner as a whole."""
    with np.errstate(invalid="ignore"):
        return bool(np.nanmax(np.abs(points), initial=0) <= _LARGEST_NORMALISED)


def person_of(track: Track) -> Person:
    """The line of the listing for a track."""
    present = (track.scores > 0).any(-1)
    frames = track.frames[present]
    if not len(frames):
        return Person(track.person, 0, int(track.frames[0]), int(track.frames[-1]), None)
    seen = track.scores[track.scores > 0]
    return Person(track.person, len(frames), int(frames[0]), int(frames[-1]), float(seen.mean(dtype=np.float64)))


def choose_person(file: KeypointFile, person: str | None) -> str:
    """The person that is asked for; without asking, the only one there is.

    Raises:
        InputError: there is no such person, or there are several and none was asked for; it lists them.
    """
    names = [each.name for each in file.people]
    person = None if person is None else str(person)  # a number from Python is as good
    if person is None and len(names) == 1:
        return names[0]
    if person in names:
        assert person is not None
        return person
    listed = ", ".join(str(each) for each in file.people[:_MOST_NAMED])
    listed += f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    if person is None:
        raise InputError(f"{file.origin}: has {len(names)} people, choose one by person: {listed}.")
    raise InputError(f"{file.origin}: has no person {brief(person, 40)!r}, but {listed}.")


def split_triples(triples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., K, 3) of x, y, score to points (..., K, 2) and scores (..., K), both float32.

    A joint whose score is not above 0 or whose place is NaN is missing: NaN, score 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is infinite, and reported with its frame
        points, scores = triples[..., :2].astype(np.float32), triples[..., 2].astype(np.float32)
    missing = ~(scores > 0) | np.isnan(points).any(-1)
    points[missing] = np.nan
    scores[missing] = 0
    return points, scores


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


def named_order(name: str | None, origin: str = "joints") -> JointOrder | None:
    """The order of that name; `origin` is who names it, for the message.

    Raises:
        InputError: there is none.
    """
    if name is None or name in JOINT_ORDERS:
        return None if name is None else JOINT_ORDERS[name]
    raise InputError(f"{origin}: {brief(name, 40)!r} is no known joint order; known are {', '.join(JOINT_ORDERS)}.")


def order_of_names(names: Sequence[str], called: str | None = None) -> JointOrder | None:
    """The order whose joints are called like that; None if none is.

    `left_shoulder`, `LShoulder`, `leftShoulder` and `LEFT_SHOULDER` are understood.

    Args:
        called: the name of the new order that is made of names which are no known order's; without one, none is made.
    """
    joints = tuple(joint_name(name) for name in names)
    known = next((order for order in JOINT_ORDERS.values() if order.joints == joints), None)
    return order_by_names(called, joints) if known is None and called else known


_SIDES = {"left": "L", "right": "R", "l": "L", "r": "R"}


def joint_name(name: str) -> str:
    """A joint's name as the joint orders have it: LShoulder."""
    words = re.split(r"[-_ ]", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    sides = [_SIDES[word] for word in words if word in _SIDES]
    if len(sides) == 1:
        return sides[0] + "".join(word.capitalize() for word in words if word not in _SIDES)
    is_spelled_so = not (name.islower() or name.isupper() or "_" in name)
    return name if is_spelled_so else "".join(word.capitalize() for word in words)


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
    return int(digits[-1]) if digits and len(digits[-1]) <= _MOST_DIGITS else None


def plain_text(origin: Path, text: str) -> str:
    """A name that every output can hold: lone surrogates become question marks.

    Raises:
        InputError: it is longer than LONGEST_NAME.
    """
    if len(text) > LONGEST_NAME:
        raise InputError(f"{origin}: has a name of {len(text)} characters, expected at most {LONGEST_NAME}.")
    return text.encode("utf-8", "replace").decode("utf-8")


def picture_size_of(origin: Path, width: object, height: object) -> Size:
    """The picture's size as a file says it. Raises InputError: the sides are no whole numbers of pixels."""
    sides = [int(side) for side in (width, height) if _is_side(side)]
    if len(sides) != 2:
        raise InputError(
            f"{origin}: has a picture of width {brief(width, 40)} and height {brief(height, 40)}, expected whole "
            f"numbers of pixels, 1 to {LARGEST_SIDE}."
        )
    return sides[0], sides[1]


def _is_side(side: object) -> TypeGuard[int | float]:
    return isinstance(side, int | float | np.integer) and bool(1 <= side <= LARGEST_SIDE) and side == int(side)
