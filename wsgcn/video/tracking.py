"""One person from frame to frame: detected once, then followed by their own landmarks.

Source: MediaPipe's graph `pose_landmark_cpu`, without the smoothing of the landmarks themselves, which lags:
`wsgcn lift --smooth` looks to both sides. Two things differ. Who is lost is looked for in the same frame. And nobody
else is taken for them: a detector gives the surest person, who may be a passer-by.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsgcn.video.detection import MARGIN, PersonDetector
from wsgcn.video.landmarks import LandmarkNetwork, Landmarks
from wsgcn.video.one_euro import OneEuroFilter
from wsgcn.video.regions import Region, around

_MIN_CUTOFF_HZ, _BETA = 0.01, 10.0  # of the alignment points: the region of who stands still does not tremble
# A region's side is about a quarter more than the person's height.
_JUMP, _SPEED = 0.25, 1.5  # how far a person moves at most: sides of their region, and sides a second
_GROWTH = 2.0  # of the side, at most, from one sighting to the next
_PATIENCE_S = 1.0  # for which somebody who is lost is waited for, whoever else is there


@dataclass(frozen=True)
class Sighting:
    """A person in one picture.

    Attributes:
        person: from 1 on; another number is somebody else, or somebody of whom that is not known.
    """

    person: int
    landmarks: Landmarks


@dataclass(frozen=True)
class _Seen:
    region: Region
    time_s: float

    def may_be(self, region: Region, time_s: float) -> bool:
        """Whether who was seen here may be in that region now."""
        moved_px = np.hypot(region.x_px - self.region.x_px, region.y_px - self.region.y_px)
        reach = _JUMP + _SPEED * min(time_s - self.time_s, _PATIENCE_S)
        return bool(
            moved_px <= reach * self.region.side_px
            and self.region.side_px / _GROWTH <= region.side_px <= self.region.side_px * _GROWTH
        )


class PersonTracker:
    """Follows a person through the frames of a film; when they are gone, the next one who is there.

    Attributes:
        most_people: that one picture showed where somebody was looked for.

    Raises:
        InputError: see `wsgcn.video.models.Model`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._detect, self._locate = PersonDetector(folder), LandmarkNetwork(folder)
        self._person = 0
        self._last: _Seen | None = None
        self._region: Region | None = None  # where to look in the next frame; None where nobody was seen
        self._filter = OneEuroFilter(_MIN_CUTOFF_HZ, _BETA)
        self.most_people = 0

    def __call__(self, time_s: float, picture_HWC: np.ndarray) -> Sighting | None:
        """Who is followed, in the next frame; None where they are not seen.

        Args:
            time_s: later than the last frame's.
            picture_HWC: RGB, uint8.
        """
        found = self._located(self._region, picture_HWC)
        if found is None or not self._may_be(found, time_s):
            self._filter = OneEuroFilter(_MIN_CUTOFF_HZ, _BETA)
            found = self._looked_for(time_s, picture_HWC)
        if found is None:
            self._region = None
            return None
        region = _region_of(found.alignment_px)
        self._last = _Seen(region, time_s)
        self._region = _region_of(self._filter(time_s, found.alignment_px, max(region.side_px / MARGIN, 1e-6)))
        return Sighting(self._person, found)

    def _looked_for(self, time_s: float, picture_HWC: np.ndarray) -> Landmarks | None:
        """Who is followed, if they are among the people in the picture; the surest one if it is time for another."""
        located = (self._located(region, picture_HWC) for region in self._detect(picture_HWC))
        people = [found for found in located if found is not None]
        self.most_people = max(self.most_people, len(people))
        for found in people:
            if self._may_be(found, time_s):
                return found
        if not people or (self._last is not None and time_s - self._last.time_s < _PATIENCE_S):
            return None
        self._person += 1
        return people[0]

    def _may_be(self, found: Landmarks, time_s: float) -> bool:
        return self._last is not None and self._last.may_be(_region_of(found.alignment_px), time_s)

    def _located(self, region: Region | None, picture_HWC: np.ndarray) -> Landmarks | None:
        if region is None or not region.is_usable(picture_HWC):
            return None
        return self._locate(picture_HWC, region)


def _region_of(alignment_px: np.ndarray) -> Region:
    return around(alignment_px[0], alignment_px[1], MARGIN)
