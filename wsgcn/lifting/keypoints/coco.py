"""COCO's JSON: results, a list of {image_id, category_id, keypoints, score}, and annotations, {images, annotations}.

`keypoints` is x, y and a score, or in annotations a visibility (0 not labelled, 1 hidden, 2 visible), for each joint.
17 joints are COCO's; other counts need a name, unless the annotations' category names its keypoints. The frame number
is the image's `frame_id` if all images have one, else its id.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import COCO, JointOrder
from wsgcn.lifting.keypoints.base import Size, joint_order, order_of_names, picture_size_of, plain_text
from wsgcn.lifting.keypoints.instances import LARGEST_FRAME, InstanceFile, Instances, Timeline
from wsgcn.lifting.keypoints.json_file import entries, sections

RESULTS, ANNOTATIONS = "coco_results", "coco_annotations"
ANNOTATION_KEYS = ("images", "annotations")


def matches_result(entry: Any) -> bool:
    return isinstance(entry, dict) and "keypoints" in entry and isinstance(entry.get("image_id"), int)


def read_results(path: Path, order: JointOrder | None) -> InstanceFile:
    """Results. Raises InputError: an entry is not of this form, or has another number of joints."""
    instances = Instances(path)
    for _, results in sections(path):
        for entry in results:
            _add(instances, entry)
    order = joint_order(path, instances.joints, order, (COCO,), "the format")
    return InstanceFile(RESULTS, order, instances, instances.tracks(Timeline()))


def read_annotations(path: Path, order: JointOrder | None) -> InstanceFile:
    """Annotations of the pictures of one video.

    Raises:
        InputError: a part is missing, an entry is not of this form, or the pictures have several sizes.
    """
    images, instances = _Images(path), Instances(path)
    known: JointOrder | None = COCO
    for key, section in sections(path):
        if key == "images":
            for image in entries(path, section, key):
                images.add(image)
        elif key == "annotations":
            for entry in entries(path, section, key):
                if isinstance(entry, dict) and "keypoints" in entry:
                    _add(instances, entry)
        elif key == "categories":
            known = _order_of_category(entries(path, section, key))
    if not len(instances):
        raise InputError(f"{path}: has no annotation with keypoints.")
    order = joint_order(path, instances.joints, order, [known] if known else [], "its category")
    timeline, frames_N = images.timeline(instances.frames)
    return InstanceFile(ANNOTATIONS, order, instances, instances.tracks(timeline, frames_N), images.size)


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
    keypoints = _field(instances.origin, entry, "keypoints")
    instances.add(image, keypoints, score, entry.get("track_id", entry.get("idx")))


def _field(path: Path, entry: Any, key: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    is_whole = isinstance(value, int) and abs(value) <= LARGEST_FRAME
    if value is None or (key.endswith("id") and not is_whole):
        raise InputError(f"{path}: has an entry with {key} {brief(value, 40)}, expected COCO's {key}.")
    return value


def _order_of_category(categories: Any) -> JointOrder | None:
    """The order that the first category with keypoints names; COCO's if there is none."""
    for category in categories:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list):
            return order_of_names([str(name) for name in names])
    return COCO
