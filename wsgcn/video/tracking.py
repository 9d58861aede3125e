"""One person from frame to frame: detected once, then followed by their own landmarks.

Source: MediaPipe's graph `pose_landmark_cpu`, without the smoothing of the landmarks themselves, which lags:
`wsgcn lift --smooth` looks to both sides. One thing differs: a person who is lost is looked for in the same frame.
"""

from pathlib import Path

import numpy as np

from wsgcn.video.detection import MARGIN, PersonDetector
from wsgcn.video.landmarks import LandmarkNetwork, Landmarks
from wsgcn.video.one_euro import OneEuroFilter
from wsgcn.video.regions import Region, around

_MIN_CUTOFF_HZ, _BETA = 0.01, 10.0  # of the alignment points: the region of who stands still does not tremble


class PersonTracker:
    """Follows one person through the frames of a film.

    Attributes:
        most_people: that one picture showed where somebody was looked for; the surest of them is followed.

    Raises:
        InputError: see `wsgcn.video.models.Model`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._detect, self._locate = PersonDetector(folder), LandmarkNetwork(folder)
        self._region: Region | None = None
        self._filter = OneEuroFilter(_MIN_CUTOFF_HZ, _BETA)
        self.most_people = 0

    def __call__(self, time_s: float, picture_HWC: np.ndarray) -> Landmarks | None:
        """The person in the next frame, None where nobody is seen.

        Args:
            time_s: later than the last frame's.
            picture_HWC: RGB, uint8.
        """
        found = self._locate_in(self._region, picture_HWC)
        if found is None:
            self._filter = OneEuroFilter(_MIN_CUTOFF_HZ, _BETA)
            people = self._detect(picture_HWC)
            self.most_people = max(self.most_people, len(people))
            found = self._locate_in(people[0] if people else None, picture_HWC)
        if found is None:
            self._region = None
            return None
        reach_px = float(2 * np.hypot(*(found.alignment_px[1] - found.alignment_px[0])))
        alignment_px = self._filter(time_s, found.alignment_px, max(reach_px, 1e-6))
        self._region = around(alignment_px[0], alignment_px[1], MARGIN)
        return found

    def _locate_in(self, region: Region | None, picture_HWC: np.ndarray) -> Landmarks | None:
        if region is None or not region.is_usable(picture_HWC):
            return None
        return self._locate(picture_HWC, region)
