"""The layouts that `data.raw` may have, and which of them lies at a path. A dataset is a line in LAYOUTS."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.base.signatures import kind_of_file
from wsgcn.captures.bvh.capture import BVH
from wsgcn.captures.capture import Capture, Hints, Layout
from wsgcn.captures.human36m.layouts import LAYOUTS as HUMAN36M
from wsgcn.captures.human36m.unfit import why_unfit

LAYOUTS: tuple[Layout, ...] = (*HUMAN36M, BVH)

_NO_HINTS = Hints()
_ARCHIVES = (".zip", ".tgz", ".tar.gz", ".tar")
_LOOKED_INTO = 8  # archives, for a message
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
    if not wanted and not found and (unfit := _first_unfit(raw)) is not None:
        raise InputError(unfit)
    if not wanted:
        looked_for = [candidate for candidate in LAYOUTS if layout in ("auto", candidate.name)]
        raise InputError(
            f"{raw}: holds no motion capture in the layouts looked for, which are "
            f"{_enumerate(f'{candidate.name} ({candidate.files})' for candidate in looked_for)}"
            + (f"; it does hold {_enumerate(map(str, found))}." if found else f"; {_what_lies_at(raw)}.")
        )
    if len(wanted) > 1:
        has_several_layouts = len({capture.layout for capture in wanted}) > 1
        raise InputError(
            f"{raw}: holds more than one motion capture, {_enumerate(map(str, wanted))}; point data.raw at one of them"
            + (" or choose one by data.layout." if has_several_layouts else ".")
        )
    return wanted[0]


def _first_unfit(raw: Path) -> str | None:
    """A sentence on the first file that is plainly another part of a dataset than its 3D."""
    for path in sorted(_files_below(raw)) if raw.is_dir() else (raw,):
        if (why := why_unfit(path)) is not None:
            return f"{raw}: {path.relative_to(raw)} {why}." if raw.is_dir() else f"{raw}: {why}."
    return None


def _what_lies_at(raw: Path) -> str:
    """What is there instead: an archive by another name that holds takes, or else the files by their endings."""
    if not raw.is_dir():
        return f"it is {kind_of_file(raw) or 'a file of another kind'}"
    files = sorted(_files_below(raw))
    for path in [path for path in files if path.name.lower().endswith(_ARCHIVES)][:_LOOKED_INTO]:
        for layout in LAYOUTS:
            if path.name.lower().endswith(layout.endings) and _recognises(layout, path):
                return f"{brief(path.relative_to(raw), 80)} in it has {layout.name}: point data.raw at that file"
    counts = Counter(path.suffix.lower() or "without an ending" for path in files)
    return f"it holds {enumerated([f'{count} {ending}' for ending, count in counts.most_common()], 5)}"


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
