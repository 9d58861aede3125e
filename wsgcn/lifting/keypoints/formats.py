"""Which format a keypoint file is in: named, or seen from its content."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated, reading
from wsgcn.base.signatures import kind_of_file
from wsgcn.containers.npy import load_npy
from wsgcn.containers.npz import load_npz
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints import (
    alphapose,
    any_json,
    arrays,
    blazepose,
    coco,
    detectron,
    easy_vitpose,
    folders,
    mmpose,
    openpose,
    project_file,
    skeleton_sequence,
    ultralytics,
    videopose3d,
)
from wsgcn.lifting.keypoints.base import InUnit, KeypointFile, Tracks, Unit, named_order
from wsgcn.lifting.keypoints.json_file import sections, size_of_file


def _never(_: Any) -> bool:
    return False


@dataclass(frozen=True)
class _JsonFormat:
    """A format in JSON, and how to tell it.

    Attributes:
        keys: of the object at the top, any of them.
        matches: whether an entry of the list at the top is one of this format's.
        matches_under: whether what stands under a key of the object at the top is, or an entry of the list there.
    """

    read: Callable[[Path, JointOrder | None], KeypointFile]
    keys: tuple[str, ...] = ()
    matches: Callable[[Any], bool] = _never
    matches_under: Callable[[Any], bool] = _never


# In the order in which they are told.
_JSON = {
    coco.ANNOTATIONS: _JsonFormat(coco.read_annotations, keys=coco.ANNOTATION_KEYS),
    coco.RESULTS: _JsonFormat(coco.read_results, matches=coco.matches_result),
    alphapose.FORMAT: _JsonFormat(alphapose.read, matches=alphapose.matches, matches_under=alphapose.matches_picture),
    alphapose.TRACKED: _JsonFormat(alphapose.read_tracked, matches_under=alphapose.matches_tracked),
    mmpose.FORMAT: _JsonFormat(mmpose.read, mmpose.KEYS, mmpose.matches),
    openpose.FORMAT: _JsonFormat(openpose.read, keys=openpose.KEYS),
    ultralytics.FORMAT: _JsonFormat(ultralytics.read, matches=ultralytics.matches),
    easy_vitpose.FORMAT: _JsonFormat(easy_vitpose.read, matches_under=easy_vitpose.matches),
    skeleton_sequence.FORMAT: _JsonFormat(
        skeleton_sequence.read, matches=skeleton_sequence.matches, matches_under=skeleton_sequence.matches
    ),
    blazepose.FORMAT: _JsonFormat(blazepose.read, matches=blazepose.matches_any, matches_under=blazepose.matches_any),
}

FORMATS = (
    *_JSON,
    any_json.FORMAT,
    ultralytics.LABELS,
    videopose3d.FORMAT,
    detectron.FORMAT,
    arrays.FORMAT,
    project_file.FORMAT,
)

HDF5, _ZIP, _NPY, PARQUET = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x93NUMPY", b"PAR1"
_MOST_KEYS = 4  # in a message


def open_keypoints(
    path: Path | str, format: str | None = None, joints: str | None = None, unit: Unit | None = None
) -> KeypointFile:
    """Open a keypoint file or folder.

    Args:
        format: one of FORMATS; None sees it from the content.
        joints: the name of the joint order; needed where the format does not tell it. With it, JSON of any other form
            is searched for keypoints of so many joints.
        unit: of the values, pixels or parts of the picture; None sees it from the format or, in JSON, from the values.

    Raises:
        InputError: the path does not exist; it is truncated, damaged, would run code, or is in no known format or
            another than the named one; or the joint order is unknown.
    """
    path = Path(path)
    order = named_order(joints)
    if format is not None and format not in FORMATS:
        raise InputError(f"format: {format!r} is no known format; known are {', '.join(FORMATS)}.")
    file = _open(path, format, order)
    return file if unit is None else InUnit(file, unit)


def _open(path: Path, format: str | None, order: JointOrder | None) -> KeypointFile:
    if path.is_dir():
        found = folders.look_into(path)
        _check(path, [found.format, *([any_json.FORMAT] if order else [])], format)
        return folders.read(path, found, format, order)
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
    if (kind := kind_of_file(path)) is not None:
        raise InputError(f"{path}: is {kind}, expected 2D keypoints, such as a detector's JSON or npz.")
    if format == any_json.FORMAT or (format is None and order is not None and not _json_formats(path)):
        if order is None:
            raise InputError(f"{path}: as any JSON it needs the joint order; name it by joints.")
        return any_json.read(path, order)
    seen = _json_formats(path)
    if not seen:
        raise InputError(_no_known_form(path))
    _check(path, seen, format)
    return _JSON[format or seen[0]].read(path, order)


def _json_formats(path: Path) -> list[str]:
    """The formats that a JSON file looks like: by the first key or entry that tells one.

    Raises:
        InputError: it is no JSON, or an empty list.
    """
    for key, section in sections(path):
        if key is None and not isinstance(section, Iterator):
            return []
        if key is not None and (seen := [name for name, each in _JSON.items() if key in each.keys]):
            return seen
        entry = None
        for entry in section if isinstance(section, Iterator) else (section,):
            for name, each in _JSON.items():
                if (each.matches if key is None else each.matches_under)(entry):
                    return [name]
        if key is None and entry is None:
            raise InputError(f"{path}: is an empty list; nobody is in it.")
    return []


def _no_known_form(path: Path) -> str:
    """What lies in a JSON file of no known form."""
    parts = []
    for key, section in islice(sections(path), _MOST_KEYS):
        if isinstance(section, Iterator):
            first = next(section, None)
            inside = f"a list of {_form(first)}" if first is not None else "an empty list"
        else:
            inside = _form(section)
        parts.append(inside if key is None else f"{brief(key, 24)}: {inside}")
    return (
        f"{path}: is JSON in none of the known forms; it has {brief('; '.join(parts), 160) or 'nothing'}. If there are "
        "keypoints in it, name their order by joints."
    )


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{enumerated(value, 4)}}}"
    if isinstance(value, list):
        return f"lists of {len(value)}"
    return brief(value, 24)


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
    if detectron.matches(content):
        _check(path, [detectron.FORMAT], format)
        return detectron.read(path, content, order)
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
