"""Lifting with networks over time."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.people import SIZE, triples
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.errors import InputError
from wsgcn.cli import main
from wsgcn.lifting.batch_lifting import lift_file
from wsgcn.lifting.lifter import Lifter, Options
from wsgcn.lifting.writers.formats import read_lifted
from wsgcn.release.checkpoint_info import describe

# Weights that are random lift nobody upright.
pytestmark = pytest.mark.filterwarnings("ignore::wsgcn.lifting.plausibility.PlausibilityWarning")


@pytest.fixture(scope="module")
def lifter(tmp_path_factory):
    path = tmp_path_factory.mktemp("temporal") / "weak.pt"
    write_tiny_checkpoint(path, model__name="temporal", model__temporal__frames=27)
    return Lifter.load(path)


def holed(frames):
    points = triples(frames, seed="a")
    for start, length in ((5, 3), (60, 9), (131, 4)):
        points[start : start + length] = 0
    return points


def write_parquet(path, points):
    columns = {
        "frame": np.arange(len(points)),
        "person": ["a"] * len(points),
        "keypoints_px": list(points[..., :2].reshape(len(points), -1)),
        "scores": list(points[..., 2]),
    }
    metadata = {"joints": "coco", "width": str(SIZE[0]), "height": str(SIZE[1])}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize("fps", [None, 50, 30, 120])
@pytest.mark.parametrize("piece_frames", [7, 64])
def test_pieces_give_what_the_whole_track_gives(lifter, tmp_path, piece_frames, fps):
    points, options = holed(200), Options(max_gap=4, smooth=5)
    source = write_parquet(tmp_path / "in.parquet", points)
    lift_file(lifter, source, tmp_path / "out.h5", fps=fps, options=options, piece_frames=piece_frames)
    (lifted,) = read_lifted(tmp_path / "out.h5")
    whole = lifter.lift(points, SIZE, joints="coco", options=options, fps=fps)
    assert whole.missing.sum() == 9
    np.testing.assert_array_equal(lifted.missing, whole.missing)
    np.testing.assert_allclose(lifted.pose_m, whole.pose_m, atol=1e-5)
    assert np.nanstd(whole.pose_m, axis=0).max() > 0.01


def test_a_long_hole_is_not_seen_across(lifter):
    points, options = triples(120, seed="a"), Options(max_gap=4)
    points[50:60] = 0
    whole = lifter.lift(points, SIZE, joints="coco", options=options)
    parts = [lifter.lift(part, SIZE, joints="coco", options=options) for part in (points[:50], points[60:])]
    np.testing.assert_allclose(whole.pose_m[:50], parts[0].pose_m, atol=1e-6)
    np.testing.assert_allclose(whole.pose_m[60:], parts[1].pose_m, atol=1e-6)


def test_a_clip_of_half_the_rate_is_lifted_as_the_one_that_it_is_half_of(lifter):
    """Motion that is linear between the frames of the slower clip."""
    slow = triples(40, seed="a")
    fast = np.stack((slow[:-1], (slow[:-1] + slow[1:]) / 2), axis=1).reshape(-1, *slow.shape[1:])
    of_slow = lifter.lift(slow, SIZE, joints="coco", fps=25)
    of_fast = lifter.lift(np.concatenate((fast, slow[-1:])), SIZE, joints="coco", fps=50)
    np.testing.assert_allclose(of_slow.pose_m, of_fast.pose_m[::2], atol=1e-5)
    assert (of_slow.about["checkpoint_fps"], of_slow.about["resampled"]) == (50.0, True)
    assert not of_fast.about["resampled"]
    as_it_is = lifter.lift(slow, SIZE, joints="coco")
    assert np.abs(as_it_is.pose_m - of_slow.pose_m).max() > 1e-4


@pytest.mark.parametrize(("fps", "note"), [(None, "taken to have the 50"), (25, "25 frames a second are"), (49.9, "")])
def test_the_command_says_at_which_rate_it_lifts(lifter, tmp_path, capsys, fps, note):
    np.save(tmp_path / "in.npy", triples(30, seed="a"))
    rate = [] if fps is None else ["--fps", str(fps)]
    size = f"{SIZE[0]}x{SIZE[1]}"
    command = ["lift", str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npz"), "--size", size, "--joints", "coco"]
    assert main([*command, "--checkpoint", str(lifter.path), *rate]) == 0
    said = capsys.readouterr().err
    assert note in said
    assert ("frames a second" in said) == bool(note)


def test_a_rate_beyond_all_resampling_is_refused(lifter):
    with pytest.raises(InputError, match=r"fps: is 0\.1, but .* has learnt 50 frames a second"):
        lifter.lift(triples(30, seed="a"), SIZE, joints="coco", fps=0.1)


def test_info_says_the_rate_and_the_frames_seen(lifter):
    text = describe(lifter.path)
    assert "sees 27 frames, 13 before and 13 after" in text
    assert "50 frames a second" in text
