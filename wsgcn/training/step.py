"""One step of training: the losses of a batch, their gradient, and Adam.

A step waits for nothing that a GPU computes: the batch is named by indices that are there already, and the losses are
summed where they arise, to be read once an epoch. So CUDA can capture it as a graph, and replaying the graph costs the
host one call in place of some thousand. On the CPU the same function is called directly.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from wsgcn.model.cpu.door import clip_and_step_of
from wsgcn.model.params import Precision
from wsgcn.model.runtime import tf32_products
from wsgcn.training.losses import active_terms
from wsgcn.training.params import Training
from wsgcn.training.sets import Sets

_REHEARSALS = 3  # CUDA's libraries choose their kernels and take their workspaces in the first steps


class Step:
    """A step on fixed sets, with the places that hold its batch and the sums of its losses.

    A captured step works on the very tensors of network, optimiser and sets that it was captured with: they may change
    in value, and must not be replaced.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        settings: Training,
        precision: Precision,
        sets: Sets,
        weights: Mapping[str, float],
    ) -> None:
        self._network, self._optimiser = network, optimiser
        self._of_trajectory = [] if sets.trajectory is None else list(sets.trajectory.parameters())
        self._parameters = [*network.parameters(), *self._of_trajectory]
        self._clip_and_step = clip_and_step_of(optimiser, settings.gradient_clip)
        self._gradient_clip, self._precision = settings.gradient_clip, precision
        self._sets, self._device = sets, sets.device
        self._terms = active_terms(
            weights, has_unlabelled=sets.unlabelled is not None, has_trajectory=sets.trajectory is not None
        )
        self._losses = [term.function(settings.loss) for term in self._terms]
        self._weights = weights
        self._labelled_index_B = torch.zeros(settings.batch_labelled, dtype=torch.int64, device=self._device)
        self._unlabelled_index_B = torch.zeros(settings.batch_unlabelled, dtype=torch.int64, device=self._device)
        self._number = torch.zeros((), dtype=torch.int64, device=self._device)
        self._names = (*(term.name for term in self._terms), "total")
        self._sums = torch.zeros(len(self._names), device=self._device)
        self._run: Callable[[], None] = self._compute

    def __call__(self, labelled_index_B: Tensor, unlabelled_index_B: Tensor | None, number: int = 0) -> None:
        """Train on the poses with these indices, in the step of this number, on which augmentation depends."""
        self._number.fill_(number)
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
        batch = self._sets.batch(self._labelled_index_B, self._unlabelled_index_B, self._number)
        use_tf32 = self._precision == "tf32"
        with tf32_products(use_tf32):
            predicted_BJ3 = self._network(batch.keypoints_BJ2)
        losses = [compute(batch, predicted_BJ3) for compute in self._losses]
        weighted = [self._weights[term.name] * loss for term, loss in zip(self._terms, losses, strict=True)]
        total = torch.stack(weighted).sum()
        # In two parts, because TF32 is for the network's products and not for those of the losses, with which the
        # trajectory network's stand.
        gradient, *of_trajectory = torch.autograd.grad(total, [predicted_BJ3, *self._of_trajectory])
        for parameter, of_parameter in zip(self._of_trajectory, of_trajectory, strict=True):
            parameter.grad = of_parameter
        with tf32_products(use_tf32):
            predicted_BJ3.backward(gradient)
        if not self._clip_and_step():
            if self._gradient_clip:
                nn.utils.clip_grad_norm_(self._parameters, self._gradient_clip)
            self._optimiser.step()
        self._sums += torch.stack([*losses, total]).detach()

    def _drop_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None
