"""The compiled step stands in for exactly the layers that it is written for, and for nothing that was changed."""

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.model.cpu.calls import counted_calls
from tests.tiny import tiny_params
from wsgcn.model.cpu import blas, door, fused
from wsgcn.model.cpu.door import compiled_form, plain_layers
from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv
from wsgcn.model.networks import build_network
from wsgcn.pose.skeleton import H36M16

pytestmark = pytest.mark.skipif(not blas.IS_AVAILABLE, reason="has no library of products")

X_BJ2 = torch.randn(6, 16, 2, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _nothing_compared_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_agreements", {})


@pytest.fixture
def network() -> nn.Module:
    """A small network whose every parameter matters to the output."""
    network = build_network(H36M16, tiny_params().model, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.fixture
def compiled_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return counted_calls(monkeypatch, fused)


def gradients(network: nn.Module, function: Callable[[Tensor], Tensor] | None = None) -> dict[str, Tensor]:
    """Of a weighing of the output in every parameter, the batch's statistics left out of the running ones."""
    network = network if function is not None else copy.deepcopy(network)
    output = (function or network)(X_BJ2)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    names, parameters = zip(*network.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad((output * weights).sum(), parameters), strict=True))


def assert_trains_by_the_plain_layers(network: nn.Module, calls: list[int]) -> dict[str, Tensor]:
    """That a training pass gives the gradient of the layers as they are now, to the bit; returns it."""
    calls.clear()
    found = gradients(network)
    assert len(X_BJ2) not in calls
    with plain_layers():
        expected = gradients(network)
    assert found.keys() == expected.keys()
    assert all(torch.equal(gradient, expected[name]) for name, gradient in found.items())
    return found


def differs(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    scale = max(float(gradient.abs().max()) for gradient in other.values())
    return any(float((one[name] - gradient).abs().max()) > 1e-2 * scale for name, gradient in other.items())


def leaky(self: GraphBlock, x_BJC: Tensor) -> Tensor:
    """`GraphBlock.forward` with another nonlinearity."""
    return F.leaky_relu(self.norm(self.convolution(x_BJC).flatten(0, 1)), 0.3).view(*x_BJC.shape[:2], -1)


# The door opens


def test_the_ordinary_network_trains_by_the_compiled_form_without_a_word(network, compiled_calls):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradients(network)
    assert compiled_calls == [2, len(X_BJ2)]
    with plain_layers():
        expected = gradients(network)
    assert compiled_calls == [2, len(X_BJ2)]
    assert not differs(found, expected)


def test_both_forms_are_compared_once_for_networks_of_one_form(network, compiled_calls):
    for _ in range(2):
        gradients(network)
    gradients(copy.deepcopy(network))
    assert compiled_calls == [2, *3 * [len(X_BJ2)]]
    gradients(build_network(H36M16, tiny_params(model__semgcn__channels=16).model, seed=0))
    assert compiled_calls[4:] == [2, len(X_BJ2)]


def test_the_comparison_leaves_network_and_generator_as_they_were(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert compiled_form(network.layers, X_BJ2) is not None
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_plain_layers_shuts_it_and_opens_it_again(network):
    with plain_layers():
        assert compiled_form(network.layers, X_BJ2) is None
        with plain_layers():
            assert compiled_form(network.layers, X_BJ2) is None
        assert compiled_form(network.layers, X_BJ2) is None
    assert compiled_form(network.layers, X_BJ2) is not None
    with pytest.raises(ZeroDivisionError), plain_layers():
        raise ZeroDivisionError
    assert compiled_form(network.layers, X_BJ2) is not None


# A layer that was changed is the layer that trains


def test_a_changed_class_trains_as_it_is(network, compiled_calls, monkeypatch):
    before = gradients(network)
    assert len(X_BJ2) in compiled_calls
    monkeypatch.setattr(GraphBlock, "forward", leaky)
    with pytest.warns(UserWarning, match="no longer computes"):
        gradients(network)
    assert differs(assert_trains_by_the_plain_layers(network, compiled_calls), before)
    monkeypatch.undo()
    assert compiled_form(network.layers, X_BJ2) is not None, "and back again"


def test_a_changed_instance_trains_as_it_is(network, compiled_calls):
    before = gradients(network)
    block = network.layers[2].second
    block.forward = leaky.__get__(block)
    # A copy's patched method is bound to the original's layers, so there is no copy here.
    compiled_calls.clear()
    found = gradients(network, network)
    with plain_layers():
        expected = gradients(network, network)
    assert compiled_calls == []
    assert all(torch.equal(gradient, expected[name]) for name, gradient in found.items())
    assert differs(found, before)


@pytest.mark.parametrize("place", ["layers.0", "layers.0.norm", "layers.1.out", "layers.2.first.convolution", "layers"])
@pytest.mark.parametrize("kind", ["forward hook", "forward pre-hook"])
def test_a_hook_that_changes_what_it_sees_trains(network, compiled_calls, place, kind):
    before = gradients(network)
    module = network.get_submodule(place)
    if kind == "forward hook":
        module.register_forward_hook(lambda _module, _inputs, output: 1.5 * output.square())
    else:
        module.register_forward_pre_hook(lambda _module, inputs: (inputs[0].square(), *inputs[1:]))
    after = assert_trains_by_the_plain_layers(network, compiled_calls)
    is_used_as_module = place != "layers.1.out" or kind == "forward hook"
    assert not is_used_as_module or differs(after, before)


def test_a_hook_on_the_way_back_is_called(network, compiled_calls):
    seen = []
    network.layers[2].register_full_backward_hook(lambda *_: seen.append(1))
    assert_trains_by_the_plain_layers(network, compiled_calls)
    assert seen == [1, 1]


def test_a_subclass_of_a_known_layer_is_not_taken_for_it(network, compiled_calls):
    class LeakyBlock(GraphBlock):
        forward = leaky

    before = gradients(network)
    network.layers[0].__class__ = LeakyBlock
    assert differs(assert_trains_by_the_plain_layers(network, compiled_calls), before)


@pytest.mark.parametrize(
    ("place", "subclass"),
    [
        ("layers.0.norm", type("Norm", (nn.BatchNorm1d,), {})),
        ("layers.1", type("NonLocal", (NonLocal,), {})),
        ("layers.1.theta", type("Linear", (nn.Linear,), {})),
        ("layers.2", type("ResidualBlock", (ResidualBlock,), {})),
        ("layers.4", type("SemGraphConv", (SemGraphConv,), {})),
        ("layers", type("Sequential", (nn.Sequential,), {})),
    ],
)
def test_nor_is_one_anywhere_else(network, compiled_calls, place, subclass):
    network.get_submodule(place).__class__ = subclass
    assert_trains_by_the_plain_layers(network, compiled_calls)


class Scale(nn.Module):
    """A layer that nobody knows."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.7))

    def forward(self, x_BJC: Tensor) -> Tensor:
        return x_BJC * self.factor


@pytest.mark.parametrize("at", range(6))
def test_one_more_layer_trains(network, compiled_calls, at):
    network.layers.insert(at, Scale())
    after = assert_trains_by_the_plain_layers(network, compiled_calls)
    assert after[f"layers.{at}.factor"].abs() > 0


def test_one_more_layer_within_a_known_one_trains(network, compiled_calls):
    network.layers[0].norm = nn.Sequential(network.layers[0].norm, Scale())
    assert_trains_by_the_plain_layers(network, compiled_calls)


def test_known_layers_in_another_order_train(network, compiled_calls):
    layers = network.layers
    for order in ([0, 2, 1, 3, 4], [0, 4]):
        network.layers = nn.Sequential(*(layers[index] for index in order))
        found = gradients(network)
        with plain_layers():
            assert not differs(found, gradients(network))
    network.layers = nn.Sequential(layers[0], layers[2].first, layers[4])
    assert_trains_by_the_plain_layers(network, compiled_calls)


def test_a_norm_without_its_parameters_or_its_running_statistics_trains(network, compiled_calls):
    network.layers[0].norm = nn.BatchNorm1d(8, affine=False)
    assert_trains_by_the_plain_layers(network, compiled_calls)
    network.layers[0].norm = nn.BatchNorm1d(8, track_running_stats=False)
    assert_trains_by_the_plain_layers(network, compiled_calls)


def test_a_norm_that_is_frozen_stays_so(network, compiled_calls):
    """As in fine-tuning: in eval mode it uses its running statistics."""
    before = gradients(network)
    network.layers[0].norm.eval()
    assert differs(assert_trains_by_the_plain_layers(network, compiled_calls), before)


def test_parameters_that_are_frozen_do_not_keep_the_others_from_training(network):
    network.layers[0].requires_grad_(False)
    output = network(X_BJ2)
    output.square().sum().backward()
    assert all(parameter.grad is None for parameter in network.layers[0].parameters())
    assert all(parameter.grad is not None for parameter in network.layers[1:].parameters())


# The compiled form that was changed, or forgotten


def doubled(modules: nn.Sequential, x_BJC: Tensor) -> Tensor:
    return 2 * modules(x_BJC)


class _WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 1.1 * gradient


def wrong_gradient(modules: nn.Sequential, x_BJC: Tensor) -> Tensor:
    return _WrongGradient.apply(modules(x_BJC))


@pytest.mark.parametrize("wrong", [doubled, wrong_gradient])
def test_a_compiled_form_that_disagrees_is_noticed_with_one_warning(network, monkeypatch, wrong):
    with plain_layers():
        expected = gradients(network)
    monkeypatch.setattr(fused, "forward", wrong)
    with pytest.warns(UserWarning, match=r"plain layers are used; wsgcn/model/cpu/fused\.py wants the same") as caught:
        found = [gradients(network) for _ in range(3)]
    assert len(caught) == 1
    for gradient in found:
        assert all(torch.equal(value, expected[name]) for name, value in gradient.items())
