import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.lifting.lifted import Lifted
from wsgcn.lifting.writers import h5, npz
from wsgcn.pose.skeleton import H36M16
from wsgcn.rendering.lifted_files import is_lifted
from wsgcn.rendering.sources import read_sequences

MISSING = 3


def lifted(fps=30.0, person="7", **about):
    """Six frames of a person who stands on its feet, 0.9 m below the hip; frame 3 is missing."""
    pose_m = np.zeros((6, 16, 3), np.float32)
    for joint, y in {"Head": -0.7, "Thorax": -0.5, "LFoot": 0.9, "RFoot": 0.9}.items():
        pose_m[:, H36M16.joints.index(joint), 1] = y
    pose_m[:, H36M16.joints.index("LWrist")] = (0.4, -0.2, 0.3)
    pose_m[MISSING] = np.nan
    return Lifted(
        frames=np.arange(6),
        pose_m=pose_m,
        root_m=None,
        missing=np.arange(6) == MISSING,
        interpolated=np.zeros((6, 16), bool),
        substituted=np.zeros((6, 16), bool),
        keypoints_px=(pose_m[..., :2] * 100 + 500).astype(np.float32),
        person=person,
        skeleton=H36M16,
        names=None,
        about={"source": "me.json", "fps": fps, **about},
    )


@pytest.fixture(params=[npz, h5], ids=["npz", "h5"])
def path(request, tmp_path):
    path = tmp_path / f"me.{request.param.__name__.split('.')[-1]}"
    request.param.write(lifted(), path)
    return path


def test_lifted_poses_are_read_upright_and_on_the_floor(path):
    [sequence] = read_sequences(path)
    assert (sequence.title, sequence.data, sequence.fps) == ("person 7", "me.json, camera taken for level", 30)
    assert sequence.skeleton == H36M16
    assert sequence.truth_m is None
    assert sequence.mpjpe_mm is None
    place_m = sequence.predicted_m[0]
    assert place_m[H36M16.joints.index("Head")] == pytest.approx([0, 0, 1.6])
    assert place_m[H36M16.joints.index("LFoot")] == pytest.approx([0, 0, 0])
    assert place_m[H36M16.joints.index("LWrist")] == pytest.approx([0.4, 0.3, 1.1]), "z of the camera is away"
    assert sequence.keypoints_px[0, H36M16.joints.index("Head")] == pytest.approx([500, 430])


def test_a_missing_frame_stays_missing(path):
    [sequence] = read_sequences(path)
    assert np.isnan(sequence.predicted_m).all((1, 2)).tolist() == [index == MISSING for index in range(6)]


def test_an_unknown_frame_rate_is_said_to_be_assumed(tmp_path):
    npz.write(lifted(fps=None), tmp_path / "me.npz")
    [sequence] = read_sequences(tmp_path / "me.npz")
    assert (sequence.fps, sequence.data) == (25, "me.json, camera taken for level, 25 frames a second assumed")


@pytest.mark.parametrize("writer", [npz, h5], ids=["npz", "h5"])
def test_warnings_and_what_the_checkpoint_is_for_stand_first_in_a_caption(tmp_path, writer):
    path = tmp_path / f"me.{writer.__name__.split('.')[-1]}"
    about = {"warnings": ["the legs are guesses"], "checkpoint": "weak.pt", "checkpoint_caveat": "trained for one"}
    writer.write(lifted(**about), path)
    [sequence] = read_sequences(path)
    said = "WARNING: The legs are guesses. WARNING: The checkpoint weak.pt was trained for one. me.json, "
    assert sequence.caption.startswith(said)


@pytest.mark.parametrize("odd", [5, "text", {"a": 1}, None, [None, 7]], ids=str)
def test_warnings_of_another_kind_are_no_reason_to_fail(tmp_path, odd):
    npz.write(lifted(warnings=odd), tmp_path / "me.npz")
    [sequence] = read_sequences(tmp_path / "me.npz")
    assert "me.json" in sequence.caption


@pytest.mark.parametrize("writer", [npz, h5], ids=["npz", "h5"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ()),
        ({"warnings": ["the legs are guesses", "the hip jumps."]}, ("The legs are guesses.", "The hip jumps.")),
        (
            {"checkpoint": "weak.pt", "checkpoint_caveat": "trained for its cameras alone"},
            ("The checkpoint weak.pt was trained for its cameras alone.",),
        ),
        ({"checkpoint_caveat": ""}, ()),
        ({"warnings": ["w" * 900] * 50}, (f"W{'w' * 395} ....",) * 8),
    ],
    ids=["old", "warnings", "caveat", "no caveat", "too much"],
)
def test_what_lifting_warned_of_is_told_by_whoever_shows_it(tmp_path, writer, said, expected):
    path = tmp_path / f"me.{writer.__name__.split('.')[-1]}"
    writer.write(replace(lifted(), about={"source": "me.json", "fps": 30.0, **said}), path)
    [sequence] = read_sequences(path)
    assert sequence.warnings == expected


@pytest.mark.parametrize("writer", [npz, h5], ids=["npz", "h5"])
@pytest.mark.parametrize(
    ("size_px", "expected"),
    [([1920, 1080], (1920, 1080)), (None, None), ([0, 5], None), ([5], None), ("wide", None)],
    ids=range(5),
)
def test_the_size_of_the_picture_and_the_numbers_of_the_frames_come_along(tmp_path, writer, size_px, expected):
    path = tmp_path / f"me.{writer.__name__.split('.')[-1]}"
    clip = replace(lifted(), about={"size_px": size_px, "fps": 30.0}, frames=np.arange(7, 13))
    writer.write(clip, path)
    [sequence] = read_sequences(path)
    assert sequence.size_px == expected
    assert sequence.frames.tolist() == list(range(7, 13))
    assert sequence.resampled(np.array([1, 3])).frames.tolist() == [8, 10]


def test_several_people_are_several_sequences(tmp_path):
    with h5.create(tmp_path / "all.h5", lifted().metadata) as writer:
        for person in ("1", "S9/Eating/54138969"):
            writer.add(person, lifted(), {})
    assert [sequence.title for sequence in read_sequences(tmp_path / "all.h5")] == [
        "person 1",
        "person S9/Eating/54138969",
    ]


def test_a_lifted_file_has_no_subjects_to_choose_from(path):
    with pytest.raises(InputError, match="holds lifted poses, which have no subjects"):
        next(read_sequences(path, subject="S9"))


def test_predictions_are_not_taken_for_lifted_poses(predictions_path, tmp_path):
    assert not is_lifted(predictions_path)
    assert not is_lifted(tmp_path / "nowhere.h5")


def broken(tmp_path, **changes):
    npz.write(lifted(), tmp_path / "me.npz")
    with np.load(tmp_path / "me.npz") as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    np.savez(tmp_path / "me.npz", **{name: values for name, values in arrays.items() if values is not None})
    return tmp_path / "me.npz"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pose_m": np.zeros((6, 15, 3))}, r"pose_m has the shape \(6, 15, 3\), expected \(6, 16, 3\)"),
        ({"pose_m": None}, "has no pose_m"),
        ({"keypoints_px": np.zeros((5, 16, 2))}, r"keypoints_px has the shape \(5, 16, 2\), expected \(6, 16, 2\)"),
        ({"metadata": None}, "expected the output of `wsgcn lift`"),
        ({"metadata": np.array("{")}, "is not a readable npz"),
        ({"metadata": np.array("[1]")}, "expected the output of `wsgcn lift`"),
        ({"metadata": np.array(json.dumps({"format": "wsgcn lifted pose 1", "joints": ["Nose"]}))}, "the joints Nose"),
        ({"pose_m": np.array([{}], dtype=object)}, "is not a readable npz"),
    ],
)
def test_a_damaged_npz_is_one_sentence_naming_the_file(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"me\.npz: .*{message}"):
        next(read_sequences(broken(tmp_path, **changes)))


def test_a_truncated_or_missing_npz_is_one_sentence_naming_the_file(tmp_path):
    npz.write(lifted(), tmp_path / "me.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "me.npz").read_bytes()[:500])
    with pytest.raises(InputError, match=r"cut\.npz: is not a readable npz"):
        next(read_sequences(tmp_path / "cut.npz"))
    with pytest.raises(InputError, match=r"nowhere\.npz: not found"):
        next(read_sequences(tmp_path / "nowhere.npz"))


def test_an_h5_without_poses_of_the_right_shape_is_one_sentence_naming_the_file(tmp_path):
    h5.write(lifted(), tmp_path / "me.h5")
    with h5py.File(tmp_path / "me.h5", "a") as file:
        del file["7/keypoints_px"]
    with pytest.raises(InputError, match=r"me\.h5: has no keypoints_px"):
        next(read_sequences(tmp_path / "me.h5"))
