"""The boundary between us and what other people's files and libraries do: one sentence comes out, whatever happens.

A damaged or hostile file can fail in any way inside the library that reads it. `reading` stands around the calls of
such a library, lazy reads included, and around nothing of ours: our own slips keep their tracebacks.
"""

import re
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.base.signatures import other_kind

_LONGEST = 200  # characters of what another library says


@contextmanager
def reading(origin: Path | str, kind: str) -> Iterator[None]:
    """Turn whatever fails in the block into one sentence about the file.

    Args:
        origin: the file, and the place in it.
        kind: what it should be, 'CDF file'.

    Raises:
        InputError: anything was raised in the block. An InputError goes through as it is. A sound file of another kind
            is called that and not damaged.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{origin}: not found.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{origin}: cannot be read ({error.strerror}).") from error
    except Exception as error:  # by intent: this is the one place that may say so
        if (other := other_kind(origin, kind)) is not None:
            raise InputError(f"{origin}: is {other}, expected a readable {kind}.") from error
        raise InputError(f"{origin}: is not a readable {kind}, truncated or damaged ({reason(error)}).") from error


def reason(error: BaseException) -> str:
    """What an exception says, in one short line."""
    said = f"{type(error).__name__}: {error}".strip(": ").rstrip(".")
    return brief(said)


def brief(text: object, longest: int = _LONGEST) -> str:
    """A text from a file in one line of at most `longest` characters, without control characters."""
    # cut before anything goes through the whole of it
    printable = "".join(character if character.isprintable() else " " for character in str(text)[: 4 * longest])
    line = " ".join(printable.split())
    return line if len(line) <= longest else f"{line[: longest - 4].rstrip()} ..."


def escaped(characters: re.Pattern[str], text: str) -> str:
    """The text with some characters as escapes, as Python writes them."""
    return characters.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def enumerated(names: object, most: int = 8) -> str:
    """The first few of many names from a file, for a message; 'nothing' where there are none."""
    listed = []
    count = 0
    for name in names:  # type: ignore[attr-defined]
        count += 1
        if count <= most:
            listed.append(brief(name, 32))
    more = f" and {count - most} more" if count > most else ""
    return ", ".join(listed) + more if listed else "nothing"


class _Shown(reprlib.Repr):
    """repr of the first few items and characters."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 60, 60

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() <= 128 else f"a number of {value.bit_length()} bits"


def shown(value: object) -> str:
    """A value from a file for a message, as repr has it and cut short."""
    return brief(_Shown().repr(value), 120)
