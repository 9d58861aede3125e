"""AlphaPose's results: a flat list of {image_id, category_id, keypoints, score}, `image_id` being a file name.

17 joints are COCO's, 26 and 136 Halpe's. With its tracker each entry has `idx`, the person; without, `idx` may be
there too and mean nothing: 0 for everybody, some in nested lists. The frame number is the last number in the file name.
"""

from pathlib import Path
from typing import Any

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import COCO, HALPE_26, HALPE_136, JointOrder
from wsgcn.readers.keypoints.base import (
    Instance,
    Timeline,
    Tracks,
    chunks_of_three,
    frame_numbers,
    joint_order,
    tracks_of,
)

FORMAT = "alphapose"


def matches(tree: Any) -> bool:
    first = tree[0] if isinstance(tree, list) and tree else None
    return isinstance(first, dict) and "keypoints" in first and isinstance(first.get("image_id"), str)


def read(path: Path, tree: Any, order: JointOrder | None) -> Tracks:
    """Raises InputError: an entry is not of this form, or has another number of joints."""
    for entry in tree:
        if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), str):
            raise InputError(f"{path}: has an entry without the name of its picture (image_id).")
    number_of = frame_numbers(entry["image_id"] for entry in tree)
    instances = [
        Instance(
            frame=number_of[entry["image_id"]],
            keypoints=chunks_of_three(path, entry["image_id"], entry.get("keypoints")),
            score=float(entry.get("score", 0)),
            person=person,
        )
        for entry, person in zip(tree, _people(tree), strict=True)
    ]
    order = joint_order(path, len(instances[0].keypoints), order, (COCO, HALPE_26, HALPE_136), "the format")
    timeline = Timeline(names={number: name for name, number in number_of.items()})
    return Tracks(path, FORMAT, order, tracks_of(path, instances, order, timeline))


def _people(entries: list[dict[str, Any]]) -> list[str | None]:
    """The track of each entry; None for all of them where `idx` tells nobody apart."""

    def number(idx: Any) -> str | None:
        while isinstance(idx, list) and idx:
            idx = idx[0]
        return f"{idx:g}" if isinstance(idx, int | float) else None

    people = [number(entry.get("idx")) for entry in entries]
    places = {(entry["image_id"], person) for entry, person in zip(entries, people, strict=True)}
    return people if None not in people and len(places) == len(entries) else [None] * len(entries)
