"""Adam with the clipping of the gradient before it, in two passes of compiled code over all parameters.

torch clips and updates some hundred small tensors in several operations each, in a time that does not shrink with them.
Here every tensor stays where it is, the optimiser's state among them, so that who keeps or loads it sees no difference.
One thread does it, in a fixed order.
"""

import math
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic
from torch import Tensor

from wsgcn.model.cpu.compiled import compiled
from wsgcn.model.cpu.vectors import vectorised

_PARAMETER, _GRADIENT, _FIRST, _SECOND, _STEP = range(5)  # the rows of `addresses`


@intrinsic
def _floats(_: Any, address: Any) -> Any:
    """The pointer to float32 at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(address), generate


@vectorised
def _gradient_norm(addresses_5P, sizes_P):  # type: ignore[no-untyped-def]
    total = 0.0
    for n in range(len(sizes_P)):
        gradient = carray(_floats(addresses_5P[_GRADIENT, n]), sizes_P[n])
        square = np.float32(0)
        for i in range(sizes_P[n]):
            square += gradient[i] * gradient[i]
        total += square
    return math.sqrt(total)


@compiled(fastmath={"contract", "nsz"})
def _update(addresses_5P, sizes_P, largest_norm, rate, beta_1, beta_2, eps):  # type: ignore[no-untyped-def]
    scale = np.float32(1)
    if largest_norm > 0:
        share = largest_norm / (_gradient_norm(addresses_5P, sizes_P) + 1e-6)
        if not share >= 1:  # NaN too, so that a loss that is not finite stays seen
            scale = np.float32(share)
    keep_2, take_1, take_2 = np.float32(beta_2), np.float32(1 - beta_1), np.float32(1 - beta_2)
    least = np.float32(eps)
    for n in range(len(sizes_P)):
        step = carray(_floats(addresses_5P[_STEP, n]), 1)
        step[0] += np.float32(1)
        count = np.float64(step[0])
        width = np.float32(rate / (1 - beta_1**count))
        of_second = np.float32(1 / math.sqrt(1 - beta_2**count))
        parameter = carray(_floats(addresses_5P[_PARAMETER, n]), sizes_P[n])
        gradient = carray(_floats(addresses_5P[_GRADIENT, n]), sizes_P[n])
        first = carray(_floats(addresses_5P[_FIRST, n]), sizes_P[n])
        second = carray(_floats(addresses_5P[_SECOND, n]), sizes_P[n])
        for i in range(len(parameter)):
            slope = gradient[i] * scale
            first_moment = first[i] + take_1 * (slope - first[i])
            second_moment = keep_2 * second[i] + take_2 * slope * slope
            first[i], second[i] = first_moment, second_moment
            parameter[i] -= width * first_moment / (math.sqrt(second_moment) * of_second + least)


class ClippedAdam:
    """The steps of one optimiser, whose parameters and state may change in value and must not be replaced."""

    def __init__(self, optimiser: torch.optim.Adam, largest_norm: float) -> None:
        """Clip to this norm before each step; 0 does not clip."""
        self._optimiser, self._largest_norm = optimiser, float(largest_norm)
        self._group = optimiser.param_groups[0]
        self._parameters: list[Tensor] = self._group["params"]
        self._known: tuple[Any, ...] = ()

    def step(self) -> bool:
        """Clip and step; the gradients themselves stay as they are.

        Returns:
            Whether it was done. Nothing was where a tensor is not one of float32 on the CPU, not in one piece, or has
            no gradient, or where the optimiser does more than plain Adam.
        """
        gradients = [parameter.grad for parameter in self._parameters]
        if not all(gradient is not None and gradient.is_contiguous() for gradient in gradients):
            return False
        if not self._knows_all() and not self._get_to_know():
            return False
        group = self._group
        self._addresses_5P[_GRADIENT] = [gradient.data_ptr() for gradient in gradients]  # type: ignore[union-attr]
        _update(
            *(self._addresses_5P, self._sizes_P, self._largest_norm),
            *(float(group["lr"]), *group["betas"], group["eps"]),
        )
        return True

    def _knows_all(self) -> bool:
        """Whether the state is the one whose addresses are known: a loaded one lies elsewhere."""
        return bool(self._known) and self._optimiser.state[self._parameters[0]].get("exp_avg") is self._known[0]

    def _get_to_know(self) -> bool:
        group = self._group
        if len(self._optimiser.param_groups) != 1 or isinstance(group["lr"], Tensor):
            return False
        if group["weight_decay"] or group["amsgrad"] or group["maximize"]:
            return False
        if not all(map(_is_plain, self._parameters)):
            return False
        tensors: list[tuple[Tensor, ...]] = []
        for parameter in self._parameters:
            state = self._optimiser.state[parameter]
            if not state:  # as torch begins
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            tensors.append((parameter, parameter, state["exp_avg"], state["exp_avg_sq"], state["step"]))
        if not all(_is_plain(tensor) for row in tensors for tensor in row):
            return False
        self._addresses_5P = np.array([[tensor.data_ptr() for tensor in row] for row in tensors], np.int64).T.copy()
        self._sizes_P = np.array([parameter.numel() for parameter in self._parameters], np.int64)
        self._known = tuple(row[_FIRST] for row in tensors)
        return True


def _is_plain(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.is_contiguous()
