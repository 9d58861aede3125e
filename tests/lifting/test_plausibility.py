"""What cannot be true is refused or warned of, each known mistake with its sentence; what can be true is not."""

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.foreign import foreign
from tests.import_graph import ROOT
from tests.lifting.keypoints import test_keypoints_blazepose as blazepose
from tests.lifting.test_batch_lifting import write_parquet
from tests.lifting.test_lifter import checkpoint_path, lifter, oracle  # noqa: F401
from tests.people import INTRINSICS, SIZE, person_camera_m, person_px, triples
from wsgcn.base.errors import InputError
from wsgcn.containers.npz import load_npz
from wsgcn.detections.joint_orders import BLAZEPOSE_33, COCO
from wsgcn.lifting.batch_lifting import lift_file
from wsgcn.lifting.lifter import Lifter
from wsgcn.lifting.plausibility import PlausibilityWarning
from wsgcn.lifting.writers.formats import SUFFIXES, read_lifted, write_lifted
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import H36M17

FRAMES = 12
LEGS = ("LKnee", "RKnee", "LAnkle", "RAnkle")


@pytest.fixture
def knowing(lifter):  # noqa: F811
    """A lifter whose network knows the person of `person_px`, so that only the input can be at fault."""
    return lambda frames=FRAMES: oracle(lifter, person_camera_m(frames))


class OneBody(torch.nn.Module):
    """A network that always gives the same body."""

    def __init__(self, pose_J3):
        super().__init__()
        self.pose_J3 = torch.from_numpy(pose_J3.astype(np.float32))

    def forward(self, keypoints_BJ2):
        return self.pose_J3.expand(len(keypoints_BJ2), -1, -1)


def one_body(lifter, factor=1):  # noqa: F811
    pose_J3 = person_camera_m(1)[0, [H36M17.joints.index(joint) for joint in lifter.skeleton.joints]]
    return replace(lifter, network=OneBody(factor * (pose_J3 - pose_J3[:1])))


def warned(lifter, *arguments, **more):  # noqa: F811
    """The warnings of a lift, which are those that Python is given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lifted = lifter.lift(*arguments, **more)
    told = [str(each.message) for each in caught if each.category is PlausibilityWarning]
    assert [sentence.split(": ", 1)[1].rstrip(".") for sentence in told] == list(lifted.warnings)
    return lifted.warnings


def filling(size):
    """`person_px` in the middle of another picture, nearly as tall as it."""
    points = person_px(FRAMES)
    low, high = points.min((0, 1)), points.max((0, 1))
    return (points - (low + high) / 2) * 0.95 * size[1] / (high - low)[1] + np.array(size) / 2


# --- good input


@pytest.mark.parametrize("intrinsics", [None, 1145])
@pytest.mark.parametrize("order", ["h36m17", "coco", "body_25", "blazepose_33", "halpe_26", "mpii"])
def test_a_person_seen_whole_is_nothing_to_warn_of(knowing, order, intrinsics):
    assert warned(knowing(), person_px(FRAMES, order), SIZE, joints=order, intrinsics=intrinsics) == ()


def test_a_joint_now_and_then_outside_is_nothing_to_warn_of(knowing):
    points = person_px(FRAMES)
    points[3, 16] = (-300, 1400)
    points[:, 6, 1] += 60  # a foot below the edge
    assert warned(knowing(), points, SIZE, joints="h36m17") == ()


def test_a_step_sideways_is_no_jump(knowing):
    points = person_px(FRAMES) + np.arange(FRAMES)[:, None, None] * [30, 0]
    assert warned(knowing(), points, (1500, 1000), joints="h36m17") == ()


SHARED = ROOT.parent / "shared" / "data"


def real_files():
    """Detections of real motion: a name, (T, K, 2 or 3), the joint order and the picture's size."""
    path = SHARED / "human36m" / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    if path.is_file():
        videos = load_npz(path)["positions_2d"]
        for subject in ("S1", "S11"):
            for take, cameras in videos[subject].items():
                yield f"{subject} {take}", cameras[0], "h36m17", (1000, 1002)
    path = SHARED / "foreign" / "mmpose_wholebody.json"
    if path.is_file():
        people = [frame["instances"][0] for frame in json.loads(path.read_text(encoding="utf-8"))]
        points = np.array([np.c_[each["keypoints"], each["keypoint_scores"]] for each in people])
        yield "mmpose", points[:, :17], "coco", (1088, 1920)
    path = SHARED / "foreign" / "mediapipe_frames.json"
    if path.is_file():
        frames = json.loads(path.read_text(encoding="utf-8"))["frames"]
        points = [[[each["x"], each["y"], each["visibility"]] for each in frame["landmarks"]] for frame in frames]
        yield "mediapipe", np.array(points) * [1088, 1920, 1], "blazepose_33", (1088, 1920)


def test_real_detections_are_nothing_to_warn_of(lifter):  # noqa: F811
    """With a network that always gives the same body: it is the input that is judged."""
    files = list(real_files())
    if not files:
        pytest.skip("needs shared/data beside the repository")
    said = {}
    for name, points, order, size in files:
        said[name] = warned(one_body(lifter), points, size, joints=order)
    assert {name: sentences for name, sentences in said.items() if sentences} == {}


# --- what is no place in a picture


def world_landmarks(frames):
    """MediaPipe's world landmarks: metres from the middle of the hips."""
    person_m = person_camera_m(frames)
    index = {"LAnkle": "LFoot", "RAnkle": "RFoot"}
    names = [index.get(joint, joint if joint in H36M17.joints else "Neck/Nose") for joint in BLAZEPOSE_33.joints]
    points_m = person_m[:, [H36M17.joints.index(name) for name in names]]
    return points_m - points_m[:, [23, 24]].mean(1, keepdims=True)


def test_world_landmarks_are_refused_as_such(lifter, tmp_path):  # noqa: F811
    points_m = world_landmarks(FRAMES)
    frames = [
        [{"x": x, "y": y, "z": z, "visibility": 0.9} for x, y, z in frame] for frame in np.round(points_m, 4).tolist()
    ]
    (tmp_path / "world.json").write_text(json.dumps(frames), encoding="utf-8")
    scores = np.full((*points_m.shape[:2], 1), 0.9)
    message = "the hip is the origin in every frame.*MediaPipe's world landmarks are like that, expected its pose_land"
    arrays = [np.concatenate([points_m[..., :2] * unit, scores], axis=-1) for unit in (1, 1000)]
    for keypoints in (tmp_path / "world.json", *arrays):
        with pytest.raises(InputError, match=message):
            lifter.lift(keypoints, (1920, 1080), joints="blazepose_33")


def test_places_from_the_middle_of_the_picture_are_refused(lifter):  # noqa: F811
    with pytest.raises(InputError, match=r"\d\d % of the keypoints are negative, expected pixels from the picture's u"):
        lifter.lift(person_px(FRAMES) - [600, 500], SIZE, joints="h36m17")


# --- the size


@pytest.mark.parametrize("size", [(960, 540), (640, 480), (1280, 720)])
def test_a_size_that_is_too_small_is_refused_with_how_far_the_keypoints_reach(lifter, size):  # noqa: F811
    points = filling((1920, 1080))
    x, y = points.max((0, 1)).round().astype(int)
    with pytest.raises(InputError, match=rf"array: size {size[0]}x{size[1]}, but keypoints reach {x}x{y}, "):
        lifter.lift(points, size, joints="h36m17")


def test_a_size_a_little_too_small_is_warned_of(knowing):
    [sentence] = warned(knowing(), filling(SIZE), (850, 850), joints="h36m17")
    assert "of the keypoints lie outside the picture of 850x850 and reach" in sentence


def test_a_size_of_twice_the_sides_is_warned_of(knowing):
    [sentence] = warned(knowing(), filling(SIZE) * 0.9, (2000, 2000), joints="h36m17")
    assert sentence.startswith("the keypoints reach only ")
    assert sentence.endswith(" of 2000x2000; is the size right?")


def test_width_and_height_exchanged_is_refused_as_such(lifter):  # noqa: F811
    portrait = filling((1080, 1920))
    with pytest.raises(InputError, match=r"size 1920x1080, but .*, which fits 1080x1920; are width and height exchang"):
        lifter.lift(portrait, (1920, 1080), joints="h36m17")


def test_a_landscape_taken_for_a_portrait_is_warned_of_where_it_holds_everybody(knowing):
    points = filling((1920, 1080)) * 0.8 + [200, 108]
    assert points[..., 0].max() < 1080
    [sentence] = warned(knowing(), points, (1080, 1920), joints="h36m17")
    assert sentence.startswith("the body stands at the right edge of 1080x1920, but in the middle of 1920x1080; are")
    assert warned(knowing(), points, (1920, 1080), joints="h36m17") == ()


def with_arms(reach_m):
    """(T, 17, 3): somebody whose arms reach so far to the sides."""
    person_m, index = person_camera_m(FRAMES), H36M17.joints.index
    for side, sign in (("L", 1), ("R", -1)):
        shoulder_m, hip_m = person_m[:, index(f"{side}Shoulder")], person_m[:, index("Hip")]
        person_m[:, index(f"{side}Hip")] = hip_m + np.array([sign * 0.13, 0, 0])
        for joint, share in (("Elbow", 0.5), ("Wrist", 1)):
            person_m[:, index(side + joint)] = shoulder_m + np.array([sign * share * reach_m, 0, 0])
    return person_m


def parts_of(person_m, size):
    """(T, 17, 3): where somebody is in a picture that they fill, in parts of it, and scores."""
    points = project(person_m, INTRINSICS)
    low, high = points.min((0, 1)), points.max((0, 1))
    points = (points - (low + high) / 2) * 0.9 * min(np.array(size) / (high - low)) / size + 0.5
    return np.pad(points, ((0, 0), (0, 0), (0, 1)), constant_values=1).astype(np.float32)


def test_a_portrait_taken_for_a_landscape_is_warned_of_where_the_file_holds_parts_of_it(lifter):  # noqa: F811
    person_m = with_arms(0.4)
    parts, stretched_m = parts_of(person_m, (1080, 1920)), person_m * [(16 / 9) ** 2, 1, 1]
    said = warned(oracle(lifter, stretched_m), parts, (1920, 1080), joints="h36m17", unit="share")
    [sentence] = (each for each in said if "wide" in each)
    wide, narrow = re.fullmatch(
        r"the body is (.*) times as wide as high in pictures of 1920x1080, and (.*) times in 1080x1920; are width and "
        r"height exchanged\?",
        sentence,
    ).groups()
    assert float(wide) / (16 / 9) ** 2 == pytest.approx(float(narrow), abs=0.06)
    assert warned(oracle(lifter, person_m), parts, (1080, 1920), joints="h36m17", unit="share") == ()
    said = warned(oracle(lifter, stretched_m), parts * np.float32([1920, 1080, 1]), (1920, 1080), joints="h36m17")
    assert not any("wide" in sentence for sentence in said), "of pixels the shape is known"


@pytest.mark.parametrize("name", ["mediapipe_frames.json", "yolo_labels", "openpose_scaled_json"])
def test_real_files_of_parts_of_a_portrait_are_warned_of_as_a_landscape_and_only_so(name):
    general = Lifter.load()
    assert warned(general, foreign(name), (1088, 1920)) == ()
    [sentence] = warned(general, foreign(name), (1920, 1088))
    assert sentence.endswith(" times in 1088x1920; are width and height exchanged?")


def test_spread_arms_are_no_exchanged_size(lifter):  # noqa: F811
    person_m = with_arms(0.8)
    assert np.ptp(person_m[..., 0], axis=1).mean() > 0.9 * np.ptp(person_m[..., 1], axis=1).mean()
    said = warned(
        oracle(lifter, person_m), parts_of(person_m, (1920, 1080)), (1920, 1080), joints="h36m17", unit="share"
    )
    assert not any("wide" in sentence for sentence in said)


# --- what is up


def test_y_before_x_is_refused_where_it_leaves_the_picture_and_warned_of_where_not(lifter):  # noqa: F811
    points = filling((1920, 1080))
    with pytest.raises(InputError, match=r"the body lies across the picture; does y stand before x in the file\?"):
        lifter.lift((points + np.array([120, 0]))[..., ::-1], (1920, 1080), joints="h36m17")
    inside = (points - [120, 0])[..., ::-1]
    [sentence] = (each for each in warned(lifter, inside, (1920, 1080), joints="h36m17") if "across" in each)
    assert "100 % of the frames; if nobody lies there, the picture is turned or y stands before x" in sentence


def test_y_before_x_is_refused_where_a_face_is_seen_from_behind(lifter):  # noqa: F811
    scored = np.random.default_rng(0).uniform(0.8, 0.95, (FRAMES, 17, 1))
    facing = triples(FRAMES)[..., :2]
    for joint, x in (("LShoulder", 540), ("RShoulder", 460)):
        facing[:, COCO.joints.index(joint), 0] = x
    said = warned(lifter, np.concatenate([facing, scored], axis=-1), SIZE, joints="coco")
    assert not any("across" in sentence for sentence in said)
    with pytest.raises(InputError, match=r"lies across the picture, and left and right .* a mirror .*y stand before x"):
        lifter.lift(np.concatenate([facing[..., ::-1], scored], axis=-1), SIZE, joints="coco")
    from_behind = scored.copy()
    from_behind[:, :3] = 0.3
    lifter.lift(np.concatenate([facing[..., ::-1], from_behind], axis=-1), SIZE, joints="coco")


def test_y_upwards_is_warned_of(lifter):  # noqa: F811
    points = [0, 1000] + person_px(FRAMES) * [1, -1]
    sentences = warned(lifter, points, SIZE, joints="h36m17")
    assert any("the head is below the feet in 100 % of the frames" in sentence for sentence in sentences)


# --- the legs


def at_a_desk(order, scored):
    """(T, K, 3), hips and legs below a picture that ends at the chest; scored as a detector does, or with 1."""
    points = (person_px(FRAMES, order.name) - [500, 350]) * 6 + [500, 150]
    points = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
    if scored:
        below = points[..., 1] > 1000
        points[..., 2] = np.where(below, 0.1, 0.95)
    return points


@pytest.mark.parametrize("scored", [True, False])
def test_legs_below_the_picture_of_a_desk_are_called_guesses(knowing, tmp_path, scored):
    frames = [blazepose.landmarks(frame, 1000) for frame in at_a_desk(BLAZEPOSE_33, scored)]
    (tmp_path / "desk.json").write_text(json.dumps(frames), encoding="utf-8")
    [sentence] = warned(knowing(), tmp_path / "desk.json", SIZE)
    assert sentence == "the legs are guesses: their joints lie outside the picture in 100 % of the frames"


def test_legs_of_low_scores_are_called_guesses(knowing):
    points = triples(FRAMES)
    points[:, [COCO.joints.index(joint) for joint in LEGS], 2] = 0.08
    [sentence] = warned(knowing(), points, SIZE, joints="coco")
    assert sentence.startswith("the legs are guesses: their joints have scores far below the shoulders' in 100 %")


# --- the camera


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0.9, "the focal length is 0.9 px for pictures of 1000x1000, .* as a part of the picture's width .* 900px"),
        (np.array([[0.9, 0, 0.5], [0, 1.6, 0.5], [0, 0, 1]]), "the focal length is 0.9 px"),
        (1.145e6, r"the focal length is 1.145e\+06 px for .*; is it in pixels\?$"),
    ],
    ids=range(3),
)
def test_a_focal_length_that_is_none_in_pixels_is_refused(lifter, given, message):  # noqa: F811
    with pytest.raises(InputError, match=message):
        lifter.lift(person_px(FRAMES), SIZE, joints="h36m17", intrinsics=given)


def test_intrinsics_of_another_resolution_are_warned_of(knowing):
    matrix = np.array([[1145, 0, 800], [0, 1145, 800], [0, 0, 1]])
    sentences = warned(knowing(), person_px(FRAMES), SIZE, joints="h36m17", intrinsics=matrix)
    assert sentences[0].startswith("the principal point (800, 800) is far from the middle of pictures of 1000x1000")


def test_a_focal_length_of_no_usual_camera_is_warned_of(knowing):
    camera = INTRINSICS * np.array([0.2, 0.2, 1, 1, 0, 0, 0, 0, 0])
    points = project(person_camera_m(FRAMES) - [0, 0, 3.5], camera)
    [sentence] = warned(knowing(), points, SIZE, joints="h36m17", intrinsics=camera)
    assert "an unusual field of view of 131 degrees" in sentence


# --- the body


@pytest.mark.parametrize(
    ("joint", "factor", "expected"),
    [("LKnee", 3, "thigh 1.3"), ("RFoot", 4, "shin 0.4"), ("LElbow", 4, "upper arm 1.3")],
)
def test_bones_of_no_body_are_warned_of(lifter, joint, factor, expected):  # noqa: F811
    person_m, index = person_camera_m(FRAMES), H36M17.joints.index
    parent = H36M17.parents[index(joint)]
    person_m[:, index(joint)] = person_m[:, parent] + factor * (person_m[:, index(joint)] - person_m[:, parent])
    [sentence] = warned(oracle(lifter, person_m), person_px(FRAMES), SIZE, joints="h36m17")
    assert sentence.startswith(f"the lifted body has no human shape ({expected}")


def test_a_lifted_body_that_falls_while_its_2d_stands_is_warned_of(lifter):  # noqa: F811
    fallen_m = person_camera_m(FRAMES)[..., [0, 2, 1]]
    [sentence] = warned(oracle(lifter, fallen_m), person_px(FRAMES), SIZE, joints="h36m17")
    assert "the lifted one leans by more than 60 degrees in 100 %" in sentence


def test_several_people_in_one_track_are_warned_of(knowing):
    points = person_px(FRAMES)
    points[5:] += [1000, 0]
    [sentence] = warned(knowing(), points, (2000, 1000), joints="h36m17")
    assert sentence.startswith("the hip jumps by more than half the body's extent in 1 of 11 steps")


def test_a_root_that_is_known_nowhere_is_not_called_one(lifter, tmp_path):  # noqa: F811
    behind = oracle(lifter, -person_camera_m(FRAMES))
    lifted = behind.lift(person_px(FRAMES), SIZE, joints="h36m17", intrinsics=1145)
    assert lifted.summary() == "12 frames of person 1, root-relative"
    assert lifted.metadata["origin"].endswith("where the person stands is not known")
    assert any(each.startswith("the root is not known in any frame") for each in lifted.warnings)


def test_a_root_that_is_known_in_some_frames_says_in_how_many(lifter):  # noqa: F811
    truth_m = person_camera_m(FRAMES)
    truth_m[4:] *= -1
    lifted = oracle(lifter, truth_m).lift(person_px(FRAMES), SIZE, joints="h36m17", intrinsics=1145)
    assert lifted.summary().endswith("with the root in the camera's frame in 4 of 12 frames")


# --- where it is told


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_output_holds_its_warnings(lifter, tmp_path, suffix):  # noqa: F811
    points = triples(FRAMES)
    points[:, [COCO.joints.index(joint) for joint in LEGS], 2] = 0.08
    lifted = lifter.lift(points, SIZE, joints="coco", fps=25)
    write_lifted(lifted, tmp_path / f"out{suffix}")
    written = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()).replace("\0", "")
    assert "the legs are guesses" in written
    if suffix in (".npz", ".h5"):
        [read] = read_lifted(tmp_path / f"out{suffix}")
        assert read.warnings == lifted.warnings


def doubtful(frames, seed):
    points = triples(frames, seed=seed)
    points[:, [COCO.joints.index(joint) for joint in LEGS], 2] = 0.08
    return points


@pytest.mark.parametrize("piece_frames", [7, 1000])
def test_a_batch_marks_the_people_that_it_has_doubts_of(lifter, tmp_path, piece_frames):  # noqa: F811
    source = write_parquet(tmp_path / "in.parquet", {"a": triples(30), "b": doubtful(20, "b")})
    for target in ("out.h5", "out.parquet"):
        with pytest.warns(PlausibilityWarning, match=r"in\.parquet: person"):
            summary = lift_file(lifter, source, tmp_path / target, piece_frames=piece_frames)
        assert summary.warned == 2  # the network of the tests has no body in mind
    a, b = read_lifted(tmp_path / "out.h5")
    assert not any("guesses" in sentence for sentence in a.warnings)
    assert any("the legs are guesses" in sentence for sentence in b.warnings)
    people = json.loads(pq.ParquetFile(tmp_path / "out.parquet").metadata.metadata[b"wsgcn_people"])
    assert people["b"]["warnings"] == list(b.warnings)


def test_a_batch_says_of_whom_the_root_is_known_nowhere(lifter, tmp_path):  # noqa: F811
    source = write_parquet(tmp_path / "in.parquet", {"a": triples(FRAMES)})
    behind = one_body(lifter, -1)
    assert lift_file(behind, source, tmp_path / "out.h5", intrinsics=1145).warned == 1
    [lifted] = read_lifted(tmp_path / "out.h5")
    assert any(each.startswith("the root is not known in any frame") for each in lifted.warnings)
    assert lifted.summary().endswith("root-relative")
    lift_file(behind, source, tmp_path / "out.parquet", intrinsics=1145)
    people = json.loads(pq.ParquetFile(tmp_path / "out.parquet").metadata.metadata[b"wsgcn_people"])
    assert people["a"]["origin"].endswith("where the person stands is not known")


def test_a_batch_is_refused_where_most_of_it_would_be_and_marks_the_rest(lifter, tmp_path):  # noqa: F811
    large = triples(30)
    large[..., :2] *= 1.9
    source = write_parquet(tmp_path / "in.parquet", {"a": triples(70), "b": large})
    lift_file(lifter, source, tmp_path / "out.h5")
    _, b = read_lifted(tmp_path / "out.h5")
    source = write_parquet(tmp_path / "in.parquet", {"b": large, "c": triples(10)})
    with pytest.raises(InputError, match=r"in\.parquet: person b: size 1000x1000, but keypoints reach"):
        lift_file(lifter, source, tmp_path / "more.h5")
    assert not (tmp_path / "more.h5").exists()
    assert any(each.startswith("size 1000x1000, but keypoints reach") for each in b.warnings)
