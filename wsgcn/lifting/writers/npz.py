"""npz: the arrays of `wsgcn.lifting.lifted.Lifted` under their names, and `metadata`, a string of JSON.

`numpy.load(path)` reads it; nothing in it is pickled.
"""

import json
from pathlib import Path

import numpy as np

from wsgcn.base.files import atomic_path
from wsgcn.base.foreign import reading
from wsgcn.containers.npz import load_arrays
from wsgcn.lifting.lifted import Lifted
from wsgcn.lifting.writers.reading import check_is_lifted, lifted_from


def write(lifted: Lifted, path: Path) -> None:
    """Raises InputError: the file cannot be written."""
    arrays = {
        "frames": lifted.frames,
        "pose_m": lifted.pose_m,
        "missing": lifted.missing,
        "interpolated": lifted.interpolated,
        "substituted": lifted.substituted,
        "keypoints_px": lifted.keypoints_px,
        "joints": np.array(lifted.skeleton.joints),
        "parents": np.array(lifted.skeleton.parents),
        "metadata": np.array(json.dumps(lifted.metadata)),
    }
    if lifted.root_m is not None:
        arrays["root_m"] = lifted.root_m
    if lifted.names is not None:
        arrays["names"] = np.array(lifted.names)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(path: Path) -> Lifted:
    """The clip that such a file holds.

    Raises:
        InputError: the file is missing, damaged, or not one of lifted poses.
    """
    arrays = load_arrays(path)
    with reading(path, "npz file"):
        names = arrays.pop("names", None)
        metadata = json.loads(str(arrays.pop("metadata", "{}")))
        frame_names = None if names is None else tuple(names.tolist())
    check_is_lifted(path, metadata, list(arrays))
    person = str(metadata.get("person", ""))
    return lifted_from(path, person, metadata, arrays, frame_names)
