"""Which format a keypoint file is in: named, or seen from its content."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import JointOrder
from wsgcn.readers.keypoints import alphapose, arrays, blazepose, coco, mmpose, openpose, project_file, videopose3d
from wsgcn.readers.keypoints.base import KeypointFile, Tracks, load_json, named_order
from wsgcn.readers.npy import load_npy
from wsgcn.readers.safe_pickle import load_npz

_Read = Callable[[Path, Any, JointOrder | None], Tracks]

# Formats in JSON: how to tell them, in this order, and how to read them.
_JSON: dict[str, tuple[Callable[[Any], bool], _Read]] = {
    coco.ANNOTATIONS: (coco.matches_annotations, coco.read_annotations),
    coco.RESULTS: (coco.matches_results, coco.read_results),
    alphapose.FORMAT: (alphapose.matches, alphapose.read),
    mmpose.FORMAT: (mmpose.matches, mmpose.read),
    openpose.FORMAT: (openpose.matches, openpose.read),
    blazepose.FORMAT: (blazepose.matches, blazepose.read),
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
    try:
        return _open(path, format, order)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: has a part of another kind than its format wants ({error!r}).") from error


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
    tree = load_json(path)
    if tree == []:
        raise InputError(f"{path}: is an empty list; nobody is in it.")
    seen = [name for name, (matches, _) in _JSON.items() if matches(tree)]
    if not seen:
        raise InputError(f"{path}: is JSON in none of the known forms ({', '.join(_JSON)}).")
    _check(path, seen, format)
    return _JSON[format or seen[0]][1](path, tree, order)


def signature(path: Path) -> bytes:
    """The first 8 bytes.

    Raises:
        InputError: there is no such file, or it is empty or unreadable.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    if not magic:
        raise InputError(f"{path}: is empty.")
    return magic


def _open_npz(path: Path, content: Mapping[str, object], format: str | None, order: JointOrder | None) -> Tracks:
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
