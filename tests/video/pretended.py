"""A tracker that needs no networks: it knows who is in the frames of `films.picture`."""

import math

import numpy as np

from tests.people import SIZE as PEOPLE_SIZE
from tests.people import person_px
from tests.video.films import SIZE
from wsgcn.lifting.keypoints import video
from wsgcn.video.landmarks import Landmarks
from wsgcn.video.tracking import Sighting


def person_in_film(frames: int) -> np.ndarray:
    """(T, 33, 2) float64: somebody who moves, in the pixels of a film of `films.SIZE`."""
    return person_px(frames, "blazepose_33") / PEOPLE_SIZE[0] * min(SIZE)


def pretend(monkeypatch, frames=100, without=(), most_people=1, second_from=math.inf, leg_score=0.9):
    """Put the tracker in place; nobody is in the frames `without`, and another person from frame `second_from` on."""
    points = person_in_film(frames)
    visibility = np.full(33, 0.9)
    visibility[25:] = leg_score  # from the knees down

    class Tracker:
        def __init__(self, folder=None):
            self.most_people, self.number, self.last_s = most_people, -1, -np.inf

        def __call__(self, time_s, picture_HWC):
            assert picture_HWC.dtype == np.uint8
            assert time_s > self.last_s
            self.number, self.last_s = self.number + 1, time_s
            if self.number in without:
                return None
            found = Landmarks(points[self.number], visibility, points[self.number, :2])
            return Sighting(2 if self.number >= second_from else 1, found)

    monkeypatch.setattr(video, "PeopleTracker", Tracker)
    return points
