"""Training of networks over time: which frames a window shows, how it is drawn, and that training repeats."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.tiny import AUGMENTED, evaluation_paths, tiny_params, tiny_positions_m, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS
from wsgcn.evaluation.evaluate import evaluate
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.context import Context
from wsgcn.model.networks import build_network
from wsgcn.pose.camera import project, world_to_camera
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections, Poses, Sequence2D, create_detections, create_poses
from wsgcn.training.batch import Batch
from wsgcn.training.losses import TERMS, bone_lengths
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.pseudo_labels import smooth_motion, stand_at_heights
from wsgcn.training.sets import common_fps, load_labelled, load_sets, load_unlabelled
from wsgcn.training.stages import train_weakly, warm_up
from wsgcn.training.teacher import _between
from wsgcn.training.trainer import Trainer, validation_mpjpe_mm
from wsgcn.training.windows import windows_of

CPU = torch.device("cpu")
OVER_TIME = {"model__name": "temporal", "model__temporal__dropout": 0.1}
WIDENED = {
    "augmentation__recombine": 0.5,
    "augmentation__limbs": 0.3,
    "augmentation__tip": 0.3,
    "augmentation__sway": 0.2,
}
TAUGHT = AUGMENTED | {
    "weak__pseudo_labels__share": 0.5,
    "weak__pseudo_labels__poses": 100,
    "weak__root": "solved",
    "training__loss": "mean_distance",
    "training__average": 0.9,
    "training__epoch_steps": 3,
}

SYNCHRONISED = TAUGHT | {"weak__views": "synchronised"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"))


def sets_of(capture, *, weak=False, **changes):
    params = WeakParams.of(tiny_params(**(OVER_TIME | changes)))
    return load_sets(params, params.weak if weak else None, *capture, CPU)


def test_windows_repeat_the_ends_of_runs_and_never_leave_them():
    windows = windows_of([np.array([0, 3, 8]), np.array([0, 4])], Context(2, 1), stride=2)
    assert windows.lifted_M.tolist() == [0, 2, 4, 6, 8, 10]
    assert windows.frames(torch.arange(6)).tolist() == [
        [0, 0, 0, 1],
        [0, 1, 2, 2],
        [3, 3, 4, 5],
        [4, 5, 6, 7],
        [8, 8, 8, 9],
        [8, 9, 10, 11],
    ]


def test_the_stride_is_of_the_lifted_frames_and_what_is_around_them_is_at_the_full_rate(capture):
    with Poses(capture[0]) as poses, Detections(capture[1]) as detections:
        take = [("S1", "Eating")]
        every = load_labelled(poses, detections, take, H36M16)
        third = load_labelled(poses, detections, take, H36M16, 3, Context(1, 1))
        unlabelled = load_unlabelled(detections, take, H36M16, 3, None, Context(1, 1))
    assert len(third) == len(unlabelled) == 4 * 7
    index = torch.tensor([0, 1, 6, 7])
    shown = every.keypoints_NJ2[torch.tensor([[0, 0, 1], [2, 3, 4], [17, 18, 19], [20, 20, 21]])]
    assert torch.equal(third.seen(index), shown)
    assert torch.equal(unlabelled.seen(index), shown)
    assert torch.equal(third.truth(index), every.pose_NJ3[[0, 3, 18, 20]])


def test_dropped_frames_are_not_crossed(tmp_path):
    camera = human36m_cameras()["S1"]["54138969"]
    positions_m = tiny_positions_m("S1", "Eating", 20)
    with (
        create_poses(tmp_path / "poses.h5", ACTIONS) as poses,
        create_detections(tmp_path / "detections.h5", "gt", "exact projections", H36M17.joints) as detections,
    ):
        poses.add_cameras({"S1": {"54138969": camera}})
        detections.add_cameras({"S1": {"54138969": camera}})
        poses.add("S1", "Eating", positions_m, "Eating", 50.0, dropped_frames=[7, 8])
        points_m = world_to_camera(positions_m.astype(float), camera.rotation, np.array(camera.translation_m))
        detections.add(Sequence2D("S1", "Eating", "54138969", project(points_m, camera.intrinsics_px)))
    with Poses(tmp_path / "poses.h5") as read, Detections(tmp_path / "detections.h5") as seen:
        labelled = load_labelled(read, seen, [("S1", "Eating")], H36M16, 1, Context(2, 2))
        unlabelled = load_unlabelled(
            seen, [("S1", "Eating")], H36M16, 1, None, Context(2, 2), dropped_frames=read.dropped_frames
        )
    for windows in (labelled.windows, unlabelled.windows):
        assert windows.frames(torch.tensor([6, 7])).tolist() == [[4, 5, 6, 6, 6], [7, 7, 7, 8, 9]]


def test_a_batch_is_windows_and_the_losses_see_the_lifted_frame(capture):
    sets = sets_of(capture, weak=True, data__stride=2)
    a, b = torch.tensor([3, 0]), torch.tensor([70, 7, 1])
    batch = sets.batch(a, b)
    assert batch.keypoints_BJ2.shape == (5, 9, 16, 2)
    assert torch.equal(batch.lifted_BJ2[:2], sets.labelled.keypoints_NJ2[[6, 0]])
    lifted = sets.unlabelled.windows.lifted_M[b]
    assert torch.equal(batch.lifted_BJ2[2:], sets.unlabelled.keypoints_NJ2[lifted])
    predicted_BJ3 = torch.randn(5, 16, 3, generator=torch.Generator().manual_seed(0))
    single = Batch(batch.lifted_BJ2, batch.truth_LJ3, batch.unlabelled, batch.bone_ends_2EJ)
    for term in (term for term in TERMS if not term.of_trajectory):
        assert term.compute(batch, predicted_BJ3) == term.compute(single, predicted_BJ3)


@pytest.mark.parametrize("camera", ["capture", "any"])
@pytest.mark.parametrize("widened", [{}, WIDENED], ids=["", "widened"])
def test_a_window_is_changed_as_a_whole(capture, camera, widened):
    """Each frame projects exactly, every bone is as much longer in all of them, and the person goes the same way."""
    sets = sets_of(capture, **AUGMENTED, **widened, augmentation__camera=camera)
    index, world, windows = torch.arange(40), sets.labelled.world, sets.labelled.windows
    frames = windows.frames(index)
    before = world.lengths_NE[frames]
    drawer = sets.drawer
    drawn = drawer.draw(world, index, 5, windows)
    projected = project(drawn.pose_BJ3 + drawn.root_B3[:, None], drawn.intrinsics_B9)
    torch.testing.assert_close(drawn.keypoints_BJ2[:, 4], projected)
    # Windows of the frames around, each drawn as this one, show their poses.
    poses, roots = [], []
    for offset in range(9):
        context, drawer._context = drawer._context, Context(offset, 8 - offset)
        others = drawer.draw(world, index, 5, windows)
        drawer._context = context
        poses.append(others.pose_BJ3)
        roots.append(others.root_B3)
        if camera == "capture":
            projected = project(others.pose_BJ3 + others.root_B3[:, None], others.intrinsics_B9)
            torch.testing.assert_close(drawn.keypoints_BJ2[:, offset], projected)
    if widened:
        return
    pose_BTJ3 = torch.stack(poses, 1)
    factor_BTE = bone_lengths(pose_BTJ3, sets.bone_ends_2EJ) / before
    mirror = [joint - 1 for joint in H36M16.mirror[1:]]
    mirrored_BTE = bone_lengths(pose_BTJ3, sets.bone_ends_2EJ) / before[..., mirror]
    spread = torch.minimum(factor_BTE.std(1).amax(1), mirrored_BTE.std(1).amax(1))
    assert spread.max() < 1e-4
    if camera == "capture":
        way_B = (torch.stack(roots, 1)[:, 8, [0, 2]] - roots[0][:, [0, 2]]).norm(dim=1)
        walked_B = (world.place_N2[frames[:, 8]] - world.place_N2[frames[:, 0]]).norm(dim=1)
        assert np.corrcoef(way_B, walked_B)[0, 1] > 0.9


def test_nothing_drawn_gives_the_captured_window(capture):
    sets = sets_of(capture, augmentation__tilt_rad=1e-12)
    index = torch.arange(80)
    batch = sets.batch(index, index, 3)
    torch.testing.assert_close(batch.keypoints_BJ2, sets.labelled.seen(index), atol=2e-6, rtol=0)
    torch.testing.assert_close(batch.truth_LJ3, sets.labelled.truth(index), atol=2e-6, rtol=0)


def test_errors_of_the_2d_differ_from_frame_to_frame_and_missing_joints_do_not(capture):
    exact = sets_of(capture, augmentation__tilt_rad=1e-12)
    index = torch.arange(40)
    truth = exact.batch(index, index, 3).keypoints_BJ2
    noisy = sets_of(capture, augmentation__tilt_rad=1e-12, augmentation__noise=0.01).batch(index, index, 3)
    assert (noisy.keypoints_BJ2 - truth).std(1).min() > 0
    missing = sets_of(capture, augmentation__tilt_rad=1e-12, augmentation__missing=0.5).batch(index, index, 3)
    is_moved_BTJ = (missing.keypoints_BJ2 - truth).abs().amax(-1) > 1e-4
    assert torch.equal(is_moved_BTJ, is_moved_BTJ[:, :1].expand_as(is_moved_BTJ))
    assert is_moved_BTJ.any()


def test_pseudo_labels_are_windows_within_stretches(tmp_path):
    capture = write_tiny_capture(tmp_path, frames=60)
    sets = sets_of(capture, weak=True, **TAUGHT)
    teacher, labelled = sets.teacher, len(sets.labelled)
    assert teacher.first == labelled == 480
    assert len(teacher) == 11 * (27 - 8)  # of 3 x 100 frames
    assert len(teacher.poses) == labelled + 11 * 27
    network = build_network(H36M16, tiny_params(**OVER_TIME).model, 0)
    teacher.teach(network, 0)
    frames_MT = teacher.windows.frames(teacher.first + torch.arange(len(teacher)))
    assert (frames_MT.diff(dim=1) == 1).all()
    assert ((frames_MT - labelled) // 27 == (frames_MT[:, :1] - labelled) // 27).all()
    taught = teacher.poses.place_N2[labelled:].view(11, 27, 2)
    assert taught.diff(dim=1).norm(dim=-1).max() < 0.5 * taught.sub(taught.mean(1, keepdim=True)).norm(dim=-1).max() + 1
    camera_SL = teacher.poses.camera_N[labelled:].view(11, 27)
    assert (camera_SL == camera_SL[:, :1]).all()
    batch = sets.batch(torch.tensor([0, teacher.first]), torch.tensor([0]), 1)
    assert batch.keypoints_BJ2[1].isfinite().all()


def test_depths_between_the_solved_frames_are_linear():
    solved_SMJ = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = _between(solved_SMJ, 8).numpy()
    for frame in range(8):
        expected = [[np.interp(frame, [0, 3, 6], joint) for joint in stretch.T] for stretch in solved_SMJ.numpy()]
        np.testing.assert_allclose(found[:, frame], expected)


def test_smoothing_keeps_steady_motion_and_takes_jitter_away():
    frames = torch.arange(50, dtype=torch.float64)
    steady = frames[None, :, None, None].expand(2, 50, 3, 3).contiguous()
    torch.testing.assert_close(smooth_motion(steady, 2.0)[:, 6:-6], steady[:, 6:-6])
    jitter = (-1.0) ** frames[None, :, None, None].expand(2, 50, 3, 3)
    assert smooth_motion(steady + jitter, 2.0).sub(steady)[:, 6:-6].abs().max() < 0.01
    stood = stand_at_heights(steady, torch.full((2, 50), 0.05, dtype=torch.float64))
    torch.testing.assert_close(stood[..., 2].amin(2).median(1).values, torch.full((2,), 0.05, dtype=torch.float64))
    torch.testing.assert_close(stood.diff(dim=1), steady.diff(dim=1))


def test_training_repeats_resumes_and_is_evaluated_as_a_whole_sequence(capture, tmp_path):
    params = tiny_params(**(OVER_TIME | TAUGHT))
    for name in ("a", "b"):
        warm_up(WarmupParams.of(params), *capture, tmp_path / f"warmup_{name}.pt", tmp_path / "warmup.csv")
    assert (tmp_path / "warmup_a.pt").read_bytes() == (tmp_path / "warmup_b.pt").read_bytes()
    train_weakly(WeakParams.of(params), tmp_path / "warmup_a.pt", *capture, tmp_path / "weak.pt", tmp_path / "weak.csv")
    checkpoint = load_checkpoint(tmp_path / "weak.pt")
    assert (checkpoint.fps, checkpoint.step) == (50.0, 6)
    for name, path in zip(("poses.h5", "detections.h5"), capture, strict=True):
        (tmp_path / name).symlink_to(path)
    report = evaluate(EvaluateParams.of(params), evaluation_paths(tmp_path, tmp_path))
    assert report["frames"] == 2 * 4 * 20
    assert 0 < report["acceleration_error_mm_per_frame2"]["frame_mean"] < 2 * report["mpjve_mm_per_frame"]["frame_mean"]
    # The same by windows.
    params = tiny_params(**(OVER_TIME | TAUGHT | {"evaluate__flip": False}))
    report = evaluate(EvaluateParams.of(params), evaluation_paths(tmp_path, tmp_path))
    with Poses(capture[0]) as poses, Detections(capture[1]) as detections:
        takes = [("S9", take) for take in detections.takes("S9")]
        test = load_labelled(poses, detections, takes, H36M16, 1, Context(4, 4))
    assert validation_mpjpe_mm(checkpoint.network(), test) == pytest.approx(report["mpjpe_mm"]["frame_mean"], abs=1e-3)


def test_the_loss_falls(capture):
    changes = {"training__learning_rate": 0.01, "training__epoch_steps": 30, "training__loss": "mean_distance"}
    params = tiny_params(**OVER_TIME, **changes)
    sets = load_sets(WarmupParams.of(params), None, *capture, CPU)
    trainer = Trainer.start(build_network(H36M16, params.model, 0), params.training, 0, sets, {"supervised": 1.0})
    losses = [trainer.run_epoch()["supervised"] for _ in range(3)]
    assert losses[2] < 0.6 * losses[0]


def test_takes_of_several_rates_are_refused(tmp_path):
    with create_poses(tmp_path / "poses.h5", ACTIONS) as poses:
        for take, fps in (("Eating", 50.0), ("Walking 1", 30.0)):
            poses.add("S1", take, tiny_positions_m("S1", take, 5), take.split()[0], fps)
    with Poses(tmp_path / "poses.h5") as poses, pytest.raises(InputError, match="50 frames a second and S1 Walking 1"):
        common_fps(poses, [("S1", "Eating"), ("S1", "Walking 1")])


def test_synchronised_views_of_stretches_give_the_smoothed_motion_without_a_network(tmp_path):
    capture = write_tiny_capture(tmp_path, frames=60)
    sets = sets_of(capture, weak=True, **(SYNCHRONISED | {"weak__pseudo_labels__poses": 120}))
    teacher, views = sets.teacher, sets.teacher._source.views
    labelled = len(sets.labelled.keypoints_NJ2)
    assert len(teacher.poses) - labelled == 4 * 3 * 27
    teacher.teach(nn.Identity(), 2)
    poses = teacher.poses
    joints = H36M16.indices_in(H36M17.joints, "")
    pose_VSL = views.pose_MV[teacher._instants(views, 2)].T.unflatten(1, (3, 27))
    assert (pose_VSL.diff(dim=2) == 1).all()
    assert len(set(pose_VSL[0, :, 0].tolist())) == 3
    found = torch.zeros(4 * 3 * 27, 16, 3)
    bones = (poses.directions_NE3 * poses.lengths_NE[..., None])[labelled:]
    for bone, (child, parent) in enumerate(H36M16.bones):
        found[:, child] = found[:, parent] + bones[:, bone]
    found = found @ poses.rotation_K33[poses.camera_N[labelled:]].mT  # camera axes
    with Poses(capture[0]) as read:
        seen = [
            world_to_camera(read.positions_m("S5", take)[:, joints].astype(float), camera.rotation, np.zeros(3))
            for take in read.takes("S5")
            for camera in human36m_cameras()["S5"].values()
        ]
    truth = torch.from_numpy(np.concatenate(seen))[pose_VSL.flatten(0, 1)]
    expected = smooth_motion(truth, 2.0).flatten(0, 1)
    torch.testing.assert_close(found.double(), expected - expected[:, :1], atol=1e-4, rtol=0)


def test_where_a_view_ends_sooner_its_last_instant_is_repeated(tmp_path):
    capture = write_tiny_capture(tmp_path, frames=60)
    teacher = sets_of(capture, weak=True, **SYNCHRONISED).teacher
    views = teacher._source.views
    sooner = replace(views, pose_MV=views.pose_MV[(views.pose_MV[:, 0] % 60 < 50)])  # takes of 60 frames, 4 views
    rows = torch.cat([teacher._instants(sooner, epoch) for epoch in range(20)])
    frames = sooner.pose_MV[rows, 0] % 60
    assert frames.max() == 49
    assert ((frames[1:] == 49) & (frames[:-1] == 49)).any()
