"""The teacher: what it knows, what it writes, and that training with it repeats and resumes."""

import copy
import shutil
from dataclasses import replace

import h5py
import pytest
import torch

from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.networks import build_network
from wsgcn.pose.camera import project, undistort, world_to_camera
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections, Poses, Sequence2D, create_detections
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.sets import load_sets
from wsgcn.training.stages import train_weakly, warm_up
from wsgcn.training.trainer import Trainer

CPU = torch.device("cpu")
TAUGHT = {
    "weak__pseudo_labels__share": 0.5,
    "weak__pseudo_labels__poses": 40,
    "weak__reprojection_weight": 0.0,
    "weak__bone_weight": 0.0,
    "weak__root": "solved",
    "training__epoch_steps": 4,
}
OURS = TAUGHT | {
    "augmentation__mirror": True,
    "augmentation__turn": True,
    "augmentation__place": True,
    "augmentation__size": 0.06,
    "augmentation__bones": 0.05,
    "training__loss": "mean_distance",
    "training__schedule": "cosine",
    "training__average": 0.9,
}
SYNCHRONISED = OURS | {"weak__views": "synchronised"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"))


def sets_of(capture, **changes):
    params = WeakParams.of(tiny_params(**changes))
    return load_sets(params, params.weak, *capture, CPU), params


def network_of(params, seed=0):
    return build_network(H36M16, params.model, seed)


class Truth(torch.nn.Module):
    """Answers with the true pose of the 2D that it is given, mirrored 2D too."""

    def __init__(self, keypoints_NJ2, pose_NJ3):
        super().__init__()
        flip_3, mirror = torch.tensor([-1.0, 1.0, 1.0]), torch.tensor(H36M16.mirror)
        self.keypoints = torch.cat((keypoints_NJ2, keypoints_NJ2[:, mirror] * flip_3[:2])).flatten(1)
        self.pose = torch.cat((pose_NJ3, pose_NJ3[:, mirror] * flip_3))

    def forward(self, keypoints_BJ2):
        distance = torch.cdist(keypoints_BJ2.flatten(1), self.keypoints, compute_mode="donot_use_mm_for_euclid_dist")
        assert distance.amin(1).max() == 0
        return self.pose[distance.argmin(1)]


def truth_of_s5(capture):
    """World poses of S5 as each camera sees them, in the order of the unlabelled set: (N, 16, 3) camera frame."""
    joints = H36M16.indices_in(H36M17.joints, "")
    parts = []
    with Poses(capture[0]) as poses, Detections(capture[1]) as detections:
        for take in detections.takes("S5"):
            for serial in detections.serials("S5", take):
                camera = detections.camera("S5", serial)
                world_m = torch.from_numpy(poses.positions_m("S5", take)[:, joints].astype(float))
                place_m = torch.tensor(camera.translation_m, dtype=torch.float64)
                parts.append(world_to_camera(world_m, torch.tensor(camera.rotation), place_m))
    return torch.cat(parts)


def taught_joints(teacher):
    """Root-relative world joints of the pseudo-labelled poses (N, 16, 3) from their bones."""
    bones = (teacher.poses.directions_NE3 * teacher.poses.lengths_NE[..., None])[teacher.first :]
    joints = torch.zeros(len(bones), 16, 3)
    for bone, (child, parent) in enumerate(H36M16.bones):
        joints[:, child] = joints[:, parent] + bones[:, bone]
    return joints


def test_a_teacher_that_knows_the_truth_writes_the_truth(capture):
    """The tiny people have no bones of one length, so these are held loosely here."""
    sets, _ = sets_of(capture, **TAUGHT, weak__pseudo_labels__bone_sd_m=1.0, weak__pseudo_labels__depth_sd_m=0.001)
    teacher, truth = sets.teacher, truth_of_s5(capture)
    source = teacher._source
    teacher.teach(Truth(source.unlabelled.keypoints_NJ2, (truth - truth[:, :1]).float()), epoch=0)
    index = teacher._spread(len(truth), 0)
    standing = teacher.poses.camera_N[teacher.first :]
    seen = taught_joints(teacher) @ teacher.poses.rotation_K33[standing].mT
    torch.testing.assert_close(seen.double(), (truth - truth[:, :1])[index], atol=2e-3, rtol=0)


def test_synchronised_views_give_the_truth_without_a_network(capture):
    sets, _ = sets_of(capture, **SYNCHRONISED)
    teacher, truth = sets.teacher, truth_of_s5(capture)
    teacher.teach(torch.nn.Identity(), epoch=3)
    assert len(teacher) == 40
    views = teacher._source.views.pose_MV[teacher._spread(len(teacher._source.views.pose_MV), 3)].T.flatten()
    standing = teacher.poses.camera_N[teacher.first :]
    seen = taught_joints(teacher) @ teacher.poses.rotation_K33[standing].mT
    torch.testing.assert_close(seen.double(), (truth - truth[:, :1])[views], atol=1e-4, rtol=0)
    joints = H36M16.indices_in(H36M17.joints, "")
    with Poses(capture[0]) as poses:
        lowest = {round(float(poses.positions_m("S5", take)[frame, joints, 2].min()), 4)
                  for take in poses.takes("S5") for frame in range(20)}  # fmt: skip
    found = teacher.poses.lowest_N[teacher.first :]
    assert all(min(abs(height - other) for other in lowest) < 2e-4 for height in found.tolist())


def test_pseudo_labels_project_onto_their_2d(capture):
    """Whatever the network says (here that everybody is flat) the joints lie on their rays."""
    sets, _ = sets_of(capture, **TAUGHT)
    teacher, truth = sets.teacher, truth_of_s5(capture)
    unlabelled = teacher._source.unlabelled
    flat = (truth - truth[:, :1]) * torch.tensor([1.0, 1.0, 0.0])
    index, camera_frame = teacher._lifted(Truth(unlabelled.keypoints_NJ2, flat.float()), 1)
    assert (camera_frame[..., 2] > 1).all()
    projected = project(camera_frame, unlabelled.intrinsics_K9[unlabelled.camera_N[index]].double())
    torch.testing.assert_close(projected, unlabelled.keypoints_NJ2[index].double(), atol=1e-5, rtol=0)


def test_no_3d_of_the_unlabelled_is_read(capture, tmp_path):
    """With every position of S5 made NaN, and its cameras' places and axes made another's, nothing changes."""
    _, params = sets_of(capture, **OURS)
    spoiled = tmp_path / "poses.h5"
    shutil.copy(capture[0], spoiled)
    with h5py.File(spoiled, "r+") as file:
        for take in file["S5"]:
            file[f"S5/{take}/positions_m"][:] = float("nan")
    detections = tmp_path / "detections.h5"
    shutil.copy(capture[1], detections)
    with h5py.File(detections, "r+") as file:
        for camera in file["cameras/S5"].values():
            camera.attrs["translation_m"] = [float("nan")] * 3
            camera.attrs["orientation_wxyz"] = [1.0, 0.0, 0.0, 0.0]
    for poses_path, detections_path in ((spoiled, capture[1]), (capture[0], detections)):
        whole, other = (
            load_sets(params, params.weak, *paths, CPU) for paths in (capture, (poses_path, detections_path))
        )
        for sets in (whole, other):
            sets.teacher.teach(network_of(params), epoch=0)
        assert torch.equal(taught_joints(whole.teacher), taught_joints(other.teacher))
        assert torch.equal(whole.teacher.poses.place_N2, other.teacher.poses.place_N2)


def test_labelled_poses_stay_as_they_are_and_the_batch_has_the_share_asked_for(capture):
    sets, params = sets_of(capture, **TAUGHT | {"weak__pseudo_labels__share": 0.25})
    before = copy.deepcopy(sets.labelled.world)
    trainer = Trainer.start(network_of(params), params.training, 0, sets, {"supervised": 1.0})
    sets.teacher.teach(trainer.network, 0)
    first = len(sets.labelled)
    assert sets.teacher.first == first
    for name in ("directions_NE3", "lengths_NE", "lowest_N", "place_N2", "camera_N"):
        assert torch.equal(getattr(sets.teacher.poses, name)[:first], getattr(before, name)[:first])
    index = trainer._labelled_indices(10)
    assert index.shape == (10, 16)
    assert (index[:, :12] < first).all()
    assert ((index[:, 12:] >= first) & (index[:, 12:] < first + 40)).all()
    assert len(index[:, 12:].unique()) == 40, "ten steps of four are one pass"


def test_epochs_teach_other_poses_and_the_same_epoch_the_same(capture):
    sets, params = sets_of(capture, **TAUGHT)
    network = network_of(params)
    found = []
    for epoch in (0, 1, 0):
        sets.teacher.teach(network, epoch)
        found.append(taught_joints(sets.teacher))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    spread = sets.teacher._spread(1000, 5)
    assert len(spread.unique()) == 40
    assert ((spread[1:] - spread[:-1]) == 25).all()


def test_a_detectors_errors_go_along_from_labelled_poses(capture, tmp_path):
    path = tmp_path / "detected.h5"
    generator = torch.Generator().manual_seed(0)
    with Detections(capture[1]) as exact, create_detections(path, "cpn", "a detector", exact.joints) as detected:
        detected.add_cameras(exact.cameras())
        for subject in ("S1", "S5"):
            for take in exact.takes(subject):
                for serial in exact.serials(subject, take):
                    keypoints_px = exact.sequence(subject, take, serial).keypoints_px
                    noise_px = 5 * torch.randn(keypoints_px.shape, generator=generator).numpy()
                    detected.add(Sequence2D(subject, take, serial, keypoints_px + noise_px))
    sets, params = sets_of((capture[0], path), **TAUGHT)
    sets.teacher.teach(network_of(params), 0)
    residual = sets.teacher.poses.residual_NJ2
    of_labels = {tuple(row.flatten().tolist()) for row in residual[: sets.teacher.first]}
    assert all(tuple(row.flatten().tolist()) in of_labels for row in residual[sets.teacher.first :])


@pytest.mark.parametrize("settings", [OURS, SYNCHRONISED], ids=["independent", "synchronised"])
def test_a_run_broken_after_any_epoch_is_the_unbroken_one_to_the_bit(capture, tmp_path, settings):
    params = tiny_params(**settings, weak__epochs=3)
    weak = WeakParams.of(params)
    warm_up(WarmupParams.of(params), *capture, tmp_path / "warmup.pt", tmp_path / "warmup.csv")
    train_weakly(weak, tmp_path / "warmup.pt", *capture, tmp_path / "weak.pt", tmp_path / "weak.csv")
    whole = load_checkpoint(tmp_path / "weak.pt")
    checkpoint = load_checkpoint(tmp_path / "warmup.pt")
    for _ in range(3):  # each epoch in a trainer of its own, from what a checkpoint holds
        sets = load_sets(weak, weak.weak, *capture, CPU)
        trainer = Trainer.resume(checkpoint, params.training, params.seed, sets, {"supervised": 1.0}, epochs=4)
        trainer.run_epoch()
        checkpoint = replace(
            checkpoint,
            weights=copy.deepcopy(dict(trainer.network.state_dict())),
            average=copy.deepcopy(dict(trainer.average.network.state_dict())),
            optimiser=trainer.optimiser_state(),
            epoch=trainer.epoch,
            step=trainer.step,
        )
    assert checkpoint.step == whole.step == 16
    for name in whole.weights:
        assert torch.equal(checkpoint.weights[name], whole.weights[name])
        assert torch.equal(checkpoint.average[name], whole.average[name])


def test_the_number_of_threads_changes_no_bit(capture):
    sets, params = sets_of(capture, **OURS)
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            sets.teacher.teach(network_of(params), 0)
            found.append(taught_joints(sets.teacher))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_compiled_network_lifts_in_the_threads_of_the_run(capture, monkeypatch):
    from wsgcn.model.cpu import crew, folded

    asked = []

    def share_out(kernel, count, portion, threads, *arguments):
        asked.append((threads, torch.get_num_threads()))
        crew.share_out(kernel, count, portion, threads, *arguments)

    monkeypatch.setattr(folded, "share_out", share_out)
    sets, params = sets_of(capture, **OURS)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        sets.teacher.teach(network_of(params), 0)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert set(asked[-2:]) == {(3, 1)}, "both ways round"


def test_without_losses_of_the_2d_the_unlabelled_are_in_no_batch(capture):
    sets, _ = sets_of(capture, **TAUGHT)
    assert sets.unlabelled is None
    sets, _ = sets_of(capture, **TAUGHT | {"weak__reprojection_weight": 0.1})
    assert sets.unlabelled is not None
    assert sets.teacher is not None


def test_a_share_of_none_has_no_teacher(capture):
    assert sets_of(capture)[0].teacher is None


def test_a_camera_that_no_labelled_subject_has_is_named(capture, tmp_path):
    path = tmp_path / "detections.h5"
    with Detections(capture[1]) as before, create_detections(path, "gt", "exact projections", before.joints) as after:
        cameras = before.cameras()
        serial, camera = next(iter(cameras["S5"].items()))
        cameras["S5"] = {"77": replace(camera, serial="77")}
        after.add_cameras(cameras)
        for subject in ("S1", "S5"):
            for take in before.takes(subject):
                if subject == "S5":
                    after.add(replace(before.sequence(subject, take, serial), serial="77"))
                else:
                    for own in before.serials(subject, take):
                        after.add(before.sequence(subject, take, own))
    with pytest.raises(InputError, match=r"the unlabelled S5 is seen by camera 77, which no labelled subject has"):
        sets_of((capture[0], path), **TAUGHT)
    with Detections(path) as detections:
        assert detections.serials("S5", "Eating") == ["77"]


def test_synchronised_views_need_two(capture, tmp_path):
    path = tmp_path / "detections.h5"
    with Detections(capture[1]) as before, create_detections(path, "gt", "exact projections", before.joints) as after:
        after.add_cameras(before.cameras())
        for subject in ("S1", "S5"):
            for take in before.takes(subject):
                for serial in before.serials(subject, take)[: 1 if subject == "S5" else None]:
                    after.add(before.sequence(subject, take, serial))
    with pytest.raises(InputError, match=r"S5 Eating has 1 view; weak\.views: synchronised needs two"):
        sets_of((capture[0], path), **SYNCHRONISED)


def test_synchronised_views_that_nothing_reads_are_an_error():
    with pytest.raises(InputError, match=r"weak: views is synchronised, which pseudo_labels alone reads"):
        tiny_params(weak__views="synchronised")


def test_uv_of_the_teacher_are_the_undistorted_2d(capture):
    sets, _ = sets_of(capture, **TAUGHT)
    source = sets.teacher._source
    index = torch.arange(0, 160, 7)
    intrinsics = source.unlabelled.intrinsics_K9[source.unlabelled.camera_N[index]].double()
    expected = undistort(source.unlabelled.keypoints_NJ2[index].double(), intrinsics)
    assert torch.equal(sets.teacher._uv(index), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("settings", [OURS, SYNCHRONISED], ids=["independent", "synchronised"])
def test_on_cuda_the_captured_step_sees_the_labels_of_each_epoch(capture, settings):
    params = WeakParams.of(tiny_params(**settings))
    weights = []
    for is_captured in (True, False):
        sets = load_sets(params, params.weak, *capture, torch.device("cuda"))
        trainer = Trainer.start(network_of(params), params.training, 0, sets, {"supervised": 1.0}, epochs=2)
        trainer.capture = is_captured
        trainer.run_epoch()
        trainer.run_epoch()
        weights.append(trainer.network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
