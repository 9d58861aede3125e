"""Training on the CPU through `wsgcn.model.cpu.fused` against the plain layers, whose formulas test_layers.py tests."""

import copy
import threading
import time
from collections.abc import Iterable, Iterator
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from wsgcn.model.cpu import blas, crew, kernels, products
from wsgcn.model.cpu.door import compiled_form, plain_layers
from wsgcn.model.networks import build_network
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton
from wsgcn.running.params import read_params

pytestmark = pytest.mark.skipif(not blas.IS_AVAILABLE, reason="has no library of products")

BATCH = 2 * kernels.BLOCK + 5  # the last block is not full


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def network_of(skeleton: Skeleton = H36M16, **settings: object) -> nn.Module:
    """A small network whose every parameter matters to the output, so that none of its gradients is zero by design."""
    model = read_params().model
    semgcn = model.semgcn.model_copy(update={"channels": 16, "blocks": 2, **settings})
    network = build_network(skeleton, model.model_copy(update={"semgcn": semgcn}), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


def trained_on(network: nn.Module, batch: int = BATCH, joints: int = 16) -> tuple[Tensor, dict[str, Tensor]]:
    """The output of a batch, and every gradient and running statistic that it leaves."""
    generator = torch.Generator().manual_seed(2)
    keypoints_BJ2 = torch.randn(batch, joints, 2, generator=generator)
    wanted_BJ3 = torch.randn(batch, joints, 3, generator=generator)
    network.train()
    predicted_BJ3 = network(keypoints_BJ2)
    nn.functional.mse_loss(predicted_BJ3, wanted_BJ3).backward()
    left = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    left |= {name: buffer for name, buffer in network.named_buffers() if "running" in name or "tracked" in name}
    return predicted_BJ3.detach(), left


def biases_before_norms(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(("convolution.bias", "out.bias"))]


@pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("settings", [{}, {"non_local": False}, {"blocks": 0}], ids=["", "local", "no blocks"])
@pytest.mark.parametrize("batch", [1, kernels.BLOCK, BATCH])
def test_a_step_agrees_with_the_plain_layers(skeleton, settings, batch):
    network = network_of(skeleton, **settings)
    plain = copy.deepcopy(network)
    predicted, left = trained_on(network, batch, len(skeleton.joints))
    with plain_layers():
        of_plain, left_by_plain = trained_on(plain, batch, len(skeleton.joints))
    torch.testing.assert_close(predicted, of_plain, rtol=1e-4, atol=1e-5)
    assert left.keys() == left_by_plain.keys()
    for name, value in left.items():
        if name in biases_before_norms(left):
            continue  # rounding error in the plain layers: see the next test
        torch.testing.assert_close(
            value, left_by_plain[name], rtol=2e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_the_bias_before_a_batch_norm_gets_no_gradient():
    network = network_of()
    _, left = trained_on(network)
    names = biases_before_norms(left)
    assert len(names) == 1 + 2 * 2 + 3
    assert all(not left[name].any() for name in names)
    assert left["layers.6.bias"].any()  # the output's, which no norm follows


def assert_same_bits(results: list[tuple[Tensor, dict[str, Tensor]]]) -> None:
    for predicted, left in results[1:]:
        assert torch.equal(predicted, results[0][0])
        assert all(torch.equal(value, results[0][1][name]) for name, value in left.items())


@pytest.mark.parametrize("product", list(products.at_hand()))
def test_the_number_of_threads_changes_no_bit(product):
    network = network_of(channels=64)
    results = []
    products.want(product)
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            results.append(trained_on(copy.deepcopy(network), batch=9 * kernels.BLOCK + 5))
        assert products.in_use() == product
    finally:
        products.want("auto")
    assert_same_bits(results)


def test_nor_does_a_thread_that_gets_no_time(monkeypatch):
    """The others do its blocks, and wait for it no longer than for those that it has begun."""
    network, begun, go_on = network_of(), threading.Event(), threading.Event()
    network(torch.zeros(2, 16, 2))  # compiled by now
    torch.set_num_threads(1)
    results = [trained_on(copy.deepcopy(network))]
    torch.set_num_threads(2)
    help_in_time = crew._Task.help

    def stalled(task: crew._Task) -> None:
        begun.set()
        assert go_on.wait(300)
        help_in_time(task)

    monkeypatch.setattr(crew._Task, "help", stalled)
    monkeypatch.setattr(crew, "_crew", [])
    monkeypatch.setattr(crew, "_meetings", crew._Meetings())
    started = time.monotonic()
    while not begun.is_set():  # a thread that wakes too late for any of it has to be given more
        results.append(trained_on(copy.deepcopy(network)))
        assert time.monotonic() - started < 120
    go_on.set()
    results.append(trained_on(copy.deepcopy(network)))
    assert_same_bits(results)


def test_the_threads_of_other_products_stay_as_they_were():
    torch.set_num_threads(2)
    trained_on(network_of())
    assert torch.get_num_threads() == 2
    assert blas_threads() == 2


def blas_threads() -> int:
    import numba

    @numba.njit
    def read(threads):
        return blas.set_threads(threads)

    threads = read(1)
    read(threads)
    return threads


def test_it_stands_in_for_the_layers_in_float32_training_alone():
    layers, x = network_of().layers, torch.zeros(2, 16, 2)
    assert compiled_form(layers, x) is not None
    assert compiled_form(layers, x.double()) is None
    with torch.no_grad():
        assert compiled_form(layers, x) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert compiled_form(layers, x) is None
    assert compiled_form(layers, x) is not None
    assert compiled_form(layers.double(), x) is None


@pytest.mark.parametrize(
    ("settings", "is_training", "is_fused"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"dropout": 0.3}, True, False),
        ({"channelwise": True}, True, False),
    ],
)
def test_what_it_has_no_form_of_goes_through_the_layers(settings, is_training, is_fused):
    network = network_of(**settings)
    network(torch.zeros(2, 16, 2))  # now the two forms have been compared
    network.train(is_training)
    with patch("wsgcn.model.cpu.fused.forward", return_value="fused") as forward:
        output = network(torch.zeros(2, 16, 2))
    assert forward.called == is_fused
    assert (isinstance(output, str) and output == "fused") == is_fused


def test_inputs_and_weights_in_another_order_of_memory_are_the_same():
    network = network_of()
    reordered = copy.deepcopy(network)
    for parameter in reordered.parameters():
        if parameter.ndim == 2:
            parameter.data = parameter.data.T.contiguous().T
    x_BJ2 = torch.randn(BATCH, 16, 2, generator=torch.Generator().manual_seed(0))
    expected = network(x_BJ2)
    assert not x_BJ2.transpose(0, 1).contiguous().transpose(0, 1).is_contiguous()
    assert torch.equal(reordered(x_BJ2.transpose(0, 1).contiguous().transpose(0, 1)), expected)


def test_the_way_back_is_taken_once():
    network = network_of()
    total = network(torch.zeros(2, 16, 2)).sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="it can be taken once"):
        total.backward()


def test_two_ways_forth_before_the_ways_back_do_not_meet():
    network = network_of()
    batches = torch.randn(2, BATCH, 16, 2, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(BATCH, 16, 3, generator=torch.Generator().manual_seed(1))
    apart = [torch.autograd.grad((network(x) * weights).sum(), list(network.parameters())) for x in batches]
    totals = [(network(x) * weights).sum() for x in batches]
    together = [torch.autograd.grad(total, list(network.parameters())) for total in totals]
    for gradients, expected in zip(together, apart, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(gradients, expected, strict=True))
