"""`weak.root: model`: the trajectory network is trained with the labels' roots, and places the unlabelled poses."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny import AUGMENTED, tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.model.checkpoint import Checkpoint, load_checkpoint
from wsgcn.model.networks import build_network
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import H36M16
from wsgcn.training.losses import loss_weights, reprojection_distance_loss, reprojection_loss, trajectory_loss
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.sets import Sets, load_sets
from wsgcn.training.stages import train_weakly, warm_up
from wsgcn.training.step import Step
from wsgcn.training.trainer import Trainer
from wsgcn.training.unlabelled import ModelRootSource

CPU = torch.device("cpu")
MODEL = {"weak__root": "model", "training__loss": "mean_distance", "weak__bone_weight": 0.0}
OVER_TIME = {"model__name": "temporal", "model__temporal__blocks": 0}
NONE_UNLABELLED = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": [], "validation": [], "test": ["S9"]}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_tiny_capture(tmp_path_factory.mktemp("capture"))


@pytest.fixture
def run(capture: tuple[Path, Path], tmp_path: Path) -> Callable[..., Path]:
    """Train both stages with some parameters: the folder with the checkpoints and the curves."""

    def run(folder: str = "run", **changes: Any) -> Path:
        params, out = tiny_params(**changes), tmp_path / folder
        warm_up(WarmupParams.of(params), *capture, out / "warmup.pt", out / "warmup.csv")
        train_weakly(WeakParams.of(params), out / "warmup.pt", *capture, out / "weak.pt", out / "weak.csv")
        return out

    return run


def sets_of(capture: tuple[Path, Path], *, is_weak: bool = True, **changes: Any) -> Sets:
    params = WeakParams.of(tiny_params(**(MODEL | changes)))
    return load_sets(params, params.weak if is_weak else None, *capture, CPU)


def start(sets: Sets, weights: dict[str, float], **changes: Any) -> Trainer:
    params = tiny_params(**(MODEL | changes))
    return Trainer.start(build_network(H36M16, params.model, 0), params.training, 0, sets, weights)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# The term


def test_the_loss_is_the_mean_distance_as_a_share_of_the_true_depth() -> None:
    predicted_B3, root_B3 = normal(7, 3), normal(7, 3, seed=1) + torch.tensor([0.0, 0.0, 6.0])
    shares = [
        math.dist(predicted, true) / true[2]
        for predicted, true in zip(predicted_B3.tolist(), root_B3.tolist(), strict=True)
    ]
    assert trajectory_loss(predicted_B3, root_B3).item() == pytest.approx(sum(shares) / 7, rel=1e-6)
    assert trajectory_loss(root_B3, root_B3).item() == 0


@pytest.mark.parametrize("changes", [{}, AUGMENTED, OVER_TIME, OVER_TIME | AUGMENTED], ids=lambda c: "-".join(c)[:40])
def test_the_labels_of_a_batch_are_where_its_poses_stand(
    capture: tuple[Path, Path], changes: dict[str, object]
) -> None:
    """Put there and seen by their cameras they are the 2D that is shown; the cameras are alike."""
    sets = sets_of(capture, **changes, data__stride=2)
    batch = sets.batch(torch.arange(0, 40, 3), torch.arange(5), 7)
    assert batch.root_L3 is not None
    assert sets.unlabelled is not None
    labelled_LJ2, _ = batch.split(batch.lifted_BJ2)
    camera_9 = sets.unlabelled.intrinsics_K9.mean(0)
    seen_LJ2 = project(batch.truth_LJ3 + batch.root_L3[:, None], camera_9.expand(len(labelled_LJ2), 9))
    assert (seen_LJ2 - labelled_LJ2).abs().amax() < 0.03
    assert batch.root_L3[:, 2].std() > 0.1


@pytest.mark.parametrize("changes", [{}, OVER_TIME], ids=["single", "over time"])
def test_the_unlabelled_stand_where_the_network_says(capture: tuple[Path, Path], changes: dict[str, object]) -> None:
    sets = sets_of(capture, **changes, data__stride=3)
    assert sets.unlabelled is not None
    assert sets.trajectory is not None
    assert isinstance(sets.unlabelled.roots, ModelRootSource)
    index_B = torch.tensor([9, 0, 13])
    batch = sets.batch(index_B, index_B)
    assert batch.unlabelled is not None
    found_U3 = batch.unlabelled.roots.of(torch.empty(0))
    assert torch.equal(found_U3, sets.trajectory(sets.unlabelled.seen(index_B)))
    with torch.no_grad():
        sets.trajectory.get_parameter("last.bias").fill_(100.0)
    assert not torch.allclose(batch.unlabelled.roots.of(torch.empty(0)), found_U3), "it is that very network"


def test_it_sees_the_picture_where_the_other_network_sees_the_person(capture: tuple[Path, Path]) -> None:
    sets = sets_of(capture, model__sees="person")
    assert sets.trajectory is not None
    there_3, here_3 = sets.trajectory(torch.stack((0.1 * normal(16, 2), 0.1 * normal(16, 2) + 0.5)))
    assert there_3[0] < here_3[0] - 0.1


# The gradients


def step_of(sets: Sets, weights: dict[str, float]) -> Trainer:
    """A trainer after one step on the same poses; the compiled step leaves the gradients as they are."""
    trainer, index_B = start(sets, weights), torch.arange(16)
    Step(trainer.network, trainer.optimiser, trainer.settings, "float32", sets, weights)(index_B, index_B)
    return trainer


def test_its_error_has_no_gradient_for_the_pose_network(capture: tuple[Path, Path]) -> None:
    sets = sets_of(capture, is_weak=False)
    with_it = step_of(sets, {"supervised": 1.0, "trajectory": 1.0}).network
    without = step_of(replace(sets, trajectory=None), {"supervised": 1.0}).network
    for one, other in zip(with_it.parameters(), without.parameters(), strict=True):
        assert one.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_its_error_moves_it(capture: tuple[Path, Path]) -> None:
    sets = sets_of(capture, is_weak=False)
    assert sets.trajectory is not None
    before = [parameter.detach().clone() for parameter in sets.trajectory.parameters()]
    step_of(sets, {"supervised": 1.0, "trajectory": 1.0})
    assert not torch.equal(sets.trajectory.get_parameter("last.bias"), before[-1])
    for parameter in sets.trajectory.parameters():
        assert parameter.grad is not None
        assert parameter.grad.is_contiguous(), "or the compiled Adam would leave it to torch"


@pytest.mark.parametrize("loss", ["mse", "mean_distance"])
def test_the_reprojection_loss_has_one_for_both(capture: tuple[Path, Path], loss: str) -> None:
    sets = sets_of(capture)
    assert sets.trajectory is not None
    assert sets.unlabelled is not None
    weights = {"supervised": 0.0, "reprojection": 1.0, "bone": 0.0, "trajectory": 0.0}
    trainer, index_B = start(sets, weights, training__loss=loss, training__gradient_clip=0.0), torch.arange(16)
    network, trajectory = trainer.network, sets.trajectory
    pose_BJ3 = network(sets.batch(index_B, index_B).keypoints_BJ2)
    root_U3 = trajectory(sets.unlabelled.seen(index_B))
    intrinsics_U9 = sets.unlabelled.select(index_B).intrinsics_U9
    literal = reprojection_loss if loss == "mse" else reprojection_distance_loss
    expected = literal(pose_BJ3[16:], root_U3, sets.unlabelled.seen(index_B), intrinsics_U9)
    trained = [*network.parameters(), *trajectory.parameters()]
    gradients = torch.autograd.grad(expected, trained)
    step = Step(network, trainer.optimiser, trainer.settings, "float32", sets, weights)
    step(index_B, index_B)
    assert step.take_sums()["reprojection"] == pytest.approx(expected.item(), rel=1e-5)
    for parameter, gradient in zip(trained, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
    assert any(bool(gradient.any()) for gradient in gradients[-2:])


def test_what_precedes_a_capture_leaves_no_trace_of_it_either(capture: tuple[Path, Path]) -> None:
    results = []
    for rehearses in (True, False):
        sets = sets_of(capture)
        assert sets.trajectory is not None
        weights = {"supervised": 1.0, "reprojection": 1.0, "bone": 0.0, "trajectory": 1.0}
        trainer = start(sets, weights)
        if rehearses:
            Step(trainer.network, trainer.optimiser, trainer.settings, "float32", sets, weights).rehearse()
        results.append((trainer.run_epoch(), sets.trajectory.state_dict()))
    (means, weights_of_it), (other_means, other_weights) = results
    assert means == other_means
    assert all(torch.equal(weight, other_weights[name]) for name, weight in weights_of_it.items())


# Training


def test_it_learns_where_people_stand_and_both_losses_fall(run: Callable[..., Path]) -> None:
    out = run(
        **MODEL,
        training__epoch_steps=60,
        training__learning_rate=0.02,
        training__schedule="cosine",
        warmup__epochs=2,
        weak__epochs=3,
    )
    warmup, weak = rows(out / "warmup.csv"), rows(out / "weak.csv")
    errors = [float(row["trajectory"]) for row in warmup + weak]
    assert errors[-1] < 0.5 * errors[0]
    assert errors[-1] < 0.03
    assert float(weak[-1]["reprojection"]) < 0.7 * float(weak[0]["reprojection"])
    total = float(weak[-1]["supervised"]) + float(weak[-1]["reprojection"]) + errors[-1]
    assert float(weak[-1]["total"]) == pytest.approx(total, rel=1e-4)


def test_the_teacher_takes_the_root_from_it(capture: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of(capture, weak__pseudo_labels__share=0.5, weak__pseudo_labels__poses=32)
    assert sets.teacher is not None
    assert sets.trajectory is not None
    trainer = start(sets, {"supervised": 1.0, "reprojection": 1.0, "trajectory": 1.0})
    made = []
    for nearer in (0.0, -40.0):
        with torch.no_grad():
            sets.trajectory.get_parameter("last.bias")[2] = nearer
        sets.teacher.teach(trainer.result, 0)
        made.append(sets.teacher.poses.lengths_NE[sets.teacher.first :].mean())
    assert made[1] < 0.9 * made[0], "nearer people are smaller"


@pytest.mark.parametrize("changes", [{}, OVER_TIME, {"model__sees": "person"}], ids=["single", "over time", "person"])
def test_both_stages_write_it_and_nothing_that_is_evaluated_has_it(
    run: Callable[..., Path], changes: dict[str, object]
) -> None:
    out = run(**MODEL, **changes, training__average=0.9, training__epoch_steps=3)
    warmup, weak = load_checkpoint(out / "warmup.pt"), load_checkpoint(out / "weak.pt")
    for checkpoint in (warmup, weak):
        names = checkpoint.trajectory.keys()
        assert "last.bias" in names
        evaluated = checkpoint.network().state_dict().keys()
        assert evaluated == checkpoint.weights.keys() == checkpoint.chosen_weights.keys() == checkpoint.average.keys()
        trained = len(list(checkpoint.network().parameters())) + len(names)
        assert checkpoint.optimiser["param_groups"][0]["params"] == list(range(trained))
        assert all(state["step"] == checkpoint.step for state in checkpoint.optimiser["state"].values())
    assert not torch.equal(warmup.trajectory["last.bias"], weak.trajectory["last.bias"])


def test_the_weak_stage_goes_on_with_what_the_warm_up_learnt(run: Callable[..., Path]) -> None:
    """The unlabelled weigh nothing: one epoch of the warm-up and two of the weak stage are two and one."""
    settings = MODEL | {"weak__reprojection_weight": 0.0, "training__epoch_steps": 4}
    apart = load_checkpoint(run("apart", **settings, warmup__epochs=1, weak__epochs=2) / "weak.pt")
    whole = load_checkpoint(run("whole", **settings, warmup__epochs=2, weak__epochs=1) / "weak.pt")
    assert apart.step == whole.step
    for part in ("weights", "trajectory"):
        assert all(torch.equal(weight, getattr(whole, part)[name]) for name, weight in getattr(apart, part).items())


# Off


def test_without_it_nothing_of_it_is_written(run: Callable[..., Path]) -> None:
    out = run("solved", weak__root="solved")
    known = run("known", weak__root="ground_truth")
    for name in ("warmup.pt", "warmup.csv"):
        assert (out / name).read_bytes() == (known / name).read_bytes(), "the warm-up does not depend on it"
    for name in ("warmup.pt", "weak.pt"):
        assert "trajectory" not in torch.load(out / name, weights_only=True)
    assert load_checkpoint(out / "warmup.pt").params["weak"] == {"epochs": 1}
    assert list(rows(out / "warmup.csv")[0])[2:4] == ["supervised", "total"]
    assert list(rows(out / "weak.csv")[0])[2:6] == ["supervised", "reprojection", "bone", "total"]


@pytest.mark.parametrize(
    "changes", [{"weak__epochs": 0}, {"data__subjects": NONE_UNLABELLED}], ids=lambda c: next(iter(c))
)
def test_where_nothing_is_to_be_placed_there_is_none(capture: tuple[Path, Path], changes: dict[str, object]) -> None:
    assert sets_of(capture, **changes).trajectory is None
    params = tiny_params(**MODEL)
    assert "trajectory" not in loss_weights(params.training, params.weak)


@pytest.mark.parametrize(
    ("before", "after", "words"), [("solved", "model", "has no trajectory"), ("model", "solved", "has a trajectory")]
)
def test_a_warm_up_for_another_root_is_refused(
    capture: tuple[Path, Path], tmp_path: Path, before: str, after: str, words: str
) -> None:
    of_warmup, of_weak = (tiny_params(weak__root=root, training__epoch_steps=1) for root in (before, after))
    warm_up(WarmupParams.of(of_warmup), *capture, tmp_path / "warmup.pt", tmp_path / "warmup.csv")
    with pytest.raises(InputError, match=rf"warmup\.pt: {words} network, which does not fit weak\.root: {after}; "):
        train_weakly(
            WeakParams.of(of_weak), tmp_path / "warmup.pt", *capture, tmp_path / "weak.pt", tmp_path / "weak.csv"
        )
    assert not (tmp_path / "weak.pt").exists()


# Its weights in a file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found.pop("last.bias"), r"lacks the weights last\.bias"),
        (lambda found: found.update(more=torch.zeros(1)), "has unknown weights more"),
        (lambda found: found.update({"last.bias": torch.zeros(4)}), r"last\.bias has shape \(4,\)"),
        (lambda found: found["last.bias"].fill_(math.nan), r"last\.bias has 3 of 3 weights that are NaN"),
    ],
    ids=["lacking", "unknown", "shape", "NaN"],
)
def test_damaged_weights_of_it_are_named(
    run: Callable[..., Path], change: Callable[[dict[str, Tensor]], object], words: str
) -> None:
    path = run(**MODEL, training__epoch_steps=1) / "weak.pt"
    checkpoint: Checkpoint = load_checkpoint(path)
    found = dict(checkpoint.trajectory)
    change(found)
    replace(checkpoint, trajectory=found).save(path)
    with pytest.raises(InputError, match=words):
        load_checkpoint(path)


def test_an_optimiser_without_its_moments_is_refused(run: Callable[..., Path]) -> None:
    path = run(**MODEL, training__epoch_steps=1) / "weak.pt"
    replace(load_checkpoint(path), trajectory={}).save(path)
    with pytest.raises(InputError, match="not Adam's for the network it describes"):
        load_checkpoint(path)
