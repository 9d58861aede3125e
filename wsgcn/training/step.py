"""One step of training: the losses of a batch, their gradient, and Adam.

A step waits for nothing that a GPU computes: the batch is named by indices that are there already, and the losses are
summed where they arise, to be read once an epoch. So CUDA can capture it as a graph, and replaying the graph costs the
host one call in place of some thousand. On the CPU the same function is called directly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsgcn.model.runtime import autocast, tf32_products
from wsgcn.running.params import Precision
from wsgcn.running.params import Training as TrainingParams
from wsgcn.training.losses import bone_ends, bone_loss, reprojection_loss, supervised_loss
from wsgcn.training.sets import LabelledSet, UnlabelledSet

_REHEARSALS = 3  # CUDA's libraries choose their kernels and take their workspaces in the first steps


@dataclass(frozen=True)
class Weights:
    """The weight of each loss; a loss with weight 0 is not computed."""

    supervised: float
    reprojection: float = 0.0
    bone: float = 0.0


class Step:
    """A step on fixed sets, with the places that hold its batch and the sums of its losses.

    A captured step works on the very tensors of network, optimiser and sets that it was captured with: they may change
    in value, and must not be replaced.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        settings: TrainingParams,
        precision: Precision,
        labelled: LabelledSet,
        unlabelled: UnlabelledSet | None,
        weights: Weights,
        bones_E2: Tensor,
    ) -> None:
        self._network, self._optimiser = network, optimiser
        self._parameters = list(network.parameters())
        self._gradient_clip, self._precision = settings.gradient_clip, precision
        self._labelled, self._unlabelled = labelled, unlabelled
        self._weights, self._bones_E2 = weights, bones_E2
        self._device = bones_E2.device
        self._bone_ends_2EJ = bone_ends(bones_E2, joints=labelled.pose_NJ3.shape[1])
        self._labelled_index_B = bones_E2.new_zeros(settings.batch_labelled)
        self._unlabelled_index_B = bones_E2.new_zeros(settings.batch_unlabelled)
        names = ["supervised"]
        if unlabelled is not None:
            names += [name for name in ("reprojection", "bone") if getattr(weights, name)]
        self._names = (*names, "total")
        self._sums = torch.zeros(len(self._names), device=self._device)
        self._run: Callable[[], None] = self._compute

    def is_for(
        self, labelled: LabelledSet, unlabelled: UnlabelledSet | None, weights: Weights, bones_E2: Tensor
    ) -> bool:
        """Whether it works on these very sets."""
        same_sets = self._labelled is labelled and self._unlabelled is unlabelled and self._bones_E2 is bones_E2
        return same_sets and self._weights == weights

    def __call__(self, labelled_index_B: Tensor, unlabelled_index_B: Tensor | None) -> None:
        """Train on the poses with these indices."""
        self._labelled_index_B.copy_(labelled_index_B)
        if unlabelled_index_B is not None:
            self._unlabelled_index_B.copy_(unlabelled_index_B)
        self._run()

    def take_sums(self) -> dict[str, float]:
        """The sum of each loss by name, unweighted, and of the weighted `total`, since the last call."""
        sums = dict(zip(self._names, self._sums.tolist(), strict=True))
        self._sums.zero_()
        return sums

    def capture(self) -> None:
        """Run the step as a CUDA graph from now on. Of the state of training it moves torch's generator alone."""
        # The steps before must not run on the default stream, see torch's notes on CUDA graphs.
        side, current = torch.cuda.Stream(self._device), torch.cuda.current_stream(self._device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            self.rehearse()
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._compute()
        self._run = graph.replay

    def rehearse(self) -> None:
        """Run a few steps and undo them, all but the draws of torch's generator."""
        before = [(tensor, tensor.clone()) for tensor in self._state()]
        known = {id(tensor) for tensor, _ in before}
        for _ in range(_REHEARSALS):
            self._compute()
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)
            for tensor in self._state():
                if id(tensor) not in known:  # made by Adam in its first step; all of it starts at zero
                    tensor.zero_()
        # Without gradients, as a graph's capture must find it to put its own into the graph's memory.
        self._drop_gradients()

    def _state(self) -> list[Tensor]:
        """Every tensor that a step changes."""
        moments = [value for state in self._optimiser.state.values() for value in state.values()]
        return [*self._parameters, *self._network.buffers(), *moments, self._sums]

    def _compute(self) -> None:
        self._drop_gradients()
        inputs = self._labelled.keypoints_NJ2.index_select(0, self._labelled_index_B)
        if self._unlabelled is not None:
            # One pass for both batches: they share the statistics of the batch norms.
            inputs = torch.cat((inputs, self._unlabelled.keypoints_NJ2.index_select(0, self._unlabelled_index_B)))
        use_tf32 = self._precision == "tf32"
        with tf32_products(use_tf32), autocast(self._precision, self._device):
            predicted = self._network(inputs)
        losses = self._losses(inputs, predicted)
        # In two parts, because TF32 is for the network's products and not for those of the losses.
        (gradient,) = torch.autograd.grad(losses[-1], predicted)
        with tf32_products(use_tf32):
            predicted.backward(gradient)
        if self._gradient_clip:
            nn.utils.clip_grad_norm_(self._parameters, self._gradient_clip)
        self._optimiser.step()
        self._sums += torch.stack(losses).detach()

    def _drop_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def _losses(self, inputs: Tensor, predicted: Tensor) -> list[Tensor]:
        """Each loss in the order of `_names`, the last one their weighted sum."""
        truth_BJ3 = self._labelled.pose_NJ3.index_select(0, self._labelled_index_B)
        unlabelled, index_B = self._unlabelled, self._unlabelled_index_B
        if unlabelled is None:
            losses = [supervised_loss(predicted, truth_BJ3)]
        else:
            labelled_BJ3, unlabelled_BJ3 = predicted.split((len(truth_BJ3), len(index_B)))
            losses = [supervised_loss(labelled_BJ3, truth_BJ3)]
            if self._weights.reprojection:
                root_B3 = unlabelled.roots.of(index_B, unlabelled_BJ3)
                intrinsics_B9 = unlabelled.intrinsics_K9.index_select(0, unlabelled.camera_N.index_select(0, index_B))
                keypoints_BJ2 = inputs[len(truth_BJ3) :]
                losses.append(reprojection_loss(unlabelled_BJ3, root_B3, keypoints_BJ2, intrinsics_B9))
            if self._weights.bone:
                losses.append(bone_loss(labelled_BJ3, unlabelled_BJ3, self._bone_ends_2EJ))
        weighted = [getattr(self._weights, name) * loss for name, loss in zip(self._names, losses, strict=False)]
        return [*losses, torch.stack(weighted).sum()]
