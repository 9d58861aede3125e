"""COCO's JSON: results, a list of {image_id, category_id, keypoints, score}, and annotations, {images, annotations}.

`keypoints` is x, y and a score, or in annotations a visibility (0 not labelled, 1 hidden, 2 visible), for each joint.
17 joints are COCO's; other counts need a name, unless the annotations' category names its keypoints. The frame number
is the image's `frame_id` if all images have one, else its id.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import COCO, JointOrder
from wsgcn.readers.keypoints.base import (
    Instance,
    Size,
    Timeline,
    Tracks,
    chunks_of_three,
    joint_order,
    order_of_names,
    tracks_of,
)

RESULTS, ANNOTATIONS = "coco_results", "coco_annotations"


def matches_results(tree: Any) -> bool:
    return _first_has(tree, "image_id", "keypoints") and isinstance(tree[0]["image_id"], int)


def matches_annotations(tree: Any) -> bool:
    return isinstance(tree, dict) and "images" in tree and "annotations" in tree


def _first_has(tree: Any, *keys: str) -> bool:
    return isinstance(tree, list) and bool(tree) and isinstance(tree[0], dict) and all(key in tree[0] for key in keys)


def read_results(path: Path, tree: Any, order: JointOrder | None) -> Tracks:
    """Results. Raises InputError: an entry is not of this form, or has another number of joints."""
    instances = [_instance(path, entry, None) for entry in tree]
    order = joint_order(path, len(instances[0].keypoints), order, (COCO,), "the format")
    return Tracks(path, RESULTS, order, tracks_of(path, instances, order, Timeline()))


def read_annotations(path: Path, tree: Any, order: JointOrder | None) -> Tracks:
    """Annotations of the pictures of one video.

    Raises:
        InputError: a part is missing, an entry is not of this form, or the pictures have several sizes.
    """
    images = {_field(path, image, "id"): image for image in tree["images"]}
    use_frame_id = all("frame_id" in image for image in images.values())
    frame_of = {id: int(image["frame_id"]) if use_frame_id else id for id, image in images.items()}
    if len(set(frame_of.values())) < len(images):
        raise InputError(f"{path}: has images of several videos (frame_id repeats); lift one video at a time.")
    people = [entry for entry in tree["annotations"] if isinstance(entry, dict) and "keypoints" in entry]
    instances = [_instance(path, entry, frame_of) for entry in people]
    if not instances:
        raise InputError(f"{path}: has no annotation with keypoints.")
    named = [category["keypoints"] for category in tree.get("categories", []) if "keypoints" in category]
    known = (order_of_names(named[0]) if named else COCO,)
    order = joint_order(
        path, len(instances[0].keypoints), order, [each for each in known if each is not None], "its category"
    )
    timeline = Timeline(
        list(frame_of.values()), {frame_of[id]: str(image.get("file_name", "")) for id, image in images.items()}
    )
    return Tracks(path, ANNOTATIONS, order, tracks_of(path, instances, order, timeline, _size(path, images)))


def _instance(path: Path, entry: Any, frame_of: Mapping[int, int] | None) -> Instance:
    image = _field(path, entry, "image_id")
    if frame_of is not None and image not in frame_of:
        raise InputError(f"{path}: has an annotation of the image {image}, which is not among its images.")
    triples = chunks_of_three(path, image, _field(path, entry, "keypoints"))
    track = entry.get("track_id", entry.get("idx"))
    return Instance(
        frame=image if frame_of is None else frame_of[image],
        keypoints=triples,
        score=float(entry.get("score", entry.get("area", 0))),  # annotations have no score: the largest comes first
        person=None if track is None else str(track),
    )


def _field(path: Path, entry: Any, key: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if value is None or (key.endswith("id") and not isinstance(value, int)):
        raise InputError(f"{path}: has an entry with {key} {value!r}, expected COCO's {key}.")
    return value


def _size(path: Path, images: Mapping[int, Mapping[str, Any]]) -> Size | None:
    sizes = {(image["width"], image["height"]) for image in images.values() if "width" in image and "height" in image}
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:3])
        raise InputError(f"{path}: has pictures of several sizes ({listed} ...), expected those of one video.")
    return next(iter(sizes), None)
