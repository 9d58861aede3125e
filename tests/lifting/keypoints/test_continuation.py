"""People of files without tracks stay who they are, by where they are."""

import json

import numpy as np
import pytest

from tests.lifting.keypoints.test_keypoints_alphapose import entries
from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints import instances
from wsgcn.lifting.keypoints.continuation import continued
from wsgcn.lifting.keypoints.formats import open_keypoints

FRAMES = 60


def walking(x_from, x_to, seed="a"):
    """(T, 17, 2) a person who walks from one place to another."""
    x_T = np.linspace(x_from, x_to, FRAMES)
    return triples(FRAMES, seed=seed)[..., :2] + np.stack([x_T, np.zeros(FRAMES)], axis=-1)[:, None]


def mixed(*people, seen=None, seed=0):
    """Frames, points, scores and true people of instances in a random order within each frame."""
    rng = np.random.default_rng(seed)
    rows = [
        (t, person, rng.random())
        for t in range(FRAMES)
        for person in rng.permutation(len(people))
        if seen is None or seen[t, person]
    ]
    frames, truth, scores = (np.array(column) for column in zip(*rows, strict=True))
    points = np.stack([people[person][t] for t, person in zip(frames, truth, strict=True)])
    return frames, points, scores, truth


def is_the_same_partition(a, b):
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


def test_people_side_by_side_stay_who_they_are_whatever_their_scores():
    people = [walking(0, 100), walking(300, 350, "b"), walking(700, 600, "c")]
    frames, points, scores, truth = mixed(*people)
    assert is_the_same_partition(continued(frames, points, scores), truth)


def test_people_out_of_sight_for_a_second_come_back_as_themselves():
    seen = np.ones((FRAMES, 2), dtype=bool)
    seen[20:45, 0] = False
    seen[30:33] = False
    frames, points, scores, truth = mixed(walking(0, 100), walking(500, 450, "b"), seen=seen)
    assert is_the_same_partition(continued(frames, points, scores), truth)


def test_a_false_detection_elsewhere_takes_nobodys_place():
    seen = np.ones((FRAMES, 2), dtype=bool)
    seen[:, 1] = np.arange(FRAMES) % 7 == 3
    seen[24, 0] = False  # the person is missed, the false one is not
    frames, points, scores, truth = mixed(walking(0, 100), walking(800, 800, "b"), seen=seen)
    assert seen[24, 1]
    assert is_the_same_partition(continued(frames, points, scores), truth)


def test_joints_that_are_missing_are_left_out_of_the_distance():
    frames, points, scores, truth = mixed(walking(0, 100), walking(200, 150, "b"))
    points[np.random.default_rng(1).random(points.shape[:2]) < 0.4] = np.nan
    points[6] = np.nan
    assert is_the_same_partition(np.delete(continued(frames, points, scores), 6), np.delete(truth, 6))


def test_places_that_are_no_numbers_are_left_out_of_the_distance():
    frames, points, scores, truth = mixed(walking(0, 100), walking(200, 150, "b"))
    points[:, 3] = np.inf
    points[:, 4] = -3e38
    assert is_the_same_partition(continued(frames, points, scores), truth)


def test_one_person_at_a_time_is_one_person_wherever_they_are():
    points = walking(0, 0)
    points[30:] += 5000
    assert not continued(np.arange(FRAMES), points, np.ones(FRAMES)).any()


def test_the_first_number_is_whoever_is_seen_longest_and_surest():
    seen = np.ones((FRAMES, 2), dtype=bool)
    seen[40:, 0] = False
    frames, points, scores, truth = mixed(walking(0, 10), walking(500, 510, "b"), seen=seen)
    assert continued(frames, points, scores)[truth == 1].tolist() == [0] * FRAMES


@pytest.mark.parametrize("scores", [np.full(4, np.nan), np.array([np.inf, -np.inf, 0, 1])], ids=str)
def test_scores_that_are_no_numbers_still_give_people(scores):
    points = np.array([[[0, 0], [0, 9]], [[90, 0], [90, 9]], [[0, 1], [0, 10]], [[90, 1], [90, 10]]], dtype=float)
    ids = continued(np.array([0, 0, 1, 1]), points, scores)
    assert is_the_same_partition(ids, np.array([0, 1, 0, 1]))


@pytest.fixture
def clip(tmp_path):
    """Two people without tracks, the surer of whom changes, as AlphaPose writes them."""

    def write(first, second):
        tree = [each for pair in zip(entries(first), entries(second), strict=True) for each in pair]
        for number, each in enumerate(tree):
            each["score"] = (2.9, 1.1, 1.2, 2.8)[number % 4]
        path = tmp_path / "clip.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        return path

    return write


def test_person_1_of_a_file_is_one_person_though_the_scores_change(clip):
    a, b = triples(FRAMES), triples(FRAMES, seed="b") + np.array([400, 0, 0])
    file = open_keypoints(clip(a, b))
    tracks = [file.track(person.name).keypoints for person in file.people]
    assert [person.name for person in file.people] == ["1", "2"]
    assert sorted(track[0, 0, 0] for track in tracks) == sorted([np.float32(a[0, 0, 0]), np.float32(b[0, 0, 0])])
    for track in tracks:
        assert np.abs(np.diff(track[:, 0], axis=0)).max() < 60
    assert file.told_apart.startswith("people are continued from frame to frame by where they are")


def test_more_people_than_are_told_apart_are_one_sentence(clip, monkeypatch):
    monkeypatch.setattr(instances, "MOST_PEOPLE", 1)
    with pytest.raises(InputError, match=r"clip\.json: frame 0 has 2 people and the file no tracks, expected at most"):
        open_keypoints(clip(triples(3), triples(3, seed="b")))
