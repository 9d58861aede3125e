"""The trainer: network, optimiser and position of a training run, and how an epoch carries it on."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wsgcn.base.errors import InputError
from wsgcn.model.checkpoint import Checkpoint
from wsgcn.model.cpu.door import predicting
from wsgcn.model.networks import build_network
from wsgcn.model.params import Precision
from wsgcn.training.averaging import Average
from wsgcn.training.params import Training
from wsgcn.training.schedule import learning_rate
from wsgcn.training.sets import LabelledSet, Sets, Shuffle
from wsgcn.training.step import Step

_VALIDATION_BATCH = 1024


@dataclass
class Trainer:
    """A training run on fixed sets, which `run_epoch` carries on: of a network, and of the trajectory network of the
    sets, if there is one; that is not averaged, as nothing reports what it says.

    On CUDA the step is captured as a graph once, unless `capture` is off; the results are the same.
    """

    network: nn.Module
    optimiser: torch.optim.Adam
    settings: Training
    seed: int
    sets: Sets
    weights: Mapping[str, float]  # of the losses, by the terms' names
    precision: Precision = "float32"
    epochs: int = 1  # of both stages together, which the cosine of the rate spans
    capture: bool = True
    epoch: int = 0
    step: int = 0
    average: Average | None = field(default=None, init=False)
    _step: Step | None = field(default=None, init=False, repr=False)

    @classmethod
    def start(
        cls,
        network: nn.Module,
        settings: Training,
        seed: int,
        sets: Sets,
        weights: Mapping[str, float],
        precision: Precision = "float32",
        epochs: int = 1,
    ) -> "Trainer":
        """Begin with the network as it is, on the device of the sets."""
        network = network.to(sets.device)
        of_trajectory = [] if sets.trajectory is None else sets.trajectory.parameters()
        optimiser = torch.optim.Adam([*network.parameters(), *of_trajectory], lr=settings.learning_rate, fused=True)
        trainer = cls(network, optimiser, settings, seed, sets, weights, precision, epochs)
        if settings.average:
            trainer.average = Average(network, settings.average)
        trainer._fit_optimiser_to_device()
        return trainer

    @classmethod
    def resume(
        cls,
        checkpoint: Checkpoint,
        settings: Training,
        seed: int,
        sets: Sets,
        weights: Mapping[str, float],
        precision: Precision = "float32",
        epochs: int = 1,
    ) -> "Trainer":
        """Go on from a checkpoint: weights, optimiser state, step, and so the rate and the order of the poses."""
        network = build_network(checkpoint.skeleton, checkpoint.model)
        trainer = cls.start(network, settings, seed, sets, weights, precision, epochs)
        trainer.restore(checkpoint)
        return trainer

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint's state, before the first epoch: what `resume` does."""
        self.network.load_state_dict(checkpoint.weights, strict=True)
        if self.settings.average:
            self.average = Average(self.network, self.settings.average, checkpoint.average or None)
        if self.sets.trajectory is not None:
            self.sets.trajectory.load_state_dict(checkpoint.trajectory, strict=True)
        self.optimiser.load_state_dict(dict(checkpoint.optimiser))
        self._fit_optimiser_to_device()
        self.epoch, self.step = checkpoint.epoch, checkpoint.step

    def _fit_optimiser_to_device(self) -> None:
        """On CUDA a captured step reads the rate from the device; a number would be captured with it."""
        device = next(self.network.parameters()).device
        if device.type == "cuda":
            for group in self.optimiser.param_groups:
                group["lr"] = torch.tensor(group["lr"], device=device)
                group["capturable"] = True

    def optimiser_state(self) -> dict[str, Any]:
        """A copy of the optimiser's state on the CPU, of the same form from every device."""
        state = copied(self.optimiser.state_dict())
        for group in state["param_groups"]:
            group["lr"] = float(group["lr"])
            group["capturable"] = False
        return state

    @property
    def rate(self) -> float:
        """The learning rate at the current step."""
        return learning_rate(self.settings, self.step, self.epochs * self.sets.steps_per_epoch)

    @property
    def result(self) -> nn.Module:
        """The network that is validated and evaluated: the average where there is one."""
        return self.network if self.average is None else self.average.network

    def run_epoch(self, on_step: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Train for one epoch.

        Args:
            on_step: called after each step, on CUDA when the step is on its way.

        Returns:
            The mean of each loss by name, unweighted, and of the weighted `total`.

        Raises:
            InputError: the loss became NaN or infinite; the parameters are then not usable.
        """
        sets, settings, seed, steps = self.sets, self.settings, self.seed, self.sets.steps_per_epoch
        if sets.teacher is not None:
            sets.teacher.teach(self.result, self.epoch)
        labelled_index = self._labelled_indices(steps)
        unlabelled_index: Tensor | None = None
        if sets.unlabelled is not None:
            unlabelled_order = Shuffle(len(sets.unlabelled), settings.batch_unlabelled, seed=seed, role="unlabelled")
            unlabelled_index = unlabelled_order.epoch_indices(self.step, steps).to(sets.device)
        self.network.train()
        run_step = self._prepared_step()
        # Dropout draws from torch's generator; seeding it by epoch keeps a resumed run on the same draws.
        torch.manual_seed(seed * 1_000_003 + self.epoch)
        rate = None
        for step in range(steps):
            if self.rate != rate:
                rate = self.rate
                self._set_rate(rate)
            run_step(labelled_index[step], None if unlabelled_index is None else unlabelled_index[step], self.step)
            if self.average is not None:
                self.average.update(self.step)
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

    def _labelled_indices(self, steps: int) -> Tensor:
        """The labelled poses (steps, batch) of an epoch; with a teacher the last of each batch are pseudo-labelled."""
        teacher, batch = self.sets.teacher, self.settings.batch_labelled
        taught = 0 if teacher is None else teacher.share_of(batch)
        order = Shuffle(len(self.sets.labelled), batch - taught, seed=self.seed, role="labelled")
        index = order.epoch_indices(self.step, steps)
        if teacher is not None:
            taught_order = Shuffle(len(teacher), taught, seed=self.seed, role="taught")
            index = torch.cat((index, teacher.first + taught_order.epoch_indices(self.step, steps)), dim=1)
        return index.to(self.sets.device)

    def _prepared_step(self) -> Step:
        """The step, made and captured once."""
        if self._step is None:
            self._step = Step(self.network, self.optimiser, self.settings, self.precision, self.sets, self.weights)
            if self.sets.device.type == "cuda" and self.capture:
                self._step.capture()
        return self._step

    def _set_rate(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


@torch.no_grad()
@predicting()
def validation_mpjpe_mm(network: nn.Module, validation: LabelledSet) -> float:
    """Mean over frames and joints of the distance between root-relative poses, in mm."""
    network.eval()
    total = 0.0
    for index_B in torch.arange(len(validation), device=validation.pose_NJ3.device).split(_VALIDATION_BATCH):
        predicted_BJ3 = network(validation.seen(index_B))
        difference_BJ3 = predicted_BJ3 - predicted_BJ3[:, :1] - validation.truth(index_B)
        total += torch.linalg.vector_norm(difference_BJ3, dim=-1).mean(1).sum().item()
    return 1000 * total / len(validation)


def copied(state: Any) -> Any:
    """A copy on the CPU of a state dictionary, which training does not change afterwards."""
    match state:
        case Tensor():
            return state.detach().to("cpu", copy=True)
        case dict():
            return {key: copied(value) for key, value in state.items()}
        case list():
            return [copied(value) for value in state]
        case _:
            return state
