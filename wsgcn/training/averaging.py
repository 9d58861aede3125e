"""The exponential average of a network's weights over the steps of training."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """A second network, whose weights and batch norms' statistics are the average of another's.

    After step n, counted from 0: average = d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)). The
    second bound lets the average leave the initial weights behind at once (it is that of TensorFlow's moving averages).
    """

    def __init__(self, network: nn.Module, decay: float, state: Mapping[str, Tensor] | None = None) -> None:
        """Of the network as it is, or of a state that `network.state_dict()` of an earlier average had."""
        self.network = copy.deepcopy(network).requires_grad_(False)
        if state is not None:
            self.network.load_state_dict(state, strict=True)
        self._decay = decay
        pairs = [
            (average, current)
            for average, current in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True)
        ]
        self._averages = [average for average, _ in pairs if average.is_floating_point()]
        self._weights = [current for average, current in pairs if average.is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]  # of the batch norms' batches

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._weights, 1 - decay)
        for average, current in self._counts:
            average.copy_(current)
