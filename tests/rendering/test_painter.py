from dataclasses import replace

import numpy as np
import pytest

from wsgcn.pose.skeleton import H36M16
from wsgcn.rendering import palette
from wsgcn.rendering.painter import HEIGHT_PX, WIDTH_PX, ClipPainter
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.sources import read_sequences

INPUT, PREDICTION, TRUTH = range(3)  # the panels, from the left


@pytest.fixture
def sequence(predictions_path):
    return next(read_sequences(predictions_path, subject="S11", take="Walking"))


@pytest.fixture
def apart():
    """Four frames of a pose whose limbs do not cross from any side that the clip shows; the prediction sinks 0.1 m."""
    pose = np.zeros((16, 3))
    places = {"Head": (0, 0, 1.7), "LWrist": (-0.6, 0.2, 1.2), "RWrist": (0.6, -0.2, 1.2), "RFoot": (0.3, 0, 0)}
    for joint in H36M16.joints:
        pose[H36M16.joints.index(joint)] = places.get(joint, (np.nan,) * 3)
    for joint, child in (("LElbow", "LWrist"), ("RElbow", "RWrist"), ("Thorax", "Head"), ("RKnee", "RFoot")):
        pose[H36M16.joints.index(joint)] = pose[H36M16.joints.index(child)] * (0.5, 0.5, 1)
    truth = np.tile(pose, (4, 1, 1))
    keypoints_px = 500 + 200 * truth[..., [0, 2]] * (1, -1)
    return PoseSequence(
        title="apart",
        data="a made-up pose",
        skeleton=H36M16,
        fps=50,
        predicted_m=truth - np.array([0, 0, 0.1]),
        truth_m=truth,
        keypoints_px=keypoints_px,
    )


def rgb(colour):
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def joint(name):
    return H36M16.joints.index(name)


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("panel", [INPUT, PREDICTION, TRUTH])
@pytest.mark.parametrize(
    ("name", "colour"),
    [("LWrist", palette.LEFT), ("RWrist", palette.RIGHT), ("RFoot", palette.RIGHT), ("Head", palette.MIDDLE)],
)
def test_each_panel_shows_each_side_in_its_colour_at_the_projected_pixel(apart, index, panel, name, colour):
    painter = ClipPainter(apart)
    points = (apart.keypoints_px, apart.predicted_m, apart.truth_m)[panel][index]
    x, y = painter.to_px(panel, index, points[joint(name)]).round().astype(int).tolist()
    assert painter.frame(index).getpixel((x, y)) == rgb(colour)


def test_the_panels_do_not_overlap_and_lie_inside_the_picture(sequence):
    painter = ClipPainter(sequence)
    edges = []
    for panel, points in enumerate((sequence.keypoints_px, sequence.predicted_m, sequence.truth_m)):
        px = np.concatenate([painter.to_px(panel, index, points[index]) for index in range(len(sequence))])
        assert 40 < px[:, 1].min() < px[:, 1].max() < HEIGHT_PX
        edges += [px[:, 0].min(), px[:, 0].max()]
    assert 0 < edges[0] < edges[1] < edges[2] < edges[3] < edges[4] < edges[5] < WIDTH_PX


def test_the_person_is_upright_although_the_camera_is_tilted(sequence):
    """In every frame the head is above the hip, and the hip above the feet, on the picture."""
    painter = ClipPainter(sequence)
    for panel, points in ((PREDICTION, sequence.predicted_m), (TRUTH, sequence.truth_m)):
        for index in range(len(sequence)):
            _, y = painter.to_px(panel, index, points[index]).T
            assert y[joint("Head")] < y[joint("Hip")] - 40
            assert y[joint("Hip")] < min(y[joint("LFoot")], y[joint("RFoot")]) - 40


def test_prediction_and_truth_share_one_scale_and_one_floor(apart):
    painter = ClipPainter(apart)
    unit = np.vstack((np.zeros(3), np.eye(3)))
    one, other = (painter.to_px(panel, 2, unit) for panel in (PREDICTION, TRUTH))
    assert other - one == pytest.approx(np.tile((other - one)[0], (4, 1)))
    assert (other - one)[0, 1] == pytest.approx(0)


def test_the_title_has_the_frames_own_error(sequence):
    worse_m = sequence.truth_m + np.array([0.2, 0, 0])
    predicted_m = np.where(np.arange(20)[:, None, None] == 3, worse_m, sequence.truth_m)
    painter = ClipPainter(replace(sequence, predicted_m=predicted_m))

    def title(index):
        return np.array(painter.frame(index).crop((WIDTH_PX // 2, 0, WIDTH_PX, 38)))

    assert (title(0) == title(7)).all(), "0 mm"
    assert (title(3) != title(0)).any(), "200 mm"


@pytest.mark.parametrize("near", ["L", "R"])
def test_of_two_crossing_arms_the_nearer_to_the_onlooker_is_in_front(near):
    """Seen from the camera's side, a little turned; y is away from it."""
    pose = np.full((16, 3), np.nan)
    y = -0.2 if near == "L" else 0.2
    for name, place in {
        "LElbow": (-0.5, y, 1),
        "LWrist": (0.5, y, 2),
        "RElbow": (0.5, -y, 1),
        "RWrist": (-0.5, -y, 2),
    }.items():
        pose[joint(name)] = place
    painter = ClipPainter(PoseSequence(title="x", data="x", skeleton=H36M16, fps=50, predicted_m=pose[None]))
    ends = painter.to_px(0, 0, pose[[joint("LElbow"), joint("LWrist"), joint("RElbow"), joint("RWrist")]])
    # Where the two lines cross.
    (a, b), (c, d) = ends[:2], ends[2:]
    share, _ = np.linalg.solve(np.stack((b - a, c - d), axis=1), c - a)
    x, y = (a + share * (b - a)).round().astype(int).tolist()
    assert painter.frame(0).getpixel((x, y)) == rgb(palette.LEFT if near == "L" else palette.RIGHT)


def test_without_truth_and_2d_there_is_one_panel_and_no_error(sequence):
    alone = PoseSequence(title="me", data="own", skeleton=H36M16, fps=50, predicted_m=sequence.predicted_m)
    picture = np.array(ClipPainter(alone).frame(0))
    assert (picture[:38, WIDTH_PX // 2 :] == 255).all()
    left, right = (picture[100, x].tolist() for x in (12, WIDTH_PX - 12))
    assert left == right == list(rgb(palette.PANEL))


def test_a_frame_that_is_missing_is_an_empty_panel(apart):
    holed = apart.predicted_m.copy()
    holed[1] = np.nan
    painter = ClipPainter(PoseSequence(title="me", data="own", skeleton=H36M16, fps=50, predicted_m=holed))
    colours = {colour for _, colour in painter.frame(1).crop((8, 70, WIDTH_PX - 8, HEIGHT_PX - 30)).getcolors(9999)}
    assert not colours & {rgb(palette.LEFT), rgb(palette.RIGHT), rgb(palette.MIDDLE)}
