import json

import numpy as np
import pytest

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
        (["-o", "out.npz", "--size", "100x100"], "px, far outside the picture of 100x100; is the size right?"),
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
