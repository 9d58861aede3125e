"""The tracker's choices, with a detector and a landmark network that see what the test says."""

import numpy as np
import pytest

from wsgcn.video import tracking
from wsgcn.video.landmarks import Landmarks
from wsgcn.video.regions import Region, around, whole
from wsgcn.video.tracking import PeopleTracker

PICTURE = np.zeros((1000, 2000, 3), dtype=np.uint8)
STEP_S = 1 / 30


class World:
    """People as (x, y, reach) in px, the surest first; in a region the one is located who is nearest to its centre.

    The detector misses whose region has less than a fifth of the side of what it looks at.
    """

    def __init__(self):
        self.people, self.hidden, self.looks, self.passes, self.views, self.visibility = [], set(), 0, 0, [], 1.0

    def detect(self, picture, views=()):
        self.looks += not views
        self.views += views
        there = [around(*self.alignment(*person), 1.25) for person in self.people if person not in self.hidden]
        return [region for region in there if any(self.shows(view, region) for view in views or [whole(picture)])]

    @staticmethod
    def shows(view, region):
        apart_px = max(abs(region.x_px - view.x_px), abs(region.y_px - view.y_px))
        return region.side_px >= view.side_px / 5 and apart_px < view.side_px / 2

    def locate(self, picture, region):
        self.passes += 1
        there = [person for person in self.people if person not in self.hidden]
        away = [np.hypot(region.x_px - x, region.y_px - y) / region.side_px for x, y, _ in there]
        if not there or min(away) >= 0.4:
            return None
        x, y, reach = there[int(np.argmin(away))]
        return Landmarks(
            np.full((33, 2), (x, y), dtype=float), np.full(33, self.visibility), self.alignment(x, y, reach)
        )

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
    """{person: x}"""
    return {sighting.person: float(sighting.landmarks.points_px[0, 0]) for sighting in tracker(frame * STEP_S, PICTURE)}


def test_who_is_found_is_followed_and_others_are_looked_for_twice_a_second(world):
    tracker = PeopleTracker()
    for frame in range(30):
        world.people = [(300 + 10 * frame, 500, 200)]
        assert seen(tracker, frame) == {1: 300 + 10 * frame}
    assert (world.looks, world.passes) == (2, 30)
    assert tracker.sure == {1}


def test_people_who_cross_keep_their_numbers_at_a_pass_for_each_in_a_frame(world):
    tracker = PeopleTracker()
    for frame in range(60):
        left, right = (300 + 15 * frame, 440, 200), (1200 - 15 * frame, 560, 240)
        world.people = [left, right] if frame < 20 else [right, left]
        assert seen(tracker, frame) == {1: left[0], 2: right[0]}
    assert world.passes <= 2 * 60 + 2 * world.looks
    assert world.looks <= 5


def test_who_comes_later_is_followed_within_half_a_second(world):
    tracker = PeopleTracker()
    first, second = (300, 300, 200), (1200, 700, 200)
    world.people = [first]
    assert seen(tracker, 0) == {1: 300}
    world.people = [first, second]
    found = [seen(tracker, frame) for frame in range(1, 20)]
    assert found[13] == {1: 300}
    assert found[15] == {1: 300, 2: 1200}


def test_who_is_lost_is_not_taken_for_somebody_surer_elsewhere(world):
    tracker = PeopleTracker()
    jumper, passer_by = (300, 300, 200), (1200, 700, 200)
    world.people = [jumper]
    assert seen(tracker, 0) == {1: 300}
    world.people, world.hidden = [passer_by, jumper], {jumper}
    assert seen(tracker, 1) == {2: 1200}
    world.hidden = set()
    assert seen(tracker, 2) == {2: 1200}
    assert seen(tracker, 16) == {1: 300, 2: 1200}


def test_two_who_are_lost_are_told_apart_by_where_they_were(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 200), (600, 300, 200)]
    assert seen(tracker, 0) == {1: 300, 2: 600}
    world.people = []
    assert seen(tracker, 1) == {}
    world.people = [(560, 300, 200), (360, 300, 200)]
    assert seen(tracker, 4) == {1: 360, 2: 560}


def test_two_regions_on_one_person_become_one(world):
    """The second person leaves behind the first, whom the network then sees in both regions."""
    tracker = PeopleTracker()
    world.people = [(500, 500, 200), (620, 500, 200)]
    assert seen(tracker, 0) == {1: 500, 2: 620}
    world.people = [(505, 500, 200)]
    assert seen(tracker, 1) == {1: 505}
    assert seen(tracker, 2) == {1: 505}
    world.people = [(510, 500, 200), (700, 500, 200)]
    assert seen(tracker, 15)[1] == 510
    assert seen(tracker, 16) == {1: 510, 2: 700}


def follow(world, tracker, *people):
    """Long enough to be sure of them."""
    world.people = list(people)
    for frame in range(-20, 1):
        found = seen(tracker, frame)
    return found


def test_no_more_are_followed_than_wanted_and_who_is_lost_keeps_their_place_for_a_second(world):
    tracker = PeopleTracker(most=1)
    assert follow(world, tracker, (300, 300, 200)) == {1: 300}
    assert (world.looks, tracker.left_out) == (1, False)
    world.people = [(1200, 700, 200)]
    found = [seen(tracker, frame) for frame in range(1, 40)]
    first = found.index({2: 1200})
    assert 29 <= first <= 31
    assert found[:first] == [{}] * first
    assert found[first:] == [{2: 1200}] * len(found[first:])
    assert tracker.left_out
    world.people = [(1200, 700, 200), (300, 300, 200)]
    assert [seen(tracker, frame) for frame in range(40, 60)] == [{2: 1200}] * 20


def test_of_those_who_are_too_many_the_surest_are_followed(world):
    tracker = PeopleTracker(most=2)
    world.people = [(900, 300, 100), (300, 300, 100), (600, 300, 100)]
    assert seen(tracker, 0) == {1: 900, 2: 300}
    assert tracker.left_out


def test_who_stands_where_they_were_lost_is_the_same_even_after_long(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 200)]
    assert seen(tracker, 0) == {1: 300}
    world.people = []
    assert [seen(tracker, frame) for frame in range(1, 200)] == [{}] * 199
    world.people = [(350, 300, 210)]
    assert seen(tracker, 200) == {1: 350}


@pytest.mark.parametrize(("away_s", "number"), [(2, 2), (4, 3)])
def test_who_was_lost_for_long_while_another_was_there_is_somebody_new(world, away_s, number):
    tracker = PeopleTracker()
    stays, leaves = (300, 300, 200), (1200, 700, 200)
    world.people = [stays, leaves]
    assert seen(tracker, 0) == {1: 300, 2: 1200}
    world.people = [stays]
    back = round(away_s / STEP_S)
    for frame in range(1, back):
        assert seen(tracker, frame) == {1: 300}
    world.people = [stays, leaves]
    found = [seen(tracker, frame) for frame in range(back, back + 20)]
    assert found[-1] == {1: 300, number: 1200}


def test_a_region_that_slips_to_another_person_is_noticed(world):
    """The network sees somebody in the region, but far from where the person was, or of another size."""
    tracker = PeopleTracker()
    world.people = [(300, 300, 200)]
    assert seen(tracker, 0) == {1: 300}
    world.people = [(480, 300, 200)]
    assert seen(tracker, 1) == {2: 480}
    world.people = [(480, 300, 900)]
    assert seen(tracker, 2) == {3: 480}


def test_who_is_lost_at_once_is_not_sure(world):
    tracker = PeopleTracker()
    assert follow(world, tracker, (300, 300, 200)) == {1: 300}
    for frame in range(1, 60, 15):
        world.people = [(300, 300, 200), (1200, 300, 200)]
        for later in range(15):
            seen(tracker, frame + later)
            if later > 8:
                world.people = [(300, 300, 200)]
    assert tracker.sure == {1}


def test_regions_that_cannot_be_are_not_looked_at(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 1e-9)]
    assert seen(tracker, 0) == {}
    assert Region(300, 300, 1e-9).is_usable(PICTURE) is False


# --- who is small


def test_who_is_too_small_for_a_look_at_the_whole_is_found_in_a_part_of_it(world):
    tracker = PeopleTracker()
    world.people = [(300, 300, 60), (1900, 900, 70)]
    for frame in range(15):
        assert seen(tracker, frame) == {1: 300, 2: 1900}
    assert world.passes == 2 * 15, "who is seen in several parts is located once"


def test_the_parts_are_looked_at_twice_a_second_and_not_at_all_where_somebody_is_found(world):
    tracker = PeopleTracker()
    assert [seen(tracker, frame) for frame in range(31)] == [{}] * 31
    assert 0 < len(world.views) <= 3 * 15
    world.people, world.views = [(900, 500, 300), (300, 300, 60)], []
    assert [seen(tracker, frame) for frame in range(31, 91)] == [{1: 900}] * 60
    assert world.views == []


def test_what_hardly_looks_like_somebody_is_nobody_in_a_part(world):
    tracker = PeopleTracker()
    world.people, world.visibility = [(300, 300, 60)], 0.4
    assert seen(tracker, 0) == {}
    world.people = [(300, 300, 300)]
    assert seen(tracker, 1) == {1: 300}


def test_who_is_small_and_lost_is_looked_for_around_there_in_every_frame(world):
    tracker = PeopleTracker()
    assert follow(world, tracker, (300, 300, 60), (900, 500, 300)) == {1: 900}
    world.people = [(300, 300, 60)]
    tracker = PeopleTracker()
    assert follow(world, tracker, (300, 300, 60)) == {1: 300}
    world.people, world.views = [], []
    assert seen(tracker, 1) == {}
    world.people = [(345, 300, 60)]
    assert seen(tracker, 2) == {1: 345}
    assert len([view for view in world.views if view.side_px == pytest.approx(3 * 2.5 * 60)]) == 2
