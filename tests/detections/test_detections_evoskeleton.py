"""EvoSkeleton's npy files, written by the tests as that project's scripts write them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.detections.evoskeleton import open_npy
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX
from wsgcn.pose.store import Sequence2D


def rows(frames: int = 4, seed: int = 0) -> np.ndarray:
    """(T, 64); what no detector saw is zero."""
    poses_px = np.zeros((frames, 32, 2))
    used = [H36M32_INDEX[joint] for joint in H36M17.joints]
    poses_px[:, used] = np.random.default_rng(seed).uniform(100, 900, (frames, 17, 2))
    return poses_px.reshape(frames, 64)


def write(path: Path, tree: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.save(path, np.array(tree, dtype=object), allow_pickle=True)
    return path


def read(path: Path) -> list[Sequence2D]:
    return list(open_npy(path).sequences(lambda subject, take: True))


def test_the_17_joints_of_each_camera_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "twoDPose_HRN_test.npy",
        {
            (9, "Directions", "Directions 1.54138969.h5-sh"): rows(),
            (np.int64(11), "Photo", "TakingPhoto.60457274.h5"): rows(5, 1),
        },
    )
    first, second = read(path)
    assert (first.subject, first.take, first.serial) == ("S9", "Directions 1", "54138969")
    assert (second.subject, second.take, second.serial) == ("S11", "Photo", "60457274")
    expected = rows().reshape(4, 32, 2)[:, H36M32_INDEX["LWrist"]]
    np.testing.assert_allclose(first.keypoints_px[:, H36M17.joints.index("LWrist")], expected, rtol=1e-6)
    assert second.keypoints_px.shape == (5, 17, 2)


def test_a_folder_with_both_files_is_one_source(tmp_path: Path) -> None:
    for name, subject in (("train", 1), ("test", 9)):
        tree = {(subject, "Eating", "Eating.54138969.h5-sh"): rows()}
        write(tmp_path / "data" / f"twoDPose_HRN_{name}.npy", tree)
    assert {sequence.subject for sequence in read(tmp_path)} == {"S1", "S9"}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (["a"], r"holds .*, expected a dict of detections"),
        ({(9, "Eating", "Eating.1.h5"): rows()}, r"has the key \(9, 'Eating', 'Eating\.1\.h5'\), expected"),
        ({"S9": rows()}, "has the key 'S9', expected"),
        ({(9, "Dance", "Dance.54138969.h5"): rows()}, "'Dance' is no take of Human3.6M"),
        ({(9, "Eating", "Eating.54138969.h5"): rows()[:, :50]}, r"S9 Eating, camera 54138969: has the shape \(4, 50\)"),
    ],
)
def test_content_of_another_form_is_one_sentence(tmp_path: Path, tree: Any, message: str) -> None:
    path = write(tmp_path / "twoDPose_HRN_test.npy", tree)
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("run",)

    path = write(tmp_path / "twoDPose_HRN_test.npy", {(9, "Eating", "Eating.54138969.h5"): Evil()})
    with pytest.raises(InputError, match="would run code on loading"):
        read(path)


def test_a_folder_without_them_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "other.npz").touch()
    with pytest.raises(InputError, match=r"holds other\.npz, expected twoDPose_HRN_\*\.npy"):
        open_npy(tmp_path)
