"""BlazePose's landmark network: from a person's region to 33 landmarks and the region in the next frame.

Source: Bazarevsky et al., BlazePose, 2020, and MediaPipe's graph `pose_landmark_by_roi_cpu`, whose figures these are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsgcn.video.models import LANDMARK, Model
from wsgcn.video.regions import Region

INPUT_PIXELS = 256
LANDMARKS = 33
_OUTPUT = 39  # 33 landmarks, two alignment points, four that are not used
_LEAST_PRESENCE = 0.5
_KERNEL = 3  # cells of the heatmap on each side of a landmark
_LEAST_CONFIDENCE = 0.5  # of a heatmap that moves a landmark


@dataclass(frozen=True)
class Landmarks:
    """A person in one picture.

    Attributes:
        points_px: (33, 2) in the picture.
        visibility: (33,) from 0 to 1.
        alignment_px: (2, 2) the middle of the hips and how far the person reaches, see `wsgcn.video.regions.around`.
    """

    points_px: np.ndarray
    visibility: np.ndarray
    alignment_px: np.ndarray


def refine(points_K2: np.ndarray, heatmap_HWK: np.ndarray) -> np.ndarray:
    """Move each point to the mean, by confidence, of the heatmap's cells around it.

    Args:
        points_K2: in parts of the region's side.
        heatmap_HWK: before the sigmoid.

    Returns:
        (K, 2) new points; those stay that lie outside, or around which the heatmap is nowhere sure.
    """
    height, width, _ = heatmap_HWK.shape
    refined = points_K2.copy()
    for k, (x, y) in enumerate(points_K2):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        rows = np.arange(max(0, row - _KERNEL), min(height, row + _KERNEL + 1))
        columns = np.arange(max(0, column - _KERNEL), min(width, column + _KERNEL + 1))
        confidence = 1 / (1 + np.exp(-heatmap_HWK[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, k]))
        if confidence.max() >= _LEAST_CONFIDENCE:
            total = confidence.sum()
            refined[k] = (confidence @ columns).sum() / total / width, (rows @ confidence).sum() / total / height
    return refined


class LandmarkNetwork:
    """Finds a person's landmarks in their region.

    Raises:
        InputError: see `Model`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._model = Model(LANDMARK, folder)

    def __call__(self, picture_HWC: np.ndarray, region: Region) -> Landmarks | None:
        """The landmarks, or None where the network sees nobody in the region of an RGB picture, uint8."""
        seen = region.sample(picture_HWC, INPUT_PIXELS).astype(np.float32) / 255
        raw, presence, heatmap = self._model(seen, "Identity", "Identity_1", "Identity_3")
        if not presence[0] >= _LEAST_PRESENCE:
            return None
        values_K5 = raw.reshape(_OUTPUT, 5).astype(np.float64)  # x, y, z, visibility and presence before the sigmoid
        points_px = region.to_picture(refine(values_K5[:, :2] / INPUT_PIXELS, heatmap.astype(np.float64)))
        visibility = 1 / (1 + np.exp(-np.clip(values_K5[:LANDMARKS, 3], -100, 100)))
        return Landmarks(points_px[:LANDMARKS], visibility, points_px[LANDMARKS : LANDMARKS + 2])
