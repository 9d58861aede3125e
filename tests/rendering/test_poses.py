import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.tiny import _STANDING_M
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.rendering import palette
from wsgcn.rendering.poses import OVERSAMPLING, canvas, draw_pose, draw_shadow
from wsgcn.rendering.viewpoint import Viewpoint, Window


def rgb(colour):
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


@pytest.fixture
def points_px():
    """A person who faces the onlooker: its left is on the right of the picture."""
    points = np.array([_STANDING_M[joint] for joint in H36M17.joints])
    return np.stack((150 + 100 * points[:, 0], 200 - 100 * points[:, 2]), axis=-1)


def painted(points_px, skeleton=H36M17, **options):
    image = Image.new("RGB", (300, 220), palette.PAGE)
    draw_pose(ImageDraw.Draw(image), points_px, skeleton, width_px=4, **options)
    return image


@pytest.mark.parametrize(("side", "colour"), [("L", palette.LEFT), ("R", palette.RIGHT)])
@pytest.mark.parametrize("joint", ["Knee", "Foot", "Elbow", "Wrist"])
def test_each_side_has_its_colour_at_its_joints_and_along_its_bones(points_px, side, colour, joint):
    image = painted(points_px)
    index = H36M17.joints.index(side + joint)
    x, y = points_px[index]
    assert image.getpixel((round(x), round(y))) == rgb(colour)
    parent_x, parent_y = points_px[H36M17.parents[index]]
    assert image.getpixel((round((x + parent_x) / 2), round((y + parent_y) / 2))) == rgb(colour)


def test_the_two_sides_and_the_middle_are_three_colours(points_px):
    image = painted(points_px)
    assert len({palette.LEFT, palette.RIGHT, palette.MIDDLE}) == 3
    x, y = points_px[H36M17.joints.index("Head")]
    assert image.getpixel((round(x), round(y))) == rgb(palette.MIDDLE)


def test_a_missing_joint_and_its_bones_are_left_out_and_nothing_else(points_px):
    knee = H36M17.joints.index("LKnee")
    whole = painted(points_px)
    x, y = points_px[knee]
    points_px[knee] = np.nan
    holed = painted(points_px)
    assert whole.getpixel((round(x), round(y))) == rgb(palette.LEFT)
    assert holed.getpixel((round(x), round(y))) == rgb(palette.PAGE)
    for joint in ("LFoot", "LHip", "RKnee"):
        x, y = points_px[H36M17.joints.index(joint)]
        assert holed.getpixel((round(x), round(y))) != rgb(palette.PAGE)


def test_a_pose_that_is_missing_altogether_draws_nothing(points_px):
    assert painted(np.full_like(points_px, np.nan)).getcolors() == [(300 * 220, rgb(palette.PAGE))]


@pytest.mark.parametrize(("near", "colour"), [("RWrist", palette.RIGHT), ("LWrist", palette.LEFT)])
def test_the_nearer_of_two_crossing_bones_is_in_front(near, colour):
    points_px = np.full((16, 2), np.nan)
    away = np.ones(16)
    for joint, point in {"LElbow": (50, 50), "LWrist": (150, 150), "RElbow": (150, 50), "RWrist": (50, 150)}.items():
        points_px[H36M16.joints.index(joint)] = point
        away[H36M16.joints.index(joint)] = 0.0 if joint[0] == near[0] else 1.0
    image = painted(points_px, H36M16, away_J=away, halo=palette.PAGE)
    assert image.getpixel((100, 100)) == rgb(colour)


def test_the_shadow_lies_below_the_person():
    pose_m = np.array([_STANDING_M[joint] for joint in H36M17.joints])
    view = Viewpoint(0, 30)
    image, draw = canvas(100, 100, palette.PANEL)
    window = Window.fitting(view.look(pose_m)[..., :2], (0, 0, *image.size))
    draw_shadow(draw, pose_m, H36M17, view, window, 5)
    assert image.size == (100 * OVERSAMPLING, 100 * OVERSAMPLING)
    rows = np.flatnonzero((np.array(image) == rgb(palette.SHADOW)).all(-1).any(1))
    assert rows.min() > window.to_px(view.look(np.array([0, 0, 0.5])))[1], "no shadow at the height of the knees"
