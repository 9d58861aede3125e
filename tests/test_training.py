import csv
import shutil

import h5py
import numpy as np
import pytest
import torch

from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.checkpoint import load_checkpoint
from wsgcn.dataset import load_labelled, load_unlabelled_with_true_roots, takes_of
from wsgcn.errors import InputError
from wsgcn.losses import bone_loss, reprojection_loss, supervised_loss
from wsgcn.model.network import build_network
from wsgcn.skeleton import H36M16
from wsgcn.trackers import NullTracker, RecordingTracker
from wsgcn.training import Trainer, Weights, epoch_steps, train_weakly, validation_mpjpe_mm, warm_up


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"), subjects=("S1", "S5", "S6", "S9"))


@pytest.fixture
def run(capture, tmp_path):
    """Train with some parameters: returns the folder with warmup.pt, weak.pt and the curves."""

    def run(folder="run", poses=None, tracker=None, **changes):
        params, out = tiny_params(**changes), tmp_path / folder
        poses, tracker = poses or capture[0], tracker or NullTracker()
        warm_up(params, poses, capture[1], out / "warmup.pt", out / "warmup.csv", tracker)
        train_weakly(params, out / "warmup.pt", poses, capture[1], out / "weak.pt", out / "weak.csv", tracker)
        return out

    return run


def rows(path):
    return list(csv.DictReader(path.open(encoding="utf-8")))


def equal_weights(a, b):
    return all(torch.equal(weight, b.weights[name]) for name, weight in a.weights.items())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(run):
    first, second, other = run("a"), run("b"), run("c", seed=1)
    for name in ("warmup.pt", "weak.pt"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.parametrize("change", [{}, {"model__name": "linear"}, {"model__dropout": 0.2}])
def test_the_weak_stage_continues_the_warmup_bit_for_bit(run, change):
    """Without unlabelled subjects 1 + 2 epochs over both stages are 3 epochs of warm-up: weights, optimiser and all."""
    subjects = {"labelled": ["S1"], "unlabelled": [], "validation": [], "test": ["S9"]}
    settings = {"data__subjects": subjects, "training__decay_steps": 7, "training__decay_factor": 0.5, **change}
    apart = load_checkpoint(run("apart", warmup__epochs=1, weak__epochs=2, **settings) / "weak.pt")
    whole = load_checkpoint(run("whole", warmup__epochs=3, weak__epochs=0, **settings) / "weak.pt")
    assert (apart.epoch, apart.step) == (whole.epoch, whole.step) == (3, 30)
    assert equal_weights(apart, whole)
    assert apart.optimiser["param_groups"] == whole.optimiser["param_groups"]
    for index, state in whole.optimiser["state"].items():
        for name, value in state.items():
            assert torch.equal(apart.optimiser["state"][index][name], value)


def test_an_epoch_is_one_pass_over_the_larger_set_in_both_stages(run):
    out = run(data__subjects={"labelled": ["S1"], "unlabelled": ["S5", "S6"], "validation": [], "test": ["S9"]})
    steps = 2 * 2 * 20 * 4 // 16  # subjects x takes x frames x cameras / batch
    assert [int(row["step"]) for row in rows(out / "warmup.csv") + rows(out / "weak.csv")] == [steps, 2 * steps]
    assert epoch_steps(1000, 10, tiny_params().training) == 63


def test_the_rate_is_a_staircase(capture):
    params = tiny_params(training__decay_steps=10, training__decay_factor=0.5, training__learning_rate=0.8)
    trainer = Trainer.start(build_network(H36M16, params.model, seed=0), params.training, seed=0)
    rates = []
    for trainer.step in (0, 9, 10, 19, 20):
        rates.append(trainer.rate)
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.2]


def test_a_step_equals_a_literal_one(capture):
    """One step by hand: losses as in the paper's equations, clipping, and Adam written out."""
    params = tiny_params(training__gradient_clip=0.1)
    labelled = load_labelled(*capture, takes_of(capture[1], ["S1"]), H36M16)
    unlabelled = load_unlabelled_with_true_roots(*capture, takes_of(capture[1], ["S5"]), H36M16)
    bones = torch.tensor(H36M16.bones)
    network, literal = (build_network(H36M16, params.model, seed=5) for _ in range(2))
    trainer = Trainer.start(network, params.training, seed=2)
    weights = Weights(supervised=1.0, reprojection=0.5, bone=2.0)
    means = trainer.run_epoch(1, labelled, unlabelled, weights, bones)

    from wsgcn.dataset import Shuffle

    a = Shuffle(len(labelled), 16, seed=2, role="labelled").indices(0)
    b = Shuffle(len(unlabelled), 16, seed=2, role="unlabelled").indices(0)
    literal.train()
    predicted = literal(torch.cat((labelled.keypoints_NJ2[a], unlabelled.keypoints_NJ2[b])))
    supervised = supervised_loss(predicted[:16], labelled.pose_NJ3[a])
    intrinsics = unlabelled.intrinsics_K9[unlabelled.camera_N[b]]
    reprojection = reprojection_loss(
        predicted[16:], unlabelled.roots.root_N3[b], unlabelled.keypoints_NJ2[b], intrinsics
    )
    bone = bone_loss(predicted[:16], predicted[16:], bones)
    total = supervised + 0.5 * reprojection + 2 * bone
    total.backward()
    assert means == pytest.approx(
        {
            "supervised": supervised.item(),
            "reprojection": reprojection.item(),
            "bone": bone.item(),
            "total": total.item(),
        }
    )
    norm = torch.sqrt(sum(parameter.grad.square().sum() for parameter in literal.parameters()))
    assert norm > 0.1, "the test wants clipping to act"
    for parameter, trained in zip(literal.parameters(), network.parameters(), strict=True):
        gradient = parameter.grad * 0.1 / norm
        # Adam's first step: the averages, corrected for their start at zero, are the gradient and its square.
        expected = parameter.detach() - 1e-3 * gradient / (gradient.abs() + 1e-8)
        big = gradient.abs() > 1e-6  # below that the two roundings of the gradient decide the quotient
        torch.testing.assert_close(trained.detach()[big], expected[big], atol=2e-6, rtol=1e-5)


def test_a_tiny_set_is_overfitted(capture):
    rate = {"training__learning_rate": 0.003, "training__decay_steps": 50, "training__decay_factor": 0.7}
    params = tiny_params(model__channels=64, model__blocks=4, **rate)
    labelled = load_labelled(*capture, [("S1", "Eating")], H36M16, stride=10)
    trainer = Trainer.start(build_network(H36M16, params.model, seed=0), params.training, seed=0)
    before = validation_mpjpe_mm(trainer.network, labelled)
    trainer.run_epoch(300, labelled, None, Weights(supervised=1.0), torch.tensor(H36M16.bones))
    assert before > 300
    assert validation_mpjpe_mm(trainer.network, labelled) < 40


def test_a_weight_of_zero_removes_the_term(run, capture):
    without = run("without", weak__bone_weight=0.0)
    assert {row["bone"] for row in rows(without / "weak.csv")} == {""}
    assert rows(without / "weak.csv")[0]["reprojection"] != ""
    tiny = run("tiny", weak__bone_weight=1e-30)
    assert equal_weights(load_checkpoint(without / "weak.pt"), load_checkpoint(tiny / "weak.pt"))
    acting = run("acting", weak__bone_weight=1.0)
    assert not equal_weights(load_checkpoint(without / "weak.pt"), load_checkpoint(acting / "weak.pt"))


def test_every_loss_is_logged_by_name(run):
    tracker = RecordingTracker()
    out = run(tracker=tracker, warmup__epochs=2)
    for name in ("supervised", "reprojection", "bone", "total", "learning_rate", "seconds", "step"):
        assert float(rows(out / "weak.csv")[0][name]) == pytest.approx(tracker.history(name)[-1], rel=1e-4)
    row = rows(out / "weak.csv")[0]
    assert float(row["total"]) == pytest.approx(
        sum(float(row[n]) for n in ("supervised", "reprojection", "bone")), rel=1e-4
    )
    assert [step for step, _ in tracker.metrics] == [1, 2, 3]


def _without_3d(poses_path, subject, copy_path):
    """The same poses.h5 with NaN for every coordinate of one subject."""
    shutil.copy(poses_path, copy_path)
    with h5py.File(copy_path, "r+") as file:
        for take in file[subject].values():
            take["positions_m"][...] = np.nan
    return copy_path


def test_with_a_solved_root_the_3d_of_the_unlabelled_does_not_matter(run, capture, tmp_path):
    blinded = _without_3d(capture[0], "S5", tmp_path / "blinded.h5")
    seeing = run("seeing", weak__root="solved")
    blind = run("blind", poses=blinded, weak__root="solved")
    assert (seeing / "weak.pt").read_bytes() == (blind / "weak.pt").read_bytes()
    with pytest.raises(InputError, match="not finite"):
        run("published", poses=blinded, weak__root="ground_truth")


def test_test_subjects_do_not_matter_to_training(run, capture, tmp_path):
    blinded = _without_3d(capture[0], "S9", tmp_path / "blinded.h5")
    assert (run("a") / "weak.pt").read_bytes() == (run("b", poses=blinded) / "weak.pt").read_bytes()


def test_solved_roots_without_warmup_stay_finite(run):
    out = run(weak__root="solved", warmup__epochs=0, weak__epochs=3)
    assert len(rows(out / "weak.csv")) == 3
    assert rows(out / "warmup.csv") == []


def test_no_weak_epochs_pass_the_warmup_on(run):
    out = run(weak__epochs=0)
    warmup, weak = load_checkpoint(out / "warmup.pt"), load_checkpoint(out / "weak.pt")
    assert equal_weights(warmup, weak)
    assert weak.chosen.epoch == 1


def test_the_last_epoch_is_reported_unless_validation_chooses(run):
    subjects = {"labelled": ["S1"], "unlabelled": ["S5"], "validation": ["S6"], "test": ["S9"]}
    settings = {"data__subjects": subjects, "warmup__epochs": 2, "weak__epochs": 4, "training__learning_rate": 0.1}
    last = load_checkpoint(run("last", **settings) / "weak.pt")
    assert (last.chosen.epoch, last.chosen.by) == (6, "last")
    out = run("chosen", training__choose_epoch="validation", **settings)
    errors = [float(row["validation_mpjpe_mm"]) for row in rows(out / "warmup.csv") + rows(out / "weak.csv")]
    chosen = load_checkpoint(out / "weak.pt")
    assert chosen.chosen.epoch == 1 + int(np.argmin(errors))
    assert chosen.chosen.epoch < 6, "the test wants a choice that is not the last epoch"
    assert chosen.chosen.validation_mpjpe_mm == pytest.approx(min(errors), rel=1e-4)
    assert equal_weights(chosen, last), "what goes on training is the last epoch, whatever was chosen"


def test_a_share_of_labelled_takes_validates_and_is_not_trained_on(run):
    subjects = {"labelled": ["S1"], "unlabelled": ["S5"], "validation": 0.5, "test": ["S9"]}
    out = run(data__subjects=subjects)
    assert float(rows(out / "weak.csv")[0]["validation_mpjpe_mm"]) > 0


def test_another_network_than_the_warmups_is_refused(run, capture, tmp_path):
    out = run()
    params = tiny_params(model__channels=16)
    with pytest.raises(InputError, match=r"warmup\.pt: holds another network"):
        train_weakly(params, out / "warmup.pt", *capture, tmp_path / "x.pt", tmp_path / "x.csv", NullTracker())
    assert not (tmp_path / "x.pt").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_repeatable_and_close_to_the_cpu(run):
    first, second = run("a", runtime__device="cuda"), run("b", runtime__device="cuda")
    assert (first / "weak.pt").read_bytes() == (second / "weak.pt").read_bytes()
    on_cpu = rows(run("cpu") / "warmup.csv")[0]
    assert float(rows(first / "warmup.csv")[0]["supervised"]) == pytest.approx(float(on_cpu["supervised"]), rel=1e-2)
