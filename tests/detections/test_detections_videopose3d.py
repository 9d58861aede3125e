"""VideoPose3D's npz files, written by the tests as that project's scripts write them."""

import os
from pathlib import Path

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cameras import SERIALS
from wsgcn.detections.joint_orders import COCO, STACKED_HOURGLASS, to_human36m
from wsgcn.detections.videopose3d import VideoPose3D, open_npz
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Sequence2D

_H36M17 = {
    "layout_name": "h36m",
    "num_joints": 17,
    "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
}
_H36M16 = {
    "layout_name": "h36m",
    "num_joints": 16,
    "keypoints_symmetry": [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]],
}
_COCO = {
    "layout_name": "coco",
    "num_joints": 17,
    "keypoints_symmetry": [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]],
}
_MPII = {
    "layout_name": "mpii",
    "num_joints": 16,
    "keypoints_symmetry": [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]],
}


def _arrays(joints: int, channels: int = 2, frames: int = 5) -> list[np.ndarray]:
    """One array a camera, each of another length, as the real files have them."""
    rng = np.random.default_rng(joints)
    return [
        rng.uniform(100, 900, size=(frames + camera, joints, channels)).astype(np.float32)
        for camera in range(len(SERIALS))
    ]


def _write(path: Path, positions_2d: object, metadata: object) -> Path:
    np.savez_compressed(
        path, positions_2d=np.array(positions_2d, dtype=object), metadata=np.array(metadata, dtype=object)
    )
    return path


def _all(_subject: str, _take: str) -> bool:
    return True


def _read(path: Path) -> list[Sequence2D]:
    return list(VideoPose3D(path).sequences(_all))


def test_seventeen_joints_in_human36m_order_are_taken_over_camera_by_camera(tmp_path: Path) -> None:
    arrays = _arrays(17)
    path = _write(tmp_path / "a.npz", {"S1": {"TakingPhoto 1": arrays}}, _H36M17)
    assert VideoPose3D(path).joints == H36M17.joints
    found = _read(path)
    assert [(one.subject, one.take, one.serial) for one in found] == [("S1", "Photo 1", serial) for serial in SERIALS]
    for one, array in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(one.keypoints_px, array, strict=True)
        assert one.confidence is None


@pytest.mark.parametrize(
    ("metadata", "joints"),
    [(_H36M16, H36M16.joints), (_COCO, H36M17.joints), (_MPII, H36M16.joints)],
    ids=["h36m 16", "coco", "mpii"],
)
def test_each_layout_is_converted_to_human36m_joints(
    metadata: dict[str, object], joints: tuple[str, ...], tmp_path: Path
) -> None:
    arrays = _arrays(int(str(metadata["num_joints"])))
    path = _write(tmp_path / "a.npz", {"S9": {"Walking": arrays}}, metadata)
    assert VideoPose3D(path).joints == joints
    order = {"coco": COCO, "mpii": STACKED_HOURGLASS}.get(str(metadata["layout_name"]))
    for one, array in zip(_read(path), arrays, strict=True):
        np.testing.assert_array_equal(one.keypoints_px, to_human36m(order, array) if order else array)


def test_a_third_channel_is_the_confidence(tmp_path: Path) -> None:
    arrays = _arrays(17, channels=3)
    nose = COCO.joints.index("Nose")
    for one, array in zip(_read(_write(tmp_path / "a.npz", {"S9": {"Walking": arrays}}, _COCO)), arrays, strict=True):
        assert one.keypoints_px.shape[1:] == (17, 2)
        assert one.confidence is not None
        np.testing.assert_array_equal(one.confidence[:, H36M17.joints.index("Neck/Nose")], array[:, nose, 2])


@pytest.mark.parametrize("metadata", [_H36M17, _H36M16, _COCO, _MPII], ids=["h36m 17", "h36m 16", "coco", "mpii"])
@pytest.mark.parametrize("layout", [{}, {"layout_name": "own"}], ids=["no layout", "an unknown layout"])
def test_without_a_known_layout_the_sides_of_the_joints_decide(
    layout: dict[str, str], metadata: dict[str, object], tmp_path: Path
) -> None:
    positions = {"S9": {"Walking": _arrays(int(str(metadata["num_joints"])))}}
    unnamed = {key: value for key, value in metadata.items() if key != "layout_name"} | layout
    named, undecided = (_write(tmp_path / f"{n}.npz", positions, data) for n, data in enumerate((metadata, unnamed)))
    for a, b in zip(_read(named), _read(undecided), strict=True):
        np.testing.assert_array_equal(a.keypoints_px, b.keypoints_px)


@pytest.mark.parametrize("joints", [16, 17])
def test_the_number_of_joints_alone_does_not_decide_the_order(joints: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npz", {}, {"num_joints": joints})
    with pytest.raises(
        InputError, match=rf"a.npz: has {joints} joints in the layout_name 'None', expected one of h36m"
    ):
        VideoPose3D(path)


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({**_COCO, "num_joints": 18}, r"has 18 joints in the layout_name 'coco', expected one of h36m with 17"),
        ({**_H36M17, "num_joints": "many"}, r"metadata has num_joints 'many', expected a whole number"),
        ({"layout_name": "own", "num_joints": 17, "keypoints_symmetry": 3}, r"17 joints in the layout_name 'own'"),
        ([17], r"holds metadata of another kind \(ndarray\), expected metadata"),
    ],
)
def test_bad_metadata_is_one_sentence(metadata: object, sentence: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npz", {}, metadata)
    with pytest.raises(InputError, match=rf"a.npz: .*{sentence}"):
        VideoPose3D(path)


@pytest.mark.parametrize(
    ("positions", "sentence"),
    [
        ({"S9": {"Jumping": _arrays(17)}}, r"S9: 'Jumping' is no take of Human3.6M"),
        (
            {"S9": {"Walking": _arrays(17)[:3]}},
            r"S9 Walking has 3 arrays, expected one for each of the cameras 54138969",
        ),
        ({"S9": {"Walking": 3}}, r"S9 Walking has 0 arrays, expected one"),
        ({"S9": [1]}, r"holds S9 of another kind \(list\), expected S9, a dict with names as keys"),
        (
            {"S9": {"Walking": _arrays(16)}},
            r"S9 Walking, camera 54138969: has the shape \(5, 16, 2\), expected .* 17 joints",
        ),
        (
            {"S9": {"Walking": _arrays(17, channels=4)}},
            r"has the shape \(5, 17, 4\), expected \(frames, 17 joints, 2 or 3\)",
        ),
        ({"S9": {"Walking": ["a", "b", "c", "d"]}}, r"S9 Walking, camera 54138969: holds a str, expected"),
        ({"S9": {"Walking": [a.astype(str) for a in _arrays(17)]}}, r"holds an array of <U32, expected"),
    ],
)
def test_a_bad_take_is_one_sentence_naming_it(positions: object, sentence: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npz", positions, _H36M17)
    with pytest.raises(InputError, match=rf"a.npz: .*{sentence}"):
        _read(path)


def test_a_bad_take_that_is_not_wanted_does_no_harm(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npz", {"S11": {"Directions": [], "Directions 1": _arrays(17)}}, _H36M17)
    assert len(list(VideoPose3D(path).sequences(lambda _, take: take != "Directions"))) == 4


def test_none_stands_for_a_camera_without_detections(tmp_path: Path) -> None:
    arrays: list[object] = [*_arrays(17)[:2], None, _arrays(17)[3]]
    found = _read(_write(tmp_path / "a.npz", {"S9": {"Walking": arrays}}, _H36M17))
    assert [one.serial for one in found] == [SERIALS[0], SERIALS[1], SERIALS[3]]


def test_the_file_of_the_3d_poses_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.array({"S1": {}}, dtype=object))
    with pytest.raises(InputError, match=r"data_3d_h36m.npz: holds positions_3d, expected positions_2d"):
        VideoPose3D(tmp_path / "data_3d_h36m.npz")


class _TouchesAMarker:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._marker),)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = _write(tmp_path / "a.npz", {"S9": {"Walking": _TouchesAMarker(marker)}}, _H36M17)
    with pytest.raises(InputError, match=r"a.npz: would run code on loading"):
        VideoPose3D(path)
    assert not marker.exists()
    np.load(path, allow_pickle=True)["positions_2d"]
    assert marker.exists(), "numpy itself does run it, so the file was a real one"


@pytest.mark.parametrize("kept", [0, 300, -30])
def test_a_truncated_file_is_one_sentence_naming_it(kept: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npz", {"S9": {"Walking": _arrays(17)}}, _H36M17)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"a.npz: is not a readable npz file"):
        VideoPose3D(path)


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        ("cpn", "data_2d_h36m_cpn_ft_h36m_dbb.npz"),
        ("detectron", "data_2d_h36m_detectron_pt_coco.npz"),
        ("hrnet", "data_2d_h36m_hrnet.npz"),
    ],
)
def test_in_a_folder_the_file_is_chosen_by_the_detector_in_its_name(detector: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for other in ("cpn_ft_h36m_dbb", "detectron_pt_coco", "hrnet", "gt"):
        _write(tmp_path / f"data/data_2d_h36m_{other}.npz", {}, _H36M17)
    assert open_npz(tmp_path, detector).origin == tmp_path / "data" / name


def test_two_files_of_one_detector_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("data_2d_h36m_detectron_pt_coco.npz", "data_2d_h36m_detectron_ft_h36m.npz"):
        _write(tmp_path / name, {}, _H36M17)
    with pytest.raises(InputError, match=r"holds .*_ft_h36m.npz, .*_pt_coco.npz, expected only one of them"):
        open_npz(tmp_path, "detectron")


def test_without_metadata_the_order_is_named(tmp_path: Path) -> None:
    arrays = _arrays(17)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, positions_2d=np.array({"S9": {"Walking": arrays}}, dtype=object))
    with pytest.raises(InputError, match=r"a\.npz: has no metadata, .*; name it by detections\.joints\."):
        VideoPose3D(path)
    read = list(VideoPose3D(path, COCO).sequences(_all))
    np.testing.assert_array_equal(read[0].keypoints_px, to_human36m(COCO, arrays[0]))
    with pytest.raises(InputError, match=r"has the shape .*, expected .*16 joints"):
        list(VideoPose3D(path, STACKED_HOURGLASS).sequences(_all))


def test_a_number_of_joints_may_be_numpys(tmp_path: Path) -> None:
    metadata = _H36M17 | {"num_joints": np.int64(17)}
    assert _read(_write(tmp_path / "a.npz", {"S9": {"Walking": _arrays(17)}}, metadata))
