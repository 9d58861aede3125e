"""The viewer: poses and the page that shows them, in one HTML file that asks the network for nothing."""

import base64
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.rendering.sequences import PoseSequence

# Up to here the page stays below 10 MB, with 17 joints and a truth.
MAX_FRAMES = 20_000
_MISSING = -32768  # a joint that is NaN; viewer.html knows the number too


def within(sequences: Iterable[PoseSequence], max_frames: int) -> Iterator[PoseSequence]:
    """The first sequences, as far as `max_frames` frames go; the last one is cut where they end."""
    left = max_frames
    for sequence in sequences:
        yield sequence if len(sequence) <= left else sequence.resampled(np.arange(left))
        left -= len(sequence)
        if left <= 0:
            return


def write_viewer(path: Path | str, sequences: Iterable[PoseSequence], *, title: str, about: str = "") -> int:
    """Write the page and return how many frames it shows.

    Args:
        sequences: all of one skeleton.
        title: of the page.
        about: a line below it, such as where the poses come from.

    Raises:
        InputError: there are no frames, or the file could not be written.
    """
    shown = [sequence for sequence in sequences if len(sequence)]
    if not shown:
        raise InputError(f"{title}: holds no frames; there is nothing to view.")
    skeleton = shown[0].skeleton
    assert all(sequence.skeleton == skeleton for sequence in shown)
    data = {
        "title": title,
        "about": about,
        "joints": skeleton.joints,
        "parents": skeleton.parents,
        "sides": skeleton.sides,
        "sequences": [_encoded(sequence) for sequence in shown],
    }
    # A "<" could end the script that holds the data.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = resources.files("wsgcn.rendering").joinpath("viewer.html").read_text(encoding="utf-8")
    write_atomically(path, page.replace("__DATA__", text, 1))
    return sum(len(sequence) for sequence in shown)


def _encoded(sequence: PoseSequence) -> dict[str, Any]:
    """A sequence as the page reads it: whole numbers of 16 bits, little-endian, in base64."""
    arrays = [sequence.predicted_m] + ([] if sequence.truth_m is None else [sequence.truth_m])
    largest_m = max(float(np.nanmax(np.abs(array), initial=1e-3)) for array in arrays)
    unit_m = largest_m / 32767  # below 0.1 mm for a person
    encoded = [_whole(array, unit_m) for array in arrays]
    return {
        "title": sequence.title,
        "data": sequence.data,
        "fps": sequence.fps,
        "frames": len(sequence),
        "unit_m": unit_m,
        "predicted": encoded[0],
        "truth": encoded[1] if len(encoded) > 1 else None,
    }


def _whole(values_m: np.ndarray, unit_m: float) -> str:
    whole = np.where(np.isfinite(values_m), np.round(np.nan_to_num(values_m) / unit_m), _MISSING)
    return base64.b64encode(whole.astype("<i2").tobytes()).decode("ascii")
