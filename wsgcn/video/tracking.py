"""People from frame to frame: detected once, then each followed by their own landmarks.

Source: MediaPipe's graph `pose_landmark_cpu`, without the smoothing of the landmarks themselves, which lags:
`wsgcn lift --smooth` looks to both sides. Four things differ. Several people are followed at a time: the detector
looks for others twice a second. Who is lost is looked for in the same frame. And nobody else is taken for them: who
is found is who was lost nearest to there, if anybody can have come so far, and otherwise somebody new. Who is small is
looked for in parts of the picture, where the detector sees them larger: twice a second while nobody is found in the
whole, and in every frame around where they were lost.
"""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from wsgcn.base.assignment import assign
from wsgcn.video.detection import MARGIN, PersonDetector
from wsgcn.video.landmarks import LandmarkNetwork, Landmarks
from wsgcn.video.one_euro import OneEuroFilter
from wsgcn.video.regions import Region, around, parts

MOST_PEOPLE = 10  # who are followed at a time, unless another number is asked for

_MIN_CUTOFF_HZ, _BETA = 0.01, 10.0  # of the alignment points: the region of who stands still does not tremble
# A region's side is about a quarter more than the person's height.
_JUMP, _SPEED = 0.25, 1.5  # how far a person moves at most: sides of their region, and sides a second
_GROWTH = 2.0  # of the side, at most, from one sighting to the next
_PATIENCE_S = 1.0  # for which somebody who is lost is looked for in every frame, and nobody else takes their place
_MEMORY_S = 3.0  # after which who is lost is gone, if somebody else is there
_INTERVAL_S = 0.5  # after which others are looked for
_SURE_S = 0.5  # for which a region that holds a person is followed without a break; parts of people are lost sooner
# Of the picture's longer side. Of people whose region has a smaller side than the first the detector misses many in a
# look at the whole picture. A part of it has the second, and shares the third of its own side with its neighbours.
_SMALL, _PART, _SHARED = 0.33, 1 / 3, 1 / 3
_VICINITY = 3.0  # sides of their region, in which who is small and lost is looked for
_LEAST_VISIBLE = 0.5  # mean visibility of who is found in a part; walls and trees have less, but presence enough
# One person twice: landmarks that are as near to each other in the mean, and regions that a detector means the same by.
_SAME, _SAME_REGION = 0.1, 0.15  # sides


@dataclass(frozen=True)
class Sighting:
    """A person in one picture.

    Attributes:
        person: from 1 on; another number is somebody else, or somebody of whom that is not known.
    """

    person: int
    landmarks: Landmarks

    @property
    def region(self) -> Region:
        """The square around them."""
        return around(self.landmarks.alignment_px[0], self.landmarks.alignment_px[1], MARGIN)


@dataclass
class _Person:
    """Who is followed or was lost.

    Attributes:
        seen, time_s: the region around them at their last sighting, and when that was.
        since_s: when they were last found by the detector.
        expected: where to look for them in the next frame; None while they are lost.
        is_sure: whether it is a person and not, say, the legs of another.
    """

    number: int
    seen: Region
    time_s: float
    since_s: float
    expected: Region | None = None
    is_sure: bool = False
    _filter: OneEuroFilter = field(default_factory=lambda: OneEuroFilter(_MIN_CUTOFF_HZ, _BETA))

    def distance(self, region: Region, time_s: float) -> float:
        """How far off the region is, in parts of what they can have moved since; infinite if it is not their size."""
        moved_px = math.hypot(region.x_px - self.seen.x_px, region.y_px - self.seen.y_px)
        reach = _JUMP + _SPEED * min(time_s - self.time_s, _PATIENCE_S)
        is_size = self.seen.side_px / _GROWTH <= region.side_px <= self.seen.side_px * _GROWTH
        return moved_px / max(reach * self.seen.side_px, 1e-9) if is_size else math.inf

    def is_waited_for(self, time_s: float) -> bool:
        return self.expected is None and self.is_sure and time_s - self.time_s < _PATIENCE_S

    def see(self, sighting: Sighting, time_s: float, *, again: bool = False) -> None:
        """They are there; `again` if they were lost before, or never seen."""
        if again:
            self.since_s, self._filter = time_s, OneEuroFilter(_MIN_CUTOFF_HZ, _BETA)
        self.seen, self.time_s = sighting.region, time_s
        self.is_sure |= time_s - self.since_s >= _SURE_S
        alignment_px = sighting.landmarks.alignment_px
        filtered_px = self._filter(time_s, alignment_px, max(self.seen.side_px / MARGIN, 1e-6))
        self.expected = around(filtered_px[0], filtered_px[1], MARGIN)


class PeopleTracker:
    """Follows people through the frames of a film.

    Args:
        folder: with the networks, see `wsgcn.video.models.Model`.
        most: how many to follow at a time; the detector's surest first.

    Attributes:
        left_out: whether more were found than are to be followed.
        sure: the numbers of those who were followed for half a second without a break. Others may be people who were
            hardly seen, or parts of people.

    Raises:
        InputError: see `wsgcn.video.models.Model`.
    """

    def __init__(self, folder: Path | None = None, most: int = MOST_PEOPLE) -> None:
        self._detect, self._locate = PersonDetector(folder), LandmarkNetwork(folder)
        self._most = most
        self._people: list[_Person] = []
        self._count = 0
        self._looked_s = self._looked_closely_s = -math.inf
        self.left_out = False
        self.sure: set[int] = set()

    def __call__(self, time_s: float, picture_HWC: np.ndarray) -> list[Sighting]:
        """Who is seen in the next frame.

        Args:
            time_s: later than the last frame's.
            picture_HWC: RGB, uint8.
        """
        sightings = self._follow(time_s, picture_HWC)
        is_lost = any(person.is_waited_for(time_s) for person in self._people)
        is_time = time_s - self._looked_s >= _INTERVAL_S and len(sightings) < self._most
        if is_lost or is_time or not sightings:
            self._looked_s = time_s
            sightings += self._look(time_s, picture_HWC, sightings)
        self.sure |= {person.number for person in self._people if person.is_sure}
        if sightings:
            self._people = [person for person in self._people if time_s - person.time_s <= _MEMORY_S]
        return sightings

    def _follow(self, time_s: float, picture_HWC: np.ndarray) -> list[Sighting]:
        """Those who are where they are expected. Of two whose regions came to show one person, one is lost."""
        found: list[tuple[float, _Person, Sighting]] = []
        for person in self._people:
            if person.expected is None:
                continue
            landmarks = self._located(person.expected, picture_HWC)
            person.expected = None
            if landmarks is not None:
                sighting = Sighting(person.number, landmarks)
                if (distance := person.distance(sighting.region, time_s)) <= 1:
                    found.append((distance, person, sighting))
        kept: list[Sighting] = []
        for _, person, sighting in sorted(found, key=lambda each: each[0]):
            if not any(_is_same(sighting, other) for other in kept):
                person.see(sighting, time_s)
                kept.append(sighting)
        return kept

    def _look(self, time_s: float, picture_HWC: np.ndarray, followed: list[Sighting]) -> list[Sighting]:
        """The others in the picture: those who were lost, and as many new ones as may be followed."""
        found = self._found(picture_HWC, [], followed)
        waited_for = [person.seen for person in self._people if person.is_waited_for(time_s)]
        small_px = _SMALL * max(picture_HWC.shape[:2])
        if near := [Region(r.x_px, r.y_px, _VICINITY * r.side_px) for r in waited_for if r.side_px < small_px]:
            found += self._found(picture_HWC, near, [*followed, *found])
        if not followed and not found and time_s - self._looked_closely_s >= _INTERVAL_S:
            self._looked_closely_s = time_s
            found = self._found(picture_HWC, parts(picture_HWC, _PART, _SHARED), [])
        lost = [person for person in self._people if person.expected is None]
        distances = [[person.distance(sighting.region, time_s) for person in lost] for sighting in found]
        who = dict(zip(*assign(np.array(distances).reshape(len(found), len(lost))), strict=True)) if lost else {}
        places = self._most - len(followed) - sum(person.is_waited_for(time_s) for person in lost)
        sightings = []
        for index, sighting in enumerate(found):
            person = lost[who[index]] if index in who else None
            if person is None or not person.is_waited_for(time_s):
                if places <= 0:
                    self.left_out = True
                    continue
                places -= 1
            if person is None:
                self._count += 1
                person = _Person(self._count, sighting.region, time_s, time_s)
                self._people.append(person)
            person.see(sighting, time_s, again=True)
            sightings.append(replace(sighting, person=person.number))
        return sightings

    def _found(self, picture_HWC: np.ndarray, views: list[Region], known: list[Sighting]) -> list[Sighting]:
        """Who is seen in parts of the picture, or without any in the whole; each once, and nobody who is known."""
        found: list[Sighting] = []
        for region in self._detect(picture_HWC, views):
            if any(_is_same_region(region, other.region) for other in [*known, *found]):
                continue
            landmarks = self._located(region, picture_HWC)
            if landmarks is None or (views and landmarks.visibility.mean() < _LEAST_VISIBLE):
                continue
            sighting = Sighting(0, landmarks)
            if not any(_is_same(sighting, other) for other in [*known, *found]):
                found.append(sighting)
        return found

    def _located(self, region: Region, picture_HWC: np.ndarray) -> Landmarks | None:
        return self._locate(picture_HWC, region) if region.is_usable(picture_HWC) else None


def _is_same(sighting: Sighting, other: Sighting) -> bool:
    """Whether the landmarks of both are one person's."""
    apart_px = np.linalg.norm(sighting.landmarks.points_px - other.landmarks.points_px, axis=-1).mean()
    return bool(apart_px < _SAME * max(sighting.region.side_px, other.region.side_px))


def _is_same_region(region: Region, other: Region) -> bool:
    apart_px = math.hypot(region.x_px - other.x_px, region.y_px - other.y_px)
    large, small = max(region.side_px, other.side_px), min(region.side_px, other.side_px)
    return apart_px < _SAME_REGION * small and large < _GROWTH * small
