import csv
import shutil
import statistics
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.base.run import NullTracker, RecordingTracker, Run
from wsgcn.base.section import Weight
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.context import ALONE
from wsgcn.model.cpu.blas import IS_AVAILABLE
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import build_network
from wsgcn.model.runtime import prepare
from wsgcn.model.trajectory import build_trajectory
from wsgcn.pose.sequences import takes_of
from wsgcn.pose.skeleton import H36M16
from wsgcn.pose.store import Detections, Poses
from wsgcn.training import losses
from wsgcn.training.losses import TERMS, Term, bone_ends, bone_loss, reprojection_loss, supervised_loss
from wsgcn.training.params import WarmupParams, Weak, WeakParams
from wsgcn.training.sets import Sets, Shuffle, epoch_steps, load_labelled, load_sets, load_unlabelled
from wsgcn.training.stages import train_weakly, warm_up
from wsgcn.training.step import Step
from wsgcn.training.trainer import Trainer, validation_mpjpe_mm

EVERY_LOSS = {"supervised": 1.0, "reprojection": 1.0, "bone": 1.0}
AND_TRAJECTORY = EVERY_LOSS | {"trajectory": 1.0}
LABELS_ALONE = {"supervised": 1.0}


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_tiny_capture(tmp_path_factory.mktemp("capture"), subjects=("S1", "S5", "S6", "S9"))


@pytest.fixture
def run(capture, tmp_path):
    """Train with some parameters: returns the folder with warmup.pt, weak.pt and the curves."""

    def run(folder="run", poses=None, tracker=None, **changes):
        params, out = tiny_params(**changes), tmp_path / folder
        poses, watched = poses or capture[0], Run(tracker or NullTracker())
        warm_up(WarmupParams.of(params), poses, capture[1], out / "warmup.pt", out / "warmup.csv", watched)
        weak = WeakParams.of(params)
        train_weakly(weak, out / "warmup.pt", poses, capture[1], out / "weak.pt", out / "weak.csv", watched)
        return out

    return run


def sets_of(capture, root="ground_truth", steps=1, device="cpu"):
    """S1 with labels and S5 without."""
    trajectory = build_trajectory(H36M16, ALONE, seed=0) if root == "model" else None
    with Poses(capture[0]) as poses, Detections(capture[1]) as detections:
        labelled = load_labelled(poses, detections, takes_of(detections, ["S1"]), H36M16)
        of_unlabelled = {"poses": poses if root == "ground_truth" else None, "trajectory": trajectory}
        unlabelled = load_unlabelled(detections, takes_of(detections, ["S5"]), H36M16, **of_unlabelled)
    ends_2EJ = bone_ends(torch.tensor(H36M16.bones, device=device), 16)
    return Sets(labelled.to(device), unlabelled.to(device), None, ends_2EJ, steps, trajectory=trajectory)


def without_unlabelled(sets):
    return replace(sets, unlabelled=None)


def rows(path):
    return list(csv.DictReader(path.open(encoding="utf-8")))


def equal_weights(a, b):
    return all(torch.equal(weight, b.weights[name]) for name, weight in a.weights.items())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(run):
    first, second, other = run("a"), run("b"), run("c", seed=1)
    for name in ("warmup.pt", "weak.pt"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.skipif(not IS_AVAILABLE, reason="torch was built without MKL, so its own layers train")
def test_the_number_of_threads_changes_no_bit_at_the_papers_width(capture):
    """At 128 channels a weight is large enough for torch to share its norm between threads, and its update."""
    params = tiny_params(model__semgcn__channels=128, training__batch_labelled=64, training__batch_unlabelled=64)
    sets = sets_of(capture, steps=3)
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            network = build_network(H36M16, params.model, seed=5)
            trainer = Trainer.start(network, params.training, 2, sets, EVERY_LOSS)
            trainer.run_epoch()
            results.append(trainer.network.state_dict())
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert all(torch.equal(value, results[0][name]) for name, value in result.items())


@pytest.mark.parametrize("change", [{}, {"model__name": "linear"}, {"model__semgcn__dropout": 0.2}])
def test_the_weak_stage_continues_the_warmup_bit_for_bit(run, change):
    """Without unlabelled subjects 1 + 2 epochs over both stages are 3 epochs of warm-up: weights, optimiser and all."""
    subjects = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": [], "validation": [], "test": ["S9"]}
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
    out = run(
        data__subjects={
            "labelled": ["S1"],
            "labelled_takes": 1.0,
            "unlabelled": ["S5", "S6"],
            "validation": [],
            "test": ["S9"],
        }
    )
    steps = 2 * 2 * 20 * 4 // 16  # subjects x takes x frames x cameras / batch
    assert [int(row["step"]) for row in rows(out / "warmup.csv") + rows(out / "weak.csv")] == [steps, 2 * steps]
    assert epoch_steps(1000, 10, tiny_params().training) == 63
    assert epoch_steps(1000, 10, tiny_params(training__epoch_steps=7).training) == 7


def test_the_rate_is_a_staircase(capture):
    params = tiny_params(training__decay_steps=10, training__decay_factor=0.5, training__learning_rate=0.8)
    network = build_network(H36M16, params.model, seed=0)
    trainer = Trainer.start(network, params.training, 0, sets_of(capture), EVERY_LOSS)
    rates = []
    for trainer.step in (0, 9, 10, 19, 20):
        rates.append(trainer.rate)
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.2]


def test_a_step_equals_a_literal_one(capture):
    """One step by hand: losses as in the paper's equations, clipping, and Adam written out."""
    params = tiny_params(training__gradient_clip=0.1)
    sets = sets_of(capture)
    labelled, unlabelled = sets.labelled, sets.unlabelled
    network, literal = (build_network(H36M16, params.model, seed=5) for _ in range(2))
    weights = {"supervised": 1.0, "reprojection": 0.5, "bone": 2.0}
    means = Trainer.start(network, params.training, 2, sets, weights).run_epoch()

    a = Shuffle(len(labelled), 16, seed=2, role="labelled").indices(0)
    b = Shuffle(len(unlabelled), 16, seed=2, role="unlabelled").indices(0)
    literal.train()
    predicted = literal(torch.cat((labelled.keypoints_NJ2[a], unlabelled.keypoints_NJ2[b])))
    supervised = supervised_loss(predicted[:16], labelled.pose_NJ3[a])
    intrinsics = unlabelled.intrinsics_K9[unlabelled.camera_N[b]]
    reprojection = reprojection_loss(
        predicted[16:], unlabelled.roots.root_N3[b], unlabelled.keypoints_NJ2[b], intrinsics
    )
    bone = bone_loss(predicted[:16], predicted[16:], bone_ends(torch.tensor(H36M16.bones), 16))
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
    params = tiny_params(model__semgcn__channels=64, model__semgcn__blocks=4, **rate)
    with Poses(capture[0]) as poses, Detections(capture[1]) as detections:
        labelled = load_labelled(poses, detections, [("S1", "Eating")], H36M16, stride=10)
    sets = replace(sets_of(capture, steps=300), labelled=labelled, unlabelled=None)
    trainer = Trainer.start(build_network(H36M16, params.model, seed=0), params.training, 0, sets, LABELS_ALONE)
    before = validation_mpjpe_mm(trainer.network, labelled)
    trainer.run_epoch()
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
    for name in ("supervised", "reprojection", "bone", "total", "learning_rate", "step"):
        assert float(rows(out / "weak.csv")[0][name]) == pytest.approx(tracker.history(name)[-1], rel=1e-4)
    row = rows(out / "weak.csv")[0]
    assert float(row["total"]) == pytest.approx(
        sum(float(row[n]) for n in ("supervised", "reprojection", "bone")), rel=1e-4
    )
    assert [step for step, _ in tracker.metrics] == [1, 2, 3]


def test_another_term_in_the_table_is_weighed_averaged_and_written_under_its_name(run, capture, tmp_path, monkeypatch):
    """It needs a line in the table and a weight in the section `weak`, and nothing else."""

    class WeakWithSize(Weak):
        size_weight: Weight

    def size(batch, predicted_BJ3):
        _, unlabelled_UJ3 = batch.split(predicted_BJ3)
        return unlabelled_UJ3.square().mean()

    before = run()
    term = Term(name="size", unit="m²", words="size of the unlabelled poses", compute=size)
    monkeypatch.setattr(losses, "TERMS", (*TERMS, term))

    def trained(weight):
        params = WeakParams.of(tiny_params())
        params = params.model_copy(update={"weak": WeakWithSize(**params.weak.model_dump(), size_weight=weight)})
        out, tracker = tmp_path / f"{weight}", RecordingTracker()
        train_weakly(params, before / "warmup.pt", *capture, out / "weak.pt", out / "weak.csv", Run(tracker))
        return load_checkpoint(out / "weak.pt"), rows(out / "weak.csv")[0], tracker

    checkpoint, row, tracker = trained(0.5)
    losses_of_row = [float(row[name]) for name in ("supervised", "reprojection", "bone")]
    assert float(row["total"]) == pytest.approx(sum(losses_of_row) + 0.5 * float(row["size"]), rel=1e-4)
    assert float(row["size"]) > 0
    assert tracker.history("size") == [pytest.approx(float(row["size"]), rel=1e-4)]
    assert not equal_weights(checkpoint, load_checkpoint(before / "weak.pt"))

    checkpoint, row, _ = trained(0.0)
    assert row["size"] == ""
    assert equal_weights(checkpoint, load_checkpoint(before / "weak.pt"))


def test_a_trainer_averages_whatever_terms_there_are(capture, monkeypatch):
    term = Term(name="one", unit="-", words="one", compute=lambda batch, predicted_BJ3: predicted_BJ3.sum() * 0 + 1)
    monkeypatch.setattr(losses, "TERMS", (*TERMS, term))
    params = tiny_params()
    network = build_network(H36M16, params.model, seed=0)
    sets, weights = sets_of(capture, steps=3), EVERY_LOSS | {"one": 0.25}
    means = Trainer.start(network, params.training, 0, sets, weights).run_epoch()
    assert list(means) == ["supervised", "reprojection", "bone", "one", "total"]
    assert means["one"] == 1
    total = sum(weight * means[name] for name, weight in weights.items())
    assert means["total"] == pytest.approx(total, rel=1e-5)


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
    subjects = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": ["S5"], "validation": ["S6"], "test": ["S9"]}
    # So much weight on the bones undoes what the warm-up learnt.
    settings = {"warmup__epochs": 2, "weak__epochs": 2, "weak__bone_weight": 100.0, "training__learning_rate": 0.1}
    settings["data__subjects"] = subjects
    last = load_checkpoint(run("last", **settings) / "weak.pt")
    assert (last.chosen.epoch, last.chosen.by) == (4, "last")
    out = run("chosen", training__choose_epoch="validation", **settings)
    errors = [float(row["validation_mpjpe_mm"]) for row in rows(out / "warmup.csv") + rows(out / "weak.csv")]
    chosen = load_checkpoint(out / "weak.pt")
    assert chosen.chosen.epoch == 1 + int(np.argmin(errors))
    assert chosen.chosen.epoch < 4, "the test wants a choice that is not the last epoch"
    assert chosen.chosen.validation_mpjpe_mm == pytest.approx(min(errors), rel=1e-4)
    assert equal_weights(chosen, last), "what goes on training is the last epoch, whatever was chosen"


def test_a_share_of_labelled_takes_validates_and_is_not_trained_on(run):
    subjects = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": ["S5"], "validation": 0.5, "test": ["S9"]}
    out = run(data__subjects=subjects)
    assert float(rows(out / "weak.csv")[0]["validation_mpjpe_mm"]) > 0


def test_another_network_than_the_warmups_is_refused(run, capture, tmp_path):
    out = run()
    params = tiny_params(model__semgcn__channels=16)
    with pytest.raises(InputError, match=r"warmup\.pt: holds another network"):
        train_weakly(WeakParams.of(params), out / "warmup.pt", *capture, tmp_path / "x.pt", tmp_path / "x.csv")
    assert not (tmp_path / "x.pt").exists()


# Waiting for the host


class WaitsForTheHost(Exception):
    pass


class NoHostSync(TorchDispatchMode):
    """Fails on whatever makes a GPU's host wait: reading a value, a shape that depends on values, bringing data in."""

    READS = (
        "_local_scalar_dense",
        "equal",
        "is_nonzero",
        "nonzero",
        "masked_select",
        "unique_dim",
        "_unique2",
        "bincount",
    )
    BRINGS_IN = ("lift_fresh", "lift_fresh_copy", "from_file")  # torch.tensor(...) of numbers

    def __init__(self, monkeypatch):
        super().__init__()
        for name in ("cpu", "cuda", "numpy", "tolist"):  # on the CPU these are no operations of torch's
            monkeypatch.setattr(Tensor, name, self._refuse)

    @staticmethod
    def _refuse(*_args):
        raise WaitsForTheHost

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        by_mask = name.startswith(("index", "_index_put")) and any(
            index is not None and index.dtype in (torch.bool, torch.uint8)
            for index in (args[1] if isinstance(args[1], list) else [])
        )
        if name in (*self.READS, *self.BRINGS_IN) or by_mask or kwargs.get("device", torch.device("cpu")).type != "cpu":
            raise WaitsForTheHost(name)
        return func(*args, **kwargs)


@pytest.mark.parametrize("precision", ["float32", "tf32"])
@pytest.mark.parametrize("root", ["ground_truth", "solved", "model"])
@pytest.mark.parametrize(
    "change",
    [{}, {"model__semgcn__channelwise": True}, {"model__semgcn__dropout": 0.2}, {"model__name": "linear"}],
    ids=str,
)
def test_a_step_never_makes_the_host_wait(capture, change, root, precision, monkeypatch):
    params = tiny_params(**change)
    sets, index_B = sets_of(capture, root), torch.arange(16)
    trainer = Trainer.start(
        build_network(H36M16, params.model, seed=0), params.training, 0, sets, AND_TRAJECTORY, precision
    )
    step = Step(trainer.network, trainer.optimiser, params.training, precision, sets, AND_TRAJECTORY)
    with plain_layers(), NoHostSync(monkeypatch):  # the compiled form is not for CUDA
        step(index_B, index_B)
        step(index_B, index_B)
    monkeypatch.undo()
    assert step.take_sums()["total"] > 0


@pytest.mark.parametrize("camera", ["capture", "any"])
def test_nor_does_one_whose_poses_are_drawn_anew(capture, camera, monkeypatch):
    changes = {f"augmentation__{name}": True for name in ("mirror", "turn", "place")}
    changes |= {f"augmentation__{name}": 0.1 for name in ("size", "bones", "tilt_rad", "distance")}
    params = WeakParams.of(
        tiny_params(**changes, augmentation__camera=camera, training__loss="mean_distance", training__average=0.9)
    )
    sets, index_B = load_sets(params, params.weak, *capture, torch.device("cpu")), torch.arange(16)
    trainer = Trainer.start(build_network(H36M16, params.model, seed=0), params.training, 0, sets, EVERY_LOSS)
    step = Step(trainer.network, trainer.optimiser, params.training, "float32", sets, EVERY_LOSS)
    with plain_layers(), NoHostSync(monkeypatch):
        for number in (0, 1):
            step(index_B, index_B, number)
            trainer.average.update(number)
    monkeypatch.undo()
    assert step.take_sums()["total"] > 0


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.sum()),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: x.cpu(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.equal(x, x),
        lambda x: x * torch.tensor([1.0, 2.0]),
        lambda x: x.to("meta"),
    ],
)
def test_the_proof_sees_what_makes_the_host_wait(wait, monkeypatch):
    with pytest.raises(WaitsForTheHost), NoHostSync(monkeypatch):
        wait(torch.ones(2))


@pytest.mark.parametrize("change", [{}, {"model__semgcn__dropout": 0.2}, {"model__name": "linear"}], ids=str)
def test_what_precedes_a_capture_leaves_no_trace(capture, change):
    """Weights, batch norms, Adam, losses: in the first epoch, where Adam has no state yet, and in a later one."""
    params = tiny_params(**change)
    sets = sets_of(capture, steps=5)
    results = []
    for rehearses in (True, False):
        network = build_network(H36M16, params.model, seed=0)
        trainer = Trainer.start(network, params.training, 0, sets, EVERY_LOSS)
        step = Step(network, trainer.optimiser, params.training, "float32", sets, EVERY_LOSS)
        means = []
        for _ in range(2):
            if rehearses:
                step.rehearse()
                assert all(parameter.grad is None for parameter in network.parameters())
                assert step.take_sums()["total"] == 0
            means.append(trainer.run_epoch())
        results.append((means, network.state_dict(), trainer.optimiser_state()["state"]))
    (means, weights, moments), (other_means, other_weights, other_moments) = results
    assert means == other_means
    assert all(torch.equal(weight, other_weights[name]) for name, weight in weights.items())
    assert all(torch.equal(moments[i][name], other_moments[i][name]) for i in moments for name in moments[i])


# Precision


def test_validation_is_in_float32_whatever_the_training(capture):
    params, sets = tiny_params(), without_unlabelled(sets_of(capture))
    prepare(params.runtime)
    network = build_network(H36M16, params.model, seed=0)
    trainer = Trainer.start(network, params.training, 0, sets, LABELS_ALONE, "tf32")
    precisions = []

    def look(*_):
        precisions.append(torch.backends.cuda.matmul.fp32_precision)

    network.layers[0].register_forward_hook(look)
    network.layers[0].norm.weight.register_hook(look)  # in the way back
    trainer.run_epoch()
    validation_mpjpe_mm(network, sets.labelled)
    assert precisions == ["tf32", "tf32", "ieee"]


def test_a_precision_that_is_not_to_be_had_is_refused(run):
    with pytest.raises(InputError, match=r"^runtime\.precision: is tf32, which only CUDA devices have"):
        run(runtime__precision="tf32")


# CUDA

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
PRECISIONS = ["float32", "tf32"]


@needs_cuda
@pytest.mark.parametrize("precision", PRECISIONS)
def test_cuda_is_repeatable_and_close_to_the_cpu(run, precision):
    on_cuda = {"runtime__device": "cuda", "runtime__precision": precision}
    first, second = run("a", **on_cuda), run("b", **on_cuda)
    assert (first / "weak.pt").read_bytes() == (second / "weak.pt").read_bytes()
    for stage in ("warmup", "weak"):
        on_cpu = rows(run("cpu") / f"{stage}.csv")[0]
        assert float(rows(first / f"{stage}.csv")[0]["total"]) == pytest.approx(float(on_cpu["total"]), rel=2e-2)


@needs_cuda
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("root", ["ground_truth", "model"])
@pytest.mark.parametrize(
    "change",
    [{}, {"model__semgcn__dropout": 0.2}, {"training__gradient_clip": 0.0}, {"model__name": "linear"}],
    ids=str,
)
def test_a_captured_step_equals_an_uncaptured_one_to_the_bit(capture, change, root, precision):
    """Over epochs, both stages, a rate that falls within an epoch, and validation in between."""
    params = tiny_params(training__decay_steps=7, training__decay_factor=0.5, **change)
    device = prepare(params.runtime.model_copy(update={"device": "cuda"}))
    results = []
    for is_captured in (True, False):
        both = sets_of(capture, root, steps=10, device=device)
        network = build_network(H36M16, params.model, seed=0)
        means = []
        for sets in (without_unlabelled(both), both):
            trainer = Trainer.start(network, params.training, 0, sets, AND_TRAJECTORY, precision)
            trainer.capture = is_captured
            for _ in range(2):
                means.append(trainer.run_epoch())
                means.append({"validation_mpjpe_mm": validation_mpjpe_mm(network, sets.labelled)})
        results.append((means, network.state_dict(), trainer.optimiser_state()))
    (means, weights, optimiser), (other_means, other_weights, other_optimiser) = results
    assert means == other_means
    assert all(torch.equal(weight, other_weights[name]) for name, weight in weights.items())
    assert optimiser["param_groups"] == other_optimiser["param_groups"]
    for index, state in optimiser["state"].items():
        assert all(torch.equal(value, other_optimiser["state"][index][name]) for name, value in state.items())


@needs_cuda
@pytest.mark.parametrize("camera", ["capture", "any"])
def test_a_captured_step_draws_anew_what_an_uncaptured_one_draws(capture, camera):
    """A step's number captured as a number would draw the same poses again and again."""
    changes = {f"augmentation__{name}": 0.1 for name in ("size", "bones", "tilt_rad", "distance")}
    changes |= {"training__schedule": "cosine", "training__loss": "mean_distance", "training__average": 0.9}
    params = WeakParams.of(
        tiny_params(augmentation__turn=True, augmentation__place=True, augmentation__camera=camera, **changes)
    )
    device = prepare(params.runtime.model_copy(update={"device": "cuda"}))
    sets = load_sets(params, params.weak, *capture, device)
    results = []
    for is_captured in (True, False):
        network = build_network(H36M16, params.model, seed=0)
        trainer = Trainer.start(network, params.training, 0, sets, EVERY_LOSS)
        trainer.capture = is_captured
        means = [trainer.run_epoch() for _ in range(2)]
        results.append((means, trainer.network.state_dict(), trainer.result.state_dict()))
    (means, *weights), (other_means, *other_weights) = results
    assert means == other_means
    for found, expected in zip(weights, other_weights, strict=True):
        assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


@needs_cuda
def test_a_captured_step_falls_with_the_rate(capture):
    """A rate captured as a number would go on as it was."""
    params = tiny_params(training__decay_steps=10, training__decay_factor=1e-6)
    device = prepare(params.runtime.model_copy(update={"device": "cuda"}))
    sets = without_unlabelled(sets_of(capture, steps=10, device=device))
    trainer = Trainer.start(build_network(H36M16, params.model, seed=0), params.training, 0, sets, LABELS_ALONE)
    moves = []
    for _ in range(2):
        before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
        trainer.run_epoch()
        after = trainer.network.parameters()
        moves.append(statistics.mean((b - a).abs().mean().item() for a, b in zip(before, after, strict=True)))
    assert moves[1] < 1e-3 * moves[0]


@needs_cuda
@pytest.mark.parametrize("devices", [("cuda", "cuda"), ("cpu", "cuda"), ("cuda", "cpu")], ids="-".join)
def test_training_goes_on_across_devices(capture, tmp_path, devices):
    stages = [tiny_params(runtime__device=device, warmup__epochs=2) for device in devices]
    warm_up(WarmupParams.of(stages[0]), *capture, tmp_path / "warmup.pt", tmp_path / "warmup.csv")
    weak = WeakParams.of(stages[1])
    train_weakly(weak, tmp_path / "warmup.pt", *capture, tmp_path / "weak.pt", tmp_path / "weak.csv")
    warmup, weak = load_checkpoint(tmp_path / "warmup.pt"), load_checkpoint(tmp_path / "weak.pt")
    assert float(rows(tmp_path / "weak.csv")[-1]["supervised"]) < float(rows(tmp_path / "warmup.csv")[0]["supervised"])
    for checkpoint in (warmup, weak):
        (group,) = checkpoint.optimiser["param_groups"]
        assert isinstance(group["lr"], float)
        assert not group["capturable"]
    assert all(state["step"].item() == weak.step for state in weak.optimiser["state"].values())
