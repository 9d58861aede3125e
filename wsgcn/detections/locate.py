"""Which file or folder holds the detections, where the parameter names a folder."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from wsgcn.base.errors import InputError

_LEVELS = 3
_LINE = 120


def locate(path: Path, is_match: Callable[[Path], bool], what: str) -> Path:
    """`path` itself if it is a file; otherwise the one match among it and what lies up to three levels below.

    Args:
        is_match: recognises a file or a folder by its name.
        what: what is looked for, for the error message.

    Raises:
        InputError: the path does not exist, or the folder has no match or several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: not found; detections.path must be {what}, or a folder that holds it.")
    matches = sorted(entry for entry in _entries(path, _LEVELS) if is_match(entry))
    if not matches:
        names = _listed(sorted(entry.name for entry in path.iterdir())) or "nothing"
        raise InputError(f"{path}: holds {names}, expected {what}; detections.path may also name the file itself.")
    if len(matches) > 1:
        names = _listed(["." if match == path else str(match.relative_to(path)) for match in matches])
        raise InputError(
            f"{path}: holds {names}, expected only one of them; set detections.path to the one to be used."
        )
    return matches[0]


def _entries(path: Path, levels: int) -> Iterator[Path]:
    yield path
    if levels and path.is_dir():
        for entry in path.iterdir():
            yield from _entries(entry, levels - 1)


def _listed(names: list[str]) -> str:
    return textwrap.shorten(", ".join(names), _LINE, placeholder=" ...")
