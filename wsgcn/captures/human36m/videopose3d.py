"""VideoPose3D's data_3d_h36m.npz: `positions_3d`, a pickled {subject: {take: (T, 32, 3) float32}}, metres, world."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TypeGuard

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.captures.human36m.checks import checked_array
from wsgcn.captures.human36m.recording import FileLayout, RawTake
from wsgcn.containers.npz import load_npz


@dataclass(frozen=True, kw_only=True)
class VideoPose3D(FileLayout):
    """One file for everything; it is in memory as a whole while it is read."""

    def root_of(self, path: Path) -> Path | None:
        return path.parent if fnmatchcase(path.name, self.files) else None

    def raw_takes(self, paths: Sequence[Path], subjects: Collection[str]) -> Iterator[RawTake]:
        for path in paths:
            for subject, takes in _tree(path).items():
                for take, positions_m in takes.items() if subject in subjects else ():
                    origin = f"{path}: {brief(subject, 40)} {brief(take, 40)}"
                    yield RawTake(subject, take, origin, "m", partial(checked_array, positions_m, ("T", 32, 3), origin))


def _tree(path: Path) -> dict[str, dict[str, object]]:
    arrays = load_npz(path)
    if "positions_3d" not in arrays:
        raise InputError(f"{path}: has no positions_3d (it has {enumerated(arrays)}).")
    tree = arrays["positions_3d"]
    if not _is_tree(tree):
        raise InputError(f"{path}: positions_3d is not a dictionary of subjects, each one of takes.")
    return tree


def _is_tree(tree: object) -> TypeGuard[dict[str, dict[str, object]]]:
    return isinstance(tree, dict) and all(
        isinstance(subject, str) and isinstance(takes, dict) and all(isinstance(take, str) for take in takes)
        for subject, takes in tree.items()
    )


VIDEOPOSE3D = VideoPose3D(name="videopose3d", files="data_3d_h36m.npz", endings=(".npz",))
