"""Sequences out of what `wsgcn lift` writes: .npz or .h5, see `wsgcn.writers`.

Their poses are in camera axes and nothing says how the camera was held: it is taken for level.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wsgcn.errors import InputError
from wsgcn.lifted import FORMAT
from wsgcn.rendering.sequences import PoseSequence, skeleton_of
from wsgcn.rendering.viewpoint import lift_to_floor, upright_from_camera

_FPS_IF_UNKNOWN = 25.0


def is_lifted(path: Path) -> bool:
    """Whether a file is one of these: any .npz, or an HDF5 file that says so."""
    if path.suffix.lower() == ".npz":
        return True
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("format") == FORMAT
    except OSError:
        return False


def lifted_sequences(path: Path) -> Iterator[PoseSequence]:
    """One sequence a person.

    Raises:
        InputError: the file is missing or damaged, or was not written by `wsgcn lift`.
    """
    if path.suffix.lower() == ".npz":
        yield _read_npz(path)
        return
    with h5py.File(path, "r") as file:
        people: list[str] = []
        file.visititems(
            lambda name, item: people.append(name) if isinstance(item, h5py.Group) and "pose_m" in item else None
        )
        for person in people:
            yield _sequence(path, person, {**file.attrs, **file[person].attrs}, file[person])


def _read_npz(path: Path) -> PoseSequence:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ("metadata", "pose_m", "keypoints_px") if name in archive.files}
        metadata = json.loads(str(arrays["metadata"])) if "metadata" in arrays else {}
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is not a readable npz file ({' '.join(str(error).split())}).") from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise InputError(f"{path}: is not an output of `wsgcn lift` (its metadata does not say '{FORMAT}').")
    return _sequence(path, str(metadata.get("person", "")), metadata, arrays)


def _sequence(path: Path, person: str, metadata: Mapping[str, Any], arrays: Mapping[str, Any]) -> PoseSequence:
    """
    Raises:
        InputError: a part is missing or has another shape.
    """
    skeleton = skeleton_of([str(joint) for joint in metadata.get("joints", [])], path)
    joints = len(skeleton.joints)
    pose_m = _array(path, arrays, "pose_m", (joints, 3))
    keypoints_px = _array(path, arrays, "keypoints_px", (joints, 2))
    if len(keypoints_px) != len(pose_m):
        raise InputError(f"{path}: has {len(pose_m)} poses, but {len(keypoints_px)} frames of keypoints.")
    upright_m = pose_m @ upright_from_camera(None).T
    fps = float(metadata.get("fps") or 0)
    about = [str(metadata.get("source", path.name)), "camera taken for level"]
    about += [] if fps else [f"{_FPS_IF_UNKNOWN:.0f} frames a second assumed"]
    return PoseSequence(
        title=f"person {person}",
        data=", ".join(about),
        skeleton=skeleton,
        fps=fps or _FPS_IF_UNKNOWN,
        predicted_m=upright_m + lift_to_floor(upright_m),
        keypoints_px=keypoints_px,
    )


def _array(path: Path, arrays: Mapping[str, Any], name: str, shape: tuple[int, int]) -> np.ndarray:
    if name not in arrays:
        raise InputError(f"{path}: has no {name}; expected an output of `wsgcn lift`.")
    values = arrays[name][()]
    if values.shape[1:] != shape or values.dtype.kind != "f":
        raise InputError(
            f"{path}: {name} is {values.shape} {values.dtype}, expected (frames, {shape[0]}, {shape[1]}) floats."
        )
    return values.astype(np.float64)
