import pytest
import torch
from test_layers import (
    CANCELLING,
    PRECISIONS,
    SKELETONS,
    assert_same,
    balance,
    literal_graph_block,
    literal_graph_convolution,
    literal_non_local,
    literal_residual_block,
    output_and_gradients,
    random_input,
    randomise,
    running_statistics,
)
from torch import Tensor, nn

from tests.tiny import published_tree
from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv
from wsgcn.model.linear import LinearModel
from wsgcn.model.networks import NETWORKS, build_network, count_parameters
from wsgcn.model.params import Model
from wsgcn.model.semgcn import SemGCN
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton
from wsgcn.running.params import parse_params

PAPER = parse_params(published_tree(), "published").model


def changed(model: Model, section: str = "semgcn", **changes: object) -> Model:
    """The model with changes in a network's section."""
    return model.model_copy(update={section: getattr(model, section).model_copy(update=changes)})


def named(model: Model, name: str) -> Model:
    return model.model_copy(update={"name": name})


SMALL = changed(changed(PAPER, channels=8, blocks=2), "linear", width=12)
SMALL_NETWORKS = pytest.mark.parametrize(
    "model",
    [
        pytest.param(SMALL, id="semgcn"),
        pytest.param(changed(SMALL, non_local=False), id="local"),
        pytest.param(changed(SMALL, channelwise=True), id="channelwise"),
        pytest.param(named(SMALL, "linear"), id="linear"),
    ],
)


pytestmark = pytest.mark.usefixtures("one_thread")


def keypoints(skeleton: Skeleton, count: int = 6, dtype: torch.dtype = torch.float32) -> Tensor:
    return random_input((count, len(skeleton.joints), 2), dtype, seed=1)


def literal_semgcn(network: SemGCN, x_BJ2: Tensor, skeleton: Skeleton, model: Model, *, training: bool) -> Tensor:
    """The published layout: an input block, `blocks` residual blocks, non-local layers, an output convolution."""
    layers = iter(network.layers)

    def literal_non_local_layer(x_BJC: Tensor) -> Tensor:
        if not model.semgcn.non_local:
            return x_BJC
        layer = next(layers)
        assert isinstance(layer, NonLocal)
        return literal_non_local(layer, x_BJC, skeleton, training=training)

    first = next(layers)
    assert isinstance(first, GraphBlock)
    x_BJC = literal_non_local_layer(literal_graph_block(first, x_BJ2, skeleton, training=training))
    for _ in range(model.semgcn.blocks):
        block = next(layers)
        assert isinstance(block, ResidualBlock)
        x_BJC = literal_non_local_layer(literal_residual_block(block, x_BJC, skeleton, training=training))
    last = next(layers)
    assert isinstance(last, SemGraphConv)
    assert next(layers, None) is None
    return literal_graph_convolution(last, x_BJC, skeleton)


def literal_linear_model(network: LinearModel, x_BJ2: Tensor) -> Tensor:
    """Martinez et al. in eval mode: linear, batch norm, ReLU; residual blocks of two such layers; linear."""

    def layer(part: nn.Module, x_BC: Tensor) -> Tensor:
        norm = part.norm
        y_BC = x_BC @ part.linear.weight.T + part.linear.bias
        y_BC = (y_BC - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5) * norm.weight + norm.bias
        return torch.relu(y_BC)

    x_BC = layer(network.first, x_BJ2.reshape(len(x_BJ2), -1))
    for first, second in network.residual:
        x_BC = x_BC + layer(second, layer(first, x_BC))
    return (x_BC @ network.last.weight.T + network.last.bias).reshape(len(x_BJ2), -1, 3)


# Size


def test_the_papers_network_has_434703_parameters() -> None:
    assert count_parameters(build_network(H36M16, PAPER)) == 434_703


def test_without_non_local_layers_it_has_the_papers_270_thousand() -> None:
    assert round(count_parameters(build_network(H36M16, changed(PAPER, non_local=False))), -4) == 270_000


def test_the_linear_model_has_4291632_parameters() -> None:
    assert count_parameters(build_network(H36M16, named(PAPER, "linear"))) == 4_291_632


def test_a_17th_joint_costs_semgcn_only_its_edges() -> None:
    graph_convolutions = 1 + 2 * 4 + 1
    assert count_parameters(build_network(H36M17, PAPER)) == 434_703 + 3 * graph_convolutions


def test_channelwise_edge_weights_are_counted_for_each_channel() -> None:
    edges, graph_convolutions = 46, 1 + 2 * 4
    more = graph_convolutions * edges * 127 + edges * 2  # the output convolution has 3 channels
    channelwise = build_network(H36M16, changed(PAPER, channelwise=True))
    assert count_parameters(channelwise) == 434_703 + more


def test_every_network_has_a_section_of_its_name_and_every_section_a_network() -> None:
    assert set(NETWORKS) == set(Model.model_fields) - {"name", "sees"}


# Function


@SKELETONS
@SMALL_NETWORKS
def test_2d_joints_become_3d_joints(skeleton: Skeleton, model: Model) -> None:
    network = build_network(skeleton, model)
    joints = len(skeleton.joints)
    assert network.training
    assert network(keypoints(skeleton)).shape == (6, joints, 3)
    network.eval()
    assert network(keypoints(skeleton, count=1)).shape == (1, joints, 3)


@pytest.mark.parametrize(
    ("skeleton", "changes"),
    [
        pytest.param(H36M16, {}, id="16 joints"),
        pytest.param(H36M17, {}, id="17 joints"),
        pytest.param(H36M16, {"non_local": False}, id="local"),
        pytest.param(H36M17, {"channelwise": True}, id="channelwise"),
    ],
)
@PRECISIONS
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_whole_network_agrees_with_the_published_one_running_statistics_included(
    skeleton: Skeleton, changes: dict, dtype: torch.dtype, rtol: float, atol: float, training: bool
) -> None:
    model = changed(SMALL, **changes)
    network = build_network(skeleton, model).to(dtype).train(training)
    assert isinstance(network, SemGCN)
    randomise(network, seed=2)
    x_BJ2 = keypoints(skeleton, dtype=dtype)
    balance(network, x_BJ2, skeleton)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    found = output_and_gradients(network, x_BJ2, network)
    statistics = running_statistics(network)
    network.load_state_dict(start)
    expected = output_and_gradients(
        lambda x: literal_semgcn(network, x, skeleton, model, training=training), x_BJ2, network
    )
    # Rounding grows from layer to layer, and here it is that of a dozen of them, there and back.
    assert_same(found, expected, 10 * rtol, 10 * atol, CANCELLING if training else ())
    assert_same(statistics, running_statistics(network), rtol, atol)


def test_at_the_papers_setting_the_network_agrees_with_the_published_one() -> None:
    network = build_network(H36M16, PAPER).double()
    assert isinstance(network, SemGCN)
    randomise(network, seed=3)
    x_BJ2 = keypoints(H36M16, count=3, dtype=torch.float64)
    balance(network, x_BJ2, H36M16)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    found = network(x_BJ2)
    network.load_state_dict(start)
    torch.testing.assert_close(
        found, literal_semgcn(network, x_BJ2, H36M16, PAPER, training=True), rtol=1e-10, atol=1e-10
    )


@SKELETONS
def test_the_linear_model_agrees_with_its_formula(skeleton: Skeleton) -> None:
    network = build_network(skeleton, named(SMALL, "linear")).double().eval()
    assert isinstance(network, LinearModel)
    randomise(network, seed=4)
    x_BJ2 = keypoints(skeleton, dtype=torch.float64)
    torch.testing.assert_close(network(x_BJ2), literal_linear_model(network, x_BJ2), rtol=1e-10, atol=1e-10)


@SMALL_NETWORKS
def test_the_memory_layout_of_the_input_does_not_matter(model: Model) -> None:
    network = build_network(H36M16, model).eval()
    x_BJ2 = keypoints(H36M16)
    strided = x_BJ2.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not strided.is_contiguous()
    torch.testing.assert_close(network(strided), network(x_BJ2))


@SMALL_NETWORKS
def test_in_eval_a_pose_does_not_depend_on_its_batch(model: Model) -> None:
    network = build_network(H36M16, model)
    randomise(network, seed=5)
    network.eval()
    x_BJ2 = keypoints(H36M16)
    torch.testing.assert_close(network(x_BJ2)[2:3], network(x_BJ2[2:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["semgcn", "linear"])
def test_dropout_acts_in_training_and_is_off_in_eval(name: str) -> None:
    model = changed(changed(SMALL, dropout=0.5, non_local=False), "linear", dropout=0.5)
    network = build_network(H36M16, named(model, name), seed=0)
    x_BJ2 = keypoints(H36M16)
    assert not torch.equal(network(x_BJ2), network(x_BJ2))
    network.eval()
    assert torch.equal(network(x_BJ2), network(x_BJ2))


@pytest.mark.parametrize("name", ["semgcn", "linear"])
def test_without_dropout_training_mode_repeats_itself(name: str) -> None:
    network = build_network(H36M16, named(changed(SMALL, "linear", dropout=0.0), name), seed=0)
    x_BJ2 = keypoints(H36M16)
    assert torch.equal(network(x_BJ2), network(x_BJ2))


# Initial weights


@SMALL_NETWORKS
def test_the_same_seed_gives_the_same_weights(model: Model) -> None:
    first, again, other = (build_network(H36M16, model, seed=seed).state_dict() for seed in (7, 7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@SMALL_NETWORKS
def test_a_seeded_network_leaves_the_global_generator_alone(model: Model) -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    build_network(H36M16, model, seed=7)
    assert torch.equal(torch.rand(3), expected)


@SMALL_NETWORKS
def test_the_global_generator_does_not_change_a_seeded_network(model: Model) -> None:
    torch.manual_seed(10)
    first = build_network(H36M16, model, seed=7).state_dict()
    torch.manual_seed(11)
    again = build_network(H36M16, model, seed=7).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


@SMALL_NETWORKS
def test_without_a_seed_the_weights_come_from_the_global_generator(model: Model) -> None:
    torch.manual_seed(7)
    unseeded = build_network(H36M16, model).state_dict()
    seeded = build_network(H36M16, model, seed=7).state_dict()
    assert all(torch.equal(unseeded[name], seeded[name]) for name in seeded)


def test_at_first_the_non_local_layers_change_nothing() -> None:
    network = build_network(H36M16, SMALL, seed=0)
    assert isinstance(network, SemGCN)
    local = nn.Sequential(*(layer for layer in network.layers if not isinstance(layer, NonLocal)))
    assert len(local) == len(network.layers) - 1 - SMALL.semgcn.blocks
    x_BJ2 = keypoints(H36M16)
    assert torch.equal(network.layers(x_BJ2), local(x_BJ2))
