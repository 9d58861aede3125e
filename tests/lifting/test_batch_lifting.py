import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.lifting.test_lifter import checkpoint_path, lifter  # noqa: F401
from tests.people import SIZE, person_px, triples
from tests.tiny import write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.lifting.angles import ANGLES, CAMERA_UP, SIGNS, joint_angles_deg
from wsgcn.lifting.batch_lifting import lift_file
from wsgcn.lifting.lifter import Options
from wsgcn.lifting.writers.formats import read_lifted

OPTIONS = Options(max_gap=4, smooth=5)
METADATA = {"joints": "coco", "width": str(SIZE[0]), "height": str(SIZE[1])}


def holed(frames, seed):
    """A person (T, 17, 3) with short and long holes."""
    points = triples(frames, seed=seed)
    for start, length in ((5, 3), (20, 9), (31, 4), (45, 1)):
        points[start : start + length] = 0
    points[10:13, 9] = 0
    return points


def write_parquet(path, people, metadata=METADATA):
    """`people` is name -> (T, 17, 3)."""
    points = np.concatenate(list(people.values()))
    columns = {
        "frame": np.concatenate([np.arange(len(each)) for each in people.values()]),
        "person": [name for name, each in people.items() for _ in each],
        "keypoints_px": list(points[..., :2].reshape(len(points), -1)),
        "scores": list(points[..., 2]),
    }
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


PEOPLE = {"a": holed(70, "a"), "b": holed(50, "b"), "c": triples(3, seed="c")}


@pytest.mark.parametrize("intrinsics", [None, 1145])
@pytest.mark.parametrize("piece_frames", [7, 64, 1000])
def test_pieces_of_any_size_give_what_the_whole_track_gives(lifter, tmp_path, piece_frames, intrinsics):  # noqa: F811
    source = write_parquet(tmp_path / "in.parquet", PEOPLE)
    target = tmp_path / "out.h5"
    summary = lift_file(
        lifter, source, target, intrinsics=intrinsics, fps=30, options=OPTIONS, piece_frames=piece_frames
    )
    assert (summary.people, summary.frames) == (3, 123)
    lifted = {each.person: each for each in read_lifted(target)}
    for person, points in PEOPLE.items():
        whole = lifter.lift(points, SIZE, joints="coco", intrinsics=intrinsics, options=OPTIONS)
        assert (whole.missing.sum() == 9) == (person != "c")
        np.testing.assert_array_equal(lifted[person].missing, whole.missing)
        np.testing.assert_array_equal(lifted[person].interpolated, whole.interpolated)
        np.testing.assert_array_equal(lifted[person].frames, whole.frames)
        np.testing.assert_allclose(lifted[person].pose_m, whole.pose_m, atol=1e-4)
        if intrinsics:
            np.testing.assert_allclose(lifted[person].root_m, whole.root_m, atol=1e-2)
    assert lifted["a"].metadata["fps"] == 30
    assert lifted["a"].metadata["size_px"] == list(SIZE)


def test_parquet_holds_the_same_as_hdf5(lifter, tmp_path):  # noqa: F811
    source = write_parquet(tmp_path / "in.parquet", PEOPLE)
    lift_file(lifter, source, tmp_path / "out.h5", intrinsics=1145, options=OPTIONS)
    lift_file(lifter, source, tmp_path / "out.parquet", intrinsics=1145, options=OPTIONS, piece_frames=16)
    table = pq.read_table(tmp_path / "out.parquet")
    metadata = json.loads(table.schema.metadata[b"wsgcn"])
    assert (metadata["unit"], metadata["source"], metadata["source_joints"]) == ("metre", "in.parquet", "coco")
    rows = table.to_pylist()
    start = 0
    for expected in read_lifted(tmp_path / "out.h5"):
        mine = rows[start : start + len(expected)]
        start += len(expected)
        assert {row["person"] for row in mine} == {expected.person}
        assert [row["frame"] for row in mine] == expected.frames.tolist()
        for row, pose_m, root_m, missing in zip(mine, expected.pose_m, expected.root_m, expected.missing, strict=True):
            assert row["missing"] == missing
            if missing:
                assert row["pose_m"] is None
                assert row["root_m"] is None
            else:
                np.testing.assert_allclose(row["pose_m"], pose_m.ravel(), atol=1e-4)
                np.testing.assert_allclose(row["root_m"], root_m, atol=1e-2)
            angles_A = [np.nan if row[f"{name}_deg"] is None else row[f"{name}_deg"] for name in ANGLES]
            expected_A = joint_angles_deg(pose_m[None], expected.skeleton, CAMERA_UP)[0]
            near_A = np.array(["plane" not in name for name in ANGLES])  # the others jump where an arm comes to hang
            np.testing.assert_allclose(np.array(angles_A)[near_A], expected_A[near_A], atol=0.1)
    assert start == len(rows)
    assert metadata["angles"] == SIGNS


def test_without_intrinsics_parquet_has_no_root(lifter, tmp_path):  # noqa: F811
    source = write_parquet(tmp_path / "in.parquet", {"a": PEOPLE["c"]})
    lift_file(lifter, source, tmp_path / "out.parquet")
    assert "root_m" not in pq.read_schema(tmp_path / "out.parquet").names


def test_every_sequence_of_a_detections_h5_is_lifted(lifter, tmp_path):  # noqa: F811
    source = write_tiny_capture(tmp_path, subjects=("S9",), takes=("Eating", "Walking 1"))[1]
    summary = lift_file(lifter, source, tmp_path / "out.h5", piece_frames=6)
    assert (summary.people, summary.frames, summary.missing) == (8, 160, 0)
    for lifted in read_lifted(tmp_path / "out.h5"):
        whole = lifter.lift(source, person=lifted.person)
        np.testing.assert_allclose(lifted.pose_m, whole.pose_m, atol=1e-4)
        assert lifted.metadata["size_px"] == whole.metadata["size_px"]


def test_a_bad_frame_late_in_the_file_is_named_and_leaves_no_target(lifter, tmp_path):  # noqa: F811
    points = triples(60)
    points[50, 9, :2] = 9000
    source = write_parquet(tmp_path / "in.parquet", {"a": points})
    for suffix in (".parquet", ".h5"):
        with pytest.raises(InputError, match=r"in\.parquet: in frame 50 LWrist lies at \(9000, 9000\) px"):
            lift_file(lifter, source, tmp_path / f"out{suffix}", piece_frames=10)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_what_the_file_does_not_know_must_be_given(lifter, tmp_path):  # noqa: F811
    source = write_parquet(tmp_path / "in.parquet", PEOPLE, metadata={})
    with pytest.raises(InputError, match="does not say the order of its joints"):
        lift_file(lifter, source, tmp_path / "out.h5")
    with pytest.raises(InputError, match="does not say how large its pictures are"):
        lift_file(lifter, source, tmp_path / "out.h5", joints="coco")
    assert lift_file(lifter, source, tmp_path / "out.h5", SIZE, joints="coco").frames == 123


def test_other_formats_are_one_sentence(lifter, tmp_path):  # noqa: F811
    np.savez(tmp_path / "a.npz", keypoints=person_px(3, "coco"), joints="coco")
    with pytest.raises(InputError, match=r"a\.npz: is arrays, expected Parquet or a detections\.h5"):
        lift_file(lifter, tmp_path / "a.npz", tmp_path / "out.h5")
    with pytest.raises(InputError, match=r"out\.csv: has the suffix '\.csv', expected \.parquet or \.h5"):
        lift_file(lifter, tmp_path / "a.npz", tmp_path / "out.csv")
