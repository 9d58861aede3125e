"""Augmentation, distance losses, cosine and average together: off they change no bit, on they can be resumed."""

import csv

import pytest
import torch

from tests.tiny import AUGMENTED, tiny_params, write_tiny_capture
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import build_network
from wsgcn.pose.camera import project
from wsgcn.pose.sequences import takes_of
from wsgcn.pose.skeleton import H36M16
from wsgcn.pose.store import Detections, Poses, Sequence2D, create_detections
from wsgcn.training.losses import distance_loss, reprojection_distance_loss, reprojection_loss, supervised_loss
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.sets import Shuffle, load_labelled, load_sets
from wsgcn.training.stages import train_weakly, warm_up
from wsgcn.training.trainer import Trainer

CPU = torch.device("cpu")
ON = AUGMENTED | {
    "training__loss": "mean_distance",
    "training__schedule": "cosine",
    "training__warmup_steps": 5,
    "training__average": 0.9,
    "weak__root": "solved",
}
ALONE = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": [], "validation": [], "test": ["S9"]}


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"))


@pytest.fixture
def run(capture, tmp_path):
    """Train with some parameters: returns the weak stage's checkpoint and the folder."""

    def run(folder="run", **changes):
        params, out = tiny_params(**changes), tmp_path / folder
        warm_up(WarmupParams.of(params), *capture, out / "warmup.pt", out / "warmup.csv")
        train_weakly(WeakParams.of(params), out / "warmup.pt", *capture, out / "weak.pt", out / "weak.csv")
        return load_checkpoint(out / "weak.pt"), out

    return run


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_off_is_the_published_training_to_the_bit(capture):
    """Against that training written out: selection of the poses, squared errors, staircase, clipping and Adam."""
    params = WarmupParams.of(tiny_params(training__decay_steps=3, training__decay_factor=0.5))
    sets = load_sets(params, None, *capture, CPU)
    assert sets.drawer is None
    assert sets.labelled.world is None
    network, literal = (build_network(H36M16, params.model, seed=3) for _ in range(2))
    trainer = Trainer.start(network, params.training, 3, sets, {"supervised": 1.0})
    with plain_layers():  # whose clipping and Adam are torch's own
        trainer.run_epoch()

    optimiser = torch.optim.Adam(literal.parameters(), lr=1e-3, fused=True)
    order = Shuffle(len(sets.labelled), 16, seed=3, role="labelled")
    literal.train()
    for step in range(sets.steps_per_epoch):
        optimiser.param_groups[0]["lr"] = 1e-3 * 0.5 ** (step // 3)
        index_B = order.indices(step)
        optimiser.zero_grad()
        with plain_layers():
            predicted_BJ3 = literal(sets.labelled.keypoints_NJ2[index_B])
        supervised_loss(predicted_BJ3, sets.labelled.pose_NJ3[index_B]).backward()
        torch.nn.utils.clip_grad_norm_(literal.parameters(), 1.0)
        optimiser.step()
    assert sets.steps_per_epoch > 6
    assert_equal(network.state_dict(), literal.state_dict())


def test_off_keeps_no_average(run):
    checkpoint, _ = run()
    assert not checkpoint.average
    assert_equal(checkpoint.chosen_weights, checkpoint.weights)


@pytest.mark.parametrize("change", [{}, {"augmentation__camera": "any"}], ids=str)
def test_a_run_broken_between_the_stages_is_the_unbroken_one_to_the_bit(run, change):
    """Weights, average, what is evaluated, optimiser and rate, in the middle of cosine, augmentation and average."""
    settings = ON | {"data__subjects": ALONE} | change
    apart, out = run("apart", warmup__epochs=1, weak__epochs=2, **settings)
    whole, _ = run("whole", warmup__epochs=3, weak__epochs=0, **settings)
    assert apart.step == whole.step == 30
    assert_equal(apart.weights, whole.weights)
    assert_equal(apart.average, whole.average)
    assert_equal(apart.chosen_weights, apart.average)
    assert not torch.equal(*(next(iter(weights.values())) for weights in (apart.weights, apart.average)))
    assert apart.optimiser["param_groups"] == whole.optimiser["param_groups"]
    rates = [float(row["learning_rate"]) for row in csv.DictReader((out / "weak.csv").open(encoding="utf-8"))]
    assert rates[-1] == pytest.approx(1e-3 * 0.01), "the cosine ends with the last stage"


def test_the_same_seed_gives_the_same_bytes(run):
    (_, first), (_, second), (_, other) = run("a", **ON), run("b", **ON), run("c", seed=1, **ON)
    assert (first / "weak.pt").read_bytes() == (second / "weak.pt").read_bytes()
    assert (first / "weak.pt").read_bytes() != (other / "weak.pt").read_bytes()


def test_who_saw_any_camera_is_given_a_usual_one_without_distortion(run):
    assert run(augmentation__camera="any")[0].camera_9 == (2.0, 2.0, *[0.0] * 7)
    assert run()[0].camera_9[4] != 0


def test_the_network_of_a_checkpoint_is_the_average(run):
    checkpoint, _ = run(**ON)
    assert_equal(dict(checkpoint.network().state_dict()), dict(checkpoint.average))


def test_a_warm_up_without_an_average_is_gone_on_from_with_one(run, capture, tmp_path):
    _, out = run()
    params = WeakParams.of(tiny_params(training__average=0.9))
    train_weakly(params, out / "warmup.pt", *capture, tmp_path / "weak.pt", tmp_path / "weak.csv")
    assert load_checkpoint(tmp_path / "weak.pt").average


def test_the_number_of_threads_changes_no_bit_of_what_is_drawn(capture):
    params = WarmupParams.of(tiny_params(**AUGMENTED))
    sets = load_sets(params, None, *capture, CPU)
    index_B, threads, drawn = torch.arange(150), torch.get_num_threads(), []
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            drawn.append(sets.batch(index_B, index_B, 7))
    finally:
        torch.set_num_threads(threads)
    for batch in drawn[1:]:
        assert torch.equal(batch.keypoints_BJ2, drawn[0].keypoints_BJ2)
        assert torch.equal(batch.truth_LJ3, drawn[0].truth_LJ3)


def test_validation_and_the_unlabelled_are_never_drawn_anew(capture):
    subjects = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": ["S5"], "validation": 0.5, "test": ["S9"]}
    params = WeakParams.of(tiny_params(data__subjects=subjects, **AUGMENTED))
    sets = load_sets(params, params.weak, *capture, CPU)
    assert sets.validation.world is None
    index_B = torch.arange(8)
    batch = sets.batch(index_B, index_B, 3)
    assert torch.equal(batch.keypoints_BJ2[8:], sets.unlabelled.keypoints_NJ2[:8])
    assert not torch.equal(batch.keypoints_BJ2[:8], sets.labelled.keypoints_NJ2[:8])


def test_a_detectors_errors_go_along_and_exact_2d_has_none(capture, tmp_path):
    """With a change of nothing but the mirror's coin, half of the poses come back with their very detections."""
    path = tmp_path / "detected.h5"
    generator = torch.Generator().manual_seed(0)
    with (
        Detections(capture[1]) as exact,
        create_detections(path, "cpn", "a detector", exact.joints) as detected,
    ):
        detected.add_cameras({"S1": exact.cameras()["S1"]})
        for subject, take in takes_of(exact, ["S1"]):
            for serial in exact.serials(subject, take):
                keypoints_px = exact.sequence(subject, take, serial).keypoints_px
                noise_px = 5 * torch.randn(keypoints_px.shape, generator=generator).numpy()
                detected.add(Sequence2D(subject, take, serial, keypoints_px + noise_px))
    with Poses(capture[0]) as poses, Detections(path) as noisy, Detections(capture[1]) as exact:
        takes = takes_of(noisy, ["S1"])
        labelled = load_labelled(poses, noisy, takes, H36M16, with_world=True)
        assert load_labelled(poses, exact, takes, H36M16, with_world=True).world.residual_NJ2 is None
    params = WarmupParams.of(tiny_params(augmentation__mirror=True))
    sets = load_sets(params, None, *capture, CPU)
    index_B = torch.arange(len(labelled))
    drawn = sets.drawer.draw(labelled.world, index_B, 0)
    is_plain_B = (drawn.pose_BJ3 - labelled.pose_NJ3).abs().amax((1, 2)) < 1e-5
    assert 0.3 < is_plain_B.float().mean() < 0.7
    torch.testing.assert_close(drawn.keypoints_BJ2[is_plain_B], labelled.keypoints_NJ2[is_plain_B], rtol=0, atol=1e-5)
    exact_BJ2 = project(drawn.pose_BJ3 + drawn.root_B3[:, None], drawn.intrinsics_B9)
    errors_B = (drawn.keypoints_BJ2 - exact_BJ2).square().mean((1, 2)).sqrt()
    expected = 5 * 2 / 1000
    assert errors_B[is_plain_B].mean().item() == pytest.approx(expected, rel=0.1)
    assert errors_B[~is_plain_B].mean().item() == pytest.approx(expected, rel=0.2)


# Losses in metres


def random_poses(seed, count=6):
    return 0.4 * torch.randn(count, 16, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_distance_loss_is_a_mean_over_joints():
    predicted, truth = random_poses(0), random_poses(1)
    distances = [
        sum((p - t) ** 2 for p, t in zip(joint, true_joint, strict=True)) ** 0.5
        for pose, true_pose in zip(predicted.tolist(), truth.tolist(), strict=True)
        for joint, true_joint in zip(pose, true_pose, strict=True)
    ]
    assert distance_loss(predicted, truth).item() == pytest.approx(sum(distances) / len(distances), rel=1e-12)
    same = truth.clone().requires_grad_()
    distance_loss(same, truth).backward()
    assert same.grad.isfinite().all()


def test_the_reprojection_distance_is_the_shift_in_metres_of_a_pose_at_one_depth():
    truth = random_poses(2)
    truth[..., 2] = 0  # all joints as far away as the root
    root = torch.tensor([0.1, 0.0, 4.0], dtype=torch.float64).expand(6, 3)
    camera = torch.tensor([2.2, 2.3, 0.01, 0.02] + [0.0] * 5, dtype=torch.float64).expand(6, 9)
    keypoints = project(truth + root[:, None], camera)
    moved = truth + torch.tensor([0.03, 0.04, 0.0])
    assert reprojection_distance_loss(moved, root, keypoints, camera).item() == pytest.approx(0.05, rel=1e-6)
    assert reprojection_distance_loss(truth, root, keypoints, camera).item() == 0
    assert reprojection_loss(moved, root, keypoints, camera).item() < 0.001


def test_no_gradient_passes_through_the_depth_that_turns_the_picture_into_metres():
    truth, camera = random_poses(3), torch.tensor([2.0, 2.0] + [0.0] * 7, dtype=torch.float64).expand(6, 9)
    root = torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64).expand(6, 3).clone().requires_grad_()
    keypoints = torch.zeros(6, 16, 2, dtype=torch.float64)
    reprojection_distance_loss(truth, root, keypoints, camera).backward()
    assert (root.grad[:, 2] < 0).all(), "farther away the picture shrinks towards these 2D joints"


def test_with_mean_distance_every_loss_is_a_length(run):
    _, out = run(**{"training__loss": "mean_distance"})
    row = next(csv.DictReader((out / "weak.csv").open(encoding="utf-8")))
    assert 0.05 < float(row["supervised"]) < 1
    assert 0.005 < float(row["reprojection"]) < 1
    total = sum(float(row[name]) for name in ("supervised", "reprojection", "bone"))
    assert float(row["total"]) == pytest.approx(total, rel=1e-4)
