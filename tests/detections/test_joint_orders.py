import numpy as np
import pytest

from wsgcn.detections.joint_orders import (
    BLAZEPOSE_33,
    BODY_25,
    BODY_25B,
    COCO,
    COCO_18,
    HALPE_26,
    HALPE_136,
    HUMAN36M_16,
    HUMAN36M_17,
    JOINT_ORDERS,
    MPII,
    STACKED_HOURGLASS,
    JointOrder,
    confidence_to_human36m,
    substitute,
    to_human36m,
)
from wsgcn.pose.skeleton import H36M16, H36M17

# A person facing the camera, x and y in pixels; what COCO's joints must become is worked out by hand below.
_COCO_PX = {
    "Nose": (100, 40),
    "LEye": (108, 30),
    "REye": (92, 34),
    "LEar": (120, 36),
    "REar": (80, 36),
    "LShoulder": (140, 80),
    "RShoulder": (60, 84),
    "LElbow": (150, 130),
    "RElbow": (50, 134),
    "LWrist": (156, 180),
    "RWrist": (44, 184),
    "LHip": (124, 200),
    "RHip": (76, 208),
    "LKnee": (126, 290),
    "RKnee": (74, 294),
    "LAnkle": (128, 380),
    "RAnkle": (72, 384),
}
_HUMAN36M_PX = {
    "Hip": (100, 204),
    "RHip": (76, 208),
    "RKnee": (74, 294),
    "RFoot": (72, 384),
    "LHip": (124, 200),
    "LKnee": (126, 290),
    "LFoot": (128, 380),
    "Spine": (100, 143),
    "Thorax": (100, 82),
    "Neck/Nose": (100, 40),
    "Head": (100, 32),
    "LShoulder": (140, 80),
    "LElbow": (150, 130),
    "LWrist": (156, 180),
    "RShoulder": (60, 84),
    "RElbow": (50, 134),
    "RWrist": (44, 184),
}


def _array(points_px: dict[str, tuple[int, int]]) -> np.ndarray:
    return np.array(list(points_px.values()), dtype=np.float32)


def test_coco_becomes_the_hand_computed_human36m_17() -> None:
    assert COCO.joints == tuple(_COCO_PX)
    assert COCO.human36m_joints == H36M17.joints == tuple(_HUMAN36M_PX)
    np.testing.assert_array_equal(to_human36m(COCO, _array(_COCO_PX)), _array(_HUMAN36M_PX))


# The other orders put the same person's joints elsewhere in the list and know a few more of them; `_UNUSED` are theirs
# that no Human3.6M joint is made of.
_MORE_PX = {
    "MidHip": (101, 206),
    "Hip": (102, 205),
    "Pelvis": (103, 207),
    "Neck": (99, 78),
    "Thorax": (98, 79),
    "UpperNeck": (100, 56),
    "Head": (97, 11),
    "HeadTop": (96, 12),
}
_UNUSED = (-5000, 7000)
_FEET = ("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel")


def _points_px(joints: tuple[str, ...]) -> np.ndarray:
    return np.array([(_COCO_PX | _MORE_PX).get(joint, _UNUSED) for joint in joints], dtype=np.float32)


@pytest.mark.parametrize(
    ("order", "joints", "differing_px"),
    [
        (
            COCO_18,
            (
                *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip", "RKnee"),
                *("RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
            ),
            {"Thorax": (99, 78)},
        ),
        (
            BODY_25,
            (
                *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip"),
                *("RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar", *_FEET),
            ),
            {"Hip": (101, 206), "Spine": (100, 142), "Thorax": (99, 78)},
        ),
        (BODY_25B, (*_COCO_PX, "UpperNeck", "HeadTop", *_FEET), {"Head": (96, 12)}),
        (
            HALPE_26,
            (*_COCO_PX, "Head", "Neck", "Hip", *("LBigToe", "RBigToe", "LSmallToe", "RSmallToe", "LHeel", "RHeel")),
            {"Hip": (102, 205), "Spine": (100.5, 141.5), "Thorax": (99, 78), "Head": (97, 11)},
        ),
        (
            MPII,
            (
                *("RAnkle", "RKnee", "RHip", "LHip", "LKnee", "LAnkle", "Pelvis", "Thorax", "UpperNeck", "HeadTop"),
                *("RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist"),
            ),
            {
                "Hip": (103, 207),
                "Spine": (100.5, 143),
                "Thorax": (98, 79),
                "Neck/Nose": (100, 56),
                "Head": (96, 12),
            },
        ),
    ],
    ids=lambda value: value.name if isinstance(value, JointOrder) else "",
)
def test_an_order_becomes_the_hand_computed_human36m_17(
    order: JointOrder, joints: tuple[str, ...], differing_px: dict[str, tuple[float, float]]
) -> None:
    assert order.joints == joints
    expected = _HUMAN36M_PX | differing_px
    np.testing.assert_array_equal(to_human36m(order, _points_px(joints)), _array(expected))


def test_blazepose_has_cocos_joints_at_the_published_places() -> None:
    places = {"Nose": 0, "LEye": 2, "REye": 5, "LEar": 7, "REar": 8, "LShoulder": 11, "RShoulder": 12, "LElbow": 13}
    places |= {"RElbow": 14, "LWrist": 15, "RWrist": 16, "LHip": 23, "RHip": 24, "LKnee": 25, "RKnee": 26}
    places |= {"LAnkle": 27, "RAnkle": 28}
    points = np.full((33, 2), _UNUSED, dtype=np.float32)
    for joint, place in places.items():
        points[place] = _COCO_PX[joint]
    np.testing.assert_array_equal(to_human36m(BLAZEPOSE_33, points), _array(_HUMAN36M_PX))


def test_halpe_136_starts_with_the_26_and_uses_nothing_else() -> None:
    assert len(HALPE_136.joints) == 136
    points = np.random.default_rng(2).normal(size=(136, 2)).astype(np.float32)
    np.testing.assert_array_equal(to_human36m(HALPE_136, points), to_human36m(HALPE_26, points[:26]))


def test_from_behind_the_head_is_where_the_ears_are_and_says_so() -> None:
    points = _points_px(BODY_25.joints)[None].repeat(2, axis=0)
    unseen = [BODY_25.joints.index(joint) for joint in ("Nose", "LEye", "REye")]
    points[1, unseen] = np.nan
    converted = to_human36m(BODY_25, points)
    filled = substitute(BODY_25, points, converted)
    head, nose = H36M17.joints.index("Head"), H36M17.joints.index("Neck/Nose")
    assert np.argwhere(filled).tolist() == [[1, nose], [1, head]]
    np.testing.assert_array_equal(converted[1, head], (100, 36))
    np.testing.assert_array_equal(converted[0, head], (100, 32))


def test_the_best_substitute_that_is_there_is_taken_and_without_any_the_joint_stays_missing() -> None:
    points = _points_px(COCO.joints)[None].repeat(2, axis=0)
    face = [COCO.joints.index(joint) for joint in ("Nose", "LEye", "REye", "LEar", "REar")]
    points[0, [face[1], face[3]]] = np.nan  # the left eye and ear: the right eye is left
    points[1, face] = np.nan
    converted = to_human36m(COCO, points)
    substitute(COCO, points, converted)
    head = H36M17.joints.index("Head")
    np.testing.assert_array_equal(converted[0, head], _COCO_PX["REye"])
    assert np.isnan(converted[1, head]).all()


def test_what_an_order_cannot_know_is_said_in_its_bias() -> None:
    """Only Human3.6M's own orders know its head and spine."""
    assert [name for name, order in JOINT_ORDERS.items() if not order.bias] == ["h36m17", "h36m16"]
    for order in JOINT_ORDERS.values():
        if "Head" in order.means and "LEye" in order.means["Head"]:
            assert "Head is the middle of the eyes" in order.bias
        if len(order.means.get("Spine", ())) > 1:
            assert "Spine is the middle of the straight line" in order.bias


def test_a_stack_of_frames_converts_as_each_of_them_and_keeps_its_type() -> None:
    frames = np.random.default_rng(0).normal(size=(2, 5, 17, 2)).astype(np.float32)
    converted = to_human36m(COCO, frames)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted[1, 3], to_human36m(COCO, frames[1, 3]))


def test_a_derived_joint_is_as_sure_as_the_least_sure_of_its_parts() -> None:
    confidence = np.ones((1, 17), dtype=np.float32)
    confidence[0, COCO.joints.index("LHip")] = 0.25
    confidence[0, COCO.joints.index("RShoulder")] = 0.5
    converted = dict(zip(COCO.human36m_joints, confidence_to_human36m(COCO, confidence)[0].tolist(), strict=True))
    lowered = {"Hip": 0.25, "Spine": 0.25, "LHip": 0.25, "Thorax": 0.5, "RShoulder": 0.5}
    assert converted == {joint: lowered.get(joint, 1.0) for joint in H36M17.joints}


def test_a_missing_joint_spoils_those_made_of_it_alone() -> None:
    points = _array(_COCO_PX)
    points[COCO.joints.index("LEye")] = np.nan
    missing = np.isnan(to_human36m(COCO, points)).any(-1)
    assert [joint for joint, is_missing in zip(COCO.human36m_joints, missing, strict=True) if is_missing] == ["Head"]


def test_stacked_hourglass_is_put_in_the_order_of_human36m_16() -> None:
    assert STACKED_HOURGLASS.human36m_joints == H36M16.joints
    slots = np.arange(16, dtype=np.float32)[:, None]
    # Hip, right leg, left leg, Spine, Thorax, Head, left arm, right arm
    assert to_human36m(STACKED_HOURGLASS, slots)[:, 0].tolist() == [
        6,
        2,
        1,
        0,
        3,
        4,
        5,
        7,
        8,
        9,
        13,
        14,
        15,
        12,
        11,
        10,
    ]


@pytest.mark.parametrize("order", [HUMAN36M_16, HUMAN36M_17], ids=lambda order: order.name)
def test_human36m_stays_as_it_is(order: JointOrder) -> None:
    np.testing.assert_array_equal(order.weights, np.eye(len(order.joints)))


@pytest.mark.parametrize("order", JOINT_ORDERS.values(), ids=lambda order: order.name)
def test_each_order_is_the_linear_map_of_its_weights_and_commutes_with_a_mirror(order: JointOrder) -> None:
    np.testing.assert_allclose(order.weights.sum(axis=1), 1)
    points = np.random.default_rng(1).normal(size=(len(order.joints), 2)).astype(np.float32)
    converted = to_human36m(order, points)
    np.testing.assert_allclose(converted, order.weights @ points, atol=1e-6)

    left, right = order.sides
    mirrored = points.copy()
    mirrored[[*left, *right]] = points[[order.joints.index({"L": "R", "R": "L"}[n[0]] + n[1:]) for n in _names(order)]]
    skeleton = H36M17 if len(order.human36m_joints) == 17 else H36M16
    np.testing.assert_allclose(to_human36m(order, mirrored), converted[list(skeleton.mirror)], atol=1e-6)


def _names(order: JointOrder) -> list[str]:
    left, right = order.sides
    return [order.joints[index] for index in (*left, *right)]
