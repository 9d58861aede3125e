import json

import numpy as np
import pytest

from tests.foreign import foreign
from tests.lifting.keypoints.test_keypoints_alphapose import entries
from tests.lifting.test_batch_lifting import PEOPLE, write_parquet
from tests.lifting.test_lifter import checkpoint_path  # noqa: F401
from tests.people import triples
from tests.tiny import write_tiny_capture
from wsgcn.cli import main
from wsgcn.cli.lift import FORMATS, JOINT_ORDERS
from wsgcn.detections import joint_orders
from wsgcn.lifting.keypoints import formats
from wsgcn.lifting.writers.formats import SUFFIXES, read_lifted


@pytest.fixture
def lift(checkpoint_path, tmp_path, capsys):  # noqa: F811
    """Run `wsgcn lift` on a file in the folder; returns status, standard output and error."""

    def lift(name, *options):
        status = main(["lift", str(tmp_path / name), "--checkpoint", str(checkpoint_path), *map(str, options)])
        return status, *capsys.readouterr()

    return lift


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "clip.json").write_text(json.dumps(entries(triples(12))), encoding="utf-8")
    return "clip.json", "--size", "1000x1000"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_output_format_is_written(lift, clip, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    status, printed, told = lift(*clip, "--fps", 25, "-o", out)
    assert status == 0
    assert printed == f"{out}: 12 frames of person 1, root-relative\n"
    assert told.startswith("From coco joints: Head is the middle of the eyes")
    assert out.stat().st_size > 1000


def test_the_options_reach_the_lifting(lift, clip, tmp_path):
    points = triples(12)
    points[5:7] = 0
    (tmp_path / "clip.json").write_text(json.dumps(entries(points)), encoding="utf-8")
    options = ["--max-gap", 1, "--min-score", 0.1, "--smooth", 5, "--flip", "--intrinsics", "60deg", "--fps", 30]
    status, printed, _ = lift(*clip, *options, "-o", tmp_path / "out.h5")
    assert status == 0
    assert "2 missing, with the root in the camera's frame" in printed
    [lifted] = read_lifted(tmp_path / "out.h5")
    about = lifted.metadata
    names = ("max_gap", "min_score", "smooth", "flip", "fps", "size_px")
    assert [about[name] for name in names] == [1, 0.1, 5, True, 30, [1000, 1000]]
    assert about["intrinsics_px"][0] == pytest.approx(500 / np.tan(np.radians(30)))
    assert lifted.root_m is not None


def test_people_are_listed_and_chosen(lift, tmp_path):
    both = entries(triples(12), idx=3) + entries(triples(9, seed="b"), idx=8)
    (tmp_path / "clip.json").write_text(json.dumps(both), encoding="utf-8")
    status, printed, _ = lift("clip.json", "--list")
    assert status == 0
    assert printed.splitlines() == [
        f"{tmp_path / 'clip.json'}: alphapose, joints coco, 2 people",
        "  3 (12 frames from 0 to 11, mean score 0.90)",
        "  8 (9 frames from 0 to 8, mean score 0.90)",
    ]
    size_and_out = ("--size", "1000x1000", "-o", tmp_path / "out.npz")
    status, printed, told = lift("clip.json", *size_and_out)
    assert (status, printed) == (1, "")
    assert "has 2 people, choose one by person: 3 (12 frames" in told
    assert lift("clip.json", *size_and_out, "--person", 8)[0] == 0
    [lifted] = read_lifted(tmp_path / "out.npz")
    assert (lifted.person, lifted.frames.tolist(), int(lifted.missing.sum())) == ("8", list(range(9)), 0)


def test_the_list_says_that_there_are_no_tracks_and_how_people_were_told_apart(lift, tmp_path):
    both = entries(triples(12)) + entries(triples(9, seed="b") + np.array([400, 0, 0]))
    (tmp_path / "clip.json").write_text(json.dumps(both), encoding="utf-8")
    _, printed, _ = lift("clip.json", "--list")
    assert printed.splitlines()[1:] == [
        "  no tracks: people are continued from frame to frame by where they are; 1 is seen longest",
        "  1 (12 frames from 0 to 11, mean score 0.90)",
        "  2 (9 frames from 0 to 8, mean score 0.90)",
    ]
    (tmp_path / "clip.json").write_text(json.dumps(entries(triples(12))), encoding="utf-8")
    _, printed, _ = lift("clip.json", "--list")
    assert "no tracks: no frame has more than one person, which is taken for the same" in printed


def test_warnings_and_what_the_checkpoint_is_for_are_told_in_a_line_each(lift, tmp_path):
    points = triples(12)
    points[:, 13:, 2] = 0.05  # knees and ankles
    (tmp_path / "clip.json").write_text(json.dumps(entries(points)), encoding="utf-8")
    status, _, told = lift("clip.json", "--size", "1000x1000", "-o", tmp_path / "out.npz")
    assert status == 0
    lines = told.splitlines()
    assert f"Warning: {tmp_path / 'clip.json'}: the legs are guesses: their joints have scores far below the" in told
    assert lines[-1].endswith(
        "weak.pt was trained for the cameras of its capture alone; seen by another, a body may lean or be misshapen."
    )
    assert [line.startswith(("From coco", "Warning: ", "The checkpoint ")) for line in lines] == [True] * len(lines)


def test_a_batch_tells_them_too(lift, tmp_path):
    points = triples(12)
    points[:, 13:, 2] = 0.05
    write_parquet(tmp_path / "in.parquet", {"a": points, "b": points})
    status, _, told = lift("in.parquet", "-o", tmp_path / "out.parquet")
    assert status == 0
    assert told.startswith(f"Warning: {tmp_path / 'in.parquet'}: person a: the legs are guesses")
    assert "The output marks 1 more of its people." in told
    assert told.count("was trained for the cameras of its capture alone") == 1


def test_a_focal_length_that_is_none_is_status_1(lift, clip, tmp_path):
    status, _, told = lift(*clip, "--intrinsics", "0.9", "-o", tmp_path / "out.npz")
    assert status == 1
    assert "the focal length is 0.9 px for pictures of 1000x1000" in told
    assert not (tmp_path / "out.npz").exists()


def test_parquet_and_whole_detections_are_lifted_in_batches(lift, tmp_path):
    write_parquet(tmp_path / "in.parquet", PEOPLE)
    status, printed, _ = lift("in.parquet", "-o", tmp_path / "out.parquet")
    assert (status, printed) == (0, f"{tmp_path / 'out.parquet'}: 123 frames of 3 people, 0 missing\n")
    write_tiny_capture(tmp_path, subjects=("S9",), takes=("Eating",))
    status, printed, _ = lift("detections.h5", "-o", tmp_path / "all.h5")
    assert (status, printed) == (0, f"{tmp_path / 'all.h5'}: 80 frames of 4 people, 0 missing\n")
    status, printed, _ = lift("detections.h5", "--person", "S9/Eating/54138969", "-o", tmp_path / "one.npz")
    assert status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "wsgcn lift: -o: is missing; give the file to write"),
        (["-o", "out.fbx"], "wsgcn lift: out.fbx: has the suffix '.fbx', expected one of .npz"),
        (["-o", "out.npz"], "does not say how large its pictures are; give the size"),
        (["-o", "out.npz", "--size", "100x100"], "size 100x100, but keypoints reach 5"),
        (
            ["-o", "out.npz", "--size", "1000x1000", "--joints", "body_25"],
            "has 17 joints, but the order body_25 has 25",
        ),
        (["-o", "out.npz", "--size", "1000x1000", "--format", "mmpose"], "looks like alphapose, not like mmpose"),
        (["-o", "out.npz", "--size", "1000x1000", "--person", "9"], "has no person '9', but 1 (12 frames"),
        (["-o", "out.npz", "--size", "1000x1000", "--intrinsics", "none.txt"], "none.txt is neither a file nor"),
        (["-o", "out.npz", "--size", "1000x1000", "--smooth", "4"], "smooth: is 4, expected 0 or an odd number"),
        (["-o", "out.bvh", "--size", "1000x1000"], "out.bvh: a BVH file needs the frame rate; give fps"),
        (["-o", "out", "--ray"], "holds no .parquet or .h5 file"),
    ],
    ids=range(11),
)
def test_bad_input_is_status_1_and_one_sentence_and_writes_nothing(lift, clip, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    status, printed, told = lift(clip[0], *options)
    assert (status, printed) == (1, "")
    assert message in told
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["clip.json"]


def test_the_unit_is_named_where_it_is_not_seen(lift, tmp_path):
    np.save(tmp_path / "shares.npy", triples(12) / [1000, 1000, 1])
    options = ("--joints", "coco", "--size", "1000x1000", "-o", tmp_path / "out.npz")
    status, _, told = lift("shares.npy", *options)
    assert status == 1
    assert "if they are shares of the picture, say so by unit, as share" in told
    assert lift("shares.npy", *options, "--unit", "share")[0] == 0
    [lifted] = read_lifted(tmp_path / "out.npz")
    (tmp_path / "clip.json").write_text(json.dumps(entries(triples(12))), encoding="utf-8")
    assert lift("clip.json", "--size", "1000x1000", "-o", tmp_path / "px.npz")[0] == 0
    [expected] = read_lifted(tmp_path / "px.npz")
    np.testing.assert_allclose(lifted.pose_m, expected.pose_m, atol=1e-3)


def test_a_unit_for_a_file_that_holds_pixels_is_refused(lift, tmp_path):
    write_parquet(tmp_path / "in.parquet", PEOPLE)
    status, _, told = lift("in.parquet", "--unit", "share", "-o", tmp_path / "out.parquet")
    assert (status, told) == (1, "wsgcn lift: --unit: is share, but Parquet and detections.h5 hold pixels.\n")


@pytest.mark.parametrize(
    "name",
    [
        *("yolo_frames.json", "yolo_labels", "mmpose_wholebody.json", "mediapipe_js_names.json"),
        *("mediapipe_frames.json", "easy_vitpose_coco25.json", "openpose_scaled_json", "openpose_null_json"),
        *("openpose_old_json", "alphapose_cmu.json", "gastnet_skeleton.json"),
    ],
)
def test_files_of_other_tools_are_lifted_in_every_frame(checkpoint_path, tmp_path, name):  # noqa: F811
    out = tmp_path / "out.npz"
    options = ["--person", "0"] if name in ("openpose_null_json", "easy_vitpose_coco25.json") else []
    size = ["--size", "1088x1920", "--checkpoint", str(checkpoint_path), "-o", str(out)]
    assert main(["lift", str(foreign(name)), *size, *options]) == 0
    [lifted] = read_lifted(out)
    assert not lifted.missing.any()


def test_the_choices_are_those_of_the_readers():
    assert set(FORMATS) == set(formats.FORMATS)
    assert tuple(joint_orders.JOINT_ORDERS) == JOINT_ORDERS


def test_without_a_checkpoint_the_general_lifter_of_the_package_lifts_even_without_legs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    points = triples(5)
    points[:, 13:] = 0  # knees and ankles
    np.save("clip.npy", points)
    options = ["--size", "1000x1000", "--joints", "coco"]
    assert main(["lift", "clip.npy", "-o", "out.npz", *options]) == 0
    assert "5 without 2D of some joints" in capsys.readouterr().out
    with np.load("out.npz") as lifted:
        assert np.isfinite(lifted["pose_m"]).all()
