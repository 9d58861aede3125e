"""JSON files of any length, of which one entry at a time is in memory.

An hour of a street is some gigabytes of JSON, and ten times that as Python's numbers. What makes a keypoint file long
is one list, at the top or under a key of the object at the top; its entries are decoded one after the other, by the
standard library's decoder, from a window of the file.
"""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, reading

# The longest entry, in characters, and the longest file that is read at once, in bytes. A frame with a thousand people
# of 136 joints has 8 million. As Python's objects hostile entries are up to twenty times as large.
LONGEST_ENTRY = 16 * 2**20
_WINDOW = 2**19  # characters

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def load_json(path: Path) -> Any:
    """The content of a JSON file of at most LONGEST_ENTRY bytes.

    Raises:
        InputError: it is missing, unreadable, longer or no JSON.
    """
    with reading(path, "JSON file"):
        if size_of_file(path) > LONGEST_ENTRY:
            raise InputError(f"{path}: has more than {LONGEST_ENTRY} bytes, expected the JSON of one frame.")
        text = path.read_bytes()
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise _no_json(path, error.msg, error.pos) from None


def sections(path: Path) -> Iterator[tuple[str | None, Any]]:
    """The parts of a JSON file, in its order: each key of the object at the top with what stands under it.

    A list is given as an iterator over its entries, which counts only until the next part is asked for. Where there is
    no object at the top, the file is one part, and its key is None.

    Raises:
        InputError: it is missing, unreadable or no JSON, has a key twice, or an entry is longer than LONGEST_ENTRY.
    """
    with reading(path, "JSON file"):
        size_of_file(path)
        with path.open("rb") as binary:
            encoding = json.detect_encoding(binary.read(4))
        file = path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding)
    with file:
        window = _Window(path, file)
        if window.next_character() != "{":
            yield from _section(window, None)
        else:
            seen: set[str] = set()
            for _ in window.separated("{", "}"):
                key = window.value()
                if not isinstance(key, str) or key in seen:
                    raise InputError(f"{path}: has the key {brief(key, 40)} twice at its top, or one that is no text.")
                seen.add(key)
                window.take(":")
                yield from _section(window, key)
        if window.next_character():
            raise window.no_json("something follows the end")


def entries(path: Path, section: Any, name: str) -> Iterator[Any]:
    """The entries of a part that should be a list. Raises InputError: it is none."""
    if not isinstance(section, Iterator):
        raise InputError(f"{path}: has {brief(section, 40)} as {name}, expected a list.")
    return section


def size_of_file(path: Path) -> int:
    """In bytes. Raises InputError: it is not a file, but a pipe, say, which would wait for ever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is no file.")
    return status.st_size


def _section(window: "_Window", key: str | None) -> Iterator[tuple[str | None, Any]]:
    if window.next_character() != "[":
        yield key, window.value()
        return
    items = (window.value() for _ in window.separated("[", "]"))
    yield key, items
    for _ in items:  # those that nobody wanted
        pass


class _Window:
    """The text of a JSON file from where it is read, as far as it is in memory."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._text, self._at, self._before = "", 0, 0

    def no_json(self, what: str, at: int | None = None) -> InputError:
        return _no_json(self._path, what, self._before + (self._at if at is None else at))

    def next_character(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            self._at = _after_blank(self._text, self._at)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, character: str) -> None:
        if self.next_character() != character:
            raise self.no_json(f"expected {character}")
        self._at += 1

    def separated(self, opening: str, closing: str) -> Iterator[None]:
        """Stops at each of the values between the brackets, which are separated by commas."""
        self.take(opening)
        if self.next_character() != closing:
            yield
            while self.next_character() == ",":
                self._at += 1
                yield
        self.take(closing)

    def value(self) -> Any:
        """The value that stands here."""
        self.next_character()
        while True:
            value, end, error = self._decoded()
            # Only what is followed by one of these is whole: 1 may be 12, or 1.5.
            after = _after_blank(self._text, end)
            if error is None and self._text[after : after + 1] in (",", "]", "}", ":"):
                self._at = after
                return value
            if not self._more():
                if error is not None:
                    raise self.no_json(error.msg, error.pos)
                self._at = end
                return value

    def _decoded(self) -> tuple[Any, int, json.JSONDecodeError | None]:
        with reading(self._path, "JSON file"):
            try:
                return *_DECODER.raw_decode(self._text, self._at), None
            except json.JSONDecodeError as error:  # the value may go on behind the window
                return None, self._at, error

    def _more(self) -> bool:
        """Lengthen the window; False at the end of the file."""
        if len(self._text) - self._at > LONGEST_ENTRY:
            raise InputError(
                f"{self._path}: is not JSON, or has an entry of more than {LONGEST_ENTRY} characters, from character "
                f"{self._before + self._at} on."
            )
        with reading(self._path, "JSON file"):
            more = self._file.read(max(_WINDOW, len(self._text) - self._at))
        if more:
            self._before += self._at
            self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)


def _no_json(path: Path, what: str, at: int) -> InputError:
    return InputError(f"{path}: is not JSON, or truncated ({what}, at character {at}).")


def _after_blank(text: str, start: int) -> int:
    found = _BLANK.match(text, start)
    assert found is not None
    return found.end()
