"""Lifted poses out of the arrays and metadata of a file, whatever its format."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.lifting.lifted import FORMAT, Lifted, Rows, about_of
from wsgcn.pose.skeleton import SKELETONS

_KINDS = {"frames": "iu", "missing": "b", "interpolated": "b", "substituted": "b"}  # dtype.kind; all others are floats


def check_is_lifted(path: Path, metadata: object, found: Sequence[str]) -> None:
    """Raises InputError unless the metadata are those of `wsgcn lift`; `found` names what else the file holds."""
    if not isinstance(metadata, Mapping) or metadata.get("format") != FORMAT:
        raise InputError(f"{path}: holds {enumerated(found)}, expected the output of `wsgcn lift`.")


def lifted_from(
    path: Path,
    person: str,
    metadata: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    names: tuple[str, ...] | None,
) -> Lifted:
    """The track of one person.

    Args:
        arrays: by the names of `wsgcn.lifting.lifted.Rows`.

    Raises:
        InputError: the skeleton is not known, or an array is missing or has another shape.
    """
    skeleton = SKELETONS.get(str(metadata.get("skeleton")))
    listed = metadata.get("joints")
    joints = [str(joint) for joint in listed] if isinstance(listed, list | tuple) else []
    if skeleton is None or joints != list(skeleton.joints):
        raise InputError(f"{path}: has the joints {enumerated(joints)}, expected those of a known skeleton.")
    frames = np.size(arrays.get("frames", ()))
    shapes = {
        "frames": (frames,),
        "pose_m": (frames, len(joints), 3),
        "root_m": (frames, 3),
        "missing": (frames,),
        "interpolated": (frames, len(joints)),
        "substituted": (frames, len(joints)),
        "keypoints_px": (frames, len(joints), 2),
    }
    for name, shape in shapes.items():
        if name not in arrays and name != "root_m":
            raise InputError(f"{path}: has no {name}, expected the output of `wsgcn lift`.")
        if name in arrays and arrays[name].shape != shape:
            raise InputError(f"{path}: {name} has the shape {brief(arrays[name].shape, 60)}, expected {shape}.")
        if name in arrays and arrays[name].dtype.kind not in _KINDS.get(name, "f"):
            raise InputError(
                f"{path}: {name} holds {brief(arrays[name].dtype, 40)}, expected the output of `wsgcn lift`."
            )
    if names is not None and len(names) != frames:
        raise InputError(f"{path}: has {len(names)} names for {frames} frames.")
    fps = metadata.get("fps")
    if fps is not None and not (isinstance(fps, int | float) and 0 <= fps < math.inf):
        raise InputError(f"{path}: has {brief(fps, 40)} frames a second, expected a positive number.")
    rows: dict[str, Any] = {field.name: arrays.get(field.name) for field in fields(Rows)}
    return Lifted(person=person, skeleton=skeleton, names=names, about=about_of(metadata), **rows)
