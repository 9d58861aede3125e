"""Layouts with a file a take, <subject>/<folder>/<take><ending>: lying in folders, or in archives."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.recording import FileLayout, RawTake
from wsgcn.captures.human36m.unfit import why_unfit
from wsgcn.containers.archives import ReadMembers, has_member

Decode = Callable[[bytes, str], np.ndarray]  # (content, origin) -> (T, 32, 3) float64, mm; raises InputError


@dataclass(frozen=True)
class TakeFiles:
    """How a layout names the files of its takes, and what it keeps in them.

    Attributes:
        also: another name of the folder.
    """

    folder: str
    ending: str
    decode: Decode
    also: str | None = None

    def __str__(self) -> str:
        return " or ".join(f"S*/{folder}/*{self.ending}" for folder in self._folders)

    @property
    def _folders(self) -> tuple[str, ...]:
        return (self.folder,) if self.also is None else (self.folder, self.also)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # names that begin with a dot are the notes that macOS leaves beside the files
        take = rf"(?P<take>[^/.][^/]*){re.escape(self.ending)}"
        folders = "|".join(map(re.escape, self._folders))
        return re.compile(rf"(?P<root>.*/)?(?P<subject>S\d+)/(?:{folders})/{take}")

    def match(self, path: str) -> re.Match[str] | None:
        """The root, subject and take of a path with forward slashes; None if it is not the file of a take."""
        return self._pattern.fullmatch(path)


@dataclass(frozen=True, kw_only=True)
class Tree(FileLayout):
    """The files of the takes lie in folders."""

    take_files: TakeFiles

    def root_of(self, path: Path) -> Path | None:
        matched = self._match(path)
        return Path(matched["root"]) if matched else None

    def raw_takes(self, paths: Sequence[Path], subjects: Collection[str]) -> Iterator[RawTake]:
        for path in paths:
            matched = self._match(path)
            if matched is None:
                unfit = why_unfit(path.absolute())
                expected = f"does not say whose take it is; its path should end in {self.take_files}"
                raise InputError(f"{path}: {unfit or expected}.")
            if matched["subject"] in subjects:
                yield RawTake(matched["subject"], matched["take"], str(path), "mm", partial(self._read, path))

    def _match(self, path: Path) -> re.Match[str] | None:
        # the subject may stand above the folder that the user named
        return self.take_files.match(path.absolute().as_posix())

    def _read(self, path: Path) -> np.ndarray:
        return self.take_files.decode(limits.read_file(path, limits.TAKE_BYTES), str(path))


@dataclass(frozen=True, kw_only=True)
class Archives(FileLayout):
    """The files of the takes lie in archives; those in one folder belong together."""

    take_files: TakeFiles
    read_members: ReadMembers

    def root_of(self, path: Path) -> Path | None:
        return path.parent if fnmatchcase(path.name, self.files) else None

    def recognises(self, path: Path) -> bool:
        return has_member(path, self.read_members, lambda name: self.take_files.match(name) is not None)

    def raw_takes(self, paths: Sequence[Path], subjects: Collection[str]) -> Iterator[RawTake]:
        for path in paths:
            holds_takes = False

            def is_wanted(name: str) -> bool:
                nonlocal holds_takes
                matched = self.take_files.match(name)
                holds_takes |= matched is not None
                return matched is not None and matched["subject"] in subjects

            for name, content in self.read_members(path, is_wanted):
                matched = self.take_files.match(name)
                assert matched is not None
                origin = f"{path}: {name}"
                decode = partial(self.take_files.decode, content, origin)
                yield RawTake(matched["subject"], matched["take"], origin, "mm", decode)
            if not holds_takes:
                raise InputError(f"{path}: {why_unfit(path) or f'holds no {self.take_files}'}.")
