"""The layouts that `data.raw` may have, and which of them lies at a path. A dataset is a line in LAYOUTS."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.captures.bvh.capture import BVH
from wsgcn.captures.capture import Capture, Hints, Layout
from wsgcn.captures.human36m.layouts import LAYOUTS as HUMAN36M

LAYOUTS: tuple[Layout, ...] = (*HUMAN36M, BVH)

_NO_HINTS = Hints()
_LEVELS = 8  # of folders below the one named; the deepest layout has five of its own


def find_capture(raw: Path | str, layout: str = "auto", hints: Hints = _NO_HINTS) -> Capture:
    """Recognise the one capture at `raw`.

    Args:
        raw: a file or a folder; folders are searched a few levels deep.
        layout: a layout's name to look for that alone, or 'auto'.
        hints: what the user says of the files.

    Raises:
        InputError: there is no such layout; or nothing is there, none of the layouts is, or more than one.
    """
    raw = Path(raw)
    if layout not in ("auto", *(known.name for known in LAYOUTS)):
        names = ", ".join(known.name for known in LAYOUTS)
        raise InputError(f"data.layout: is {layout!r}, expected auto or one of {names}.")
    if not raw.exists():
        raise InputError(f"{raw}: not found; data.raw should be a file or folder with 3D positions of people.")
    found = _captures_in(raw, hints) if raw.is_dir() else _captures_of(raw, hints)
    wanted = [capture for capture in found if layout in ("auto", capture.layout)]
    if not wanted:
        looked_for = [candidate for candidate in LAYOUTS if layout in ("auto", candidate.name)]
        raise InputError(
            f"{raw}: holds no motion capture in the layouts looked for, which are "
            f"{_enumerate(f'{candidate.name} ({candidate.files})' for candidate in looked_for)}"
            + (f"; it does hold {_enumerate(map(str, found))}." if found else ".")
        )
    if len(wanted) > 1:
        has_several_layouts = len({capture.layout for capture in wanted}) > 1
        raise InputError(
            f"{raw}: holds more than one motion capture, {_enumerate(map(str, wanted))}; point data.raw at one of them"
            + (" or choose one by data.layout." if has_several_layouts else ".")
        )
    return wanted[0]


def _captures_of(file: Path, hints: Hints) -> list[Capture]:
    """A file may have any name; its ending says what it is."""
    fitting = [layout for layout in LAYOUTS if file.name.lower().endswith(layout.endings)]
    if len(fitting) > 1:
        fitting = [layout for layout in fitting if _recognises(layout, file)] or fitting[:1]
    return [layout.capture(file.parent, (file,), hints) for layout in fitting]


def _recognises(layout: Layout, file: Path) -> bool:
    try:
        return layout.recognises(file)
    except InputError:  # a damaged file is of no layout yet; who reads it says what is wrong with it
        return False


def _captures_in(folder: Path, hints: Hints) -> list[Capture]:
    by_place: dict[tuple[Layout, Path], list[Path]] = {}
    for path in _files_below(folder):
        for layout in LAYOUTS:
            root = layout.root_of(path)
            if root is not None:
                by_place.setdefault((layout, root), []).append(path)
    captures = [layout.capture(root, tuple(sorted(paths)), hints) for (layout, root), paths in by_place.items()]
    return sorted(captures, key=str)


def _files_below(folder: Path) -> Iterator[Path]:
    """Links to folders are followed, and each folder is seen once."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen or len(Path(parent).relative_to(folder).parts) >= _LEVELS:
            folders.clear()
        if place not in seen:
            yield from (Path(parent, name) for name in files)
        seen.add(place)
        folders.sort()


def _enumerate(items: Iterable[str]) -> str:
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last
