"""Clipping and Adam in compiled code against torch's: see `wsgcn.model.cpu.adam`."""

import copy

import pytest
import torch
from torch import nn

from wsgcn.model.cpu.adam import ClippedAdam
from wsgcn.model.cpu.door import clip_and_step_of, plain_layers
from wsgcn.training.trainer import copied

SHAPES = [(1,), (3, 5), (64, 33), (2, 130, 7), (0, 4)]


def parameters_of(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def give_gradients(parameters: list[nn.Parameter], step: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)


def step_of_torch(optimiser: torch.optim.Adam, parameters: list[nn.Parameter], clip: float) -> None:
    if clip:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimiser.step()


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 100.0])  # of which the smallest is not clipped
def test_it_agrees_with_torch_over_many_steps(clip, scale):
    ours, theirs = parameters_of(), parameters_of()
    optimisers = [torch.optim.Adam(parameters, lr=0.01, fused=True) for parameters in (ours, theirs)]
    adam = ClippedAdam(optimisers[0], clip)
    for step in range(50):
        rate = 0.01 / (1 + step)
        for optimiser, parameters in zip(optimisers, (ours, theirs), strict=True):
            optimiser.param_groups[0]["lr"] = rate
            give_gradients(parameters, step, scale)
        assert adam.step()
        step_of_torch(optimisers[1], theirs, clip)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        state, expected = optimisers[0].state[one], optimisers[1].state[other]
        assert state.keys() == expected.keys()
        for name, value in state.items():
            assert (value.dtype, value.shape) == (expected[name].dtype, expected[name].shape)
            torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6 * scale)


def test_either_goes_on_from_the_others_state():
    results = []
    for turns in ([True] * 4, [True, False, True, False], [False] * 4):
        parameters = parameters_of()
        optimiser = torch.optim.Adam(parameters, lr=0.01, fused=True)
        adam = ClippedAdam(optimiser, 1.0)
        for step, is_ours in enumerate(turns):
            give_gradients(parameters, step, 1.0)
            if is_ours:
                assert adam.step()
            else:
                step_of_torch(optimiser, parameters, 1.0)
            if step == 1:  # as on resuming: the state lies elsewhere then
                optimiser.load_state_dict(copied(optimiser.state_dict()))
        assert all(optimiser.state[parameter]["step"] == 4 for parameter in parameters)
        results.append(parameters)
    for parameters in results[:2]:
        for one, other in zip(parameters, results[2], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_the_number_of_threads_changes_no_bit():
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            parameters = parameters_of()
            adam = ClippedAdam(torch.optim.Adam(parameters, lr=0.01, fused=True), 1.0)
            for step in range(5):
                give_gradients(parameters, step, 1.0)
                assert adam.step()
            results.append(parameters)
    finally:
        torch.set_num_threads(before)
    for parameters in results[1:]:
        assert all(torch.equal(one, other) for one, other in zip(parameters, results[0], strict=True))


def test_gradients_stay_as_they_are():
    parameters = parameters_of()
    adam = ClippedAdam(torch.optim.Adam(parameters, lr=0.01, fused=True), 1.0)
    give_gradients(parameters, 0, 10.0)
    before = [parameter.grad.clone() for parameter in parameters]
    assert adam.step()
    assert all(torch.equal(parameter.grad, grad) for parameter, grad in zip(parameters, before, strict=True))


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_not_hidden(clip, wrong):
    parameters = parameters_of()
    adam = ClippedAdam(torch.optim.Adam(parameters, lr=0.01, fused=True), clip)
    give_gradients(parameters, 0, 1.0)
    parameters[1].grad[0, 0] = wrong
    assert adam.step()
    assert parameters[1][0, 0].isnan()


def without_gradient(parameters: list[nn.Parameter]) -> torch.optim.Adam:
    parameters[1].grad = None
    return torch.optim.Adam(parameters, lr=0.01, fused=True)


def in_another_order(parameters: list[nn.Parameter]) -> torch.optim.Adam:
    parameters[1].data = parameters[1].data.T.contiguous().T
    return torch.optim.Adam(parameters, lr=0.01, fused=True)


def in_two_groups(parameters: list[nn.Parameter]) -> torch.optim.Adam:
    return torch.optim.Adam([{"params": parameters[:2]}, {"params": parameters[2:]}], lr=0.01, fused=True)


@pytest.mark.parametrize(
    "optimiser_of",
    [
        without_gradient,
        in_another_order,
        in_two_groups,
        lambda parameters: torch.optim.Adam(parameters, lr=0.01, fused=True, weight_decay=0.1),
        lambda parameters: torch.optim.Adam(parameters, lr=0.01, fused=True, amsgrad=True),
        lambda parameters: torch.optim.Adam(parameters, lr=0.01, fused=True, maximize=True),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    ],
)
def test_what_it_has_no_form_of_is_left_to_torch_untouched(optimiser_of):
    parameters = parameters_of()
    give_gradients(parameters, 0, 1.0)
    optimiser = optimiser_of(parameters)
    before = copy.deepcopy(parameters)
    assert not clip_and_step_of(optimiser, 1.0)()
    assert all(torch.equal(one, other) for one, other in zip(parameters, before, strict=True))
    assert all(not state for state in optimiser.state.values())


def test_plain_layers_leave_it_to_torch():
    parameters = parameters_of()
    clip_and_step = clip_and_step_of(torch.optim.Adam(parameters, lr=0.01, fused=True), 1.0)
    give_gradients(parameters, 0, 1.0)
    with plain_layers():
        assert not clip_and_step()
    assert clip_and_step()
