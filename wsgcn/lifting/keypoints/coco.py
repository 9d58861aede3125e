"""COCO's JSON: results, a list of {image_id, category_id, keypoints, score}, and annotations, {images, annotations}.

`keypoints` is x, y and a score, or in annotations a visibility (0 not labelled, 1 hidden, 2 visible), for each joint.
17 joints are COCO's, 133 COCO-WholeBody's; other counts need a name, unless the annotations' category names its
keypoints. The frame number is the image's `frame_id` if all images have one, else its id.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.detections.joint_orders import COCO, COCO_WHOLEBODY, JointOrder
from wsgcn.lifting.keypoints.base import Size, joint_order, order_of_names, picture_size_of, plain_text
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline
from wsgcn.lifting.keypoints.json_file import entries, sections
from wsgcn.lifting.keypoints.points import whole

RESULTS, ANNOTATIONS = "coco_results", "coco_annotations"
ANNOTATION_KEYS = ("images", "annotations")
_ORDERS = (COCO, COCO_WHOLEBODY)


def matches_result(entry: Any) -> bool:
    return isinstance(entry, dict) and "keypoints" in entry and isinstance(entry.get("image_id"), int | float)


def read_results(path: Path, order: JointOrder | None) -> InstanceFile:
    """Results. Raises InputError: an entry is not of this form, or has another number of joints."""
    instances = Instances(path)
    for _, results in sections(path):
        for entry in results:
            _add(instances, entry)
    order = joint_order(path, instances.joints, order, _ORDERS, "the format")
    return InstanceFile(RESULTS, order, instances, instances.tracks(Timeline()))


def read_annotations(path: Path, order: JointOrder | None) -> InstanceFile:
    """Annotations of the pictures of one video.

    Raises:
        InputError: a part is missing, an entry is not of this form, or the pictures have several sizes.
    """
    images, instances = _Images(path), Instances(path)
    known: JointOrder | None = COCO
    has_images, nameless = False, None  # of the annotations that say no image, the last
    for key, section in sections(path):
        if key == "images":
            has_images = True
            for image in entries(path, section, key):
                images.add(image)
        elif key == "annotations":
            for entry in entries(path, section, key):
                if isinstance(entry, dict) and "keypoints" in entry:
                    if entry.get("image_id") is None:
                        nameless = entry
                    else:
                        _add(instances, entry)
        elif key == "categories":
            known = _order_of_category(entries(path, section, key))
    if nameless is not None or not has_images:
        raise InputError(_without_images(path, nameless, has_images))
    if not len(instances):
        raise InputError(f"{path}: has no annotation with keypoints.")
    order = joint_order(path, instances.joints, order, [known] if known else [], "its category")
    timeline, frames_N = images.timeline(instances.frames)
    return InstanceFile(ANNOTATIONS, order, instances, instances.tracks(timeline, frames_N), images.size)


def _without_images(path: Path, nameless: dict[str, Any] | None, has_images: bool) -> str:
    if nameless is None:
        return f"{path}: has annotations, but no list of images, which numbers and names the frames."
    scores = nameless["keypoints"][2::3] if isinstance(nameless["keypoints"], list) else ()
    unlabelled = ", and its visibilities are 0, which says of every joint that it is not labelled" * (not any(scores))
    lacks = "no image_id" if has_images else "no image_id, and the file no list of images, which numbers the frames"
    return f"{path}: has an annotation with {enumerated(nameless)}, but {lacks}{unlabelled}."


class _Images:
    """The pictures of annotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frame_ids: dict[int, int | None] = {}
        self._names: dict[int, str] = {}
        self.size: Size | None = None

    def add(self, image: Any) -> None:
        id = _field(self._path, image, "id")
        self._frame_ids[id] = _field(self._path, image, "frame_id") if "frame_id" in image else None
        self._names[id] = plain_text(self._path, str(image.get("file_name", "")))
        if "width" in image and "height" in image:
            size = picture_size_of(self._path, image["width"], image["height"])
            if self.size not in (None, size):
                listed = ", ".join(f"{width}x{height}" for width, height in sorted({self.size or size, size}))
                raise InputError(
                    f"{self._path}: has pictures of several sizes ({listed} ...), expected those of one video."
                )
            self.size = size

    def timeline(self, ids_N: np.ndarray) -> tuple[Timeline, np.ndarray]:
        """The frames of the video, and those of instances by the ids of their pictures."""
        ids = np.array(list(self._frame_ids), dtype=np.int64)
        frames = [id if frame is None else frame for id, frame in self._frame_ids.items()]
        if None in self._frame_ids.values():
            frames = ids.tolist()
        if len(set(frames)) < len(frames):
            raise InputError(
                f"{self._path}: has images of several videos (frame_id repeats); lift one video at a time."
            )
        is_image_N = np.isin(ids_N, ids)
        if not is_image_N.all():
            stranger = ids_N[np.argmin(is_image_N)]
            raise InputError(f"{self._path}: has an annotation of the image {stranger}, which is not among its images.")
        ascending = np.argsort(ids)
        numbers = np.array(frames, dtype=np.int64)
        names = dict(zip(frames, self._names.values(), strict=True))
        return Timeline(numbers, names), numbers[ascending[np.searchsorted(ids[ascending], ids_N)]]


def _add(instances: Instances, entry: Any) -> None:
    image = _field(instances.origin, entry, "image_id")
    # annotations have no score: the largest comes first
    score = entry.get("score", entry.get("area", 0))
    if entry.get("keypoints", ...) is None:  # nobody
        return
    keypoints = _field(instances.origin, entry, "keypoints")
    instances.add(image, keypoints, score, entry.get("track_id", entry.get("idx")))


def _field(path: Path, entry: Any, key: str) -> Any:
    found = entry.get(key) if isinstance(entry, dict) else None
    value = whole(found) if key.endswith("id") else found
    if value is None:
        listed = f"; it has {enumerated(entry)}" if isinstance(entry, dict) and key not in entry else ""
        raise InputError(f"{path}: has an entry with {key} {brief(found, 40)}, expected COCO's {key}{listed}.")
    return value


def _order_of_category(categories: Any) -> JointOrder | None:
    """The order that the first category with keypoints names; COCO's if there is none."""
    for category in categories:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list):
            return order_of_names([str(name) for name in names], "annotations")
    return COCO
