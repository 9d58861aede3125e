"""Modulated GCN against its formula, written out slowly here joint by joint, with the network's own weights."""

import io
import math
import re

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.model.initial_values import assert_published_initial_values
from tests.model.test_layers import (
    PRECISIONS,
    SKELETONS,
    assert_same,
    literal_batch_norm,
    output_and_gradients,
    random_input,
    randomise,
    running_statistics,
)
from wsgcn.base.errors import InputError
from wsgcn.model.modulated_gcn import ModulatedGCN, ModulatedGraphBlock, ModulatedGraphConv, ModulatedResidualBlock
from wsgcn.model.networks import count_parameters
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton

# A bias right before a batch norm in training mode has no effect: its gradient cancels to rounding noise.
CANCELLING = ("convolution.bias",)


pytestmark = pytest.mark.usefixtures("one_thread")


def small(skeleton: Skeleton = H36M16, *, dropout: float = 0.0, seed: int = 0) -> ModulatedGCN:
    torch.manual_seed(seed)
    return ModulatedGCN(skeleton, channels=6, blocks=2, dropout=dropout)


def keypoints(skeleton: Skeleton, count: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    return random_input((count, len(skeleton.joints), 2), dtype, seed=1)


def modulations(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in network.named_parameters() if name.endswith("_modulation")}


# The literal forms


def literal_adjacency(skeleton: Skeleton) -> list[list[float]]:
    """A: 1 for a joint itself; 1 over the row's number of neighbours for each of them."""
    joints = range(len(skeleton.joints))
    neighbours: list[set[int]] = [set() for _ in joints]
    for child, parent in enumerate(skeleton.parents):
        if parent >= 0:
            neighbours[child].add(parent)
            neighbours[parent].add(child)
    return [[1.0 if i == j else 1 / len(neighbours[i]) if j in neighbours[i] else 0.0 for j in joints] for i in joints]


def literal_convolution(layer: ModulatedGraphConv, x_BJC: Tensor, skeleton: Skeleton) -> Tensor:
    """Joint i gathers from every joint j the features x_j through W diag(M_j), weighed by S_ij."""
    joints = range(len(skeleton.joints))
    a, q = literal_adjacency(skeleton), layer.affinity_modulation
    w0, w1 = layer.weight
    rows = []
    for i in joints:
        total = layer.bias.expand(len(x_BJC), -1)
        for j in joints:
            # (A + A^T) / 2 follows from the skeleton and is rounded to float32; in other precisions its values stay.
            skeletal = torch.tensor((a[i][j] + a[j][i]) / 2, dtype=torch.float32).to(x_BJC.dtype)
            s_ij = skeletal + (q[i, j] + q[j, i]) / 2
            modulated = (w0 if i == j else w1) @ torch.diag(layer.weight_modulation[j])
            total = total + s_ij * (x_BJC[:, j] @ modulated)
        rows.append(total)
    return torch.stack(rows, dim=1)


def literal_block(block: nn.Module, x_BJC: Tensor, skeleton: Skeleton, *, training: bool) -> Tensor:
    assert isinstance(block, ModulatedGraphBlock)
    y_BCJ = literal_convolution(block.convolution, x_BJC, skeleton).transpose(1, 2)
    return torch.relu(literal_batch_norm(block.norm, y_BCJ, training=training)).transpose(1, 2)


def literal_network(network: ModulatedGCN, x_BJ2: Tensor, skeleton: Skeleton, *, training: bool) -> Tensor:
    first, *residual_blocks, last = network.layers
    x_BJC = literal_block(first, x_BJ2, skeleton, training=training)
    for block in residual_blocks:
        assert isinstance(block, ModulatedResidualBlock)
        y_BJC = literal_block(block.first, x_BJC, skeleton, training=training)
        x_BJC = x_BJC + literal_block(block.second, y_BJC, skeleton, training=training)
    assert isinstance(last, ModulatedGraphConv)
    return literal_convolution(last, x_BJC, skeleton)


# Size


def test_the_published_network_has_287923_parameters() -> None:
    assert count_parameters(ModulatedGCN(H36M16)) == 287_923


def test_a_17th_joint_costs_each_convolution_a_modulation_vector_and_33_affinities() -> None:
    convolutions, channels = 1 + 2 * 4 + 1, (1 + 2 * 4) * 128 + 3
    assert count_parameters(ModulatedGCN(H36M17)) == 287_923 + channels + convolutions * (17**2 - 16**2)


def test_channels_and_blocks_are_counted_as_the_formula_says() -> None:
    def convolution(inputs: int, outputs: int) -> int:
        return 2 * inputs * outputs + outputs + 16 * outputs + 16 * 16

    expected = convolution(2, 6) + 12 + 2 * 2 * (convolution(6, 6) + 12) + convolution(6, 3)
    assert count_parameters(small()) == expected


# The convolution


@SKELETONS
@PRECISIONS
def test_the_convolution_and_its_gradients_agree_with_the_sum_over_joints(
    skeleton: Skeleton, dtype: torch.dtype, rtol: float, atol: float
) -> None:
    layer = ModulatedGraphConv(5, 4, skeleton).to(dtype)
    randomise(layer, seed=0)
    x_BJC = random_input((3, len(skeleton.joints), 5), dtype, seed=1)
    found = output_and_gradients(layer, x_BJC, layer)
    expected = output_and_gradients(lambda x: literal_convolution(layer, x, skeleton), x_BJC, layer)
    assert found["output"].shape == (3, len(skeleton.joints), 4)
    assert found.keys() == {"output", "input", "weight", "bias", "weight_modulation", "affinity_modulation"}
    assert_same(found, expected, rtol, atol)


@SKELETONS
def test_the_affinity_is_symmetric_whatever_was_learnt(skeleton: Skeleton) -> None:
    layer = ModulatedGraphConv(3, 4, skeleton).double()
    randomise(layer, seed=2)
    assert not torch.equal(layer.affinity_modulation, layer.affinity_modulation.T)
    assert torch.equal(layer.affinity(), layer.affinity().T)


def test_an_antisymmetric_affinity_modulation_changes_nothing() -> None:
    layer = ModulatedGraphConv(3, 4, H36M16).double()
    randomise(layer, seed=3)
    x_BJC = random_input((2, 16, 3), torch.float64, seed=4)
    before = layer(x_BJC)
    change_JJ = random_input((16, 16), torch.float64, seed=5)
    with torch.no_grad():
        layer.affinity_modulation += change_JJ - change_JJ.T
    torch.testing.assert_close(layer(x_BJC), before)


@SKELETONS
def test_without_affinity_modulation_only_neighbours_are_heard_and_with_it_every_joint(skeleton: Skeleton) -> None:
    layer = ModulatedGraphConv(3, 4, skeleton).double()
    randomise(layer, seed=6)
    joints = len(skeleton.joints)
    x_BJC = random_input((1, joints, 3), torch.float64, seed=7).requires_grad_()

    def heard_JJ() -> Tensor:
        y_BJ = layer(x_BJC).sum(-1)
        rows = [torch.autograd.grad(y_BJ[0, joint], x_BJC, retain_graph=True)[0][0] for joint in range(joints)]
        return torch.stack(rows).abs().sum(-1) > 0

    assert heard_JJ().all()
    nn.init.zeros_(layer.affinity_modulation)
    assert torch.equal(heard_JJ(), torch.from_numpy(skeleton.adjacency_JJ))


def test_the_adjacency_is_normalised_by_neighbours_and_then_made_symmetric() -> None:
    layer = ModulatedGraphConv(3, 4, H36M16).double()
    nn.init.zeros_(layer.affinity_modulation)
    hip, right_hip, knee, foot = (H36M16.joints.index(name) for name in ("Hip", "RHip", "RKnee", "RFoot"))
    affinity = layer.affinity()
    assert affinity.diagonal().tolist() == [1.0] * 16
    assert affinity[hip, right_hip].item() == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert affinity[knee, foot].item() == pytest.approx((1 / 2 + 1) / 2)
    assert affinity[hip, knee].item() == 0


def test_the_initial_values_are_the_published_ones() -> None:
    torch.manual_seed(8)
    layer = ModulatedGraphConv(64, 128, H36M16)
    assert_published_initial_values(layer)
    assert torch.equal(layer.weight_modulation, torch.ones(16, 128))
    assert torch.equal(layer.affinity_modulation, torch.full((16, 16), 1e-6))


def test_resetting_draws_every_parameter_anew() -> None:
    layer = ModulatedGraphConv(3, 4, H36M16)
    torch.manual_seed(9)
    layer.reset_parameters()
    expected = {name: value.clone() for name, value in layer.state_dict().items()}
    randomise(layer, seed=10)
    torch.manual_seed(9)
    layer.reset_parameters()
    assert all(torch.equal(value, expected[name]) for name, value in layer.state_dict().items())


def test_what_follows_from_the_skeleton_moves_with_the_layer_and_is_no_part_of_a_checkpoint() -> None:
    layer = ModulatedGraphConv(3, 4, H36M16)
    assert set(layer.state_dict()) == {"weight", "bias", "weight_modulation", "affinity_modulation"}
    assert {name for name, _ in layer.named_buffers()} == {"adjacency_JJ", "self_loops_JJ"}
    assert layer.to("meta").affinity().device.type == "meta"


# The network


@SKELETONS
@PRECISIONS
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_network_agrees_with_its_formula_running_statistics_included(
    skeleton: Skeleton, dtype: torch.dtype, rtol: float, atol: float, training: bool
) -> None:
    network = small(skeleton).to(dtype).train(training)
    randomise(network, seed=11)
    x_BJ2 = keypoints(skeleton, dtype=dtype)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    found = output_and_gradients(network, x_BJ2, network)
    statistics = running_statistics(network)
    network.load_state_dict(start)
    expected = output_and_gradients(lambda x: literal_network(network, x, skeleton, training=training), x_BJ2, network)
    # Rounding grows from layer to layer.
    assert_same(found, expected, 10 * rtol, 10 * atol, CANCELLING if training else ())
    assert_same(statistics, running_statistics(network), rtol, atol)


def test_at_the_published_setting_the_network_agrees_with_its_formula() -> None:
    network = ModulatedGCN(H36M16).double().eval()
    randomise(network, seed=12)
    x_BJ2 = keypoints(H36M16, count=2)
    expected = literal_network(network, x_BJ2, H36M16, training=False)
    # With random weights the output is large; the tolerance is relative to it.
    torch.testing.assert_close(network(x_BJ2), expected, rtol=1e-10, atol=1e-10 * expected.abs().max().item())


@SKELETONS
def test_2d_joints_become_3d_joints(skeleton: Skeleton) -> None:
    network = small(skeleton)
    joints = len(skeleton.joints)
    assert network.training
    assert network(keypoints(skeleton, dtype=torch.float32)).shape == (6, joints, 3)
    network.eval()
    assert network(keypoints(skeleton, count=1, dtype=torch.float32)).shape == (1, joints, 3)


@pytest.mark.parametrize(
    "shape", [(4, 17, 2), (4, 1, 2), (4, 16, 3), (16, 2)], ids=["17 joints", "1 joint", "3 coordinates", "no batch"]
)
def test_keypoints_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    network = small().eval()
    with pytest.raises(AssertionError, match=re.escape(str(shape))):
        network(torch.zeros(shape))


def test_the_order_of_the_joints_is_a_matter_of_naming() -> None:
    generator = torch.Generator().manual_seed(13)
    order = [0, *(1 + torch.randperm(15, generator=generator)).tolist()]
    shuffled = Skeleton("shuffled", tuple(H36M16.joints[joint] for joint in order))
    network, other = small().double(), small(shuffled).double()
    randomise(network, seed=14)
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith("weight_modulation"):
            state[name] = value[order]
        if name.endswith("affinity_modulation"):
            state[name] = value[order][:, order]
    other.load_state_dict(state)
    x_BJ2 = keypoints(H36M16)
    torch.testing.assert_close(other(x_BJ2[:, order]), network(x_BJ2)[:, order])


def test_before_training_left_and_right_are_alike_and_the_modulations_tell_them_apart() -> None:
    network = small().double().eval()
    mirror = list(H36M16.mirror)
    x_BJ2 = keypoints(H36M16)
    torch.testing.assert_close(network(x_BJ2[:, mirror]), network(x_BJ2)[:, mirror])
    for kind in ("weight_modulation", "affinity_modulation"):
        modulated = small().double().eval()
        for name, parameter in modulations(modulated).items():
            if name.endswith(kind):
                nn.init.normal_(parameter, mean=1.0)
        difference = modulated(x_BJ2[:, mirror]) - modulated(x_BJ2)[:, mirror]
        assert difference.abs().max() > 1e-3


def test_in_eval_a_pose_does_not_depend_on_its_batch() -> None:
    network = small().double()
    randomise(network, seed=15)
    network.eval()
    x_BJ2 = keypoints(H36M16)
    torch.testing.assert_close(network(x_BJ2)[2:3], network(x_BJ2[2:3]))


def test_the_memory_layout_of_the_input_does_not_matter() -> None:
    network = small().double().eval()
    x_BJ2 = keypoints(H36M16)
    strided = x_BJ2.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not strided.is_contiguous()
    torch.testing.assert_close(network(strided), network(x_BJ2))


@pytest.mark.filterwarnings("ignore")  # of the exporter by tracing, which wsgcn.export uses
def test_in_onnx_the_network_takes_any_number_of_poses() -> None:
    network = small(H36M17).eval()
    randomise(network, seed=19)
    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        (torch.zeros(2, 17, 2),),
        buffer,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=17,
        input_names=["keypoints"],
        output_names=["pose"],
        dynamic_axes={"keypoints": {0: "B"}, "pose": {0: "B"}},
    )
    session = onnxruntime.InferenceSession(buffer.getvalue())
    for count in (1, 5):
        x_BJ2 = keypoints(H36M17, count, torch.float32)
        (found,) = session.run(None, {"keypoints": x_BJ2.numpy()})
        expected = network(x_BJ2).detach()
        allowed = 1e-5 * expected.abs().max().item()
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=allowed)


def test_dropout_drops_after_the_relu_and_only_in_training() -> None:
    block = ModulatedGraphBlock(3, 64, H36M16, dropout=0.25).double()
    whole = ModulatedGraphBlock(3, 64, H36M16, dropout=0.0).double()
    whole.load_state_dict(block.state_dict())
    x_BJC = random_input((32, 16, 3), torch.float64, seed=16)
    torch.manual_seed(17)
    dropped, kept = block(x_BJC), whole(x_BJC)
    is_kept = dropped != 0
    torch.testing.assert_close(dropped[is_kept], kept[is_kept] / 0.75)
    assert is_kept[kept > 0].double().mean().item() == pytest.approx(0.75, abs=0.02)
    assert torch.equal(block.eval()(x_BJC), whole.eval()(x_BJC))


def test_the_networks_dropout_reaches_every_block() -> None:
    network = small(dropout=0.5)
    rates = [module.dropout for module in network.modules() if isinstance(module, ModulatedGraphBlock)]
    assert rates == [0.5] * 5


def test_without_dropout_training_mode_repeats_itself() -> None:
    network = small().double()
    x_BJ2 = keypoints(H36M16)
    assert torch.equal(network(x_BJ2), network(x_BJ2))


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again, other = (small(seed=seed).state_dict() for seed in (7, 7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_training_step_moves_every_parameter() -> None:
    network = small()
    start = {name: parameter.clone() for name, parameter in network.named_parameters()}
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    x_BJ2 = keypoints(H36M16, dtype=torch.float32)
    (network(x_BJ2) - random_input((6, 16, 3), torch.float32, seed=18)).square().mean().backward()
    optimiser.step()
    assert not [name for name, parameter in network.named_parameters() if torch.equal(parameter, start[name])]


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("channels", 0, "at least 1"),
        ("channels", -128, "at least 1"),
        ("blocks", 0, "at least 1"),
        ("dropout", -0.1, "at least 0 and less than 1"),
        ("dropout", 1.0, "at least 0 and less than 1"),
        ("dropout", math.nan, "at least 0 and less than 1"),
    ],
)
def test_a_bad_argument_is_one_sentence(argument: str, value: float, expected: str) -> None:
    arguments: dict = {argument: value}
    with pytest.raises(InputError) as caught:
        ModulatedGCN(H36M16, **arguments)
    assert str(caught.value) == f"modulated_gcn: {argument} is {value}, expected {expected}."
