"""The one door to the compiled training step: which layers it can take the place of, and whether it still does.

The compiled functions are SemGCN's layers written a second time. So that an experiment on a layer may lose speed but
never truth, a network asks here before each pass: the door opens only where every module is exactly one that is known,
without hooks, and where both forms have been found to agree on two poses.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv

Form = Callable[[Tensor], Tensor]

_PARTS: dict[type[nn.Module], tuple[type[nn.Module], ...]] = {  # the layers that are known, and what each is made of
    SemGraphConv: (),
    GraphBlock: (SemGraphConv, nn.BatchNorm1d),
    ResidualBlock: (GraphBlock, GraphBlock),
    NonLocal: (nn.Linear, nn.Linear, nn.Linear, nn.Linear, nn.Linear, nn.BatchNorm1d),
    nn.Linear: (),
    nn.BatchNorm1d: (),
}
_PARAMETERS: dict[type[nn.Module], set[str]] = {  # of their own
    SemGraphConv: {"weight", "bias", "edge_weight"},
    nn.BatchNorm1d: {"weight", "bias"},
}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_TOLERANCE = 1e-2  # of the largest number; rounding alone was measured to make 1e-4 of it

_is_shut = False
_agreements: dict[tuple[Any, ...], bool] = {}  # by what the comparison depends on


@contextmanager
def plain_layers() -> Iterator[None]:
    """Inside, every network uses its plain layers; for tests and benchmarks."""
    global _is_shut
    before, _is_shut = _is_shut, True
    try:
        yield
    finally:
        _is_shut = before


def compiled_form(layers: nn.Sequential, x_BJC: Tensor) -> Form | None:
    """The compiled form of the layers one after the other, in training mode, for inputs like this one.

    Returns:
        None where the plain layers are to be used: on another device or in another precision, without gradients, where
        no library of products is at hand, or where the layers are not exactly those that the compiled form is for.
    """
    if _is_shut or not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return None
    tensors = (x_BJC, next(layers.parameters()))
    if any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in tensors):
        return None
    if not _are_known(layers):
        return None
    # Imported where it runs: numba takes a third of a second to load, and only training needs it.
    from wsgcn.model.cpu.blas import IS_AVAILABLE

    if not IS_AVAILABLE or not _agree(layers, x_BJC.shape[1:]):
        return None
    from wsgcn.model.cpu import fused

    return lambda x: fused.forward(layers, x)


def clip_and_step_of(optimiser: torch.optim.Optimizer, largest_norm: float) -> Callable[[], bool]:
    """A compiled form of clipping the gradient to a norm (0: not at all) and of the optimiser's step after it.

    Returns:
        What does both and says whether it has; if not, torch's own are to be called. See `wsgcn.model.cpu.adam`.
    """
    if type(optimiser) is not torch.optim.Adam:
        return lambda: False
    if any(parameter.device.type != "cpu" for parameter in optimiser.param_groups[0]["params"]):
        return lambda: False
    from wsgcn.model.cpu.adam import ClippedAdam

    adam = ClippedAdam(optimiser, largest_norm)
    return lambda: not _is_shut and adam.step()


def _are_known(layers: nn.Sequential) -> bool:
    first, *others, last = layers
    if type(layers) is not nn.Sequential or not _is_untouched(layers):
        return False
    if type(first) is not GraphBlock or type(last) is not SemGraphConv:
        return False
    return all(type(layer) in (ResidualBlock, NonLocal) for layer in others) and all(map(_is_known, layers))


def _is_known(module: nn.Module) -> bool:
    parts = _PARTS.get(type(module))
    if parts is None or not _is_untouched(module):
        return False
    if getattr(module, "channelwise", False) or getattr(module, "dropout", 0):
        return False
    if any(getattr(module, name, 0) is None for name in ("running_mean", "momentum")):  # of a norm
        return False
    own = {name for name, _ in module.named_parameters(recurse=False)}
    if type(module) is not nn.Linear and own != _PARAMETERS.get(type(module), set()):
        return False
    children = tuple(module.children())
    return tuple(map(type, children)) == parts and all(map(_is_known, children))


def _is_untouched(module: nn.Module) -> bool:
    """Whether it does what its class does in training, and nothing else."""
    return module.training and "forward" not in vars(module) and not any(getattr(module, hooks) for hooks in _HOOKS)


def _agree(layers: nn.Sequential, shape: torch.Size) -> bool:
    """Whether both forms give the same values and gradients; compared once a process for a network of this form."""
    functions = (*(kind.forward for kind in _PARTS), SemGraphConv.attention)
    form = (functions, tuple(map(type, layers)), tuple(shape), tuple(p.shape for p in layers.parameters()))
    if form not in _agreements:
        _agreements[form] = _compare(layers, shape)
        if not _agreements[form]:
            warnings.warn(
                "The compiled training step on the CPU no longer computes what wsgcn.model.layers does, so the plain "
                "layers are used; wsgcn/model/cpu/fused.py wants the same change.",
                stacklevel=2,
            )
    return _agreements[form]


def _compare(layers: nn.Sequential, shape: torch.Size) -> bool:
    from wsgcn.model.cpu import fused

    generator = torch.Generator().manual_seed(0)
    x_BJC = torch.randn(2, *shape, generator=generator)
    plain = copy.deepcopy(layers).requires_grad_()
    with torch.no_grad():
        for parameter in plain.parameters():  # away from initial values, at which a layer may have no effect
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    compiled = copy.deepcopy(plain)
    expected = _output_and_gradients(plain, x_BJC, plain)
    found = _output_and_gradients(compiled, x_BJC, lambda x: fused.forward(compiled, x))
    largest = max(float(gradient.abs().max()) for gradient in expected[1:])
    scales = [float(expected[0].abs().max()), *[largest] * len(expected[1:])]
    return all(
        float((a - b).abs().max()) <= _TOLERANCE * scale for a, b, scale in zip(expected, found, scales, strict=True)
    )


def _output_and_gradients(layers: nn.Sequential, x_BJC: Tensor, form: Form) -> list[Tensor]:
    output = form(x_BJC)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), list(layers.parameters()))]
