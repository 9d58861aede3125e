import numpy as np
import pytest

from tests.captures.bvh.bvh_texts import STANDING_J3_M
from tests.tiny import tiny_positions_m
from wsgcn.base.errors import InputError
from wsgcn.captures.bvh import capture as stance
from wsgcn.captures.capture import UNITS_M

STANDING_TJ3_M = np.repeat(STANDING_J3_M[None], 30, axis=0)


@pytest.mark.parametrize("unit", UNITS_M)
@pytest.mark.parametrize("size", [0.75, 1.0, 1.2])
def test_the_unit_is_the_one_that_makes_a_person(unit, size):
    assert stance.recognised_unit(size * STANDING_TJ3_M / UNITS_M[unit], "x") == unit


@pytest.mark.parametrize(
    ("thigh", "found"),
    [
        (4e-9, "a thigh is 4e-09 long, and none of m, cm, mm, inch, inch/0.45 would"),
        (4.0, "none of"),
        (10.2, "inch and inch/0.45 would make that 0.25 to 0.6 m"),
        (0.0, "a thigh is 0 long"),
    ],
)
def test_no_unit_or_two_are_one_sentence(thigh, found):
    with pytest.raises(InputError) as caught:
        stance.recognised_unit(STANDING_TJ3_M * thigh / np.hypot(0.08, 0.43), "x.bvh")
    assert found in str(caught.value)
    assert str(caught.value).endswith("name it by data.unit.")


@pytest.mark.parametrize("up", stance.UPS)
def test_each_way_up_becomes_z_and_stays_right_handed(up):
    rotation_33 = stance.UPS[up]
    assert np.linalg.det(rotation_33) == pytest.approx(1)
    axis_3 = np.zeros(3)
    axis_3["xyz".index(up[-1])] = -1 if up[0] == "-" else 1
    np.testing.assert_array_equal(rotation_33 @ axis_3, [0, 0, 1])
    assert stance.recognised_up([stance.up_votes(STANDING_TJ3_M @ rotation_33)], "x") == up


def sitting():
    """Thighs level and forward, shanks down."""
    pose_TJ3 = STANDING_TJ3_M.copy()
    for knee, foot in ((2, 3), (5, 6)):
        pose_TJ3[:, knee] = pose_TJ3[:, knee - 1] + [0, -0.44, 0]
        pose_TJ3[:, foot] = pose_TJ3[:, knee] + [0, 0, -0.44]
    return pose_TJ3


LYING_TJ3_M = STANDING_TJ3_M @ stance.UPS["x"]


def test_who_sits_is_upright():
    assert stance.recognised_up([stance.up_votes(sitting())], "x") == "z"


def test_one_who_lies_is_outvoted():
    votes = [stance.up_votes(pose_TJ3) for pose_TJ3 in [LYING_TJ3_M, *[STANDING_TJ3_M] * 5]]
    assert stance.recognised_up(votes, "x") == "z"


def test_takes_that_do_not_agree_are_one_sentence():
    votes = [stance.up_votes(pose_TJ3) for pose_TJ3 in [LYING_TJ3_M, *[STANDING_TJ3_M] * 2]]
    with pytest.raises(InputError, match=r"x\.zip: the takes do not agree .*\(x in 1 takes, z in 2 takes\); name it"):
        stance.recognised_up(votes, "x.zip")


def test_a_body_that_leans_as_far_as_it_stands_is_one_sentence():
    angle = np.radians(45)
    leaning_33 = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    with pytest.raises(InputError, match=r"x: nobody stands clearly .*; (x and z|z and x) are the likeliest; name it"):
        stance.recognised_up([stance.up_votes(STANDING_TJ3_M @ leaning_33.T)], "x")


def test_knees_tell_whether_left_is_left():
    assert stance.bends_backwards(STANDING_TJ3_M) is False
    assert stance.bends_backwards(STANDING_TJ3_M * [-1, 1, 1]) is True
    assert stance.bends_backwards(LYING_TJ3_M) is False
    straight_TJ3 = STANDING_TJ3_M.copy()
    straight_TJ3[:, [2, 5], 1] = -0.01
    assert stance.bends_backwards(straight_TJ3) is None
    assert stance.bends_backwards(sitting()) is False
    assert stance.bends_backwards(tiny_positions_m("S1", "a", 60).astype(np.float64)) is not True


@pytest.mark.parametrize("height_m", [-0.12, 0.0, 0.21])
def test_a_plausible_floor_is_left_alone(height_m):
    raised = STANDING_TJ3_M + np.array([0, 0, height_m])
    assert stance.on_the_floor(raised) is raised


@pytest.mark.parametrize("height_m", [-0.95, -0.2, 0.3, 40.0])
def test_another_floor_is_moved_once_for_the_whole_take(height_m):
    jumping = STANDING_TJ3_M + np.array([0, 0, height_m])
    jumping[10:20, :, 2] += 0.5
    moved = stance.on_the_floor(jumping)
    np.testing.assert_allclose(moved[0, 3, 2], 0.08)
    np.testing.assert_allclose(moved - jumping, np.broadcast_to([0, 0, -height_m], jumping.shape), atol=1e-12)
