"""The tracker's choices, with a detector and a landmark network that see what the test says."""

import numpy as np
import pytest

from wsgcn.video import tracking
from wsgcn.video.landmarks import Landmarks
from wsgcn.video.regions import Region, around
from wsgcn.video.tracking import PeopleTracker

PICTURE = np.zeros((1000, 2000, 3), dtype=np.uint8)
STEP_S = 1 / 30


class World:
    """People as (x, y, reach) in px, the surest first; each is located in a region whose centre is near theirs."""

    def __init__(self):
        self.people, self.hidden, self.looks = [], set(), 0

    def detect(self, picture):
        self.looks += 1
        return [around(*self.alignment(*person), 1.25) for person in self.people if person not in self.hidden]

    def locate(self, picture, region):
        for x, y, reach in self.people:
            near = np.hypot(region.x_px - x, region.y_px - y) < 0.4 * region.side_px
            if near and (x, y, reach) not in self.hidden:
                return Landmarks(np.full((33, 2), (x, y), dtype=float), np.ones(33), self.alignment(x, y, reach))
        return None

    @staticmethod
    def alignment(x, y, reach):
        return np.array([[x, y], [x, y - reach]], dtype=float)


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(tracking, "PersonDetector", lambda folder: world.detect)
    monkeypatch.setattr(tracking, "LandmarkNetwork", lambda folder: world.locate)
    return world


def seen(tracker, frame):
    sighting = tracker(frame * STEP_S, PICTURE)
    return None if sighting is None else (sighting.person, float(sighting.landmarks.points_px[0, 0]))


def test_who_is_found_is_followed_without_looking_again(world):
    tracker = PeopleTracker()
    for frame in range(30):
        world.people = [(300 + 10 * frame, 500, 200)]
        assert seen(tracker, frame) == (1, 300 + 10 * frame)
    assert world.looks == 1


def test_who_is_lost_is_not_taken_for_somebody_surer_elsewhere(world):
    tracker = PeopleTracker()
    jumper, passer_by = (300, 300, 200), (1200, 700, 200)
    world.people = [jumper]
    assert seen(tracker, 0) == (1, 300)
    world.people, world.hidden = [passer_by, jumper], {jumper}
    assert seen(tracker, 1) is None
    world.hidden = set()
    assert seen(tracker, 2) == (1, 300)
    assert tracker.most_people == 2


def test_who_comes_when_the_first_is_gone_for_long_is_another(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 200)]
    assert seen(tracker, 0) == (1, 300)
    world.people = [(1200, 700, 200)]
    found = [seen(tracker, frame) for frame in range(1, 40)]
    first = found.index((2, 1200))
    assert 29 <= first <= 31  # a second is waited
    assert found[:first] == [None] * first
    assert found[first:] == [(2, 1200)] * len(found[first:])


def test_who_stands_where_they_were_lost_is_the_same_even_after_long(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 200)]
    assert seen(tracker, 0) == (1, 300)
    world.people = []
    assert [seen(tracker, frame) for frame in range(1, 90)] == [None] * 89
    world.people = [(350, 300, 210)]
    assert seen(tracker, 90) == (1, 350)


def test_a_region_that_slips_to_another_person_is_noticed(world):
    """The network sees somebody in the region, but far from where the person was."""
    tracker = PeopleTracker()
    world.people = [(300, 300, 200)]
    assert seen(tracker, 0) == (1, 300)
    world.people = [(480, 300, 200)]
    assert seen(tracker, 1) is None
    world.people = [(310, 300, 900)]
    assert seen(tracker, 2) is None


def test_regions_that_cannot_be_are_not_looked_at(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 1e-9)]
    assert seen(tracker, 0) is None
    assert Region(300, 300, 1e-9).is_usable(PICTURE) is False
