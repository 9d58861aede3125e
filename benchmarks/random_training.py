"""Training on random poses, for the benchmarks that time its steps, and the count of its matrix products."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from wsgcn.model.networks import build_network
from wsgcn.model.params import Precision
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.running.params import Params
from wsgcn.training.losses import TERMS, bone_ends
from wsgcn.training.sets import LabelledSet, Sets, TrueRootSource, UnlabelledSet, epoch_steps
from wsgcn.training.trainer import Trainer

STAGES = ("warm-up", "weak")
WEIGHTS = {term.name: 1.0 for term in TERMS}


class Training:
    """A stage's training on so many random poses."""

    def __init__(
        self,
        params: Params,
        stage: str,
        precision: Precision,
        device: torch.device,
        labelled: int,
        unlabelled: int,
    ) -> None:
        self.params, self.precision = params, precision
        self.skeleton = SKELETONS[params.data.skeleton]
        joints = len(self.skeleton.joints)
        generator = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> Tensor:
            return 0.3 * torch.randn(*shape, generator=generator)

        of_labelled = LabelledSet(normal(labelled, joints, 2), normal(labelled, joints, 3)).to(device)
        self.poses_per_step = params.training.batch_labelled
        of_unlabelled: UnlabelledSet | None = None
        if stage == "weak":
            of_unlabelled = UnlabelledSet(
                keypoints_NJ2=normal(unlabelled, joints, 2),
                camera_N=torch.zeros(unlabelled, dtype=torch.int64),
                intrinsics_K9=torch.tensor([[2.29, 2.29, 0.02, 0.02, -0.2, 0.2, 0.0, 0.0, 0.0]]),
                roots=TrueRootSource(torch.tensor([0.0, 0.0, 5.0]).expand(unlabelled, 3).contiguous()),
            ).to(device)
            self.poses_per_step += params.training.batch_unlabelled
        self.sets = Sets(
            labelled=of_labelled,
            unlabelled=of_unlabelled,
            validation=None,
            bone_ends_2EJ=bone_ends(torch.tensor(self.skeleton.bones, device=device), joints),
            steps_per_epoch=epoch_steps(labelled, unlabelled, params.training),
        )

    def runner(self, is_captured: bool) -> Callable[[int], object]:
        """A training from its start, as `runner_of` has it."""
        network = build_network(self.skeleton, self.params.model, 0)
        trainer = Trainer.start(network, self.params.training, 0, self.sets, WEIGHTS, self.precision)
        trainer.capture = is_captured
        return runner_of(trainer)


def runner_of(trainer: Trainer) -> Callable[[int], object]:
    """Trains for so many steps; the losses are read at their end, so the device has then done its work."""

    def run(steps: int) -> None:
        trainer.sets = replace(trainer.sets, steps_per_epoch=steps)
        trainer.run_epoch()

    return run


class Products(TorchDispatchMode):
    """Counts the matrix products inside."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[tuple[float, float]] = []  # operations; bytes of factors and result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            tensors = [tensor for tensor in (*args, result) if isinstance(tensor, Tensor)]
            flop = flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=result)
            self.counted.append((flop, sum(map(_bytes, tensors))))
        return result


def _bytes(tensor: Tensor) -> int:
    """In memory: an expanded tensor lies there once."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
