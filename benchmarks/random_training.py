"""Training on random poses, for the benchmarks that time its steps, and the count of its matrix products."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from wsgcn.model.network import build_network
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.running.params import Params, Precision
from wsgcn.training.sets import LabelledSet, TrueRoots, UnlabelledSet
from wsgcn.training.stages import Trainer, Weights, epoch_steps

STAGES = ("warm-up", "weak")


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
        self.params, self.precision, self.device = params, precision, device
        self.skeleton = SKELETONS[params.data.skeleton]
        self.steps_per_epoch = epoch_steps(labelled, unlabelled, params.training)
        joints = len(self.skeleton.joints)
        generator = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> Tensor:
            return 0.3 * torch.randn(*shape, generator=generator)

        self.labelled = LabelledSet(normal(labelled, joints, 2), normal(labelled, joints, 3)).to(device)
        self.unlabelled: UnlabelledSet | None = None
        batch = params.training.batch_labelled
        if stage == "weak":
            self.unlabelled = UnlabelledSet(
                keypoints_NJ2=normal(unlabelled, joints, 2),
                camera_N=torch.zeros(unlabelled, dtype=torch.int64),
                intrinsics_K9=torch.tensor([[2.29, 2.29, 0.02, 0.02, -0.2, 0.2, 0.0, 0.0, 0.0]]),
                roots=TrueRoots(torch.tensor([0.0, 0.0, 5.0]).expand(unlabelled, 3).contiguous()),
            ).to(device)
            batch += params.training.batch_unlabelled
        self.poses_per_step = batch
        self.weights = Weights(supervised=1.0, reprojection=1.0, bone=1.0)
        self.bones_E2 = torch.tensor(self.skeleton.bones, device=device)

    def runner(self, is_captured: bool) -> Callable[[int], object]:
        """Trains for so many steps; the losses are read at their end, so the device has then done its work."""
        network = build_network(self.skeleton, self.params.model, 0).to(self.device)
        trainer = Trainer.start(network, self.params.training, 0, self.precision)
        trainer.capture = is_captured
        return lambda steps: trainer.run_epoch(steps, self.labelled, self.unlabelled, self.weights, self.bones_E2)


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
