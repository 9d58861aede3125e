from pathlib import Path

import numpy as np
import pytest

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import COCO, HALPE_26, HUMAN36M_17, JointOrder
from wsgcn.readers.keypoints.base import (
    Instance,
    Timeline,
    Tracks,
    choose_person,
    frame_numbers,
    joint_order,
    named_order,
    order_of_names,
    split_triples,
    tracks_of,
)

TWO = JointOrder("two", ("A", "B"))
HERE = Path("clip.json")


def instance(frame, x, score=0.5, person=None):
    return Instance(frame, [(x, 1, 0.9), (x, 2, 0.8)], score, person)


def test_people_with_ids_keep_them_and_are_missing_where_they_are_not():
    tracks = tracks_of(
        HERE, [instance(0, 5, person="7"), instance(2, 6, person="7"), instance(2, 9, person="8")], TWO, Timeline()
    )
    assert [track.person for track in tracks] == ["7", "8"]
    seven, eight = tracks
    assert seven.frames.tolist() == [0, 1, 2]
    assert seven.keypoints[:, 0, 0].tolist()[::2] == [5, 6]
    assert np.isnan(seven.keypoints[1]).all()
    assert seven.scores[1].tolist() == [0, 0]
    assert np.isnan(eight.keypoints[:2]).all()
    assert eight.keypoints[2, 1].tolist() == [9, 2]


def test_people_without_ids_are_ranked_by_score_in_each_frame():
    people = [instance(0, 1, 0.2), instance(0, 2, 0.7), instance(1, 3, 0.9), instance(1, 4, 0.1)]
    first, second = tracks_of(HERE, people, TWO, Timeline())
    assert (first.person, second.person) == ("1", "2")
    assert first.keypoints[:, 0, 0].tolist() == [2, 3]
    assert second.keypoints[:, 0, 0].tolist() == [1, 4]


def test_one_instance_without_an_id_makes_all_of_them_ranked():
    tracks = tracks_of(HERE, [instance(0, 1, 0.2, "9"), instance(0, 2, 0.7)], TWO, Timeline())
    assert [track.person for track in tracks] == ["1", "2"]


def test_a_track_twice_in_a_frame_is_an_error_that_names_both():
    with pytest.raises(InputError, match=r"clip\.json: frame 3 has the track 7 twice\."):
        tracks_of(HERE, [instance(3, 1, person="7"), instance(3, 2, person="7")], TWO, Timeline())


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
    file = Tracks(HERE, "f", TWO, tracks_of(HERE, people, TWO, Timeline()))
    assert choose_person(file, "b") == "b"
    listing = r"a \(2 frames from 0 to 1, mean score 0\.85\), b \(1 frames from 1 to 1, mean score 0\.85\)\."
    with pytest.raises(InputError, match=rf"clip\.json: has 2 people, choose one by person: {listing}"):
        choose_person(file, None)
    with pytest.raises(InputError, match=rf"has no person 'c', but {listing}"):
        choose_person(file, "c")


def test_the_only_person_needs_no_choice():
    file = Tracks(HERE, "f", TWO, tracks_of(HERE, [instance(0, 1)], TWO, Timeline()))
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
