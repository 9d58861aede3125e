import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.lifting.keypoints import test_keypoints_alphapose as alphapose
from tests.lifting.keypoints import test_keypoints_blazepose as blazepose
from tests.lifting.keypoints import test_keypoints_coco as coco
from tests.lifting.keypoints import test_keypoints_mmpose as mmpose
from tests.lifting.keypoints import test_keypoints_openpose as openpose
from tests.people import INTRINSICS, SIZE, person_camera_m, person_px, triples
from tests.tiny import write_tiny_capture
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.errors import InputError
from wsgcn.base.files import file_sha256
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.lifter import Lifter, Options
from wsgcn.model.predict import predict
from wsgcn.pose.camera import normalise_screen, project, screen_units
from wsgcn.pose.sequences import normalised_keypoints
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections

JOINTS = [H36M17.joints.index(joint) for joint in H36M16.joints]
FRAMES = 12


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "weak.pt"
    write_tiny_checkpoint(path)
    return path


@pytest.fixture(scope="session")
def lifter(checkpoint_path):
    return Lifter.load(checkpoint_path, device="cpu")


class Recorder(torch.nn.Module):
    """A network that gives what it is told, and keeps what it was given."""

    def __init__(self, pose_NJ3):
        super().__init__()
        self.pose_NJ3, self.seen = torch.from_numpy(pose_NJ3.astype(np.float32)), []

    def forward(self, keypoints_BJ2):
        done = sum(len(batch) for batch in self.seen)
        self.seen.append(keypoints_BJ2)
        return self.pose_NJ3[done : done + len(keypoints_BJ2)]

    @property
    def input(self):
        return torch.cat(self.seen).numpy()


def oracle(lifter, truth_m):
    """A lifter whose network knows the truth (T, 17, 3)."""
    pose = truth_m[:, JOINTS]
    return replace(lifter, network=Recorder(pose - pose[:, :1]))


def write_json(path, tree):
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def write_format(format, folder):
    """A file of this format with the same person; returns it, its joint order, and what else `lift` needs."""
    points = triples(FRAMES)
    path = folder / f"{format}.json"
    size = {"size": SIZE}
    match format:
        case "coco_results":
            return write_json(path, coco.results(points)), "coco", size
        case "coco_annotations":
            return write_json(path, coco.annotations(points, width=SIZE[0], height=SIZE[1])), "coco", {}
        case "alphapose":
            return write_json(path, alphapose.entries(points)), "coco", size
        case "alphapose halpe_26":
            return write_json(path, alphapose.entries(triples(FRAMES, "halpe_26"))), "halpe_26", size
        case "alphapose halpe_136":
            return write_json(path, alphapose.entries(triples(FRAMES, "halpe_136"))), "halpe_136", size
        case "openpose body_25" | "openpose coco_18":
            order = format.split()[1]
            openpose.write(folder / order, [triples(FRAMES, order)])
            return folder / order, order, size
        case "mmpose":
            return write_json(path, mmpose.with_names(points, coco.COCO_NAMES)), "coco", size
        case "mmpose list":
            return write_json(path, mmpose.frames(points)), "coco", size | {"joints": "coco"}
        case "blazepose":
            frames = [blazepose.landmarks(frame, SIZE[0]) for frame in triples(FRAMES, "blazepose_33")]
            return write_json(path, frames), "blazepose_33", size
        case "videopose3d":
            sizes = {"a": {"w": SIZE[0], "h": SIZE[1]}}
            metadata = {"layout_name": "coco", "num_joints": 17, "video_metadata": sizes}
            np.savez(folder / "v.npz", positions_2d={"a": {"custom": [points[..., :2]]}}, metadata=metadata)
            return folder / "v.npz", "coco", {}
        case "npz":
            np.savez(folder / "a.npz", keypoints=points, joints="coco")
            return folder / "a.npz", "coco", size
        case "npy mpii":
            np.save(folder / "a.npy", triples(FRAMES, "mpii"))
            return folder / "a.npy", "mpii", size | {"joints": "mpii"}
    raise AssertionError(format)


FORMATS = (
    *("coco_results", "coco_annotations", "alphapose", "alphapose halpe_26", "alphapose halpe_136"),
    *("openpose body_25", "openpose coco_18", "mmpose", "mmpose list", "blazepose", "videopose3d", "npz", "npy mpii"),
)


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_lifts_like_its_joints_as_an_array(lifter, tmp_path, format):
    path, order, more = write_format(format, tmp_path)
    lifted = lifter.lift(path, **more)
    expected = lifter.lift(person_px(FRAMES, order), SIZE, joints=order)
    assert len(lifted) == FRAMES
    assert not lifted.missing.any()
    assert np.abs(expected.pose_m).max() > 0.1
    np.testing.assert_allclose(lifted.pose_m, expected.pose_m, atol=1e-3)
    np.testing.assert_array_equal(lifted.pose_m[:, 0], 0)


def test_detections_h5_lifts_to_what_the_evaluation_predicts(lifter, tmp_path):
    path = write_tiny_capture(tmp_path, subjects=("S9",), takes=("Eating",))[1]
    lifted = lifter.lift(path, person="S9/Eating/55011271")
    with Detections(path) as detections:
        sequence = detections.sequence("S9", "Eating", "55011271")
        keypoints = normalised_keypoints(detections, sequence, detections.camera("S9", "55011271"), H36M16)
    np.testing.assert_allclose(lifted.pose_m, predict(lifter.network, keypoints, H36M16), atol=1e-4)


def test_landscape_and_square_pictures_are_normalised_as_in_training():
    points = np.random.default_rng(0).uniform(0, 1000, (5, 16, 2))
    for size in ((1000, 1000), (1920, 1080)):
        np.testing.assert_allclose(screen_units(points, size), normalise_screen(points, *size), atol=1e-12)


def test_cropping_a_picture_to_portrait_changes_nothing(lifter):
    points = person_px(FRAMES)
    square = lifter.lift(points, SIZE, joints="h36m17")
    portrait = lifter.lift(points - [200, 0], (600, 1000), joints="h36m17")
    np.testing.assert_allclose(portrait.pose_m, square.pose_m, atol=1e-4)


@pytest.mark.parametrize("factor", [0.25, 3.84])
def test_the_resolution_changes_nothing(lifter, factor):
    points = person_px(FRAMES)
    other = lifter.lift(points * factor, (int(1000 * factor), int(1000 * factor)), joints="h36m17")
    np.testing.assert_allclose(other.pose_m, lifter.lift(points, SIZE, joints="h36m17").pose_m, atol=1e-4)


@pytest.mark.parametrize("intrinsics", [None, "60deg"])
def test_keypoints_in_wide_pixels_lift_like_the_same_in_square_ones(lifter, intrinsics):
    points, (width, height) = person_px(6, "coco"), SIZE
    expected = lifter.lift(points, SIZE, joints="coco", intrinsics=intrinsics)
    narrow = points * np.array([0.75, 1])
    stored = (round(0.75 * width), height)
    lifted = lifter.lift(narrow, stored, joints="coco", intrinsics=intrinsics, pixel_aspect=4 / 3)
    np.testing.assert_allclose(lifted.pose_m, expected.pose_m, atol=1e-4)
    np.testing.assert_allclose(lifted.keypoints_px, expected.keypoints_px, rtol=1e-5)
    assert lifted.about["size_px"] == [width, height]
    shares = lifter.lift(points / np.array(SIZE), stored, joints="coco", unit="share", pixel_aspect=4 / 3)
    np.testing.assert_allclose(shares.keypoints_px, expected.keypoints_px, rtol=1e-5)
    with pytest.raises(InputError, match=r"pixel_aspect: is 40, expected width over height of a pixel, 0\.2 to 5"):
        lifter.lift(points, SIZE, joints="coco", pixel_aspect=40)


def test_holes_up_to_the_stated_gap_are_filled_and_longer_ones_marked(lifter):
    points = person_px(40)
    whole = lifter.lift(points, SIZE, joints="h36m17")
    holed = points.copy()
    holed[5:8] = np.nan  # nobody in 3 frames
    holed[15:19, 16] = np.nan  # the right wrist in 4
    holed[38:] = np.nan  # nobody to the end
    lifted = lifter.lift(holed, SIZE, joints="h36m17", options=Options(max_gap=3))
    assert lifted.missing.nonzero()[0].tolist() == [15, 16, 17, 18, 38, 39]
    assert np.isnan(lifted.pose_m[lifted.missing]).all()
    assert np.isfinite(lifted.pose_m[~lifted.missing]).all()
    assert lifted.interpolated.any(1).nonzero()[0].tolist() == [5, 6, 7]
    there = ~lifted.missing & ~lifted.interpolated.any(1)
    np.testing.assert_allclose(lifted.pose_m[there], whole.pose_m[there], atol=1e-4)
    np.testing.assert_allclose(lifted.keypoints_px[6], (points[4] + points[8])[JOINTS] / 2, atol=0.1)
    assert lifted.summary() == ("40 frames of person 1, 3 with interpolated joints, 6 missing, root-relative")


def test_the_back_of_a_head_is_lifted_from_the_ears_and_says_so(lifter):
    points = triples(FRAMES)
    points[4:8, :3] = 0  # nose and eyes
    lifted = lifter.lift(points, SIZE, joints="coco", options=Options(max_gap=0))
    assert not lifted.missing.any()
    head = H36M16.joints.index("Head")
    assert np.argwhere(lifted.substituted).tolist() == [[t, head] for t in range(4, 8)]


def test_a_joint_with_too_low_a_score_is_missing(lifter):
    points = triples(FRAMES)
    points[3, 9, 2] = 0.2
    options = Options(max_gap=0, min_score=0.2)
    assert lifter.lift(points, SIZE, joints="coco", options=options).missing.nonzero()[0].tolist() == [3]
    assert not lifter.lift(points, SIZE, joints="coco", options=Options(max_gap=0)).missing.any()


def test_without_intrinsics_the_output_says_that_it_is_root_relative(lifter):
    lifted = lifter.lift(person_px(2), SIZE, joints="h36m17")
    assert lifted.root_m is None
    assert "where the person stands is not known" in lifted.metadata["origin"]


@pytest.mark.parametrize("size", [(1000, 1000), (1920, 1080), (720, 1280)])
@pytest.mark.parametrize("given", ["900px", "70deg", "matrix"])
def test_with_intrinsics_a_true_pose_stands_where_it_stood(lifter, size, given):
    width, height = size
    focal = {"900px": 900, "70deg": width / 2 / np.tan(np.radians(35)), "matrix": 1100}[given]
    centre = (width / 2 + 20, height / 2 - 30) if given == "matrix" else (width / 2, height / 2)
    camera = np.array([focal, focal, *centre, 0, 0, 0, 0, 0])
    matrix = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    truth_m = person_camera_m(FRAMES)
    lifted = oracle(lifter, truth_m).lift(
        project(truth_m, camera), size, joints="h36m17", intrinsics=matrix if given == "matrix" else given
    )
    np.testing.assert_allclose(lifted.root_m, truth_m[:, 0], atol=2e-3)
    np.testing.assert_allclose(lifted.pose_m + lifted.root_m[:, None], truth_m[:, JOINTS], atol=2e-3)
    assert "the root joint's place in the camera's frame" in lifted.metadata["origin"]
    np.testing.assert_allclose(lifted.metadata["intrinsics_px"], camera)


def test_with_intrinsics_the_network_sees_what_a_training_camera_would_have_seen(lifter):
    truth_m = person_camera_m(FRAMES)
    phone = np.array([700.0, 700.0, 640.0, 360.0, 0, 0, 0, 0, 0])
    knowing = oracle(lifter, truth_m)
    knowing.lift(project(truth_m, phone), (1280, 720), joints="h36m17", intrinsics=700)
    training_9 = human36m_cameras()["S1"]["54138969"].intrinsics_screen  # that of the checkpoint
    expected = project(truth_m[:, JOINTS], training_9)
    np.testing.assert_allclose(knowing.network.input, expected, atol=1e-5)


def test_a_distorted_camera_is_undone(lifter):
    camera = human36m_cameras()["S1"]["54138969"].intrinsics_px
    truth_m = person_camera_m(FRAMES)
    lifted = oracle(lifter, truth_m).lift(project(truth_m, camera), (1000, 1002), joints="h36m17", intrinsics=camera)
    np.testing.assert_allclose(lifted.root_m, truth_m[:, 0], atol=2e-3)


def test_a_pose_that_fits_only_behind_the_camera_has_no_root(lifter):
    truth_m = person_camera_m(FRAMES)
    turned = oracle(lifter, -truth_m)
    lifted = turned.lift(project(truth_m, INTRINSICS), SIZE, joints="h36m17", intrinsics=1145)
    assert np.isnan(lifted.root_m).all()
    assert np.isfinite(lifted.pose_m).all()


# Checkpoints that have learnt to do without some joints.


@pytest.fixture(scope="session")
def filling(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "filling.pt"
    write_tiny_checkpoint(path, augmentation__missing=0.2)
    return Lifter.load(path, device="cpu")


def without(points, joints, frames=slice(None)):
    holed = points.copy()
    for joint in joints:
        holed[frames, H36M17.joints.index(joint)] = np.nan
    return holed


LEGS = ("RKnee", "RFoot", "LKnee", "LFoot")


def test_who_has_learnt_to_lifts_up_to_half_of_the_joints_missing_and_nobody_else_does(filling, lifter):
    points = without(person_px(FRAMES), LEGS)
    assert not filling.lift(points, SIZE, joints="h36m17").missing.any()
    with pytest.raises(InputError, match="has all the joints"):
        lifter.lift(points, SIZE, joints="h36m17")
    most = (*LEGS, "LElbow", "LWrist", "RElbow", "RWrist")
    assert not filling.lift(without(points, most), SIZE, joints="h36m17").missing.any()
    with pytest.raises(InputError, match="none of its 12 frames has 8 of the joints"):
        filling.lift(without(points, (*most, "Head")), SIZE, joints="h36m17")


def test_missing_joints_are_put_on_their_parents_as_in_training_and_marked(filling):
    points = person_px(FRAMES)
    knowing = oracle(filling, person_camera_m(FRAMES))
    lifted = knowing.lift(without(points, LEGS, slice(3, 6)), SIZE, joints="h36m17", options=Options(max_gap=0))
    expected = screen_units(points[:, JOINTS], SIZE)
    at = H36M16.joints.index
    for side in "LR":
        for joint in ("Knee", "Foot"):
            expected[3:6, at(side + joint)] = expected[3:6, at(f"{side}Hip")]
    np.testing.assert_allclose(knowing.network.input, expected, atol=1e-5)
    unseen = np.isnan(lifted.keypoints_px).any(-1)
    assert sorted({H36M16.joints[joint] for joint in np.argwhere(unseen)[:, 1]}) == sorted(LEGS)
    assert np.isfinite(lifted.pose_m).all()
    assert "3 without 2D of some joints" in lifted.summary()


def test_the_root_is_solved_from_the_joints_that_are_seen(filling):
    truth_m = person_camera_m(FRAMES)
    points = without(project(truth_m, INTRINSICS), ("Hip", "RHip", *LEGS[:2]), slice(2, 7))
    lifted = oracle(filling, truth_m).lift(
        points, SIZE, joints="h36m17", intrinsics=INTRINSICS, options=Options(max_gap=0)
    )
    np.testing.assert_allclose(lifted.root_m, truth_m[:, 0], atol=2e-3)


def test_smoothing_takes_out_jitter_and_keeps_holes(lifter):
    truth_m = person_camera_m(60)
    noisy_m = truth_m + np.random.default_rng(0).normal(size=truth_m.shape) * 0.02
    points = person_px(60)
    points[30] = np.nan
    there = np.arange(60) != 30

    def error(options):
        lifted = oracle(lifter, noisy_m[there]).lift(points, SIZE, joints="h36m17", options=options)
        assert lifted.missing.nonzero()[0].tolist() == [30]
        truth = truth_m[:, JOINTS] - truth_m[:, JOINTS[:1]]
        return np.abs(lifted.pose_m - truth)[there].mean()

    assert error(Options(max_gap=0, smooth=9)) < 0.7 * error(Options(max_gap=0))


def test_flipping_averages_with_the_mirrored_input(lifter):
    keypoints = screen_units(person_px(FRAMES)[:, JOINTS], SIZE).astype(np.float32)
    expected = predict(lifter.network, keypoints, H36M16, flip=True)
    lifted = lifter.lift(person_px(FRAMES), SIZE, joints="h36m17", options=Options(flip=True))
    np.testing.assert_allclose(lifted.pose_m, expected, atol=1e-4)


def test_the_output_says_what_it_was_made_from(lifter, checkpoint_path, tmp_path):
    path = write_json(tmp_path / "clip.json", alphapose.entries(triples(FRAMES)))
    about = lifter.lift(path, SIZE, fps=25).metadata
    assert about["unit"] == "metre"
    assert about["frame"] == "camera axes: x right, y down, z forward"
    assert about["joints"] == list(H36M16.joints)
    assert about["parents"] == list(H36M16.parents)
    assert (about["source"], about["source_format"], about["source_joints"]) == ("clip.json", "alphapose", "coco")
    assert "Head is the middle of the eyes" in about["source_bias"]
    assert about["checkpoint_sha256"] == file_sha256(checkpoint_path)
    assert (about["size_px"], about["fps"], about["max_gap"]) == ([1000, 1000], 25, 10)
    json.dumps(about, allow_nan=False)


def far(points):
    points[7, 12] = (5000, 300)


def infinite(points):
    points[7, 12] = np.inf


def normalised(points):
    points /= 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (far, r"array: in frame 7 LElbow lies at \(5000, 300\) px, far outside the picture of 1000x1000"),
        (infinite, r"array: in frame 7 LElbow lies at \(inf, inf\) px, far outside"),
        (normalised, "array: all its keypoints lie within 4 px of the picture's corner, expected pixels"),
    ],
)
def test_places_that_cannot_be_are_one_sentence_naming_the_frame(lifter, change, message):
    points = person_px(FRAMES)
    change(points)
    with pytest.raises(InputError, match=message):
        lifter.lift(points, SIZE, joints="h36m17")


def test_a_joint_somewhat_outside_the_picture_is_lifted(lifter):
    points = person_px(FRAMES)
    points[:, 16] = (-300, 1400)
    assert not lifter.lift(points, SIZE, joints="h36m17").missing.any()


def test_joints_all_at_one_point_have_no_root_and_name_the_frame(lifter):
    points = person_px(FRAMES)
    points[5] = 500
    with pytest.raises(InputError, match="array: in frame 5 all joints lie at one point"):
        lifter.lift(points, SIZE, joints="h36m17", intrinsics=1145)


def test_a_person_of_whom_a_joint_is_never_seen_is_one_sentence_naming_it(lifter):
    points = person_px(FRAMES)
    points[:, 3] = np.nan
    points[:2, 6] = np.nan
    message = r"none of its 12 frames has all the joints .* h36m16 needs \(missing most often: RFoot 12, LFoot 2\)"
    with pytest.raises(InputError, match=message):
        lifter.lift(points, SIZE, joints="h36m17")


def test_the_size_must_be_known_and_agree(lifter, tmp_path):
    with pytest.raises(InputError, match="array: does not say how large its pictures are"):
        lifter.lift(person_px(2), joints="h36m17")
    path = write_json(tmp_path / "a.json", coco.annotations(triples(2)))
    with pytest.raises(InputError, match=r"a\.json: says that its pictures have 640x480 px, but size is 1000x1000"):
        lifter.lift(path, SIZE)


def test_an_order_without_a_joint_of_the_checkpoint_is_one_sentence(tmp_path):
    write_tiny_checkpoint(tmp_path / "17.pt", data__skeleton="h36m17")
    with pytest.raises(
        InputError, match="the joint order stacked_hourglass: has no Neck/Nose, which the skeleton h36m17"
    ):
        Lifter.load(tmp_path / "17.pt").lift(person_px(2, "stacked_hourglass"), SIZE, joints="stacked_hourglass")


@pytest.mark.parametrize("options", [{"max_gap": -1}, {"smooth": 4}, {"smooth": 1}, {"smooth": -3}])
def test_impossible_options_are_one_sentence(options):
    with pytest.raises(InputError, match=f"{next(iter(options))}: is -?\\d, expected"):
        Options(**options)


def test_an_open_file_is_lifted_without_opening_it_again(lifter, tmp_path):
    path = write_json(tmp_path / "a.json", alphapose.entries(triples(FRAMES)))
    file = open_keypoints(path)
    path.unlink()
    assert len(lifter.lift(file, SIZE)) == FRAMES


def test_a_missing_checkpoint_is_one_sentence():
    with pytest.raises(InputError, match=r"nothing\.pt: not found"):
        Lifter.load(Path("nothing.pt"))
