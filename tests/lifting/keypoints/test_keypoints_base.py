from pathlib import Path

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import COCO, HALPE_26, HUMAN36M_17, JointOrder
from wsgcn.lifting.keypoints import instances
from wsgcn.lifting.keypoints.base import (
    choose_person,
    frame_numbers,
    joint_order,
    named_order,
    order_of_names,
    plain_text,
    split_triples,
)
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline

TWO = JointOrder("two", ("A", "B"))
HERE = Path("clip.json")
ALL_PRESENT = Timeline()


def instance(frame, x, score=0.5, person=None):
    return frame, [x, 1, 0.9, x, 2, 0.8], score, person


def file_of(*people, timeline=ALL_PRESENT):
    gathered = Instances(HERE)
    for each in people:
        gathered.add(*each)
    return InstanceFile("f", TWO, gathered, gathered.tracks(timeline))


def tracks_of(*people, timeline=ALL_PRESENT):
    file = file_of(*people, timeline=timeline)
    return [file.track(person.name) for person in file.people]


def test_people_with_ids_keep_them_and_go_from_their_first_to_their_last_frame():
    tracks = tracks_of(instance(0, 5, person="7"), instance(2, 6, person="7"), instance(2, 9, person="8"))
    assert [track.person for track in tracks] == ["7", "8"]
    seven, eight = tracks
    assert seven.frames.tolist() == [0, 1, 2]
    assert seven.keypoints[:, 0, 0].tolist()[::2] == [5, 6]
    assert np.isnan(seven.keypoints[1]).all()
    assert seven.scores[1].tolist() == [0, 0]
    assert eight.frames.tolist() == [2]
    assert eight.keypoints[0, 1].tolist() == [9, 2]


def test_a_track_has_the_frames_that_the_file_knows_between_its_own():
    timeline = Timeline(np.array([40, 10, 20, 30, 50]), {20: "b.png", 40: "d.png"})
    [track] = tracks_of(instance(40, 1, person=3), instance(20, 2, person=3), timeline=timeline)
    assert track.frames.tolist() == [20, 30, 40]
    assert track.keypoints[:, 0, 0].tolist()[::2] == [2, 1]
    assert track.names == ("b.png", "", "d.png")


def test_a_track_longer_than_the_limit_is_one_sentence(monkeypatch):
    monkeypatch.setattr(instances, "LONGEST_TRACK", 10)
    file = file_of(instance(0, 1, person="a"), instance(9, 1, person="a"), instance(10, 1, person="b"))
    assert len(file.track("a").frames) == 10
    file = file_of(instance(0, 1, person="a"), instance(10, 1, person="a"))
    with pytest.raises(InputError, match=r"clip\.json: the track a goes over 11 frames, expected at most 10; longer"):
        file.track("a")


def test_people_without_ids_are_continued_by_where_they_are():
    people = [instance(0, 1, 0.2), instance(0, 9, 0.7), instance(1, 1.1, 0.9), instance(1, 9.1, 0.8)]
    first, second = tracks_of(*people)
    assert (first.person, second.person) == ("1", "2")
    np.testing.assert_allclose(first.keypoints[:, 0, 0], [9, 9.1], atol=1e-6)
    np.testing.assert_allclose(second.keypoints[:, 0, 0], [1, 1.1], atol=1e-6)


def test_people_in_pictures_that_are_no_video_are_ranked_by_score_in_each():
    people = [instance(7, 1, 0.2), instance(7, 9, 0.7), instance(5000, 9, 0.1), instance(5000, 1, 0.9)]
    for timeline in (Timeline(), Timeline(np.array([7, 5000]))):
        file = file_of(*people, timeline=timeline)
        assert "numbered by their score in each" in file.told_apart
        assert file.track("1").keypoints[:, 0, 0].tolist() == [9, 1]


def test_one_instance_without_an_id_makes_all_of_them_untracked():
    tracks = tracks_of(instance(0, 1, 0.2, "9"), instance(0, 2, 0.7))
    assert [track.person for track in tracks] == ["1", "2"]


def test_a_track_twice_in_a_frame_is_an_error_that_names_both():
    with pytest.raises(InputError, match=r"clip\.json: frame 3 has the track 7 twice\."):
        tracks_of(instance(3, 1, person="7"), instance(3, 2, person="7"))


def test_sparse_image_ids_are_pictures_and_not_a_video_of_a_million_frames():
    video = Timeline().of([10, 12, 15])
    assert video.tolist() == [10, 11, 12, 13, 14, 15]
    pictures = Timeline().of([139, 581781, 285])
    assert pictures.tolist() == [139, 285, 581781]


@pytest.mark.parametrize("triple", [(0, 0, 0), (5, 5, 0), (5, 5, -1), (np.nan, 5, 0.9), (5, 5, np.nan)], ids=str)
def test_a_joint_with_score_0_or_without_a_place_is_missing(triple):
    points, scores = split_triples(np.array([triple, (5, 5, 0.1)], dtype=float))
    assert np.isnan(points[0]).all()
    assert points[1].tolist() == [5, 5]
    assert scores.tolist() == [0, np.float32(0.1)]


def test_the_people_are_listed_when_one_must_be_chosen():
    people = [instance(0, 1, person="a"), instance(1, 1, person="a"), instance(1, 2, person="b")]
    file = file_of(*people)
    assert choose_person(file, "b") == "b"
    listing = r"a \(2 frames from 0 to 1, mean score 0\.85\), b \(1 frames from 1 to 1, mean score 0\.85\)\."
    with pytest.raises(InputError, match=rf"clip\.json: has 2 people, choose one by person: {listing}"):
        choose_person(file, None)
    with pytest.raises(InputError, match=rf"has no person 'c', but {listing}"):
        choose_person(file, "c")


def test_the_only_person_needs_no_choice():
    file = file_of(instance(0, 1))
    assert choose_person(file, None) == "1"


def test_the_joint_order_is_known_or_named_and_never_guessed():
    assert joint_order(HERE, 17, None, [COCO]) is COCO
    assert joint_order(HERE, 17, HUMAN36M_17, [COCO]) is HUMAN36M_17
    with pytest.raises(
        InputError, match=r"has 17 joints, whose order .* name it by joints \(orders of 17: h36m17, coco\)"
    ):
        joint_order(HERE, 17, None)
    with pytest.raises(InputError, match="no known order has 19"):
        joint_order(HERE, 19, None, [COCO])
    with pytest.raises(InputError, match="has 17 joints, but the order halpe_26 has 26"):
        joint_order(HERE, 17, HALPE_26)
    with pytest.raises(InputError, match=r"'koko' is no known joint order; known are h36m17, .*coco"):
        named_order("koko")


def test_an_order_is_recognised_by_the_names_of_its_joints():
    names = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    names += "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
    assert order_of_names(names.split()) is COCO
    more = " head neck hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel"
    assert order_of_names((names + more).split()) is HALPE_26
    assert order_of_names(HUMAN36M_17.joints) is HUMAN36M_17
    assert order_of_names(["nose", "tail"]) is None


def test_frame_numbers_are_the_last_in_the_name_if_that_tells_the_names_apart():
    assert frame_numbers(["cam2_0010.png", "cam2_0009.png"]) == {"cam2_0009.png": 9, "cam2_0010.png": 10}
    assert frame_numbers(["b.png", "a.png"]) == {"a.png": 0, "b.png": 1}
    assert frame_numbers(["x/1.png", "y/1.png"]) == {"x/1.png": 0, "y/1.png": 1}
    assert frame_numbers(["9" * 5000, "a1"]) == {"9" * 5000: 0, "a1": 1}


def test_a_name_is_one_that_every_output_can_hold():
    assert plain_text(HERE, "a\ud800b") == "a?b"
    with pytest.raises(InputError, match="has a name of 1001 characters, expected at most 1000"):
        plain_text(HERE, "x" * 1001)


@pytest.mark.parametrize(
    ("id", "name"), [(1000000, "1000000"), (1000001.0, "1000001"), (0.5, "0.5"), ([[7.0], [7.0]], "7"), ("p 1", "p 1")]
)
def test_ids_are_told_apart_however_they_are_written(id, name):
    assert [track.person for track in tracks_of(instance(0, 1, person=id))] == [name]
