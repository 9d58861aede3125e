import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.tiny import tiny_params, tiny_positions_m
from wsgcn.base.errors import InputError
from wsgcn.captures.cameras import centred
from wsgcn.captures.capture import Capture, Hints, Layout, Recording
from wsgcn.captures.human36m.cameras import SERIALS, human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS, SUBJECTS
from wsgcn.captures.layouts import LAYOUTS
from wsgcn.captures.params import RawData
from wsgcn.captures.preprocessing import CaptureReport, preprocess
from wsgcn.detections.importing import import_detections
from wsgcn.detections.params import DetectionsSection
from wsgcn.pose.camera import project
from wsgcn.pose.sequences import camera_poses, sequences_of, takes_of
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX
from wsgcn.pose.store import Detections, Poses, create_poses

ROOT = Path(__file__).resolve().parents[2]
HUMAN36M = ROOT.parent / "shared" / "data" / "human36m"
needs_human36m = pytest.mark.skipif(not HUMAN36M.is_dir(), reason="needs shared/data/human36m beside the repository")

Takes = Mapping[tuple[str, str], np.ndarray]  # by subject and take


def body_mm(seed: int = 0, frames: int = 4) -> np.ndarray:
    """(T, 32, 3): points at random, but for a thigh of 450 mm."""
    positions_mm = np.random.default_rng(seed).normal(scale=500, size=(frames, 32, 3))
    positions_mm[:, H36M32_INDEX["RKnee"]] = positions_mm[:, H36M32_INDEX["RHip"]] + [0, 0, 450]
    return positions_mm


def write_martinez(folder: Path, takes: Takes) -> Path:
    for (subject, take), positions_mm in takes.items():
        path = folder / subject / "MyPoses" / "3D_positions" / f"{take}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["3D_positions"] = positions_mm.reshape(len(positions_mm), 96).T
    return folder


def write_npz(path: Path, takes: Takes) -> Path:
    """As VideoPose3D does: metres, float32."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    for (subject, take), positions_mm in takes.items():
        tree.setdefault(subject, {})[take] = (positions_mm / 1000).astype(np.float32)
    np.savez_compressed(path, positions_3d=np.array(tree, dtype=object))
    return path


def data_params(raw: Path, layout: str = "auto", used: tuple[str, str] = ("S1", "S9"), drop: bool = False) -> RawData:
    labelled, test = used
    subjects = {"labelled": [labelled], "labelled_takes": 1.0, "unlabelled": [], "validation": [], "test": [test]}
    return RawData.model_validate(
        {
            "raw": str(raw),
            "layout": layout,
            "unit": "auto",
            "up": "auto",
            "drop_bad_frames": drop,
            "subjects": subjects,
        }
    )


def run(folder: Path, data: RawData) -> tuple[CaptureReport, Path, Path]:
    poses_path, report_path = folder / "poses.h5", folder / "preprocess.json"
    return preprocess(data, poses_path, report_path), poses_path, report_path


def assert_refused(tmp_path: Path, data: RawData, *parts: str) -> None:
    """One sentence with these parts, and no file."""
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError) as caught:
        run(out, data)
    for part in parts:
        assert part in str(caught.value)
    assert list(out.iterdir()) == []


TWO = {("S1", "Walking"): body_mm(1), ("S9", "Eating 2"): body_mm(2, frames=6)}


def test_17_joints_in_metres_are_written_with_the_cameras_and_the_rate(tmp_path: Path) -> None:
    _, poses_path, _ = run(tmp_path, data_params(write_martinez(tmp_path / "raw", TWO)))
    with Poses(poses_path) as poses:
        assert poses.subjects == ["S1", "S9"]
        assert poses.takes("S9") == ["Eating 2"]
        assert poses.fps("S1", "Walking") == 50
        stored = poses.positions_m("S1", "Walking")
        assert stored.dtype == np.float32
        for joint, index in H36M32_INDEX.items():
            expected = (TWO["S1", "Walking"][:, index] / 1000).astype(np.float32)
            np.testing.assert_array_equal(stored[:, H36M17.joints.index(joint)], expected)
        assert poses.cameras() == {subject: human36m_cameras()[subject] for subject in ("S1", "S9")}


def test_the_bytes_depend_neither_on_the_layout_nor_on_the_order_in_it(tmp_path: Path) -> None:
    names = [(subject, take) for subject in ("S9", "S11", "S1") for take in ("Walking", "Eating 2", "Eating")]
    takes = {name: body_mm(seed) for seed, name in enumerate(names)}
    raws = [
        write_martinez(tmp_path / "raw", takes),
        write_npz(tmp_path / "data_3d_h36m.npz", takes),
        write_npz(tmp_path / "backwards.npz", dict(reversed(takes.items()))),
    ]
    written = set()
    for index, raw in enumerate(raws):
        folder = tmp_path / str(index)
        written.add(run(folder, data_params(raw))[1].read_bytes())
    assert len(written) == 1


def test_names_are_unified(tmp_path: Path) -> None:
    takes = {("S1", "TakingPhoto 1"): body_mm(), ("S1", "WalkingDog"): body_mm(), ("S9", "Photo"): body_mm()}
    _, poses_path, _ = run(tmp_path, data_params(write_martinez(tmp_path / "raw", takes)))
    with Poses(poses_path) as poses:
        assert poses.takes("S1") == ["Photo 1", "WalkDog"]


def test_s11_directions_is_left_out_by_name_and_directions_1_is_not(tmp_path: Path) -> None:
    takes = {("S11", "Directions"): body_mm(), ("S11", "Directions 1"): body_mm(), ("S1", "Directions"): body_mm()}
    report, poses_path, _ = run(tmp_path, data_params(write_martinez(tmp_path / "raw", takes), used=("S1", "S11")))
    with Poses(poses_path) as poses:
        assert poses.takes("S11") == ["Directions 1"]
        assert poses.takes("S1") == ["Directions"]
    assert "left out: S11 Directions, corrupted_take" in report.text()
    assert "Directions" not in report.subjects["S11"].missing_takes
    assert report.subjects["S1"].missing_takes["Directions"] == 1


def test_the_report_counts_what_is_there(tmp_path: Path) -> None:
    report, _, report_path = run(tmp_path, data_params(write_martinez(tmp_path / "raw", TWO)))
    assert list(report.subjects) == ["S1", "S9"]
    assert report.missing_subjects == ["S5", "S6", "S7", "S8", "S11"]
    assert (report.takes, report.frames, report.subjects["S9"].seconds) == (2, 10, 0.12)
    assert report.subjects["S9"].missing_takes == {action: 2 - (action == "Eating") for action in ACTIONS}
    text = report.text()
    assert "missing subjects, not used: S5, S6, S7, S8, S11" in text
    assert "missing takes of S1: 2 of Directions" in text
    table = text.splitlines()[1:5]
    assert [row.split() for row in table] == [
        ["subject", "takes", "frames", "seconds"],
        ["S1", "1", "4", "0.08"],
        ["S9", "1", "6", "0.12"],
        ["all", "2", "10", "0.20"],
    ]
    assert len({len(row) for row in table}) == 1
    assert json.loads(report_path.read_text()) == report.as_dict()


def test_a_complete_subject_has_no_missing_takes(tmp_path: Path) -> None:
    takes = {("S1", f"{action}{suffix}"): body_mm() for action in ACTIONS for suffix in ("", " 2")}
    report, _, _ = run(tmp_path, data_params(write_martinez(tmp_path / "raw", {**takes, **TWO})))
    assert report.subjects["S1"].takes == 30
    assert report.subjects["S1"].missing_takes == {}
    assert "missing takes of S1" not in report.text()


def test_both_outputs_are_the_same_on_every_run_and_name_no_place(tmp_path: Path) -> None:
    outputs = []
    for place in ("a", "b"):
        folder = tmp_path / place
        _, poses_path, report_path = run(folder, data_params(write_martinez(folder / "raw", TWO)))
        outputs.append((poses_path.read_bytes(), report_path.read_bytes()))
    assert outputs[0] == outputs[1]
    assert str(tmp_path) not in outputs[0][1].decode()


def test_a_missing_subject_that_is_used_is_an_error(tmp_path: Path) -> None:
    raw = write_martinez(tmp_path / "raw", TWO)
    assert_refused(
        tmp_path, data_params(raw, used=("S1", "S11")), str(raw), "no take of S11", "data.subjects", "it has S1, S9"
    )


def test_a_take_that_is_there_twice_is_named_with_both_files(tmp_path: Path) -> None:
    raw = write_martinez(tmp_path / "raw", {**TWO, ("S1", "Photo 1"): body_mm(), ("S1", "TakingPhoto 1"): body_mm()})
    assert_refused(tmp_path, data_params(raw), "S1 Photo 1", "/Photo 1.h5", "/TakingPhoto 1.h5")


def test_an_unknown_action_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    raw = write_martinez(tmp_path / "raw", {**TWO, ("S1", "Dancing"): body_mm()})
    assert_refused(tmp_path, data_params(raw), "Dancing.h5", "'Dancing' is no take of Human3.6M")


def test_bad_coordinates_are_an_error_that_names_take_and_frames(tmp_path: Path) -> None:
    positions_mm = body_mm(frames=30)
    positions_mm[[3, 17, 18, 19, 20], 5, 1] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    raw = write_martinez(tmp_path / "raw", {**TWO, ("S1", "Sitting 1"): positions_mm})
    assert_refused(
        tmp_path,
        data_params(raw),
        "S1/MyPoses/3D_positions/Sitting 1.h5",
        "frames 3, 17-20 (5 of 30)",
        "drop_bad_frames",
    )


def test_bad_frames_are_dropped_and_counted_on_demand(tmp_path: Path) -> None:
    positions_mm = body_mm(frames=30)
    good = positions_mm[[0, 1, 3]]
    positions_mm[2, 0, 0], positions_mm[4:] = np.nan, np.inf
    raw = write_martinez(tmp_path / "raw", {**TWO, ("S1", "Sitting 1"): positions_mm})
    report, poses_path, report_path = run(tmp_path, data_params(raw, drop=True))
    with Poses(poses_path) as poses:
        stored = poses.positions_m("S1", "Sitting 1")
    np.testing.assert_array_equal(stored[:, 0], (good[:, 0] / 1000).astype(np.float32))
    assert report.dropped_frames == 27
    assert report.subjects["S1"].frames == 4 + 3
    assert "dropped: 27 frames of S1 Sitting 1" in report.text()
    assert json.loads(report_path.read_text())["dropped"][0]["frames"] == [2, *range(4, 30)]


def test_a_take_of_bad_frames_alone_is_an_error_even_if_they_may_be_dropped(tmp_path: Path) -> None:
    raw = write_martinez(tmp_path / "raw", {**TWO, ("S1", "Sitting 1"): np.full((3, 32, 3), np.nan)})
    assert_refused(tmp_path, data_params(raw, drop=True), "Sitting 1.h5", "frames 0-2 (3 of 3)")


def test_metres_where_millimetres_are_expected_are_an_error(tmp_path: Path) -> None:
    raw = write_martinez(tmp_path / "raw", {**TWO, ("S1", "Sitting 1"): body_mm() / 1000})
    assert_refused(tmp_path, data_params(raw), "Sitting 1.h5", "in metres where millimetres are expected")


def test_millimetres_where_metres_are_expected_are_an_error(tmp_path: Path) -> None:
    raw = write_npz(tmp_path / "data_3d_h36m.npz", {key: value * 1000 for key, value in TWO.items()})
    assert_refused(tmp_path, data_params(raw), "npz: S1 Walking", "in millimetres where metres are expected")


def test_a_damaged_take_leaves_an_earlier_result_as_it_was(tmp_path: Path) -> None:
    raw = write_martinez(tmp_path / "raw", TWO)
    _, poses_path, report_path = run(tmp_path, data_params(raw))
    before = poses_path.read_bytes(), report_path.read_bytes()
    (raw / "S1" / "MyPoses" / "3D_positions" / "Walking.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"Walking\.h5: is not a readable HDF5 file"):
        run(tmp_path, data_params(raw))
    assert (poses_path.read_bytes(), report_path.read_bytes()) == before


def test_preprocessing_needs_neither_torch_nor_mlflow() -> None:
    code = "import sys, wsgcn.captures.preprocessing; print({'torch', 'mlflow'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


# Other people's motion in each of the layouts


def unpack_cdf(into: Path) -> Path:
    for archive in (HUMAN36M / "cdf").glob("*.tgz"):
        with tarfile.open(archive) as tar:
            tar.extractall(into, filter="data")
    return into


def unpack_martinez(into: Path) -> Path:
    with zipfile.ZipFile(HUMAN36M / "h36m.zip") as archive:
        archive.extractall(into, [name for name in archive.namelist() if "/MyPoses/" in name])
    return into


def convert_to_npz(path: Path) -> Path:
    takes = {}
    with zipfile.ZipFile(HUMAN36M / "h36m.zip") as archive:
        for name in archive.namelist():
            if "/MyPoses/" in name:
                _, subject, *_, take = name.removesuffix(".h5").split("/")
                with h5py.File(io.BytesIO(archive.read(name))) as file:
                    takes[subject, take] = file["3D_positions"][()].T.reshape(-1, 32, 3).astype(np.float64)
    return write_npz(path, takes)


@needs_human36m
def test_every_layout_gives_the_same_file(tmp_path: Path) -> None:
    raws = {
        "cdf_archives": HUMAN36M,
        "cdf": unpack_cdf(tmp_path / "cdf"),
        "martinez_zip": HUMAN36M / "h36m.zip",
        "martinez": unpack_martinez(tmp_path / "martinez"),
        "videopose3d": convert_to_npz(tmp_path / "data_3d_h36m.npz"),
    }
    written, reports = {}, {}
    for layout, raw in raws.items():
        report, poses_path, _ = run(tmp_path / f"out_{layout}", data_params(raw, layout))
        written[layout] = poses_path.read_bytes()
        reports[layout] = {**report.as_dict(), "layout": "", "capture": ""}
    for layout in raws:
        assert written[layout] == written["martinez_zip"], layout
        assert reports[layout] == reports["martinez_zip"], layout
    report = reports["martinez_zip"]
    assert (report["takes"], report["missing_subjects"]) == (209, [])
    assert list(report["subjects"]) == list(SUBJECTS)


@needs_human36m
def test_matlabs_takes_have_the_same_positions(tmp_path: Path) -> None:
    _, poses_path, _ = run(tmp_path / "zip", data_params(HUMAN36M / "h36m.zip"))
    # there are two takes of S1 alone; for a subject to test on, a copy of them will do
    for file in (HUMAN36M / "mat" / "S1").rglob("*.mat"):
        for subject in ("S1", "S9"):
            copy = tmp_path / "mat" / subject / "MyPoseFeatures" / "D3_Positions" / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    report, from_mat_path, _ = run(tmp_path / "out", data_params(tmp_path / "mat"))
    assert report.layout == "mat"
    with Poses(poses_path) as poses, Poses(from_mat_path) as from_mat:
        assert from_mat.takes("S1") == ["Directions", "Walking 1"]
        for take in from_mat.takes("S1"):
            np.testing.assert_array_equal(from_mat.positions_m("S1", take), poses.positions_m("S1", take), strict=True)


@needs_human36m
def test_a_folder_of_several_layouts_asks_which(tmp_path: Path) -> None:
    assert_refused(tmp_path, data_params(HUMAN36M), "cdf_archives (", "martinez_zip (", "mat (", "data.layout")


# A capture of another kind: free names, a rate and actions of its own, and no cameras


@dataclass(frozen=True, kw_only=True)
class Dances(Capture):
    """Takes that the test holds in memory, (T, 17, 3) metres, by subject and name."""

    takes: Mapping[tuple[str, str], np.ndarray]

    def recordings(self) -> Iterator[Recording]:
        for (subject, take), positions_m in self.takes.items():
            yield Recording(
                subject=subject,
                take=take,
                action=take.split("-")[0],
                fps=30.0,
                origin=f"{self.paths[0]}: {subject} {take}",
                read=lambda positions_m=positions_m: positions_m,  # type: ignore[misc]
                left_out_by="rehearsal" if take.endswith("rehearsal") else None,
            )

    @property
    def expected_takes(self) -> int:
        return len(self.takes)


@dataclass(frozen=True, kw_only=True)
class DanceLayout(Layout):
    takes: Mapping[tuple[str, str], np.ndarray]

    def root_of(self, path: Path) -> Path | None:
        return path.parent if path.suffix == ".dance" else None

    def capture(self, root: Path, paths: Sequence[Path], hints: Hints) -> Capture:
        return Dances(
            layout=self.name,
            root=root,
            paths=tuple(paths),
            actions=("waltz", "tango"),
            takes_per_action=1,
            takes=self.takes,
        )


AWAY_M = np.array([40.0, -25.0, 0.0])  # where the capture's floor has its origin is its own affair


def dances() -> dict[tuple[str, str], np.ndarray]:
    names = [("actor-10", "waltz-1"), ("actor-2", "tango-1"), ("Anna", "waltz-1"), ("Anna", "polka-1")]
    return {name: tiny_positions_m(*name, frames=15).astype(np.float64) + AWAY_M for name in names}


@pytest.fixture
def dance_path(tmp_path: Path) -> Path:
    path = tmp_path / "raw" / "a.dance"
    path.parent.mkdir()
    path.touch()
    return path


def body_m() -> np.ndarray:
    return tiny_positions_m("Anna", "another", frames=8).astype(np.float64)


def run_dances(
    monkeypatch: pytest.MonkeyPatch, path: Path, takes: Takes, folder: Path, used: tuple[str, str] = ("Anna", "actor-2")
) -> tuple[CaptureReport, Path]:
    layout = DanceLayout(name="dance", files="*.dance", endings=(".dance",), takes=takes)
    monkeypatch.setattr("wsgcn.captures.layouts.LAYOUTS", (*LAYOUTS, layout))
    report, poses_path, report_path = run(folder, data_params(path, used=used))
    assert json.loads(report_path.read_text()) == report.as_dict()
    return report, poses_path


def test_a_capture_with_names_rate_and_actions_of_its_own_is_written_with_them(
    monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path
) -> None:
    report, poses_path = run_dances(monkeypatch, dance_path, dances(), tmp_path / "out")
    with Poses(poses_path) as poses:
        assert poses.subjects == ["Anna", "actor-2", "actor-10"]
        assert poses.takes("Anna") == ["polka-1", "waltz-1"]
        assert poses.actions == ["waltz", "tango", "polka"], "the capture's own order, then the others"
        assert {(subject, take): poses.action(subject, take) for subject, take in dances()} == {
            name: name[1].split("-")[0] for name in dances()
        }
        assert {poses.fps(*name) for name in dances()} == {30.0}
    assert (report.layout, report.takes, report.frames, report.seconds) == ("dance", 4, 60, 2.0)
    assert list(report.subjects) == ["Anna", "actor-2", "actor-10"]
    assert (report.missing_subjects, report.left_out, report.dropped) == ([], [], [])
    assert report.subjects["Anna"].missing_takes == {"tango": 1}


def test_a_capture_without_cameras_gets_four_and_each_take_stands_between_them(
    monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path
) -> None:
    report, poses_path = run_dances(monkeypatch, dance_path, dances(), tmp_path / "out")
    assert report.cameras == "the four standard ones, placed around each take of Anna, actor-2, actor-10"
    assert report.text().splitlines()[0].endswith(f"layout dance, cameras: {report.cameras}")
    with Poses(poses_path) as poses:
        assert {subject: list(cameras) for subject, cameras in poses.cameras().items()} == {
            subject: list(SERIALS) for subject in ("Anna", "actor-2", "actor-10")
        }
        for (subject, take), positions_m in dances().items():
            stored_m = poses.positions_m(subject, take)
            np.testing.assert_allclose(stored_m, centred(positions_m), atol=1e-5)  # float32, 40 m away
            np.testing.assert_allclose(stored_m[..., 2], positions_m[..., 2], atol=1e-6)


def test_a_capture_with_cameras_says_so(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, data_params(write_martinez(tmp_path / "raw", TWO)))
    assert report.cameras == "the capture's own"


def test_the_invented_cameras_see_everybody_whole_and_upright_in_the_detections(
    monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path
) -> None:
    _, poses_path = run_dances(monkeypatch, dance_path, dances(), tmp_path / "out")
    detections_path = tmp_path / "detections.h5"
    source = DetectionsSection(source="gt", joints="auto", path="not read")
    report = import_detections(source, poses_path, detections_path, tmp_path / "detections.json")
    assert {name: (counts.takes, counts.sequences, counts.frames) for name, counts in report.subjects.items()} == {
        "Anna": (2, 8, 120),
        "actor-2": (1, 4, 60),
        "actor-10": (1, 4, 60),
    }
    assert not report.missing_subjects + report.missing_takes + report.missing_cameras + report.ignored_takes
    head, foot = H36M17.joints.index("Head"), H36M17.joints.index("LFoot")
    with Detections(detections_path) as detections, Poses(poses_path) as poses:
        assert detections.subjects == poses.subjects
        assert detections.cameras() == poses.cameras()
        for sequence, camera in sequences_of(detections, takes_of(detections, detections.subjects)):
            points_px = sequence.keypoints_px
            assert len(points_px) == poses.frames(sequence.subject, sequence.take)
            assert (points_px >= 0).all()
            assert (points_px < [camera.width_px, camera.height_px]).all()
            assert (points_px[:, head, 1] + 100 < points_px[:, foot, 1]).all()
            # what an evaluation compares with: 2D and truth of one camera belong together
            truth_m = camera_poses(poses.positions_m(sequence.subject, sequence.take), camera, H36M17)
            np.testing.assert_allclose(project(truth_m, camera.intrinsics_px), points_px, atol=1e-2)


def test_the_bytes_do_not_depend_on_the_order_of_a_capture_of_free_names(
    monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path
) -> None:
    takes = dances() | {("Anna 1", "waltz-1"): dances()["Anna", "waltz-1"], ("Anna 01", "waltz-1"): body_m()}
    written = set()
    for index, given in enumerate((takes, dict(reversed(takes.items())))):
        written.add(run_dances(monkeypatch, dance_path, given, tmp_path / str(index))[1].read_bytes())
    assert len(written) == 1


def test_nothing_is_left_out_in_silence(monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path) -> None:
    takes = dances() | {("Anna", "tango-rehearsal"): body_m()}
    report, poses_path = run_dances(monkeypatch, dance_path, takes, tmp_path / "out")
    assert [(left.subject, left.take, left.action, left.rule) for left in report.left_out] == [
        ("Anna", "tango-rehearsal", "tango", "rehearsal")
    ]
    assert "left out: Anna tango-rehearsal, rehearsal" in report.text()
    with Poses(poses_path) as poses:
        written = {(subject, take) for subject in poses.subjects for take in poses.takes(subject)}
        frames = sum(poses.frames(*name) for name in written)
    assert written | {(left.subject, left.take) for left in report.left_out} == set(takes)
    assert (report.takes, report.frames) == (len(written), frames)


def test_a_subject_that_the_other_capture_lacks_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"has no take of Bert, .* \(it has Anna, actor-2, actor-10\)\.$"):
        run_dances(monkeypatch, dance_path, dances(), tmp_path / "out", used=("Anna", "Bert"))
    assert not (tmp_path / "out").exists()


# Names of subjects


@pytest.mark.parametrize("name", ["", "a/b", " x", "x ", ".", "..", "cameras", "a\nb", "x" * 101])
@pytest.mark.parametrize("key", ["labelled", "unlabelled", "validation", "test"])
def test_a_subject_that_no_file_can_hold_is_refused_with_its_key(key: str, name: str) -> None:
    subjects: dict[str, list[str]] = {
        "labelled": ["S1"],
        "labelled_takes": 1.0,
        "unlabelled": ["S5"],
        "validation": [],
        "test": ["S9"],
    }
    subjects[key] = [*subjects[key], name]
    with pytest.raises(InputError) as caught:
        tiny_params(data__subjects=subjects)
    message = str(caught.value)
    assert message.startswith(f"tiny: data.subjects.{key}.{len(subjects[key]) - 1}: ")
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize("name", ["Anna", "actor-2", "S 1", "Åsa", "07", "x" * 100])
def test_any_other_name_may_be_a_subjects(name: str, tmp_path: Path) -> None:
    subjects = {"labelled": [name], "labelled_takes": 1.0, "unlabelled": ["S5"], "validation": [], "test": ["S9"]}
    assert tiny_params(data__subjects=subjects).data.subjects.labelled == [name]
    with create_poses(tmp_path / "poses.h5", ["waltz"]) as writer:
        writer.add(name, "waltz-1", body_m(), "waltz", 30.0)
    with Poses(tmp_path / "poses.h5") as poses:
        assert (poses.subjects, poses.takes(name)) == ([name], ["waltz-1"])


@pytest.mark.parametrize(("subject", "take"), [("cameras", "waltz"), ("a/b", "waltz"), ("", "waltz"), ("Anna", ".")])
def test_a_name_that_no_file_can_hold_is_one_sentence(
    subject: str, take: str, monkeypatch: pytest.MonkeyPatch, dance_path: Path, tmp_path: Path
) -> None:
    takes = dances() | {(subject, take): body_m()}
    with pytest.raises(InputError, match=r"cannot be the name of a subject or a take\.$"):
        run_dances(monkeypatch, dance_path, takes, tmp_path / "out")
