import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.captures.bvh.bvh_texts import STANDING_J3_M, bvh_text, figure, standing_text, still
from tests.lifting.test_writers import clip
from wsgcn.base.errors import InputError
from wsgcn.captures.bvh import capture as stance
from wsgcn.captures.capture import UNITS_M, Hints
from wsgcn.captures.layouts import find_capture
from wsgcn.lifting.writers.formats import write_lifted
from wsgcn.pose.skeleton import H36M16, H36M17

TEXT = standing_text()
MOCAP = Path(__file__).parents[4] / "shared/data/mocap"
needs_mocap = pytest.mark.skipif(not MOCAP.is_dir(), reason="no ../shared/data/mocap")


def recordings(path, unit="auto", up="auto"):
    return list(find_capture(path, "bvh", Hints(unit, up)).recordings())


def folder(path, files):
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def archive(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return path


def place(tmp_path, kind, files):
    return folder(tmp_path / "capture", files) if kind == "folder" else archive(tmp_path / "capture.zip", files)


KINDS = pytest.mark.parametrize("kind", ["folder", "zip"])


def test_the_last_folder_is_the_subject_and_other_files_are_passed_over(tmp_path):
    files = {
        "deep/er/anna/walk 1.bvh": TEXT,
        "anna/run.BVH": TEXT,
        "bob/walk 1.bvh": TEXT,
        "top.bvh": TEXT,
        "README.md": "no",
        "bob/._walk 1.bvh": "a note of macOS",
        "__MACOSX/bob/x.bvh": "another",
        ".git/x.bvh": "no",
    }
    takes = recordings(archive(tmp_path / "capture.zip", files))
    assert sorted((take.subject, take.take) for take in takes) == [
        ("anna", "run"),
        ("anna", "walk 1"),
        ("bob", "walk 1"),
        ("capture", "top"),
    ]
    for take in takes:
        assert take.take in take.origin
        assert take.fps == 25


def test_a_folder_of_subjects_is_one_capture_and_two_of_them_are_two(tmp_path):
    files = {"anna/run.BVH": TEXT, "bob/walk 1.bvh": TEXT, "bob/._walk 1.bvh": "a note of macOS", "README.md": "no"}
    takes = recordings(folder(tmp_path / "capture", files))
    assert [(take.subject, take.take) for take in takes] == [("anna", "run"), ("bob", "walk 1")]
    with pytest.raises(InputError, match="holds more than one motion capture"):
        recordings(folder(tmp_path / "capture", {"deep/er/cleo/walk.bvh": TEXT}))


@pytest.mark.parametrize(
    ("take", "action"), [("walking_12", "walking"), ("001_acted", "acted"), ("walk 1", "walk"), ("07_01", "07_01")]
)
def test_the_action_is_the_name_without_numbers(take, action):
    assert stance.action_of(take) == action


def test_a_zip_is_told_from_one_of_human36m_by_what_is_in_it(tmp_path):
    path = archive(tmp_path / "any.zip", {"anna/walk.bvh": TEXT})
    assert find_capture(path).layout == "bvh"


@KINDS
def test_positions_are_metres_with_z_up(tmp_path, kind):
    (take,) = recordings(place(tmp_path, kind, {"anna/walk.bvh": TEXT}))
    pose_m = take.read()
    assert (pose_m.shape, pose_m.dtype) == ((20, 17, 3), np.float64)
    np.testing.assert_allclose(pose_m, np.broadcast_to(STANDING_J3_M, pose_m.shape), atol=1e-6)


def test_one_file_and_a_zip_made_by_windows_are_captures_too(tmp_path):
    file = folder(tmp_path, {"anna/walk.bvh": TEXT}) / "anna/walk.bvh"
    (take,) = recordings(file)
    assert (take.subject, take.take, take.origin) == ("anna", "walk", str(file))
    (take,) = recordings(archive(tmp_path / "x.zip", {"capture\\bob\\run.bvh": TEXT}))
    assert (take.subject, take.take) == ("bob", "run")


@pytest.mark.parametrize("up", stance.UPS)
@pytest.mark.parametrize("unit", UNITS_M)
def test_any_unit_and_axis_give_the_same_person(tmp_path, unit, up):
    text = standing_text(unit_m=UNITS_M[unit], turn_33=stance.UPS[up].T)
    path = folder(tmp_path, {"anna/walk.bvh": text})
    for options in ({}, {"unit": unit, "up": up}):
        (take,) = recordings(path, **options)
        np.testing.assert_allclose(take.read()[0], STANDING_J3_M, atol=1e-5)


def test_who_lies_on_the_floor_is_not_set_upright(tmp_path):
    lying = standing_text(turn_33=stance.UPS["y"].T @ stance.UPS["x"])
    files = {f"anna/walk {number}.bvh": TEXT for number in range(4)} | {"anna/sleep.bvh": lying}
    takes = {take.take: take for take in recordings(folder(tmp_path, files))}
    trunk_m = np.subtract(*takes["sleep"].read()[0, [H36M17.joints.index("Thorax"), H36M17.joints.index("Hip")]])
    np.testing.assert_allclose(np.abs(trunk_m), [0, 0.5, 0], atol=1e-5)
    with pytest.raises(InputError, match="the takes do not agree"):
        recordings(folder(tmp_path / "two", {"anna/walk.bvh": TEXT, "anna/sleep.bvh": lying}))


def test_a_pelvis_at_the_origin_is_set_on_the_floor(tmp_path):
    joints = figure()
    text = bvh_text(joints, still(joints, place=(0, 0, 0)))
    (take,) = recordings(folder(tmp_path, {"anna/walk.bvh": text}))
    np.testing.assert_allclose(take.read()[0], STANDING_J3_M, atol=1e-5)


def test_a_mirrored_capture_is_one_sentence(tmp_path):
    text = standing_text(turn_33=stance.UPS["y"].T @ np.diag([-1, 1, 1]))
    with pytest.raises(InputError, match="knees bend backwards in 1 of 1 takes with bent knees"):
        recordings(folder(tmp_path, {"anna/walk.bvh": text}))


@KINDS
def test_no_bvh_files_is_one_sentence(tmp_path, kind):
    with pytest.raises(InputError, match=r"capture(\.zip)?: holds no (BVH files|motion capture)"):
        recordings(place(tmp_path, kind, {"x.txt": "x"}))


@KINDS
def test_a_bad_file_is_named_before_any_take_comes(tmp_path, kind):
    files = {"anna/a.bvh": TEXT, "anna/b.bvh": TEXT[: TEXT.index("MOTION")]}
    with pytest.raises(InputError, match=r"b\.bvh: has a hierarchy of .* and no MOTION"):
        recordings(place(tmp_path, kind, files))


def test_damage_within_a_take_is_one_sentence_when_it_is_decoded(tmp_path):
    lines = standing_text(frames=300).splitlines()
    lines[-2] = lines[-2].replace("0.000000", "nan")
    (take,) = recordings(folder(tmp_path, {"anna/a.bvh": "\n".join(lines)}))
    with pytest.raises(InputError, match=r"a\.bvh: line \d+ holds 'nan'"):
        take.read()


@pytest.mark.parametrize("path", ["nowhere", "nowhere.zip", "nowhere.bvh"])
def test_what_is_not_there_is_one_sentence(tmp_path, path):
    with pytest.raises(InputError, match=f"{path}: not found"):
        recordings(tmp_path / path)


@KINDS
def test_subjects_and_takes_are_names_of_groups(tmp_path, kind):
    files = dict.fromkeys(("anna maria/walk=1 (2).bvh", "Ünal/歩く.bvh"), TEXT)
    takes = recordings(place(tmp_path, kind, files))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for take in takes:
            file.create_group(f"{take.subject}/{take.take}")
        assert sorted(file) == ["anna maria", "Ünal"]
        assert list(file["anna maria"]) == ["walk=1 (2)"]


def test_what_the_bvh_writer_wrote_comes_back(tmp_path):
    lifted = clip(H36M17, rigid=True)
    (tmp_path / "anna").mkdir()
    write_lifted(lifted, tmp_path / "anna/out.bvh")
    (take,) = recordings(tmp_path)
    assert take.fps == 25
    found_m = take.read().astype(np.float64)
    camera_m = (lifted.pose_m + lifted.root_m[:, None]).astype(np.float64)
    expected_m = np.stack([camera_m[..., 0], camera_m[..., 2], -camera_m[..., 1]], axis=-1)
    floor_m = expected_m[..., 2] - found_m[..., 2]
    assert np.ptp(floor_m) < 1e-4
    expected_m[..., 2] -= np.median(floor_m)
    assert np.abs(found_m - expected_m).max() < 1e-4


def test_what_the_bvh_writer_wrote_of_16_joints_lacks_one(tmp_path):
    (tmp_path / "anna").mkdir()
    write_lifted(clip(H36M16, rigid=True), tmp_path / "anna/out.bvh")
    with pytest.raises(InputError, match=r"its joints .* are of no skeleton known here"):
        recordings(tmp_path)


def deviations_mm(archive_name):
    """By take (17,) mm.

    The reference of ReActIdle has 15 frames a second, linearly between those of the files, which are 0.083334 s apart,
    and its hips at height zero; so one height a take does not count there.
    """
    found = {}
    with np.load(MOCAP / "positions.npz") as reference:
        takes = {take.origin.split(": ")[-1]: take for take in recordings(MOCAP / f"{archive_name}.zip")}
        for member in reference.files:
            if member in takes:
                expected_m, pose_m = reference[member].astype(np.float64), takes[member].read().astype(np.float64)
                if archive_name == "reactidle":
                    times = np.arange(len(expected_m)) / 15 / 0.083334
                    before = times.astype(int).clip(max=len(pose_m) - 2)
                    share = (times - before)[:, None, None]
                    expected_m, share = expected_m[times <= len(pose_m) - 1], share[times <= len(pose_m) - 1]
                    before = before[: len(share)]
                    pose_m = pose_m[before] * (1 - share) + pose_m[before + 1] * share
                frames = min(len(expected_m), len(pose_m))
                difference_m = pose_m[:frames] - expected_m[:frames]
                if archive_name == "reactidle":
                    difference_m[..., 2] -= np.median(difference_m[..., 2])
                found[member] = 1000 * np.linalg.norm(difference_m, axis=-1).max(axis=0)
    return found


@needs_mocap
@pytest.mark.parametrize(("archive_name", "takes"), [("cmu", 4), ("reactidle", 2)])
def test_real_takes_are_where_other_code_has_them(archive_name, takes):
    found = deviations_mm(archive_name)
    assert len(found) == takes
    for member, deviation_mm_J in found.items():
        assert deviation_mm_J.max() < 1, f"{member}: {dict(zip(H36M17.joints, deviation_mm_J.round(3), strict=True))}"
