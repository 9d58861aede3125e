"""BlazePose's person detector: from a whole picture to the regions that hold a person.

Source: Bazarevsky et al., BlazePose, 2020, and MediaPipe's graph `pose_detection_cpu`, whose figures these are.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsgcn.video.models import DETECTION, Model
from wsgcn.video.regions import Region, around, whole

INPUT_PIXELS = 224
# (places along a side, anchors at each): strides of 8 and 16, then three layers of 32; two anchors a layer.
_GRIDS = ((28, 2), (14, 2), (7, 6))
_CLIPPED_LOGIT = 100.0
_LEAST_SCORE = 0.5
_LARGEST_OVERLAP = 0.3  # intersection over union, of boxes that are two people
MARGIN = 1.25  # of the region around a person, in training


def anchors() -> np.ndarray:
    """(2254, 2) the centres x, y of the anchors, in parts of the picture's side; all have the side as their size."""
    layers = []
    for places, anchors_each in _GRIDS:
        centres = (np.arange(places) + 0.5) / places
        xy = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)  # row by row
        layers.append(np.repeat(xy, anchors_each, axis=0))
    return np.concatenate(layers)


def decode(raw_A12: np.ndarray, logits_A: np.ndarray, anchors_A2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network says, as boxes of enough confidence.

    Args:
        raw_A12: for each anchor the box's centre, its width and height, and four points, in the input's pixels; all
            but the size relative to the anchor.
        logits_A: confidences before the sigmoid.

    Returns:
        (N, 6, 2) float64: the box's lower and upper corner and the four points, in parts of the side; (N,) scores.
    """
    scores_A = 1 / (1 + np.exp(-np.clip(logits_A.astype(np.float64), -_CLIPPED_LOGIT, _CLIPPED_LOGIT)))
    is_sure = scores_A >= _LEAST_SCORE
    values_N62 = raw_A12[is_sure].astype(np.float64).reshape(-1, 6, 2) / INPUT_PIXELS
    centre, size = values_N62[:, 0] + anchors_A2[is_sure], values_N62[:, 1]
    points = values_N62[:, 2:] + anchors_A2[is_sure, None]
    return np.concatenate([(centre - size / 2)[:, None], (centre + size / 2)[:, None], points], 1), scores_A[is_sure]


def merge(found_N62: np.ndarray, scores_N: np.ndarray) -> np.ndarray:
    """Weighted non-maximum suppression: (M, 6, 2), a person each, the surest first.

    The surest box takes in all that overlap with it, and becomes their mean by score, points included; then the surest
    of the rest, until none is left.
    """
    left = np.argsort(-scores_N, kind="stable")
    merged = []
    while len(left):
        overlaps = _overlaps(found_N62[left[0]], found_N62[left])
        same = overlaps > _LARGEST_OVERLAP
        same[0] = True  # also a box without an area
        weights = scores_N[left[same]]
        merged.append((found_N62[left[same]] * weights[:, None, None]).sum(0) / weights.sum())
        left = left[~same]
    return np.array(merged).reshape(-1, 6, 2)


def _overlaps(box_62: np.ndarray, boxes_N62: np.ndarray) -> np.ndarray:
    """(N,) intersection over union."""
    low = np.maximum(box_62[0], boxes_N62[:, 0])
    high = np.minimum(box_62[1], boxes_N62[:, 1])
    both = np.clip(high - low, 0, None).prod(-1)
    areas = np.clip(boxes_N62[:, 1] - boxes_N62[:, 0], 0, None).prod(-1)
    area = np.clip(box_62[1] - box_62[0], 0, None).prod()
    union = area + areas - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


class PersonDetector:
    """Finds people in a picture.

    Raises:
        InputError: see `Model`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._model = Model(DETECTION, folder)
        self._anchors = anchors()

    def __call__(self, picture_HWC: np.ndarray, views: Sequence[Region] = ()) -> list[Region]:
        """The regions of the people in an RGB picture, uint8; the surest first.

        Args:
            views: the parts of the picture to look at, where who is small is seen larger; without any, the whole of it.
                Who is seen in several is one person.
        """
        seen = [self._look(picture_HWC, view) for view in views or [whole(picture_HWC)]]
        found_N62, scores_N = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        people = merge(found_N62, scores_N)
        # Of the four points the first two are for the whole body.
        return [around(centre, reach, MARGIN) for centre, reach in people[:, 2:4]]

    def _look(self, picture_HWC: np.ndarray, view: Region) -> tuple[np.ndarray, np.ndarray]:
        """What `decode` gives, in the picture's pixels."""
        seen = view.sample(picture_HWC, INPUT_PIXELS, outside=0).astype(np.float32) / 127.5 - 1
        raw, logits = self._model(seen, "Identity", "Identity_1")
        found_N62, scores_N = decode(raw, logits[:, 0], self._anchors)
        return view.to_picture(found_N62), scores_N
