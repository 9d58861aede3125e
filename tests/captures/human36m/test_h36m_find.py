from pathlib import Path

import numpy as np
import pytest

from tests.captures.human36m.test_h36m_layouts import write_tar, write_zip
from tests.foreign import foreign
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.names import SUBJECTS
from wsgcn.captures.layouts import LAYOUTS, find_capture

# one file of each layout; finding looks at names alone
FILES = {
    "cdf_archives": "Poses_D3_Positions_S1.tgz",
    "cdf": "S1/MyPoseFeatures/D3_Positions/Directions 1.cdf",
    "mat": "S1/MyPoseFeatures/D3_Positions/Directions 1.cdf.mat",
    "martinez_zip": "h36m.zip",
    "martinez": "h36m/S1/MyPoses/3D_positions/Directions 1.h5",
    "videopose3d": "data_3d_h36m.npz",
}


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_every_layout_of_the_parameters_has_a_reader() -> None:
    assert [layout.name for layout in LAYOUTS if layout.name != "bvh"] == list(FILES)


@pytest.mark.parametrize("layout", FILES)
@pytest.mark.parametrize("above", ["", "a", "a/b"])
def test_a_layout_is_recognised_a_few_levels_deep(tmp_path: Path, layout: str, above: str) -> None:
    file = touch(tmp_path / above / FILES[layout])
    for name in ("auto", layout):
        capture = find_capture(tmp_path, name)
        assert capture.layout == layout
        assert capture.paths == (file,)


@pytest.mark.parametrize("layout", FILES)
def test_a_single_file_is_recognised(tmp_path: Path, layout: str) -> None:
    file = touch(tmp_path / FILES[layout])
    capture = find_capture(file)
    assert (capture.layout, capture.paths) == (layout, (file,))


@pytest.mark.parametrize(
    ("name", "layout"),
    [("poses.tar", "cdf_archives"), ("S1.TAR.GZ", "cdf_archives"), ("martinez (1).zip", "martinez_zip")],
)
def test_an_archive_that_is_named_itself_may_have_any_name(tmp_path: Path, name: str, layout: str) -> None:
    assert find_capture(touch(tmp_path / name)).layout == layout


@pytest.mark.parametrize("inside", ["S1", "S1/MyPoseFeatures", "S1/MyPoseFeatures/D3_Positions"])
def test_a_folder_inside_the_tree_still_says_whose_take_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    touch(tmp_path / FILES["cdf"])
    monkeypatch.chdir(tmp_path / inside)
    for raw in (tmp_path / inside, Path()):
        [recording] = find_capture(raw).recordings()
        assert (recording.subject, recording.take) == ("S1", "Directions 1")


def test_a_file_that_does_not_say_whose_take_it_is_is_refused(tmp_path: Path) -> None:
    file = touch(tmp_path / "Directions 1.cdf")
    with pytest.raises(InputError, match=r"Directions 1\.cdf: does not say whose take it is; .*S\*/MyPoseFeatures/D3_"):
        list(find_capture(file).recordings())


def test_several_layouts_are_named_with_their_places_and_the_way_to_choose(tmp_path: Path) -> None:
    archive = touch(tmp_path / "old" / FILES["martinez_zip"])
    touch(tmp_path / "new" / FILES["cdf"])
    with pytest.raises(InputError) as caught:
        find_capture(tmp_path)
    message = str(caught.value)
    assert f"martinez_zip ({archive})" in message
    assert f"cdf ({tmp_path / 'new' / FILES['cdf']})" in message
    assert "point data.raw at one of them or choose one by data.layout" in message
    assert find_capture(tmp_path, "cdf").layout == "cdf"


def test_one_layout_at_two_places_is_named_with_both(tmp_path: Path) -> None:
    for place in ("a", "b"):
        touch(tmp_path / place / FILES["cdf"])
        touch(tmp_path / place / FILES["cdf"].replace("S1", "S5"))
    with pytest.raises(InputError, match="more than one motion capture") as caught:
        find_capture(tmp_path)
    message = str(caught.value)
    assert f"cdf ({tmp_path / 'a'})" in message
    assert f"cdf ({tmp_path / 'b'})" in message
    assert message.endswith("point data.raw at one of them.")


def test_files_converted_where_they_lay_are_two_layouts(tmp_path: Path) -> None:
    touch(tmp_path / FILES["cdf"])
    touch(tmp_path / FILES["mat"])
    with pytest.raises(InputError, match="choose one by"):
        find_capture(tmp_path)
    assert find_capture(tmp_path, "mat").layout == "mat"


def test_one_folder_of_archives_is_one_capture(tmp_path: Path) -> None:
    files = [touch(tmp_path / f"Poses_D3_Positions_{subject}.tgz") for subject in SUBJECTS]
    touch(tmp_path / "stacked_hourglass_fined_tuned_240.tar.gz")
    touch(tmp_path / "data_2d_h36m_cpn_ft_h36m_dbb.npz")
    touch(tmp_path / "Poses_D3_Positions_mono_S1.tgz")
    assert find_capture(tmp_path).paths == tuple(sorted(files))


def test_a_link_to_a_folder_is_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "disk" / FILES["martinez"])
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "raw" / "again").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "loop").symlink_to(tmp_path / "raw")
    assert len(find_capture(tmp_path / "raw").paths) == 1


def test_the_download_scripts_folders_are_the_layout_cdf() -> None:
    recordings = list(find_capture(foreign("h36m_fetch")).recordings())
    assert {(recording.subject, recording.take) for recording in recordings} == {
        ("S1", "Directions"),
        ("S1", "Directions 1"),
    }
    for recording in recordings:
        heights_m = recording.read()[:, :, 2]
        assert heights_m.shape[1] == 17
        assert 1.0 < np.median(heights_m.max(axis=1)) < 2.2  # upright in the world, metres


@pytest.mark.parametrize("folder", ["MyPoseFeatures/D3_Positions", "Poses_D3_Positions"])
def test_both_folders_of_cdf_files_say_whose_takes_they_hold(tmp_path: Path, folder: str) -> None:
    touch(tmp_path / "S9" / folder / "Eating.cdf")
    touch(tmp_path / "S9" / f"{folder}_mono" / "Eating.54138969.cdf")
    [recording] = find_capture(tmp_path).recordings()
    assert (recording.subject, recording.take) == ("S9", "Eating")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("S1/Poses_D3_Positions_mono/Eating.54138969.cdf", "'mono' positions in the axes of each camera"),
        ("S1/MyPoseFeatures/D3_Positions_mono/Eating.54138969.cdf", "'mono' positions in the axes of each camera"),
        ("S1/MyPoseFeatures/D3_Positions_mono_universal/E.54138969.cdf", "'mono universal' positions"),
        ("processed/S1/Directions-1/annot.h5", "a preprocessed selection of Human3.6M's frames"),
        ("S1/MyPoseFeatures/D2_Positions/Eating.54138969.cdf", "positions in the picture"),
        ("S1/Poses_D3_Angles/Eating.cdf", "joint angles"),
    ],
)
def test_other_parts_of_the_dataset_are_named_for_what_they_are(tmp_path: Path, name: str, message: str) -> None:
    file = touch(tmp_path / name)
    for raw in (tmp_path, file):
        with pytest.raises(InputError, match=message) as caught:
            list(find_capture(raw).recordings())
        assert "expected" in str(caught.value)
        assert len(str(caught.value)) < 500


def test_an_archive_of_camera_frame_files_is_named_for_what_it_is(tmp_path: Path) -> None:
    members = {"S1/MyPoseFeatures/D3_Positions_mono/Eating.54138969.cdf": b""}
    archive = write_tar(tmp_path / "Poses_D3_Positions_mono_S1.tgz", members)
    for raw in (tmp_path, archive):
        with pytest.raises(InputError, match="'mono' positions in the axes of each camera"):
            list(find_capture(raw).recordings())


def test_an_archive_of_another_name_in_a_folder_is_named(tmp_path: Path) -> None:
    write_zip(tmp_path / "human36m_all.zip", {"h36m/" + FILES["martinez"].removeprefix("h36m/"): b""})
    with pytest.raises(InputError, match=r"human36m_all\.zip in it has martinez_zip: point data\.raw at that file\."):
        find_capture(tmp_path)


def test_nothing_found_says_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0 ftypisom")
    touch(tmp_path / "a" / "b.txt")
    with pytest.raises(InputError, match=r"; it holds 1 \.txt, 1 \.mp4\.$"):
        find_capture(tmp_path)
    with pytest.raises(InputError, match=r"; it is an MP4 or QuickTime video\.$"):
        find_capture(tmp_path / "clip.mp4")


def test_nothing_found_says_what_was_looked_for(tmp_path: Path) -> None:
    touch(tmp_path / "video.mp4")
    for raw in (tmp_path, tmp_path / "video.mp4"):
        with pytest.raises(InputError, match="holds no motion capture") as caught:
            find_capture(raw)
        for layout in LAYOUTS:
            assert f"{layout.name} ({layout.files})" in str(caught.value)


def test_a_layout_asked_for_and_not_there_says_what_is(tmp_path: Path) -> None:
    file = touch(tmp_path / FILES["martinez_zip"])
    for raw in (tmp_path, file):
        with pytest.raises(InputError, match=r"which are mat \(.*\); it does hold martinez_zip \(.*h36m\.zip\)\.$"):
            find_capture(raw, "mat")


def test_a_missing_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: not found; data\.raw should be"):
        find_capture(tmp_path / "absent")
