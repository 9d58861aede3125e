"""Sequences out of what `wsgcn lift` writes: .npz or .h5, see `wsgcn.lifting.writers`.

Their poses are in camera axes and nothing says how the camera was held: it is taken for level.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.base.hdf5 import ForeignHdf5
from wsgcn.lifting.keypoints.base import LARGEST_SIDE
from wsgcn.lifting.keypoints.video import TIMED
from wsgcn.lifting.lifted import FORMAT, Lifted
from wsgcn.lifting.writers.formats import read_lifted
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.viewpoint import lift_to_floor, upright_from_camera

_FPS_IF_UNKNOWN = 25.0
_MOST_WARNINGS = 8


def is_lifted(path: Path) -> bool:
    """Whether a file is one of these: any .npz, or an HDF5 file that says so."""
    if path.suffix.lower() == ".npz":
        return True
    try:
        with ForeignHdf5(path, path) as file:
            return file.attribute("format") == FORMAT
    except InputError:
        return False


def lifted_sequences(path: Path) -> Iterator[PoseSequence]:
    """One sequence a person.

    Raises:
        InputError: the file is missing or damaged, or was not written by `wsgcn lift`.
    """
    has_somebody = False
    for lifted in read_lifted(path):
        has_somebody = True
        if not len(lifted.frames):
            raise InputError(f"{path}: holds no frames of person {brief(lifted.person, 40)}; there is nothing to show.")
        yield lifted_sequence(lifted, path)
    if not has_somebody:
        raise InputError(f"{path}: holds no poses; there is nothing to render.")


def lifted_sequence(lifted: Lifted, path: Path) -> PoseSequence:
    """The sequence of one person; `path` stands for a source that they do not name."""
    upright_m = lifted.pose_m.astype(np.float64) @ upright_from_camera(None).T
    fps = float(lifted.about.get("fps") or 0)
    about = [brief(lifted.about.get("source", path.name), 40), "camera taken for level"]
    about += [] if fps else [f"{_FPS_IF_UNKNOWN:.0f} frames a second assumed"]
    return PoseSequence(
        title=f"person {lifted.person}",
        data=", ".join(about),
        skeleton=lifted.skeleton,
        fps=fps or _FPS_IF_UNKNOWN,
        predicted_m=upright_m + lift_to_floor(upright_m),
        keypoints_px=lifted.keypoints_px.astype(np.float64),
        size_px=_size(lifted.about.get("size_px")),
        frames=lifted.frames,
        frames_fps=fps if fps and lifted.about.get("source_format") == TIMED else None,
        warnings=_warnings(lifted.about),
    )


def _warnings(about: Mapping[str, Any]) -> tuple[str, ...]:
    """What lifting found wrong, and what the checkpoint is not for; older files say neither."""
    found = about.get("warnings")
    listed = list(found) if isinstance(found, list | tuple) else [found]
    if caveat := about.get("checkpoint_caveat"):
        listed.append(f"the checkpoint {brief(about.get('checkpoint', ''), 60)} was {caveat}")
    said = [brief(str(sentence).removesuffix("."), 400) for sentence in listed[:_MOST_WARNINGS] if sentence]
    return tuple(f"{sentence[:1].upper()}{sentence[1:]}." for sentence in said)


def _size(value: object) -> tuple[int, int] | None:
    """A size as files hold it; None where it is none."""
    sides = list(value) if isinstance(value, list | tuple) else []
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= LARGEST_SIDE for side in sides):
        return None
    return sides[0], sides[1]
