"""The frames of a JSON file, however it calls them."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.base import frame_numbers, plain_text
from wsgcn.lifting.keypoints.instances import Timeline
from wsgcn.lifting.keypoints.points import frame_of

_LARGEST = 10_000  # people of a frame, or its joints
_NAME = re.compile(r"(.*[\W_])?(frame|image|img)?\d+(\.\w+)?", re.IGNORECASE | re.ASCII)


def is_frame_name(key: str | None) -> bool:
    """Whether a key is the number or the picture of a frame: 12, frame_12, walk_0012.jpg."""
    return key is not None and _NAME.fullmatch(key) is not None


def one_frame(origin: Path, entries: Iterator[Any]) -> list[Any]:
    """All entries of a list, which are the people or the joints of one frame. Raises InputError: there are too many."""
    frame = list(islice(entries, _LARGEST + 1))
    if len(frame) > _LARGEST:
        raise InputError(f"{origin}: has a frame with more than {_LARGEST} people or joints in a list.")
    return frame


def frames_in(origin: Path, key: str | None, section: Any) -> Iterator[tuple[int | str, Any]]:
    """The frames in a part of a file, each by its number or its name.

    What stands under the name of a frame is one; of a list each entry is; any other object is searched for either.

    Raises:
        InputError: see `one_frame`.
    """
    if key is not None and is_frame_name(key):
        yield key, one_frame(origin, section) if isinstance(section, Iterator) else section
    elif isinstance(section, Iterator | list):
        for index, entry in enumerate(section):
            yield frame_of(entry, index), entry
    elif isinstance(section, dict):
        for name, part in section.items():
            yield from frames_in(origin, name, part)


class Frames:
    """The frames of a file, in the order in which they come."""

    def __init__(self, origin: Path) -> None:
        self._origin = origin
        self._place_of: dict[int | str, int] = {}

    def __len__(self) -> int:
        return len(self._place_of)

    def place(self, frame: int | str) -> int:
        """Of a frame by its number, or by its name, which is counted among the frames if it is new."""
        frame = plain_text(self._origin, frame) if isinstance(frame, str) else frame
        return self._place_of.setdefault(frame, len(self._place_of))

    @property
    def numbers(self) -> np.ndarray:
        """(F,) int64: the number of each, by its place; names are numbered by `frame_numbers`."""
        number_of = self._number_of()
        return np.array([number_of.get(frame, frame) for frame in self._place_of], dtype=np.int64)

    def timeline(self, *, are_all: bool = True) -> Timeline:
        """What they are for `Instances.tracks`; `are_all`: frames without anybody are among them."""
        names = {number: str(name) for name, number in self._number_of().items()}
        return Timeline(Timeline().of(self.numbers) if are_all else None, names)

    def _number_of(self) -> dict[int | str, int]:
        return dict(frame_numbers(frame for frame in self._place_of if isinstance(frame, str)).items())
