"""Prediction by the compiled form: the numbers of the plain layers, and a pose's result depends on that pose alone."""

import copy
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.model.cpu.calls import counted_calls
from tests.tiny import tiny_params
from wsgcn.model import layers
from wsgcn.model.cpu import blas, door, folded, prediction
from wsgcn.model.cpu.door import plain_layers, predicting
from wsgcn.model.layers import GraphBlock, SemGraphConv
from wsgcn.model.networks import build_network
from wsgcn.model.predict import predict
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton

pytestmark = pytest.mark.skipif(not blas.IS_AVAILABLE, reason="torch was built without MKL")

LARGEST_DEVIATION_M = 1e-5
BLOCK = prediction.block_of(16, 32)


@pytest.fixture(autouse=True)
def _nothing_compared_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_agreements", {})


@pytest.fixture
def compiled_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return counted_calls(monkeypatch, folded)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(skeleton: Skeleton = H36M16, *, scale: float = 0.1, **settings: object) -> nn.Module:
    """A network in evaluation mode whose every parameter and statistic matters, with poses of about a metre."""
    model = tiny_params(**{f"model__semgcn__{name}": value for name, value in settings.items()}).model
    network = build_network(skeleton, model, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.add_((2.0 if "edge" in name else scale) * torch.randn(parameter.shape, generator=generator))
    network.train()
    with plain_layers():
        for _ in range(20):
            network(torch.randn(200, len(skeleton.joints), 2, generator=generator) * 0.5)
    return network.eval()


def poses(count: int, joints: int = 16) -> np.ndarray:
    return (0.5 * np.random.default_rng(0).standard_normal((count, joints, 2))).astype(np.float32)


def literal_m(network: nn.Module, keypoints_TJ2: np.ndarray) -> np.ndarray:
    """In float64 by the plain layers, minus the root."""
    with torch.no_grad():
        pose_m = copy.deepcopy(network).double()(torch.from_numpy(keypoints_TJ2).double()).numpy()
    return pose_m - pose_m[:, :1]


SETTINGS = [
    {"channels": 128, "blocks": 4, "non_local": True},
    {"channels": 64, "blocks": 4, "non_local": True},
    {"channels": 16, "blocks": 2, "non_local": False},
    {"channels": 6, "blocks": 1, "non_local": True, "dropout": 0.2},
]


@pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_gives_the_numbers_of_the_plain_layers(skeleton, settings, compiled_calls):
    network, keypoints_TJ2 = trained(skeleton, **settings), poses(150, len(skeleton.joints))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found_m = predict(network, keypoints_TJ2, skeleton)
    assert compiled_calls == [2, 150]
    expected_m = literal_m(network, keypoints_TJ2)
    assert np.abs(found_m - expected_m).max() <= LARGEST_DEVIATION_M * max(1, np.abs(expected_m).max())


def test_far_from_training_a_non_local_layer_is_limited_as_the_plain_one_is(compiled_calls, monkeypatch):
    network, keypoints_TJ2 = trained(channels=16), 100 * poses(40)
    found_m, expected_m = predict(network, keypoints_TJ2, H36M16), literal_m(network, keypoints_TJ2)
    assert compiled_calls[-1] == 40
    assert np.abs(found_m - expected_m).max() <= 1e-5 * np.abs(expected_m).max()
    monkeypatch.setattr(layers, "MOST_DEVIATIONS", 1e9)
    assert np.abs(literal_m(network, keypoints_TJ2)).max() > 2 * np.abs(expected_m).max(), "the limit acts"


def test_a_pose_does_not_depend_on_those_beside_it_nor_on_how_they_are_cut():
    network, keypoints_TJ2 = trained(channels=32), poses(3 * BLOCK + 5)
    whole_m = predict(network, keypoints_TJ2, H36M16, flip=True)
    for batch in (1, 7, BLOCK, 100):
        assert np.array_equal(predict(network, keypoints_TJ2, H36M16, flip=True, batch=batch), whole_m)
    order = np.random.default_rng(1).permutation(len(keypoints_TJ2))
    assert np.array_equal(predict(network, keypoints_TJ2[order], H36M16, flip=True), whole_m[order])


@pytest.mark.parametrize(("channels", "skeleton"), [(128, H36M16), (64, H36M17), (10, H36M16)])
def test_at_any_width_a_pose_has_the_same_bits_anywhere_in_a_block(channels, skeleton):
    network = trained(skeleton, channels=channels, blocks=1)
    one = poses(1, len(skeleton.joints))
    found_m = predict(
        network, np.repeat(one, prediction.block_of(len(skeleton.joints), channels) + 3, axis=0), skeleton
    )
    assert (found_m == found_m[0]).all()


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_changes_no_bit():
    network, keypoints_TJ2 = trained(channels=32), poses(7 * BLOCK + 1)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(predict(network, keypoints_TJ2, H36M16))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_no_pose_gives_none():
    assert predict(trained(), poses(0), H36M16).shape == (0, 16, 3)


def test_what_is_not_a_number_spoils_its_own_pose_alone():
    network, keypoints_TJ2 = trained(), poses(10)
    expected_m = predict(network, keypoints_TJ2, H36M16)
    keypoints_TJ2[4, 3] = np.nan
    found_m = predict(network, keypoints_TJ2, H36M16)
    assert np.isnan(found_m[4]).any()
    others = np.arange(10) != 4
    assert np.array_equal(found_m[others], expected_m[others])


# Never stale


@pytest.mark.parametrize("change", ["a parameter", "a statistic", "weights that are loaded"])
def test_what_has_changed_since_the_last_prediction_counts(change, compiled_calls):
    network, keypoints_TJ2 = trained(), poses(20)
    before_m = predict(network, keypoints_TJ2, H36M16)
    with torch.no_grad():
        if change == "a parameter":
            network.layers[2].first.convolution.weight.data.mul_(1.3)
        elif change == "a statistic":
            network.layers[0].norm.running_var.data.mul_(2)
        else:
            network.load_state_dict({name: 1.01 * value for name, value in network.state_dict().items()})
    found_m = predict(network, keypoints_TJ2, H36M16)
    assert compiled_calls.count(20) == 2
    assert np.abs(found_m - before_m).max() > 1e-4
    assert np.abs(found_m - literal_m(network, keypoints_TJ2)).max() < LARGEST_DEVIATION_M * max(
        1, np.abs(found_m).max()
    )


def test_a_network_is_looked_at_and_its_norms_are_folded_once_a_prediction(monkeypatch):
    network, calls = trained(), []
    fold, are_known = folded.fold, door._are_known
    predict(network, poses(1), H36M16)
    monkeypatch.setattr(folded, "fold", lambda layers: calls.append("folded") or fold(layers))
    monkeypatch.setattr(door, "_are_known", lambda *layers: calls.append("looked at") or are_known(*layers))
    predict(network, poses(20), H36M16, batch=3, flip=True)
    assert calls == ["looked at", "folded"]
    predict(network, poses(20), H36M16)
    assert calls == ["looked at", "folded"] * 2


# Where the plain layers are used


def assert_is_plain(network: nn.Module, calls: list[int]) -> None:
    x_BJ2 = torch.from_numpy(poses(6))
    calls.clear()
    with torch.no_grad():
        with predicting():
            found = network(x_BJ2)
        expected = network(x_BJ2)
    assert 6 not in calls
    assert torch.equal(found, expected)


def test_only_prediction_is_compiled(compiled_calls):
    network, x_BJ2 = trained(), torch.from_numpy(poses(6))
    with torch.no_grad():
        network(x_BJ2)
    with predicting():
        assert network(x_BJ2).requires_grad
    with torch.no_grad(), predicting(), plain_layers():
        network(x_BJ2)
    with torch.no_grad(), predicting(), torch.autocast("cpu", torch.bfloat16):
        network(x_BJ2)
    with torch.no_grad(), predicting():
        copy.deepcopy(network).double()(x_BJ2.double())
        network.train()(x_BJ2)
    assert 6 not in compiled_calls
    with torch.no_grad(), predicting():
        network.eval()(x_BJ2)
    assert compiled_calls.count(6) == 1


def test_tracing_sees_the_plain_layers(compiled_calls):
    network, x_BJ2 = trained(), torch.from_numpy(poses(6))
    with warnings.catch_warnings(), torch.no_grad(), predicting():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, x_BJ2, check_trace=False)
    assert 6 not in compiled_calls
    with torch.no_grad():
        assert torch.allclose(traced(x_BJ2), network(x_BJ2), atol=LARGEST_DEVIATION_M)


@pytest.mark.parametrize("settings", [{"channelwise": True}])
def test_what_is_not_written_a_second_time_is_plain(settings, compiled_calls):
    assert_is_plain(trained(**settings), compiled_calls)


@pytest.mark.parametrize("place", ["layers.0", "layers.1.norm", "layers.2.first.convolution", "layers"])
def test_a_hook_is_called(place, compiled_calls):
    network, seen = trained(), []
    network.get_submodule(place).register_forward_hook(lambda *_: seen.append(1))
    assert_is_plain(network, compiled_calls)
    assert seen == [1, 1]


def test_a_norm_that_is_still_in_training_is_plain(compiled_calls):
    network = trained()
    network.layers[1].norm.train()
    x_BJ2 = torch.from_numpy(poses(6))
    with torch.no_grad(), predicting():
        network(x_BJ2)
    assert 6 not in compiled_calls


def test_a_changed_class_predicts_as_it_is_with_one_warning(monkeypatch, compiled_calls):
    network = trained()

    def shifted(self: GraphBlock, x_BJC: Tensor) -> Tensor:
        return torch.relu(self.norm(self.convolution(x_BJC).flatten(0, 1)) + 0.5).view(*x_BJC.shape[:2], -1)

    monkeypatch.setattr(GraphBlock, "forward", shifted)
    with pytest.warns(
        UserWarning, match=r"prediction on the CPU no longer.*wsgcn/model/cpu/folded\.py wants"
    ) as caught:
        predict(network, poses(6), H36M16)
    assert len(caught) == 1
    assert_is_plain(network, compiled_calls)


def test_a_subclass_of_a_known_layer_is_plain(compiled_calls):
    network = trained()
    network.layers[-1].__class__ = type("SemGraphConv", (SemGraphConv,), {})
    assert_is_plain(network, compiled_calls)
