"""Which format a keypoint file is in: named, or seen from its content."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import reading
from wsgcn.containers.npy import load_npy
from wsgcn.containers.npz import load_npz
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints import alphapose, arrays, blazepose, coco, mmpose, openpose, project_file, videopose3d
from wsgcn.lifting.keypoints.base import KeypointFile, Tracks, named_order
from wsgcn.lifting.keypoints.json_file import sections, size_of_file


@dataclass(frozen=True)
class _JsonFormat:
    """A format in JSON, and how to tell it.

    Attributes:
        keys: of the object at the top, any of them.
        matches: whether an entry of the list at the top is one of this format's.
    """

    read: Callable[[Path, JointOrder | None], KeypointFile]
    keys: tuple[str, ...] = ()
    matches: Callable[[Any], bool] = lambda entry: False


# In the order in which they are told.
_JSON = {
    coco.ANNOTATIONS: _JsonFormat(coco.read_annotations, keys=coco.ANNOTATION_KEYS),
    coco.RESULTS: _JsonFormat(coco.read_results, matches=coco.matches_result),
    alphapose.FORMAT: _JsonFormat(alphapose.read, matches=alphapose.matches),
    mmpose.FORMAT: _JsonFormat(mmpose.read, mmpose.KEYS, mmpose.matches),
    openpose.FORMAT: _JsonFormat(openpose.read, keys=openpose.KEYS),
    blazepose.FORMAT: _JsonFormat(blazepose.read, matches=blazepose.matches),
}

FORMATS = (*_JSON, videopose3d.FORMAT, arrays.FORMAT, project_file.FORMAT)

HDF5, _ZIP, _NPY, PARQUET = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x93NUMPY", b"PAR1"


def open_keypoints(path: Path | str, format: str | None = None, joints: str | None = None) -> KeypointFile:
    """Open a keypoint file or folder.

    Args:
        format: one of FORMATS; None sees it from the content.
        joints: the name of the joint order; needed where the format does not tell it.

    Raises:
        InputError: the path does not exist; it is truncated, damaged, would run code, or is in no known format or
            another than the named one; or the joint order is unknown.
    """
    path = Path(path)
    order = named_order(joints)
    if format is not None and format not in FORMATS:
        raise InputError(f"format: {format!r} is no known format; known are {', '.join(FORMATS)}.")
    return _open(path, format, order)


def _open(path: Path, format: str | None, order: JointOrder | None) -> KeypointFile:
    if path.is_dir():
        _check(path, [openpose.FORMAT], format)
        return openpose.read_folder(path, order)
    magic = signature(path)
    if magic == HDF5:
        _check(path, [project_file.FORMAT], format)
        return project_file.DetectionsFile(path, order)
    if magic.startswith(_ZIP):
        return _open_npz(path, load_npz(path), format, order)
    if magic.startswith(_NPY):
        return _open_array(path, load_npy(path), format, order)
    if magic.startswith(PARQUET):
        raise InputError(f"{path}: is Parquet, which is lifted in batches into another Parquet or HDF5 file.")
    seen = _json_formats(path)
    _check(path, seen, format)
    return _JSON[format or seen[0]].read(path, order)


def _json_formats(path: Path) -> list[str]:
    """The formats that a JSON file looks like: by the first key or entry that tells one.

    Raises:
        InputError: it is no JSON, or looks like none.
    """
    entry = None
    for key, section in sections(path):
        if key is not None and (seen := [name for name, each in _JSON.items() if key in each.keys]):
            return seen
        for entry in section if key is None and isinstance(section, Iterator) else ():
            if seen := [name for name, each in _JSON.items() if each.matches(entry)]:
                return seen
        if key is None and isinstance(section, Iterator) and entry is None:
            raise InputError(f"{path}: is an empty list; nobody is in it.")
    raise InputError(f"{path}: is JSON in none of the known forms ({', '.join(_JSON)}).")


def signature(path: Path) -> bytes:
    """The first 8 bytes.

    Raises:
        InputError: there is no such file, or it is empty or unreadable.
    """
    with reading(path, "file"):
        size_of_file(path)
        with path.open("rb") as file:
            magic = file.read(8)
    if not magic:
        raise InputError(f"{path}: is empty.")
    return magic


def _open_npz(path: Path, content: Mapping[str, object], format: str | None, order: JointOrder | None) -> KeypointFile:
    if videopose3d.matches(content):
        _check(path, [videopose3d.FORMAT], format)
        return videopose3d.read(path, content, order)
    only = next(iter(content.values())) if len(content) == 1 else None
    if isinstance(only, np.ndarray) and blazepose.matches_array(only):
        return _open_array(path, only, format, order)
    _check(path, [arrays.FORMAT], format)
    return arrays.read_npz(path, content, order)


def _open_array(path: Path, array: np.ndarray, format: str | None, order: JointOrder | None) -> Tracks:
    if blazepose.matches_array(array):
        _check(path, [blazepose.FORMAT], format)
        return blazepose.read_array(path, array, order)
    _check(path, [arrays.FORMAT], format)
    return arrays.read_array(path, array, order)


def _check(path: Path, seen: Sequence[str], named: str | None) -> None:
    if named is not None and named not in seen:
        raise InputError(f"{path}: looks like {' or '.join(seen)}, not like {named}.")
