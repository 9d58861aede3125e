"""HDF5: a group a person with the arrays of `wsgcn.lifting.lifted.Rows`; the metadata are attributes of the file.

    /<person>/frames, pose_m, missing, interpolated, substituted, keypoints_px; root_m with intrinsics; picture names

A name with slashes, such as S9/Eating/54138969, is a group in groups; a few, such as the empty one, cannot be written.
In other texts NUL and lone surrogates, which HDF5 does not hold, are escapes as Python writes them. What differs
between people, such as the size of the picture or `warnings`, is an attribute of the group.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import escaped, shown
from wsgcn.base.hdf5 import ForeignHdf5, new_hdf5
from wsgcn.lifting.lifted import Lifted, Rows
from wsgcn.lifting.writers.reading import check_is_lifted, lifted_from

_CHUNK_FRAMES = 1024


class H5Writer:
    """Such a file under construction, written piece by piece; see `create`."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._file, self._path = file, path

    def add(self, person: str, rows: Rows, about: Mapping[str, Any], names: Sequence[str] | None = None) -> None:
        """Append the next frames of a person; `names` of the pictures with the first ones.

        Raises:
            InputError: the person's name is no name of a group.
        """
        if _NO_TEXT.search(person) or {"", "."}.intersection(person.split("/")):
            raise InputError(
                f"{self._path}: HDF5 cannot hold a person called {shown(person)}; another format can, such as .npz."
            )
        is_new = person not in self._file
        group = self._file.require_group(person)
        if is_new:
            _set_attributes(group, about)
            if names is not None:
                group.create_dataset("names", data=list(map(_text, names)), dtype=h5py.string_dtype())
        for field in fields(Rows):
            values = getattr(rows, field.name)
            if values is None:
                continue
            if is_new:
                group.create_dataset(
                    field.name,
                    data=values,
                    maxshape=(None, *values.shape[1:]),
                    chunks=(min(_CHUNK_FRAMES, max(len(rows), 1)), *values.shape[1:]),
                )
            else:
                dataset = group[field.name]
                dataset.resize(len(dataset) + len(values), axis=0)
                dataset[-len(values) :] = values

    def mark(self, person: str, about: Mapping[str, Any]) -> None:
        """Say something of a person who was added."""
        _set_attributes(self._file[person], about)


@contextmanager
def create(path: Path, metadata: Mapping[str, Any]) -> Iterator[H5Writer]:
    """Write such a file; it appears when the block ends well. Raises InputError: it cannot be written."""
    with new_hdf5(path) as file:
        _set_attributes(file, metadata)
        yield H5Writer(file, path)


def write(lifted: Lifted, path: Path) -> None:
    """Raises InputError: the file cannot be written."""
    with create(path, lifted.metadata) as writer:
        writer.add(lifted.person, lifted, {}, lifted.names)


def read(path: Path) -> Iterator[Lifted]:
    """The people that such a file holds, one after the other.

    Raises:
        InputError: the file is missing, damaged, or not one of lifted poses.
    """
    with ForeignHdf5(path, path) as file:
        metadata = file.attributes()
        check_is_lifted(path, metadata, file.names())
        for person in file.groups_with("pose_m"):
            held = file.names(person)
            arrays = {field.name: file.read(f"{person}/{field.name}") for field in fields(Rows) if field.name in held}
            names = tuple(file.read_texts(f"{person}/names")) if "names" in held else None
            yield lifted_from(path, person, metadata | file.attributes(person), arrays, names)


def _set_attributes(target: h5py.Group, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is not None:
            target.attrs[name] = _text(value) if isinstance(value, str) else value


_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def _text(text: str) -> str:
    return escaped(_NO_TEXT, text)
