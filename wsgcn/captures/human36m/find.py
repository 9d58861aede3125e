"""What layout of Human3.6M's 3D lies at a path, and where."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cdf import CDF
from wsgcn.captures.human36m.cdf_archives import CDF_ARCHIVES
from wsgcn.captures.human36m.martinez import MARTINEZ
from wsgcn.captures.human36m.martinez_zip import MARTINEZ_ZIP
from wsgcn.captures.human36m.mat import MAT
from wsgcn.captures.human36m.recording import Layout, Recording
from wsgcn.captures.human36m.videopose3d import VIDEOPOSE3D

LAYOUTS: tuple[Layout, ...] = (CDF_ARCHIVES, CDF, MAT, MARTINEZ_ZIP, MARTINEZ, VIDEOPOSE3D)

_LEVELS = 8  # of folders below the one named; the deepest layout has five of its own


@dataclass(frozen=True)
class Capture:
    """Human3.6M's 3D in one layout at one place."""

    layout: Layout
    root: Path
    paths: tuple[Path, ...]  # its files, sorted

    def recordings(self, subjects: Collection[str]) -> Iterator[Recording]:
        """The recordings of these subjects, one at a time and in the order of the files.

        Raises:
            InputError: a file cannot be read, or does not say whose take it is.
        """
        return self.layout.recordings(self.paths, subjects)

    def __str__(self) -> str:
        return f"{self.layout.name} ({self.paths[0] if len(self.paths) == 1 else self.root})"


def find_layout(raw: Path | str, layout: str = "auto") -> Capture:
    """Recognise the one layout at `raw`.

    Args:
        raw: a file or a folder; folders are searched a few levels deep.
        layout: a layout's name to look for that alone, or 'auto'.

    Raises:
        InputError: nothing is there, none of the layouts is, or more than one.
    """
    raw = Path(raw)
    if not raw.exists():
        raise InputError(f"{raw}: not found; data.raw should be a file or folder with Human3.6M's 3D positions.")
    found = _captures_in(raw) if raw.is_dir() else _captures_of(raw)
    wanted = [capture for capture in found if layout in ("auto", capture.layout.name)]
    if not wanted:
        looked_for = [candidate for candidate in LAYOUTS if layout in ("auto", candidate.name)]
        raise InputError(
            f"{raw}: holds no 3D positions of Human3.6M in the layouts looked for, which are "
            f"{_enumerate(f'{candidate.name} ({candidate.files})' for candidate in looked_for)}"
            + (f"; it does hold {_enumerate(map(str, found))}." if found else ".")
        )
    if len(wanted) > 1:
        has_several_layouts = len({capture.layout.name for capture in wanted}) > 1
        raise InputError(
            f"{raw}: holds Human3.6M more than once, as {_enumerate(map(str, wanted))}; point data.raw at one of them"
            + (" or choose one by data.layout." if has_several_layouts else ".")
        )
    return wanted[0]


def _captures_of(file: Path) -> list[Capture]:
    """A file may have any name; its ending says what it is."""
    return [Capture(layout, file.parent, (file,)) for layout in LAYOUTS if file.name.lower().endswith(layout.endings)]


def _captures_in(folder: Path) -> list[Capture]:
    by_place: dict[tuple[Layout, Path], list[Path]] = {}
    for path in _files_below(folder):
        for layout in LAYOUTS:
            root = layout.root_of(path)
            if root is not None:
                by_place.setdefault((layout, root), []).append(path)
    captures = [Capture(layout, root, tuple(sorted(paths))) for (layout, root), paths in by_place.items()]
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
