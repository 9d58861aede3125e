"""The one door to the compiled forms, in training and in prediction: which layers they can take the place of, and
whether they still do.

The compiled functions are SemGCN's layers written a second time. So that an experiment on a layer may lose speed but
never truth, a network asks here before each pass: the door opens only where every module is exactly one that is known,
without hooks, and where both forms have been found to agree on two poses.
"""

import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from wsgcn.model.cpu import products
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
_folded = threading.local()  # `by_layers`, inside `predicting`: networks with their norms folded in
_agreements: dict[tuple[Any, ...], bool] = {}  # by what the comparison depends on


@contextmanager
def plain_layers() -> Iterator[None]:
    """Inside, every network uses its plain layers: for few poses, which do not pay for loading numba; for tests."""
    global _is_shut
    before, _is_shut = _is_shut, True
    try:
        yield
    finally:
        _is_shut = before


@contextmanager
def predicting() -> Iterator[None]:
    """Inside, networks in evaluation mode without gradients use their compiled forms; nothing of them may change in it.

    A network is looked at, and its norms are folded into its weights, once, when it is first used, and that is
    forgotten at the end: what is changed before the next time, by a step or an average, counts then.
    """
    before = getattr(_folded, "by_layers", None)
    _folded.by_layers = {} if before is None else before
    try:
        yield
    finally:
        _folded.by_layers = before


def predicting_form(layers: nn.Sequential, x_BJC: Tensor) -> Form | None:
    """The compiled form of the layers one after the other, in evaluation mode, for inputs like this one.

    Returns:
        None where the plain layers are to be used: outside of `predicting`, with gradients, and as `compiled_form`.
    """
    by_layers = getattr(_folded, "by_layers", None)
    if by_layers is None or torch.is_grad_enabled() or _is_shut_for(x_BJC):
        return None
    key = id(layers), x_BJC.shape[1:]
    if key not in by_layers:
        if not _is_open(layers, x_BJC, is_training=False):
            return None
        from wsgcn.model.cpu import folded

        network = folded.fold(layers)
        # With the layers themselves, so that no other object gets the same id.
        by_layers[key] = layers, lambda x: folded.forward(network, x)
    form: Form = by_layers[key][1]
    return form


def compiled_form(layers: nn.Sequential, x_BJC: Tensor) -> Form | None:
    """The compiled form of the layers one after the other, in training mode, for inputs like this one.

    Returns:
        None where the plain layers are to be used: on another device or in another precision, without gradients, where
        no library of products is at hand, or where the layers are not exactly those that the compiled form is for.
    """
    if not torch.is_grad_enabled() or not _is_open(layers, x_BJC, is_training=True):
        return None
    # Imported where it runs: numba takes a third of a second to load, and not everything needs it.
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


def _is_open(layers: nn.Sequential, x_BJC: Tensor, *, is_training: bool) -> bool:
    if _is_shut_for(x_BJC) or any(_is_elsewhere(parameter) for parameter in layers.parameters()):
        return False
    if not _are_known(layers, is_training):
        return False
    # A predicted pose may not depend on its batch: see `wsgcn.model.cpu.prediction`.
    is_available = products.at_hand() if is_training else "mkl" in products.at_hand()
    return bool(is_available) and _agree(layers, x_BJC.shape[1:], is_training)


def _is_shut_for(x_BJC: Tensor) -> bool:
    return _is_shut or torch.is_autocast_enabled("cpu") or torch.jit.is_tracing() or _is_elsewhere(x_BJC)


def _is_elsewhere(tensor: Tensor) -> bool:
    return tensor.device.type != "cpu" or tensor.dtype != torch.float32


def _are_known(layers: nn.Sequential, is_training: bool) -> bool:
    first, *others, last = layers
    if type(layers) is not nn.Sequential or not _is_untouched(layers, is_training):
        return False
    if type(first) is not GraphBlock or type(last) is not SemGraphConv:
        return False
    is_in_order = all(type(layer) in (ResidualBlock, NonLocal) for layer in others)
    return is_in_order and all(_is_known(layer, is_training) for layer in layers)


def _is_known(module: nn.Module, is_training: bool) -> bool:
    parts = _PARTS.get(type(module))
    if parts is None or not _is_untouched(module, is_training):
        return False
    if getattr(module, "channelwise", False) or (is_training and getattr(module, "dropout", 0)):
        return False
    if any(getattr(module, name, 0) is None for name in ("running_mean", "momentum")):  # of a norm
        return False
    own = {name for name, _ in module.named_parameters(recurse=False)}
    if type(module) is not nn.Linear and own != _PARAMETERS.get(type(module), set()):
        return False
    children = tuple(module.children())
    return tuple(map(type, children)) == parts and all(_is_known(child, is_training) for child in children)


def _is_untouched(module: nn.Module, is_training: bool) -> bool:
    """Whether it does what its class does in this mode, and nothing else."""
    is_in_mode = module.training == is_training
    return is_in_mode and "forward" not in vars(module) and not any(getattr(module, hooks) for hooks in _HOOKS)


def _agree(layers: nn.Sequential, shape: torch.Size, is_training: bool) -> bool:
    """Whether both forms give the same values and gradients; compared once a process for a network of this form."""
    functions = (*(kind.forward for kind in _PARTS), SemGraphConv.attention)
    sizes = tuple(parameter.shape for parameter in layers.parameters())
    modules = list(layers.modules())
    graphs = [module.edge_index.numpy().tobytes() for module in modules if isinstance(module, SemGraphConv)]
    graphs += [module.group_members.numpy().tobytes() for module in modules if isinstance(module, NonLocal)]
    form = (is_training, functions, tuple(map(type, layers)), tuple(shape), sizes, *graphs)
    if form not in _agreements:
        _agreements[form] = (_compare if is_training else _compare_predictions)(layers, shape)
        if not _agreements[form]:
            step, file = ("training step", "fused") if is_training else ("prediction", "folded")
            warnings.warn(
                f"The compiled {step} on the CPU no longer computes what wsgcn.model.layers does, so the plain layers "
                f"are used; wsgcn/model/cpu/{file}.py wants the same change.",
                stacklevel=2,
            )
    return _agreements[form]


def _compare(layers: nn.Sequential, shape: torch.Size) -> bool:
    from wsgcn.model.cpu import fused

    generator = torch.Generator().manual_seed(0)
    x_BJC = torch.randn(2, *shape, generator=generator)
    plain = _moved(layers, generator)
    compiled = copy.deepcopy(plain)
    expected = _output_and_gradients(plain, x_BJC, plain)
    found = _output_and_gradients(compiled, x_BJC, lambda x: fused.forward(compiled, x))
    largest = max(float(gradient.abs().max()) for gradient in expected[1:])
    scales = [float(expected[0].abs().max()), *[largest] * len(expected[1:])]
    return all(
        float((a - b).abs().max()) <= _TOLERANCE * scale for a, b, scale in zip(expected, found, scales, strict=True)
    )


def _compare_predictions(layers: nn.Sequential, shape: torch.Size) -> bool:
    from wsgcn.model.cpu import folded

    generator = torch.Generator().manual_seed(0)
    x_BJC = torch.randn(2, *shape, generator=generator)
    x_BJC[1] *= 100  # so that a non-local layer comes to its limit
    plain = _moved(layers, generator)
    for norm in plain.modules():
        if isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None and norm.running_var is not None:
            norm.running_mean.add_(torch.randn(norm.running_mean.shape, generator=generator), alpha=0.1)
            norm.running_var.mul_(0.5 + torch.rand(norm.running_var.shape, generator=generator))
    with torch.no_grad():
        expected, found = plain(x_BJC), folded.forward(folded.fold(plain), x_BJC)
    difference_B, scale_B = ((a.flatten(1).abs().amax(1)) for a in (found - expected, expected))
    return bool((difference_B <= _TOLERANCE * scale_B).all())


def _moved(layers: nn.Sequential, generator: torch.Generator) -> nn.Sequential:
    """A copy whose parameters are away from initial values, at which a layer may have no effect."""
    moved = copy.deepcopy(layers).requires_grad_()
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return moved


def _output_and_gradients(layers: nn.Sequential, x_BJC: Tensor, form: Form) -> list[Tensor]:
    output = form(x_BJC)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), list(layers.parameters()))]
