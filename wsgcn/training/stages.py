"""Training: the warm-up with 3D labels and the weak stage that goes on from it with 2D.

An epoch is one pass over the larger of the labelled and the unlabelled set, in both stages; the other set is cycled. So
with Human3.6M's S1 against S5-S8 an epoch of the warm-up is as long as one of the weak stage, as in the published code.
The sets are streams of shuffled passes, cut into batches of equal size; the last batch of an epoch may reach into the
next pass.
"""

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.progress import Bar
from wsgcn.base.trackers import Tracker
from wsgcn.model.checkpoint import Checkpoint, Chosen, load_checkpoint
from wsgcn.model.network import build_network
from wsgcn.model.runtime import check_precision, prepare
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.pose.store import Detections
from wsgcn.running.params import Params, Precision
from wsgcn.running.params import Training as TrainingParams
from wsgcn.training.sets import (
    LabelledSet,
    Shuffle,
    UnlabelledSet,
    count_poses,
    load_labelled,
    load_unlabelled,
    load_unlabelled_with_true_roots,
    split_takes,
    takes_of,
)
from wsgcn.training.step import Step, Weights

_VALIDATION_BATCH = 1024

Row = dict[str, float]


@dataclass
class Trainer:
    """Network, optimiser and position of a training run, which `run_epoch` carries on.

    On CUDA the step is captured as a graph once for the sets given, unless `capture` is off; the results are the same.
    """

    network: nn.Module
    optimiser: torch.optim.Adam
    settings: TrainingParams
    seed: int
    precision: Precision = "float32"
    capture: bool = True
    epoch: int = 0
    step: int = 0
    _step: Step | None = field(default=None, init=False, repr=False)

    @classmethod
    def start(
        cls, network: nn.Module, settings: TrainingParams, seed: int, precision: Precision = "float32"
    ) -> "Trainer":
        optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
        trainer = cls(network, optimiser, settings, seed, precision)
        trainer._fit_optimiser_to_device()
        return trainer

    @classmethod
    def resume(
        cls,
        checkpoint: Checkpoint,
        settings: TrainingParams,
        seed: int,
        device: torch.device,
        precision: Precision = "float32",
    ) -> "Trainer":
        """Go on from a checkpoint: weights, optimiser state, step, and so the rate and the order of the poses."""
        network = build_network(checkpoint.skeleton, checkpoint.model)
        network.load_state_dict(checkpoint.weights, strict=True)
        trainer = cls.start(network.to(device), settings, seed, precision)
        trainer.optimiser.load_state_dict(dict(checkpoint.optimiser))
        trainer._fit_optimiser_to_device()
        trainer.epoch, trainer.step = checkpoint.epoch, checkpoint.step
        return trainer

    def _fit_optimiser_to_device(self) -> None:
        """On CUDA a captured step reads the rate from the device; a number would be captured with it."""
        device = next(self.network.parameters()).device
        if device.type == "cuda":
            for group in self.optimiser.param_groups:
                group["lr"] = torch.tensor(group["lr"], device=device)
                group["capturable"] = True

    def optimiser_state(self) -> dict[str, Any]:
        """A copy of the optimiser's state on the CPU, of the same form from every device."""
        state = _copy(self.optimiser.state_dict())
        for group in state["param_groups"]:
            group["lr"] = float(group["lr"])
            group["capturable"] = False
        return state

    @property
    def rate(self) -> float:
        """The learning rate at the current step: a staircase."""
        return self.settings.learning_rate * self.settings.decay_factor ** (self.step // self.settings.decay_steps)

    def run_epoch(
        self,
        steps: int,
        labelled: LabelledSet,
        unlabelled: UnlabelledSet | None,
        weights: Weights,
        bones_E2: Tensor,
        on_step: Callable[[], None] = lambda: None,
    ) -> Row:
        """Train for `steps` steps.

        Args:
            unlabelled: None or an empty set leaves the weak losses out.
            on_step: called after each step, on CUDA when the step is on its way.

        Returns:
            The mean of each loss by name, unweighted, and of the weighted `total`.

        Raises:
            InputError: the loss became NaN or infinite; the parameters are then not usable.
        """
        device = bones_E2.device
        settings, seed = self.settings, self.seed
        unlabelled = unlabelled if unlabelled is not None and len(unlabelled) else None
        labelled_order = Shuffle(len(labelled), settings.batch_labelled, seed=seed, role="labelled")
        labelled_index = labelled_order.epoch_indices(self.step, steps).to(device)
        unlabelled_index: Tensor | None = None
        if unlabelled is not None:
            unlabelled_order = Shuffle(len(unlabelled), settings.batch_unlabelled, seed=seed, role="unlabelled")
            unlabelled_index = unlabelled_order.epoch_indices(self.step, steps).to(device)
        self.network.train()
        run_step = self._step_on(labelled, unlabelled, weights, bones_E2)
        # Dropout draws from torch's generator; seeding it by epoch keeps a resumed run on the same draws.
        torch.manual_seed(seed * 1_000_003 + self.epoch)
        for step in range(steps):
            if step == 0 or self.step % settings.decay_steps == 0:
                self._set_rate()
            run_step(labelled_index[step], None if unlabelled_index is None else unlabelled_index[step])
            self.step += 1
            on_step()
        self.epoch += 1
        means = {name: total / steps for name, total in run_step.take_sums().items()}
        if not all(math.isfinite(mean) for mean in means.values()):
            raise InputError(
                f"training: the loss of epoch {self.epoch} is not finite ({means}); "
                "lower training.learning_rate or the weights of the losses."
            )
        return means

    def _step_on(
        self, labelled: LabelledSet, unlabelled: UnlabelledSet | None, weights: Weights, bones_E2: Tensor
    ) -> Step:
        """The step on these sets: the last epoch's where the sets are the same, so that its capture is kept."""
        if self._step is None or not self._step.is_for(labelled, unlabelled, weights, bones_E2):
            self._step = Step(
                self.network, self.optimiser, self.settings, self.precision, labelled, unlabelled, weights, bones_E2
            )
            if bones_E2.device.type == "cuda" and self.capture:
                self._step.capture()
        return self._step

    def _set_rate(self) -> None:
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.rate)
            else:
                group["lr"] = self.rate


@dataclass(frozen=True)
class Sets:
    """What a stage trains on and is validated with, on the device."""

    labelled: LabelledSet
    unlabelled: UnlabelledSet | None
    validation: LabelledSet | None
    steps_per_epoch: int


def epoch_steps(labelled: int, unlabelled: int, settings: TrainingParams) -> int:
    """Steps of an epoch: one pass over the larger of the two sets."""
    if unlabelled > labelled:
        return math.ceil(unlabelled / settings.batch_unlabelled)
    return math.ceil(labelled / settings.batch_labelled)


def load_sets(params: Params, stage: str, poses_path: Path, detections_path: Path, device: torch.device) -> Sets:
    """Load the sets of a training stage.

    The warm-up only counts the unlabelled poses, for the length of an epoch. With `weak.root: solved` the unlabelled
    set is made from detections.h5 alone.

    Raises:
        InputError: a subject is missing, or there is nothing to train on.
    """
    data, subjects = params.data, params.data.subjects
    skeleton = SKELETONS[data.skeleton]
    labelled_takes = takes_of(detections_path, subjects.labelled)
    validation_takes = takes_of(detections_path, subjects.validation_subjects)
    if isinstance(subjects.validation, float):
        labelled_takes, validation_takes = split_takes(labelled_takes, subjects.validation, params.seed)
    labelled = load_labelled(poses_path, detections_path, labelled_takes, skeleton, data.stride)
    if not len(labelled):
        raise InputError(f"{detections_path}: holds no frame of the labelled {', '.join(subjects.labelled)}.")
    unlabelled_takes = takes_of(detections_path, subjects.unlabelled)
    unlabelled: UnlabelledSet | None = None
    if stage == "weak" and unlabelled_takes and params.weak.epochs:
        if params.weak.root == "solved":
            unlabelled = load_unlabelled(detections_path, unlabelled_takes, skeleton, data.stride)
        else:
            unlabelled = load_unlabelled_with_true_roots(
                poses_path, detections_path, unlabelled_takes, skeleton, data.stride
            )
    validation = load_labelled(poses_path, detections_path, validation_takes, skeleton, data.stride)
    return Sets(
        labelled=labelled.to(device),
        unlabelled=None if unlabelled is None else unlabelled.to(device),
        validation=validation.to(device) if len(validation) else None,
        steps_per_epoch=epoch_steps(
            len(labelled), count_poses(detections_path, unlabelled_takes, data.stride), params.training
        ),
    )


@torch.no_grad()
def validation_mpjpe_mm(network: nn.Module, validation: LabelledSet) -> float:
    """Mean over frames and joints of the distance between root-relative poses, in mm."""
    network.eval()
    total = 0.0
    for start in range(0, len(validation), _VALIDATION_BATCH):
        predicted_BJ3 = network(validation.keypoints_NJ2[start : start + _VALIDATION_BATCH])
        difference_BJ3 = predicted_BJ3 - predicted_BJ3[:, :1] - validation.pose_NJ3[start : start + _VALIDATION_BATCH]
        total += torch.linalg.vector_norm(difference_BJ3, dim=-1).mean(1).sum().item()
    return 1000 * total / len(validation)


@dataclass
class Curves:
    """The rows of metrics/<stage>.csv, one an epoch."""

    path: Path
    losses: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row and write the file, so that a run that breaks off keeps its curve."""
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        columns = ("epoch", "step", *self.losses, "total", "learning_rate", "seconds", "validation_mpjpe_mm")
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        write_atomically(self.path, buffer.getvalue())


def warm_up(
    params: Params, poses_path: Path, detections_path: Path, checkpoint_path: Path, curves_path: Path, tracker: Tracker
) -> None:
    """Stage warmup: train on the labelled subjects alone; write a checkpoint and the curves.

    Raises:
        InputError: see `load_sets`, `Trainer.run_epoch` and `Checkpoint.save`.
    """
    device = prepare(params.runtime)
    check_precision(params.runtime.precision, device)
    skeleton = SKELETONS[params.data.skeleton]
    with Detections(detections_path) as detections:
        source = detections.source
    network = build_network(skeleton, params.model, params.seed).to(device)
    trainer = Trainer.start(network, params.training, params.seed, params.runtime.precision)
    weights_at_start = _copy(network.state_dict())
    start = Checkpoint(
        model=params.model,
        skeleton=skeleton,
        source=source,
        params=params.used_by("warmup"),
        weights=weights_at_start,
        optimiser=trainer.optimiser_state(),
        epoch=0,
        step=0,
        chosen=Chosen(epoch=0, by=params.training.choose_epoch, validation_mpjpe_mm=None),
        chosen_weights=weights_at_start,
    )
    sets = load_sets(params, "warmup", poses_path, detections_path, device)
    curves = Curves(curves_path, ("supervised",))
    weights = Weights(supervised=params.training.supervised_weight)
    _train("warm-up", params.warmup.epochs, trainer, sets, weights, start, curves, tracker).save(checkpoint_path)


def train_weakly(
    params: Params,
    warmup_path: Path,
    poses_path: Path,
    detections_path: Path,
    checkpoint_path: Path,
    curves_path: Path,
    tracker: Tracker,
) -> None:
    """Stage weak: go on from the warm-up's checkpoint with the unlabelled subjects; write a checkpoint and the curves.

    With 0 epochs the warm-up's checkpoint is passed on; without unlabelled subjects training goes on with labels.

    Raises:
        InputError: the warm-up's checkpoint does not fit the parameters; see also `load_sets`, `Trainer.run_epoch`,
            `load_checkpoint` and `Checkpoint.save`.
    """
    device = prepare(params.runtime)
    check_precision(params.runtime.precision, device)
    skeleton = SKELETONS[params.data.skeleton]
    warmup = load_checkpoint(warmup_path)
    with Detections(detections_path) as detections:
        warmup.check_fits(warmup_path, skeleton, detections.source, params.model)
    if not warmup.optimiser:
        raise InputError(f"{warmup_path}: has no optimiser's state, without which training cannot go on from it.")
    trainer = Trainer.resume(warmup, params.training, params.seed, device, params.runtime.precision)
    start = replace(warmup, params=params.used_by("weak"))
    sets = load_sets(params, "weak", poses_path, detections_path, device)
    curves = Curves(curves_path, ("supervised", "reprojection", "bone"))
    weights = Weights(
        supervised=params.training.supervised_weight,
        reprojection=params.weak.reprojection_weight,
        bone=params.weak.bone_weight,
    )
    _train("weak", params.weak.epochs, trainer, sets, weights, start, curves, tracker).save(checkpoint_path)


def _train(
    label: str,
    epochs: int,
    trainer: Trainer,
    sets: Sets,
    weights: Weights,
    checkpoint: Checkpoint,
    curves: Curves,
    tracker: Tracker,
) -> Checkpoint:
    """Train for some epochs from a checkpoint to the next, which knows the chosen one of all epochs so far."""
    bones_E2 = torch.tensor(checkpoint.skeleton.bones, device=sets.labelled.keypoints_NJ2.device)
    curves.write()
    with Bar(label, epochs * sets.steps_per_epoch, "steps") as bar:
        loss = ""  # of the epoch before: reading one within an epoch would make a GPU wait
        for _ in range(epochs):
            started = time.perf_counter()
            note = f"epoch {trainer.epoch + 1}, rate {trainer.rate:.2g}{loss}"
            advance = partial(bar.advance, note=note)
            means = trainer.run_epoch(sets.steps_per_epoch, sets.labelled, sets.unlabelled, weights, bones_E2, advance)
            loss = f", loss of epoch {trainer.epoch} {means['total']:.5f}"
            row = {"epoch": trainer.epoch, "step": trainer.step, **means, "learning_rate": trainer.rate}
            row["seconds"] = time.perf_counter() - started
            if sets.validation is not None:
                row["validation_mpjpe_mm"] = validation_mpjpe_mm(trainer.network, sets.validation)
            curves.add(row)
            tracker.log_metrics({name: value for name, value in row.items() if name != "epoch"}, step=trainer.epoch)
            checkpoint = _advanced(checkpoint, trainer, row.get("validation_mpjpe_mm"))
    return checkpoint


def _advanced(checkpoint: Checkpoint, trainer: Trainer, mpjpe_mm: float | None) -> Checkpoint:
    """The checkpoint after one more epoch."""
    by, best = checkpoint.chosen.by, checkpoint.chosen.validation_mpjpe_mm
    weights = _copy(trainer.network.state_dict())
    if by == "last" or best is None or (mpjpe_mm is not None and mpjpe_mm < best):
        chosen, chosen_weights = Chosen(trainer.epoch, by, mpjpe_mm), weights
    else:
        chosen, chosen_weights = checkpoint.chosen, checkpoint.chosen_weights
    return replace(
        checkpoint,
        weights=weights,
        optimiser=trainer.optimiser_state(),
        epoch=trainer.epoch,
        step=trainer.step,
        chosen=chosen,
        chosen_weights=chosen_weights,
    )


def _copy(state: Any) -> Any:
    """A copy on the CPU of a state dictionary, which training does not change afterwards."""
    match state:
        case Tensor():
            return state.detach().to("cpu", copy=True)
        case dict():
            return {key: _copy(value) for key, value in state.items()}
        case list():
            return [_copy(value) for value in state]
        case _:
            return state
