"""The import into detections.h5: against files that the tests write, and on the shared motion in Human3.6M's files."""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.tiny import write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cameras import SERIALS, human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS, action_of
from wsgcn.captures.params import RawData
from wsgcn.captures.preprocessing import preprocess
from wsgcn.detections.importing import import_detections
from wsgcn.detections.params import DetectionsSection
from wsgcn.detections.sources import SOURCES
from wsgcn.pose.params import Subjects
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections as DetectionsFile
from wsgcn.pose.store import create_poses

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "human36m"

_FRAMES = {"S1": {"Directions 1": 5, "Photo": 3}, "S9": {"Walking": 4}}
_H36M17 = {"layout_name": "h36m", "num_joints": 17}

Positions = dict[str, dict[str, list[Any]]]


def _write_poses(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    cameras = human36m_cameras()
    with create_poses(folder / "poses.h5", ACTIONS) as writer:
        writer.add_cameras({subject: cameras[subject] for subject in _FRAMES})
        for subject, takes in _FRAMES.items():
            for take, frames in takes.items():
                writer.add(subject, take, rng.uniform(-1, 1, size=(frames, 17, 3)), action_of(take), 50.0)
    return folder / "poses.h5"


def _positions(frames: Mapping[str, Mapping[str, int]] = _FRAMES, channels: int = 2) -> Positions:
    rng = np.random.default_rng(1)
    return {
        subject: {
            take: [rng.uniform(0, 1000, size=(length, 17, channels)).astype(np.float32) for _ in SERIALS]
            for take, length in takes.items()
        }
        for subject, takes in frames.items()
    }


def _write_npz(path: Path, positions: Positions) -> Path:
    np.savez_compressed(path, positions_2d=np.array(positions, dtype=object), metadata=np.array(_H36M17, dtype=object))
    return path


def _import(folder: Path, source: str, path: Path) -> tuple[Any, Path]:
    """The report and the folder `out` with nothing but the files written."""
    poses = _write_poses(folder)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    params = DetectionsSection.model_validate({"source": source, "joints": "auto", "path": str(path)})
    return import_detections(params, poses, out / "detections.h5", out / "detections.json"), out


def _import_npz(folder: Path, positions: Positions) -> tuple[Any, Path]:
    return _import(folder, "cpn", _write_npz(folder / "a.npz", positions))


def _assert_refused(folder: Path, positions: Positions, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"a.npz: {sentence}") as caught:
        _import_npz(folder, positions)
    assert "\n" not in str(caught.value)
    assert list((folder / "out").iterdir()) == [], "something was left behind"


def test_detections_h5_holds_what_was_imported_and_the_cameras(tmp_path: Path) -> None:
    positions = _positions()
    report, out = _import_npz(tmp_path, positions)
    with DetectionsFile(out / "detections.h5") as detections:
        assert (detections.source, detections.source_words) == ("cpn", SOURCES["cpn"].words)
        assert tuple(detections.joints) == report.joints == H36M17.joints
        assert {s: detections.takes(s) for s in detections.subjects} == {s: list(t) for s, t in _FRAMES.items()}
        assert detections.cameras() == {subject: human36m_cameras()[subject] for subject in _FRAMES}
        for subject, takes in positions.items():
            for take, arrays in takes.items():
                for serial, array in zip(SERIALS, arrays, strict=True):
                    found = detections.sequence(subject, take, serial)
                    np.testing.assert_array_equal(found.keypoints_px, array, strict=True)
                    assert found.confidence is None
    assert not report.missing_subjects + report.missing_takes + report.missing_cameras + report.ignored_takes
    assert report.trimmed_sequences == 0


def test_the_report_counts_and_names_what_was_left_out(tmp_path: Path) -> None:
    positions = _positions({"S1": {"Directions 1": 7, "Eating": 3}, "S5": {"Walking": 2}})
    positions["S1"]["Directions 1"][2] = None
    report, out = _import_npz(tmp_path, positions)
    assert report.as_dict() == {
        "source": "cpn",
        "joints": H36M17.joints,
        "subjects": {"S1": {"takes": 1, "sequences": 3, "frames": 15}},
        "trimmed_sequences": 3,
        "trimmed_frames": 6,
        "clipped_confidences": 0,
        "missing_subjects": ["S9"],
        "missing_takes": ["S1 Photo"],
        "missing_cameras": [f"S1 Directions 1 {SERIALS[2]}"],
        "ignored_takes": ["S1 Eating", "S5 Walking"],
    }
    assert json.loads((out / "detections.json").read_text()) == {**report.as_dict(), "joints": list(H36M17.joints)}
    assert report.text().splitlines() == [
        "2D detections: cpn, 17 joints",
        "subject   takes  sequences    frames",
        "S1            1          3        15",
        "all           1          3        15",
        "longer than the capture, trimmed: 3 (6 frames)",
        "subjects without detections: 1 (S9)",
        "takes without detections: 1 (S1 Photo)",
        f"cameras without detections: 1 (S1 Directions 1 {SERIALS[2]})",
        "takes that are not in poses.h5, ignored: 2 (S1 Eating, S5 Walking)",
    ]


def test_detections_longer_than_the_capture_lose_their_end(tmp_path: Path) -> None:
    positions = _positions()
    whole = positions["S9"]["Walking"][1]
    beyond = np.full((2, 17, 2), np.nan, dtype=np.float32)  # what is trimmed need not be sound
    positions["S9"]["Walking"][1] = np.concatenate([whole, beyond])
    report, out = _import_npz(tmp_path, positions)
    with DetectionsFile(out / "detections.h5") as detections:
        np.testing.assert_array_equal(detections.sequence("S9", "Walking", SERIALS[1]).keypoints_px, whole)
    assert (report.trimmed_sequences, report.trimmed_frames) == (1, 2)


def test_frames_that_poses_h5_dropped_are_dropped_from_the_detections_too(tmp_path: Path) -> None:
    raw_px = np.random.default_rng(2).uniform(0, 1000, size=(9, 17, 2)).astype(np.float32)
    cameras = {"S1": human36m_cameras()["S1"]}
    with create_poses(tmp_path / "poses.h5", ACTIONS) as writer:
        writer.add_cameras(cameras)
        writer.add("S1", "Eating", np.zeros((6, 17, 3)), "Eating", 50.0, dropped_frames=[0, 4])
    source = _write_npz(tmp_path / "a.npz", {"S1": {"Eating": [raw_px] * 4}})
    params = DetectionsSection.model_validate({"source": "cpn", "joints": "auto", "path": str(source)})
    import_detections(params, tmp_path / "poses.h5", tmp_path / "detections.h5", tmp_path / "detections.json")
    with DetectionsFile(tmp_path / "detections.h5") as detections:
        kept_px = detections.sequence("S1", "Eating", SERIALS[0]).keypoints_px
    np.testing.assert_array_equal(kept_px, raw_px[[1, 2, 3, 5, 6, 7]])  # 0 and 4 dropped, 8 beyond the capture


def test_confidences_are_kept_and_clipped_to_their_range(tmp_path: Path) -> None:
    positions = _positions(channels=3)
    for takes in positions.values():
        for arrays in takes.values():
            for array in arrays:
                array[..., 2] /= 1000
    positions["S9"]["Walking"][0][1, 2, 2] = 1.03
    positions["S9"]["Walking"][0][1, 3, 2] = -0.01
    report, out = _import_npz(tmp_path, positions)
    with DetectionsFile(out / "detections.h5") as detections:
        confidence = detections.sequence("S9", "Walking", SERIALS[0]).confidence
    assert confidence is not None
    np.testing.assert_array_equal(confidence, positions["S9"]["Walking"][0][..., 2].clip(0, 1))
    assert report.clipped_confidences == 2


def test_the_order_in_the_source_leaves_no_trace_in_the_bytes(tmp_path: Path) -> None:
    positions = _positions()
    turned = {subject: dict(reversed(takes.items())) for subject, takes in reversed(positions.items())}
    written = []
    for name, content in (("a", positions), ("b", positions), ("turned", turned)):
        (tmp_path / name).mkdir()
        _, out = _import_npz(tmp_path / name, content)
        written.append([(out / file).read_bytes() for file in ("detections.h5", "detections.json")])
    assert written[0] == written[1] == written[2]
    assert str(tmp_path).encode() not in b"".join(written[0])


def test_a_sequence_shorter_than_the_capture_names_take_camera_and_both_lengths(tmp_path: Path) -> None:
    positions = _positions()
    positions["S1"]["Photo"][1] = positions["S1"]["Photo"][1][:2]
    _assert_refused(tmp_path, positions, f"S1 Photo, camera {SERIALS[1]}: has 2 frames, expected the .* 3")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_coordinates_that_are_not_finite_name_take_camera_and_frames(bad: float, tmp_path: Path) -> None:
    positions = _positions()
    positions["S1"]["Directions 1"][3][[0, 2, 3], 5, 1] = bad
    sentence = rf"S1 Directions 1, camera {SERIALS[3]}: has NaN or infinite coordinates in frames 0, 2-3 \(3 of 5\)"
    _assert_refused(tmp_path, positions, sentence)


def test_a_confidence_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    positions = _positions(channels=3)
    positions["S9"]["Walking"][0][1, 0, 2] = np.nan
    _assert_refused(tmp_path, positions, f"S9 Walking, camera {SERIALS[0]}: has NaN or infinite confidences in frame 1")


def test_normalised_coordinates_are_not_taken_for_pixels(tmp_path: Path) -> None:
    positions = _positions()
    positions["S9"]["Walking"] = [array / 500 - 1 for array in positions["S9"]["Walking"]]
    _assert_refused(tmp_path, positions, r"S9 Walking, camera .* lie within ±2, as if normalised; expected pixels")


def test_the_same_take_under_two_spellings_is_refused(tmp_path: Path) -> None:
    positions = _positions()
    positions["S1"]["TakingPhoto"] = positions["S1"]["Photo"]
    _assert_refused(tmp_path, positions, f"S1 Photo, camera {SERIALS[0]}: is there twice")


def test_a_source_without_any_take_of_the_capture_is_refused(tmp_path: Path) -> None:
    _assert_refused(tmp_path, _positions({"S5": {"Walking": 4}}), "has no detections of any take in")


def test_a_camera_that_poses_h5_does_not_have_is_refused(tmp_path: Path) -> None:
    path = _write_npz(tmp_path / "a.npz", _positions())
    poses = _write_poses(tmp_path)
    with h5py.File(poses, "a") as file:
        del file[f"cameras/S1/{SERIALS[3]}"]
    with pytest.raises(InputError, match=rf"camera {SERIALS[3]}: poses.h5 has no such camera, only {SERIALS[0]}"):
        import_detections(
            DetectionsSection(source="cpn", joints="auto", path=str(path)),
            poses,
            tmp_path / "d.h5",
            tmp_path / "d.json",
        )
    assert not (tmp_path / "d.h5").exists()


def test_what_stood_there_before_survives_a_failed_import(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "detections.h5").write_bytes(b"before")
    with pytest.raises(InputError):
        _import_npz(tmp_path, _positions({"S5": {"Walking": 4}}))
    assert (tmp_path / "out" / "detections.h5").read_bytes() == b"before"


def test_gt_covers_every_take_and_camera_and_never_reads_its_path(tmp_path: Path) -> None:
    report, out = _import(tmp_path, "gt", tmp_path / "not there")
    assert report.source == "gt"
    assert {s: (c.takes, c.sequences, c.frames) for s, c in report.subjects.items()} == {
        "S1": (2, 8, 32),
        "S9": (1, 4, 16),
    }
    with DetectionsFile(out / "detections.h5") as detections:
        assert detections.serials("S9", "Walking") == list(SERIALS)
        assert detections.sequence("S9", "Walking", SERIALS[0]).keypoints_px.shape == (4, 17, 2)


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there: not found"):
        _import(tmp_path, "cpn", tmp_path / "not there")


def _hourglass_files(folder: str) -> dict[str, bytes]:
    rng = np.random.default_rng(2)
    files = {}
    for subject, takes in _FRAMES.items():
        for take, frames in takes.items():
            for serial in SERIALS:
                content = io.BytesIO()
                with h5py.File(content, "w") as file:
                    file["poses"] = rng.uniform(0, 1000, size=(frames, 16, 2))
                files[f"{subject}/{folder}/{take.replace(' ', '_')}.{serial}.h5"] = content.getvalue()
    return files


def test_zip_tree_and_any_order_of_members_give_the_same_bytes(tmp_path: Path) -> None:
    files = _hourglass_files("StackedHourglass")
    paths = []
    for name, members in (("a", list(files)), ("b", list(reversed(files)))):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "h36m.zip")
        with zipfile.ZipFile(paths[-1], "w") as archive:
            for member in members:
                archive.writestr(f"h36m/{member}", files[member])
    tree = tmp_path / "tree"
    for member, content in files.items():
        (tree / member).parent.mkdir(parents=True, exist_ok=True)
        (tree / member).write_bytes(content)
    written = set()
    for path in (*paths, tree):
        report, out = _import(tmp_path, "hourglass_pretrained", path)
        assert report.joints == H36M16.joints
        written.add((out / "detections.h5").read_bytes())
    assert len(written) == 1


def test_a_member_that_is_in_the_tar_twice_is_refused(tmp_path: Path) -> None:
    files = _hourglass_files("StackedHourglassFineTuned240")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in (*files, next(iter(files))):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    with pytest.raises(InputError, match=rf"a.tar.gz: S1 Directions 1, camera {SERIALS[0]}: is there twice"):
        _import(tmp_path, "hourglass_finetuned", tmp_path / "a.tar.gz")


def test_the_import_needs_neither_torch_nor_mlflow() -> None:
    code = "import sys, wsgcn.detections.importing; print({'torch', 'mlflow', 'matplotlib'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


# --- the shared files


@pytest.fixture(scope="module")
def shared_poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the shared motion is not at {SHARED.relative_to(ROOT.parent)}")
    folder = tmp_path_factory.mktemp("shared")
    subjects = Subjects(labelled=["S1"], labelled_takes=1.0, unlabelled=[], validation=[], test=["S9", "S11"])
    data = RawData(
        raw=str(SHARED), layout="martinez_zip", unit="auto", up="auto", drop_bad_frames=False, subjects=subjects
    )
    preprocess(data, folder / "poses.h5", folder / "preprocess.json")
    return folder / "poses.h5"


def _import_shared(poses: Path, source: str) -> tuple[Any, Path]:
    out = poses.with_name(f"{source}.h5")
    report = import_detections(
        DetectionsSection.model_validate({"source": source, "joints": "auto", "path": str(SHARED)}),
        poses,
        out,
        out.with_suffix(".json"),
    )
    return report, out


@pytest.fixture(scope="module")
def shared_gt(shared_poses: Path) -> Path:
    return _import_shared(shared_poses, "gt")[1]


@pytest.mark.parametrize(
    ("source", "largest_px"), [("cpn", 9.0), ("hourglass_finetuned", 11.5), ("hourglass_pretrained", 18.0)]
)
def test_the_shared_detections_lie_on_the_exact_projections_joint_by_joint(
    source: str, largest_px: float, shared_poses: Path, shared_gt: Path
) -> None:
    """Camera order, joint order and units at once: each joint is nearest to its own projection, and near it."""
    report, path = _import_shared(shared_poses, source)
    with DetectionsFile(path) as detections, DetectionsFile(shared_gt) as exact:
        own = [exact.joints.index(joint) for joint in detections.joints]
        for serial in SERIALS:
            found_px, exact_px = (
                np.concatenate(
                    [
                        file.sequence(subject, take, serial).keypoints_px[::10]
                        for subject in file.subjects
                        for take in file.takes(subject)
                    ]
                )
                for file in (detections, exact)
            )
            distances_px = np.linalg.norm(found_px[:, :, None] - exact_px[:, None, own], axis=-1)
            median_px = np.median(distances_px, axis=0)  # (detected joint, exact joint)
            assert np.diag(median_px).max() < largest_px
            np.testing.assert_array_equal(median_px.argmin(axis=1), np.arange(len(own)))
    assert sum(counts.sequences for counts in report.subjects.values()) == 209 * 4
    assert report.ignored_takes == ["S11 Directions"]
    assert not report.missing_subjects + report.missing_takes + report.missing_cameras


def test_the_shared_cpn_detections_are_trimmed_to_the_capture(shared_poses: Path, shared_gt: Path) -> None:
    report, path = _import_shared(shared_poses, "cpn")
    assert report.trimmed_sequences > 0
    assert report.trimmed_frames <= 2 * report.trimmed_sequences
    with DetectionsFile(path) as detections, DetectionsFile(shared_gt) as exact:
        for subject in exact.subjects:
            for take in exact.takes(subject):
                for serial in SERIALS:
                    assert detections.frames(subject, take, serial) == exact.frames(subject, take, serial)


def test_an_order_named_for_a_source_that_has_its_own_is_refused(tmp_path: Path) -> None:
    poses = write_tiny_capture(tmp_path, ("S9",), ("Walking",), 3)[0]
    for source in ("gt", "hourglass_finetuned", "evoskeleton"):
        params = DetectionsSection(source=source, joints="coco", path=str(tmp_path))
        with pytest.raises(InputError, match=r"detections\.joints: is coco, but .* own; expected auto\."):
            import_detections(params, poses, tmp_path / "d.h5", tmp_path / "d.json")
