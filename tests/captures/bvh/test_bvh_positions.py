from itertools import permutations

import numpy as np
import pytest

from tests.captures.bvh.bvh_texts import J, bvh_text
from wsgcn.captures.bvh.files import parse, positions

ORDERS = list(permutations(("Xrotation", "Yrotation", "Zrotation")))
POSITIONS = ("Xposition", "Yposition", "Zposition")


def literal_rotation(axis, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array(
        {
            "X": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "Z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )


def literal_positions(bvh):
    """One frame and one joint after the other."""
    found = np.empty((len(bvh.motion_TC), len(bvh.joints), 3))
    for t, row in enumerate(bvh.motion_TC):
        turned = []
        for index, joint in enumerate(bvh.joints):
            bone, rotation = np.array(joint.offset_3), np.eye(3)
            for value, channel in zip(row[joint.first_channel :], joint.channels, strict=False):
                if channel.endswith("position"):
                    bone["XYZ".index(channel[0])] = value
                else:
                    rotation = rotation @ literal_rotation(channel[0], value)
            above = turned[joint.parent] if joint.parent >= 0 else np.eye(3)
            found[t, index] = above @ bone + (found[t, joint.parent] if joint.parent >= 0 else 0)
            turned.append(above @ rotation)
    return found


def moving(channels, frames=7):
    """A branching hierarchy whose joints have these channels, in turn."""
    rng = np.random.default_rng(1)
    parents = (-1, 0, 1, 2, 2, 0, 5)
    names = ("a", "b", "c", "", "d", "e", "")
    joints = [
        J(name, parent, tuple(rng.normal(size=3).round(6)), channels[index % len(channels)])
        for index, (name, parent) in enumerate(zip(names, parents, strict=True))
    ]
    joints.insert(5, J("", 4, (0, 1, 0)))
    joints[6], joints[7] = J("e", 0, joints[6].offset, joints[6].channels), J("", 6, joints[7].offset)
    count = sum(len(joint.channels) for joint in joints if joint.name)
    return parse(bvh_text(joints, rng.uniform(-200, 200, (frames, count))).encode(), "x.bvh")


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(channel[0] for channel in order))
def test_all_six_orders_are_those_of_the_literal_version(order):
    bvh = moving([(*POSITIONS, *order), order])
    np.testing.assert_allclose(positions(bvh), literal_positions(bvh), atol=1e-9)


@pytest.mark.parametrize(
    "channels",
    [
        [(*POSITIONS, *ORDERS[0])],
        [(*order, *POSITIONS) for order in ORDERS],
        ORDERS,
        [("Yposition", "Zrotation"), ("Xrotation",), ()],
        [("Zrotation", "Xposition", "Xrotation", "Zposition", "Yrotation", "Yposition")],
    ],
    ids=range(5),
)
def test_each_joint_has_its_own_channels(channels):
    bvh = moving(channels)
    np.testing.assert_allclose(positions(bvh), literal_positions(bvh), atol=1e-9)


def test_a_known_rotation_turns_the_child_and_not_the_joint():
    joints = [
        J("a", -1, (0, 0, 0), ("Zrotation", "Xrotation", "Yrotation")),
        J("b", 0, (1, 0, 0), ("Yrotation", "Xrotation", "Zrotation")),
        J("", 1, (1, 0, 0)),
    ]
    bvh = parse(bvh_text(joints, [90, 0, 0, 0, 0, 90]).encode(), "x.bvh")
    np.testing.assert_allclose(positions(bvh)[0], [[0, 0, 0], [0, 1, 0], [-1, 1, 0]], atol=1e-12)


def test_a_position_stands_for_the_offset_and_a_missing_one_leaves_it():
    joints = [J("a", -1, (1, 2, 3), ("Yposition",)), J("", 0, (0, 0, 0))]
    bvh = parse(bvh_text(joints, [7]).encode(), "x.bvh")
    np.testing.assert_array_equal(positions(bvh)[0, 0], [1, 7, 3])


def test_wanted_joints_come_in_the_order_asked_for():
    bvh = moving(ORDERS)
    np.testing.assert_array_equal(positions(bvh, [7, 0, 3]), positions(bvh)[:, [7, 0, 3]])
