import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import Camera
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import (
    Detections,
    Poses,
    Predictions,
    Sequence2D,
    create_detections,
    create_poses,
    create_predictions,
    in_natural_order,
)

ROOT = Path(__file__).resolve().parents[2]
CAMERAS = {subject: human36m_cameras()[subject] for subject in ("S1", "S11", "S9")}
SERIALS = ("54138969", "60457274")
ACTIONS = ("Walking", "Directions", "Sitting")

Write = Callable[[Path], None]


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sequences() -> list[Sequence2D]:
    with_confidence = Sequence2D("S1", "Sitting 1", SERIALS[0], numbers(1, 7, 16, 2), abs(numbers(2, 7, 16)))
    return [with_confidence, Sequence2D("S11", "Walking", SERIALS[1], numbers(3, 4, 16, 2))]


def write_poses(path: Path) -> None:
    with create_poses(path, ACTIONS) as writer:
        writer.add_cameras(CAMERAS)
        writer.add("S11", "Walking", numbers(4, 5, 17, 3), "Walking", 50.0)
        writer.add("S1", "Sitting 1", numbers(5, 3, 17, 3), "Sitting", 25.0, dropped_frames=[1, 4])
        writer.add("S1", "Directions", numbers(6, 2, 17, 3), "Directions", 50.0)


def write_detections(path: Path) -> None:
    with create_detections(path, "hourglass_finetuned", "Stacked Hourglass", H36M16.joints) as writer:
        writer.add_cameras(CAMERAS)
        for sequence in sequences():
            writer.add(sequence)


def write_predictions(path: Path) -> None:
    with create_predictions(path, H36M17.joints, ACTIONS, {"source": "gt", "checkpoint": "abc"}) as writer:
        writer.add_cameras(CAMERAS)
        writer.add_take("S9", "Sitting 1", "Sitting", 25.0)
        writer.add("S9", "Sitting 1", SERIALS[0], numbers(7, 3, 17, 3), numbers(8, 3, 17, 3))
        writer.add("S9", "Sitting 1", SERIALS[1], numbers(9, 2, 17, 3), numbers(10, 2, 17, 3))


files = pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        pytest.param("poses.h5", write_poses, Poses, id="poses"),
        pytest.param("detections.h5", write_detections, Detections, id="detections"),
        pytest.param("predictions.h5", write_predictions, Predictions, id="predictions"),
    ],
)


# Round trips


def test_poses_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_poses(tmp_path / "poses.h5")
    with Poses(tmp_path / "poses.h5") as poses:
        assert poses.subjects == ["S1", "S11"]
        assert poses.takes("S1") == ["Directions", "Sitting 1"]
        assert poses.takes("S11") == ["Walking"]
        assert [poses.frames("S1", "Sitting 1"), poses.frames("S11", "Walking")] == [3, 5]
        assert [poses.fps("S1", "Sitting 1"), poses.fps("S11", "Walking")] == [25.0, 50.0]
        assert poses.actions == list(ACTIONS)
        assert [poses.action("S1", "Sitting 1"), poses.action("S11", "Walking")] == ["Sitting", "Walking"]
        assert [poses.dropped_frames("S1", "Sitting 1"), poses.dropped_frames("S11", "Walking")] == [[1, 4], []]
        positions_m = poses.positions_m("S11", "Walking")
        assert positions_m.dtype == np.float32
        np.testing.assert_array_equal(positions_m, numbers(4, 5, 17, 3))
        np.testing.assert_array_equal(poses.positions_m("S1", "Sitting 1"), numbers(5, 3, 17, 3))


def test_detections_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_detections(tmp_path / "detections.h5")
    with Detections(tmp_path / "detections.h5") as detections:
        assert (detections.source, detections.source_words) == ("hourglass_finetuned", "Stacked Hourglass")
        assert detections.joints == list(H36M16.joints)
        assert detections.subjects == ["S1", "S11"]
        for expected in sequences():
            place = (expected.subject, expected.take, expected.serial)
            assert detections.serials(*place[:2]) == [expected.serial]
            assert detections.frames(*place) == len(expected.keypoints_px)
            found = detections.sequence(*place)
            assert (found.subject, found.take, found.serial) == place
            assert found.keypoints_px.dtype == np.float32
            np.testing.assert_array_equal(found.keypoints_px, expected.keypoints_px)
            if expected.confidence is None:
                assert found.confidence is None
            else:
                np.testing.assert_array_equal(found.confidence, expected.confidence)


def test_predictions_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.h5")
    with Predictions(tmp_path / "predictions.h5") as predictions:
        assert predictions.joints == list(H36M17.joints)
        assert predictions.attributes == {"source": "gt", "checkpoint": "abc"}
        assert predictions.subjects == ["S9"]
        assert predictions.actions == list(ACTIONS)
        assert predictions.action("S9", "Sitting 1") == "Sitting"
        assert predictions.fps("S9", "Sitting 1") == 25.0
        assert predictions.serials("S9", "Sitting 1") == list(SERIALS)
        place = ("S9", "Sitting 1", SERIALS[1])
        np.testing.assert_array_equal(predictions.predicted_m(*place), numbers(9, 2, 17, 3))
        np.testing.assert_array_equal(predictions.truth_m(*place), numbers(10, 2, 17, 3))


@pytest.mark.parametrize(
    ("write", "read"),
    [
        pytest.param(write_poses, Poses, id="poses"),
        pytest.param(write_detections, Detections, id="2D"),
        pytest.param(write_predictions, Predictions, id="predictions"),
    ],
)
def test_every_camera_parameter_comes_back_exactly(
    write: Write, read: type[Poses | Detections | Predictions], tmp_path: Path
) -> None:
    write(tmp_path / "file.h5")
    with read(tmp_path / "file.h5") as file:
        assert file.cameras() == CAMERAS
        camera = file.camera("S9", SERIALS[0])
    assert camera == CAMERAS["S9"][SERIALS[0]]
    assert isinstance(camera, Camera)
    assert isinstance(camera.width_px, int)
    assert isinstance(camera.radial, tuple)


def test_numbers_are_stored_in_single_precision(tmp_path: Path) -> None:
    positions_m = np.full((1, 17, 3), 1 / 3)
    with create_poses(tmp_path / "poses.h5", ACTIONS) as writer:
        writer.add("S1", "Sitting", positions_m, "Sitting", 50.0)
    with Poses(tmp_path / "poses.h5") as poses:
        np.testing.assert_array_equal(poses.positions_m("S1", "Sitting"), positions_m.astype(np.float32))


def test_subjects_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    with create_poses(tmp_path / "poses.h5", ACTIONS) as writer:
        for subject in ("S11", "S9", "S1", "S20", "S5"):
            writer.add(subject, "Sitting", numbers(0, 1, 17, 3), "Sitting", 50.0)
    with Poses(tmp_path / "poses.h5") as poses:
        assert poses.subjects == ["S1", "S5", "S9", "S11", "S20"]


@pytest.mark.parametrize(
    "expected",
    [
        ["S1", "S5", "S9", "S11", "S20"],
        ["Anna", "Bert", "Carla"],
        ["2", "10", "Anna", "S2", "S10", "actor", "actor-2", "actor-10"],
        ["take 2 of 9", "take 2 of 10", "take 10 of 9"],
        ["S01", "S1", "S02", "S2", "S010"],
        ["", "Anna", "Åsa"],
    ],
)
def test_names_are_ordered_by_the_numbers_in_them_in_whatever_order_they_come(expected: list[str]) -> None:
    for seed in range(20):
        assert in_natural_order(np.random.default_rng(seed).permutation(expected).tolist()) == expected


# Bytes


@files
def test_the_same_content_gives_the_same_bytes(name: str, write: Write, read: type, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        write(tmp_path / folder / name)
    first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
    assert first == second


@files
def test_no_path_of_this_machine_stands_in_the_file(name: str, write: Write, read: type, tmp_path: Path) -> None:
    write(tmp_path / name)
    assert str(tmp_path).encode() not in (tmp_path / name).read_bytes()


# Bad files


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def assert_one_sentence(error: InputError, path: Path) -> None:
    assert str(error).startswith(f"{path}: ")
    assert "\n" not in str(error)


@files
def test_a_missing_file_is_one_sentence_naming_it(name: str, write: Write, read: type, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found") as caught:
        read(tmp_path / name)
    assert_one_sentence(caught.value, tmp_path / name)


@files
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_one_sentence_naming_it(
    name: str, write: Write, read: type, share: float, tmp_path: Path
) -> None:
    path = tmp_path / name
    write(path)
    cut(path, share)
    with pytest.raises(InputError, match="is not a readable HDF5 file") as caught:
        read(path)
    assert_one_sentence(caught.value, path)


@files
def test_what_is_no_hdf5_file_is_one_sentence_naming_it(name: str, write: Write, read: type, tmp_path: Path) -> None:
    (tmp_path / name).write_text("positions", encoding="utf-8")
    with pytest.raises(InputError, match="is not a readable HDF5 file") as caught:
        read(tmp_path / name)
    assert_one_sentence(caught.value, tmp_path / name)


@files
def test_a_folder_is_one_sentence_naming_it(name: str, write: Write, read: type, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert_one_sentence(caught.value, tmp_path / name)


def test_what_a_file_does_not_hold_is_one_sentence_naming_both(tmp_path: Path) -> None:
    path = tmp_path / "detections.h5"
    write_detections(path)
    with Detections(path) as detections:
        for ask in (
            lambda: detections.takes("S5"),
            lambda: detections.serials("S1", "Walking"),
            lambda: detections.sequence("S1", "Sitting 1", SERIALS[1]),
            lambda: detections.camera("S5", SERIALS[0]),
        ):
            with pytest.raises(InputError, match=r": has no \S") as caught:
                ask()
            assert_one_sentence(caught.value, path)


@pytest.mark.parametrize(
    ("write", "ask"),
    [
        pytest.param(write_detections, lambda path: Poses(path).positions_m("S1", "Sitting 1"), id="2D as poses"),
        pytest.param(write_poses, lambda path: Detections(path).source, id="poses as 2D"),
        pytest.param(write_poses, lambda path: Predictions(path).joints, id="poses as predictions"),
    ],
)
def test_one_kind_of_file_in_the_place_of_another_is_one_sentence_naming_it(
    write: Write, ask: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "file.h5"
    write(path)
    with pytest.raises(InputError) as caught:
        ask(path)
    assert_one_sentence(caught.value, path)


# Writing that does not come to its end


def create_and_interrupt(kind: str, path: Path) -> None:
    create = {
        "poses": lambda: create_poses(path, ACTIONS),
        "detections": lambda: create_detections(path, "gt", "exact projections", H36M16.joints),
        "predictions": lambda: create_predictions(path, H36M16.joints, ACTIONS, {}),
    }[kind]
    with create() as writer:
        writer.add_cameras(CAMERAS)
        raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["poses", "detections", "predictions"])
def test_interrupted_writing_leaves_nothing(kind: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        create_and_interrupt(kind, tmp_path / "new" / "file.h5")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", ["poses", "detections", "predictions"])
def test_interrupted_writing_leaves_the_old_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file.h5").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        create_and_interrupt(kind, tmp_path / "file.h5")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file.h5", b"old")]


# A limit on the size of files stands in for a full disk: the write that crosses it fails in the same place.
LIMITED = """
import resource, signal, sys
import numpy as np
from wsgcn.base.errors import InputError
from wsgcn.pose.store import create_poses

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    with create_poses("poses.h5", ["Sitting"]) as writer:
        for take in range({takes}):
            writer.add("S1", f"Sitting {{take}}", np.ones(({frames}, 17, 3), dtype=np.float32), "Sitting", 50.0)
except InputError as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("limit", "takes", "frames"),
    [
        pytest.param(300, 1, 10, id="at the first byte"),
        pytest.param(100_000, 1, 1000, id="within a take"),
        pytest.param(100_000, 3, 300, id="within a later take"),
        pytest.param(30_000, 100, 1, id="within the names"),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(
    limit: int, takes: int, frames: int, tmp_path: Path
) -> None:
    (tmp_path / "poses.h5").write_bytes(b"old")
    result = subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=limit, takes=takes, frames=frames)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("poses.h5", b"old")]
    assert result.stdout.startswith("poses.h5: could not be written (")
    assert result.stdout.count("\n") == 1
