import h5py
import numpy as np
import pytest
import torch

from tests.tiny import tiny_params, tiny_positions_m, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import project
from wsgcn.pose.sequences import chosen_takes, count_poses, split_takes, takes_of
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections, Poses
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.sets import (
    Shuffle,
    SolvedRootSource,
    TrueRootSource,
    load_labelled,
    load_sets,
    load_unlabelled,
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"))


@pytest.fixture
def capture(paths):
    """Both files, open."""
    with Poses(paths[0]) as poses, Detections(paths[1]) as detections:
        yield poses, detections


def test_labels_are_root_relative_camera_coordinates_of_every_camera(capture):
    labelled = load_labelled(*capture, [("S1", "Eating")], H36M17)
    assert len(labelled) == 4 * 20
    camera = human36m_cameras()["S1"]["54138969"]
    positions = tiny_positions_m("S1", "Eating", 20).astype(np.float64)
    frame_7 = (positions[7] - camera.translation_m) @ camera.rotation.T
    np.testing.assert_allclose(labelled.pose_NJ3[7], frame_7 - frame_7[0], atol=1e-6)
    assert torch.count_nonzero(labelled.pose_NJ3[:, 0]) == 0


def test_16_joints_are_17_without_neck(capture):
    without = load_labelled(*capture, [("S1", "Eating")], H36M16)
    full = load_labelled(*capture, [("S1", "Eating")], H36M17)
    kept = [index for index, joint in enumerate(H36M17.joints) if joint != "Neck/Nose"]
    torch.testing.assert_close(without.pose_NJ3, full.pose_NJ3[:, kept])
    torch.testing.assert_close(without.keypoints_NJ2, full.keypoints_NJ2[:, kept])


def test_stride_keeps_every_nth_frame_of_each_sequence(capture):
    every, third = (load_labelled(*capture, [("S1", "Eating")], H36M16, stride) for stride in (1, 3))
    torch.testing.assert_close(third.pose_NJ3, every.pose_NJ3.view(4, 20, 16, 3)[:, ::3].flatten(0, 1))
    assert count_poses(capture[1], [("S1", "Eating")], 3) == len(third) == 4 * 7


def test_labels_project_onto_the_2d_input_at_the_true_root(capture):
    takes = takes_of(capture[1], ["S1"])
    labelled = load_labelled(*capture, takes, H36M16)
    unlabelled = load_unlabelled(capture[1], takes, H36M16, poses=capture[0])
    assert isinstance(unlabelled.roots, TrueRootSource)
    placed = labelled.pose_NJ3 + unlabelled.roots.root_N3[:, None]
    projected = project(placed, unlabelled.intrinsics_K9[unlabelled.camera_N])
    torch.testing.assert_close(projected, unlabelled.keypoints_NJ2, atol=2e-6, rtol=0)


def test_the_solved_root_of_a_true_pose_is_the_true_root(capture):
    takes = takes_of(capture[1], ["S5"])
    truth = load_unlabelled(capture[1], takes, H36M16, poses=capture[0]).roots
    solved = load_unlabelled(capture[1], takes, H36M16).roots
    pose = load_labelled(*capture, takes, H36M16).pose_NJ3
    index = torch.arange(len(pose))
    torch.testing.assert_close(solved.select(index).of(pose), truth.select(index).of(pose), atol=2e-3, rtol=0)


def test_a_set_with_solved_roots_holds_no_3d_and_needs_none(capture):
    """It is not even given poses.h5; and nothing in detections.h5 is 3D."""
    unlabelled = load_unlabelled(capture[1], takes_of(capture[1], ["S5"]), H36M16)
    assert isinstance(unlabelled.roots, SolvedRootSource)
    with h5py.File(capture[1].path) as file:
        widths = set()
        file.visititems(lambda _, item: widths.add(item.shape[-1]) if isinstance(item, h5py.Dataset) else None)
    assert widths == {2}


def test_a_missing_subject_is_named(capture):
    with pytest.raises(InputError, match=r"detections\.h5: has no S7"):
        takes_of(capture[1], ["S7"])


def test_no_subjects_give_an_empty_set(capture):
    assert len(load_unlabelled(capture[1], [], H36M16, poses=capture[0])) == 0
    assert len(load_unlabelled(capture[1], [], H36M16)) == 0
    assert len(load_labelled(*capture, [], H36M16)) == 0


@pytest.mark.parametrize("root", ["ground_truth", "solved"])
def test_a_batch_is_the_poses_of_its_indices_with_the_labelled_ones_first(paths, root):
    params = WeakParams.of(tiny_params(weak__root=root))
    sets = load_sets(params, params.weak, *paths, torch.device("cpu"))
    labelled, unlabelled = sets.labelled, sets.unlabelled
    a, b = torch.tensor([3, 0, 3]), torch.tensor([150, 7])
    batch = sets.batch(a, b)
    assert torch.equal(batch.keypoints_BJ2, torch.cat((labelled.keypoints_NJ2[a], unlabelled.keypoints_NJ2[b])))
    assert torch.equal(batch.truth_LJ3, labelled.pose_NJ3[a])
    assert torch.equal(batch.unlabelled.intrinsics_U9, unlabelled.intrinsics_K9[unlabelled.camera_N[b]])
    predicted_BJ3 = torch.randn(5, 16, 3, generator=torch.Generator().manual_seed(0))
    of_labelled, of_unlabelled = batch.split(predicted_BJ3)
    assert torch.equal(of_labelled, predicted_BJ3[:3])
    assert torch.equal(of_unlabelled, predicted_BJ3[3:])
    roots = batch.unlabelled.roots.of(of_unlabelled)
    assert torch.equal(roots, unlabelled.roots.select(b).of(of_unlabelled))
    assert root == "solved" or torch.equal(roots, unlabelled.roots.root_N3[b])


def test_the_warm_up_counts_the_unlabelled_poses_and_loads_none(paths):
    params = WeakParams.of(tiny_params())
    weak = load_sets(params, params.weak, *paths, torch.device("cpu"))
    warmup = load_sets(params, None, *paths, torch.device("cpu"))
    assert weak.unlabelled is not None
    assert warmup.unlabelled is None
    assert warmup.steps_per_epoch == weak.steps_per_epoch == 10
    assert warmup.batch(torch.tensor([0, 1]), torch.tensor([0])).unlabelled is None


def test_a_share_of_takes_is_held_out_whole_and_repeatably():
    takes = [("S1", f"Eating {number}") for number in range(10)]
    kept, held_out = split_takes(takes, 0.3, seed=1)
    assert len(held_out) == 3
    assert sorted(kept + held_out) == sorted(takes)
    assert (kept, held_out) == split_takes(takes, 0.3, seed=1)
    assert held_out != split_takes(takes, 0.3, seed=2)[1]
    with pytest.raises(InputError, match="validation"):
        split_takes(takes[:1], 0.3, seed=1)


def test_a_pass_of_the_shuffle_draws_every_pose_once_and_the_next_in_another_order():
    shuffle = Shuffle(10, 4, seed=0, role="labelled")
    stream = torch.cat([shuffle.indices(step) for step in range(10)])
    passes = stream.view(4, 10)
    for one_pass in passes:
        assert sorted(one_pass.tolist()) == list(range(10))
    assert len({tuple(one_pass.tolist()) for one_pass in passes}) == 4


def test_a_batch_depends_on_its_step_alone():
    stream = Shuffle(10, 4, seed=0, role="labelled").epoch_indices(0, 8)
    later = Shuffle(10, 4, seed=0, role="labelled").epoch_indices(5, 3)
    torch.testing.assert_close(later, stream[5:])
    assert not torch.equal(stream, Shuffle(10, 4, seed=1, role="labelled").epoch_indices(0, 8))
    assert not torch.equal(stream, Shuffle(10, 4, seed=0, role="unlabelled").epoch_indices(0, 8))


def test_a_batch_may_be_larger_than_the_set():
    indices = Shuffle(3, 8, seed=0, role="labelled").indices(0)
    assert sorted(indices[:3].tolist()) == sorted(indices[3:6].tolist()) == [0, 1, 2]


# A choice of takes


def test_a_share_of_the_takes_is_spread_evenly_over_each_subject():
    takes = [(subject, f"{number:02}") for subject in ("S1", "S5") for number in range(30)]
    tenth = chosen_takes(None, takes, 0.1)
    assert tenth == [(subject, number) for subject in ("S1", "S5") for number in ("00", "10", "20")]
    assert chosen_takes(None, takes, 1.0) == takes
    assert chosen_takes(None, takes[:4], 0.01) == takes[:1], "at least one"
    assert len(chosen_takes(None, takes, 0.5)) == 30


def test_the_takes_of_some_actions(tmp_path):
    poses_path, detections_path = write_tiny_capture(tmp_path, takes=("Eating", "Walking", "Walking 1"))
    with Poses(poses_path) as poses, Detections(detections_path) as detections:
        takes = takes_of(detections, ["S1"])
        assert chosen_takes(poses, takes, ["Walking"]) == [("S1", "Walking"), ("S1", "Walking 1")]
        with pytest.raises(InputError, match=r"labelled_takes: Juggling is no action .* they have Eating, Walking\.$"):
            chosen_takes(poses, takes, ["Walking", "Juggling"])


def test_training_sees_the_chosen_takes_alone(tmp_path):
    capture = write_tiny_capture(tmp_path, takes=("Eating", "Walking", "Walking 1"))
    subjects = {
        "labelled": ["S1"],
        "labelled_takes": ["Eating"],
        "unlabelled": ["S5"],
        "validation": [],
        "test": ["S9"],
    }
    params = WarmupParams.of(tiny_params(data__subjects=subjects))
    few = load_sets(params, None, *capture, torch.device("cpu"))
    assert len(few.labelled) == 20 * 4
    with Poses(capture[0]) as poses, Detections(capture[1]) as detections:
        expected = load_labelled(poses, detections, [("S1", "Eating")], H36M16)
    assert torch.equal(few.labelled.pose_NJ3, expected.pose_NJ3)
