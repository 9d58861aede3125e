"""A tracker that needs no networks: it knows who is in the frames of `films.picture`."""

import numpy as np

from tests.people import SIZE as PEOPLE_SIZE
from tests.people import person_px
from tests.video.films import SIZE
from wsgcn.lifting.keypoints import video
from wsgcn.video.landmarks import Landmarks
from wsgcn.video.tracking import Sighting

RIGHT_PX = np.array([10.0, 0.0])


def person_in_film(frames: int) -> np.ndarray:
    """(T, 33, 2) float64: somebody who moves, in the pixels of a film of `films.SIZE`."""
    return person_px(frames, "blazepose_33") / PEOPLE_SIZE[0] * min(SIZE)


def pretend(monkeypatch, frames=100, without=(), second_from=None, both=False, leg_score=0.9, left_out=False):
    """Put the tracker in place; nobody is in the frames `without`.

    From frame `second_from` on it is another person, or, with `both`, another person is there too, to the right.
    """
    points = person_in_film(frames)
    visibility = np.full(33, 0.9)
    visibility[25:] = leg_score  # from the knees down

    class Tracker:
        def __init__(self, folder=None, most=10):
            self.number, self.last_s = -1, -np.inf
            self.left_out, self.sure = left_out, {1, 2}

        def __call__(self, time_s, picture_HWC):
            assert picture_HWC.dtype == np.uint8
            assert time_s > self.last_s
            self.number, self.last_s = self.number + 1, time_s
            if self.number in without:
                return []
            is_second = second_from is not None and self.number >= second_from
            people = [1, 2] if is_second and both else [2] if is_second else [1]
            return [self.sighting(person, points[self.number] + (person - 1) * RIGHT_PX * both) for person in people]

        def sighting(self, person, points_px):
            return Sighting(person, Landmarks(points_px, visibility, points_px[:2]))

    monkeypatch.setattr(video, "PeopleTracker", Tracker)
    return points
