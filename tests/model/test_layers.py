"""Each layer against the formula as it is published, written out slowly here, with the layer's own weights."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.model.initial_values import assert_published_initial_values
from wsgcn.model import layers
from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv
from wsgcn.pose.skeleton import H36M16, H36M17, Skeleton

SKELETONS = pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
CHANNELWISE = pytest.mark.parametrize("channelwise", [False, True], ids=["shared", "channelwise"])
PRECISIONS = pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float32, 1e-4, 1e-5), (torch.float64, 1e-10, 1e-10)],
    ids=["float32", "float64"],
)


pytestmark = pytest.mark.usefixtures("one_thread")


# The literal forms


def literal_attention(e: Tensor, skeleton: Skeleton) -> Tensor:
    """A (J, J): e on the edges, row by row, minus infinity elsewhere, softmax over each row."""
    joints = len(skeleton.joints)
    edges = {(joint, joint) for joint in range(joints)}
    for child, parent in enumerate(skeleton.parents):
        if parent >= 0:
            edges |= {(child, parent), (parent, child)}
    places = sorted(edges)
    rows = []
    for row in range(joints):
        entries = [
            e[places.index((row, column))] if (row, column) in edges else e.new_tensor(-math.inf)
            for column in range(joints)
        ]
        rows.append(torch.softmax(torch.stack(entries), dim=0))
    return torch.stack(rows)


def literal_graph_convolution(layer: SemGraphConv, x_BJC: Tensor, skeleton: Skeleton) -> Tensor:
    """(A * I) X W0 + (A * (1 - I)) X W1 + b."""
    identity = torch.eye(len(skeleton.joints), dtype=x_BJC.dtype)
    w0, w1 = layer.weight
    if not layer.channelwise:
        a = literal_attention(layer.edge_weight, skeleton)
        return (a * identity) @ x_BJC @ w0 + (a * (1 - identity)) @ x_BJC @ w1 + layer.bias
    columns = []
    for channel, e in enumerate(layer.edge_weight):
        a = literal_attention(e, skeleton)
        own = (a * identity) @ x_BJC @ w0[:, channel, None]
        others = (a * (1 - identity)) @ x_BJC @ w1[:, channel, None]
        columns.append(own + others + layer.bias[channel])
    return torch.cat(columns, dim=-1)


def literal_batch_norm(norm: nn.BatchNorm1d, x_BCJ: Tensor, *, training: bool) -> Tensor:
    """Over batch and joints, channel by channel; training moves `norm`'s running statistics."""
    channels = []
    for channel in range(x_BCJ.shape[1]):
        values = x_BCJ[:, channel]
        count = values.numel()
        mean = values.sum() / count if training else norm.running_mean[channel]
        variance = ((values - mean) ** 2).sum() / count if training else norm.running_var[channel]
        channels.append(norm.weight[channel] * (values - mean) / torch.sqrt(variance + 1e-5) + norm.bias[channel])
        if training:
            with torch.no_grad():
                norm.running_mean[channel] += 0.1 * (mean - norm.running_mean[channel])
                norm.running_var[channel] += 0.1 * (variance * count / (count - 1) - norm.running_var[channel])
    return torch.stack(channels, dim=1)


def literal_graph_block(block: GraphBlock, x_BJC: Tensor, skeleton: Skeleton, *, training: bool) -> Tensor:
    y_BCJ = literal_graph_convolution(block.convolution, x_BJC, skeleton).transpose(1, 2)
    return torch.relu(literal_batch_norm(block.norm, y_BCJ, training=training)).transpose(1, 2)


def literal_residual_block(block: ResidualBlock, x_BJC: Tensor, skeleton: Skeleton, *, training: bool) -> Tensor:
    y_BJC = literal_graph_block(block.first, x_BJC, skeleton, training=training)
    return x_BJC + literal_graph_block(block.second, y_BJC, skeleton, training=training)


def convolution(linear: nn.Linear, x_BCJ: Tensor) -> Tensor:
    """A linear layer's weights as a 1 x 1 convolution."""
    return F.conv1d(x_BCJ, linear.weight[:, :, None], linear.bias)


def literal_group_max(x_BCJ: Tensor, sizes: list[int]) -> Tensor:
    """The maximum over each group of neighbours: (B, C, J) in the order of the groups -> (B, C, G)."""
    if set(sizes) == {2}:
        return F.max_pool1d(x_BCJ, 2)
    maxima, start = [], 0
    for size in sizes:
        largest = x_BCJ[:, :, start]
        for joint in range(start + 1, start + size):
            largest = torch.where(x_BCJ[:, :, joint] > largest, x_BCJ[:, :, joint], largest)
        maxima.append(largest)
        start += size
    return torch.stack(maxima, dim=-1)


def literal_non_local_scores(layer: NonLocal, x_BCJ: Tensor, sizes: list[int]) -> Tensor:
    """f (B, J, G) before the ReLU, by the (B, 2C, J, G) tensor of every pair of joint and group; group order."""
    theta_BCJ = convolution(layer.theta, x_BCJ)
    phi_BCG = literal_group_max(convolution(layer.phi, x_BCJ), sizes)
    joints, groups = theta_BCJ.shape[-1], phi_BCG.shape[-1]
    assert (joints, groups) == (sum(sizes), 8)
    pairs = torch.cat(
        (theta_BCJ[:, :, :, None].expand(-1, -1, -1, groups), phi_BCG[:, :, None, :].expand(-1, -1, joints, -1)), dim=1
    )
    return F.conv2d(pairs, layer.score.weight[:, :, None, None])[:, 0]


def literal_non_local(layer: NonLocal, x_BJC: Tensor, skeleton: Skeleton, *, training: bool) -> Tensor:
    """Wang et al.'s concatenation form; g and phi are pooled over the joint groups."""
    order = [joint for group in skeleton.groups for joint in group]
    sizes = [len(group) for group in skeleton.groups]
    x_BCJ = x_BJC[:, order].transpose(1, 2)
    f_BJG = torch.relu(literal_non_local_scores(layer, x_BCJ, sizes)) / len(sizes)
    g_BCG = literal_group_max(convolution(layer.g, x_BCJ), sizes)
    y_BCJ = torch.matmul(f_BJG, g_BCG.transpose(1, 2)).transpose(1, 2)
    out_BCJ = literal_batch_norm(layer.norm, convolution(layer.out, y_BCJ), training=training) + x_BCJ
    back = [order.index(joint) for joint in range(len(order))]
    return out_BCJ.transpose(1, 2)[:, back]


# Comparing a layer with its literal form


def randomise(module: nn.Module, seed: int) -> None:
    """Give every parameter and running statistic a value that a formula cannot miss."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        is_gain = "norm.weight" in name
        scale = 1.0 if parameter.ndim == 1 else 1 / math.sqrt(parameter.shape[-1])
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale + is_gain)
    for name, buffer in module.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand(buffer.shape, generator=generator, dtype=torch.float64) + 0.5)


def balance(network: nn.Module, x: Tensor, skeleton: Skeleton) -> None:
    """Shift the scores of each non-local layer so that its ReLU passes some and stops others."""
    order = [joint for group in skeleton.groups for joint in group]
    sizes = [len(group) for group in skeleton.groups]

    def shift(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(layer, NonLocal)
        scores = literal_non_local_scores(layer, inputs[0][:, order].transpose(1, 2), sizes)
        w_theta = layer.score.weight[0, : len(layer.theta.bias)]
        layer.theta.bias -= scores.mean() * w_theta / (w_theta @ w_theta)

    start = {name: buffer.clone() for name, buffer in network.named_buffers()}
    hooks = [layer.register_forward_pre_hook(shift) for layer in network.modules() if isinstance(layer, NonLocal)]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    for name, buffer in network.named_buffers():
        buffer.copy_(start[name])


def random_input(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def output_and_gradients(function: object, x: Tensor, module: nn.Module) -> dict[str, Tensor]:
    """The output, and the gradients of a random weighing of it in the input and in every parameter."""
    x = x.clone().requires_grad_()
    output = function(x)  # type: ignore[operator]
    weighing = random_input(tuple(output.shape), x.dtype, seed=99)
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad((output * weighing).sum(), (x, *parameters))
    return {"output": output.detach(), "input": gradients[0], **dict(zip(names, gradients[1:], strict=True))}


# A bias right before a batch norm in training mode has no effect: its gradient is a sum that cancels to rounding noise.
CANCELLING = ("convolution.bias", "out.bias")


def assert_same(
    found: dict[str, Tensor], expected: dict[str, Tensor], rtol: float, atol: float, cancelling: tuple[str, ...] = ()
) -> None:
    """Gradients whose names end in one of `cancelling` must vanish beside the input's."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name.endswith(cancelling):
            noise = 10 * atol * expected["input"].abs().max()
            assert found[name].abs().max() < noise
            assert value.abs().max() < noise
            continue
        # A sum over a batch rounds to the size of its terms, hence an allowance in units of the whole tensor.
        allowed = atol * max(1.0, value.abs().max().item())
        torch.testing.assert_close(
            found[name], value, rtol=rtol, atol=allowed, msg=lambda text, name=name: f"{name}: {text}"
        )


def running_statistics(module: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in module.named_buffers() if "running" in name}


# Semantic graph convolution


@SKELETONS
@CHANNELWISE
@PRECISIONS
def test_the_graph_convolution_agrees_with_its_formula(
    skeleton: Skeleton, channelwise: bool, dtype: torch.dtype, rtol: float, atol: float
) -> None:
    layer = SemGraphConv(5, 6, skeleton, channelwise=channelwise).to(dtype)
    randomise(layer, seed=0)
    x_BJC = random_input((4, len(skeleton.joints), 5), dtype, seed=1)
    found = output_and_gradients(layer, x_BJC, layer)
    expected = output_and_gradients(lambda x: literal_graph_convolution(layer, x, skeleton), x_BJC, layer)
    assert found["output"].shape == (4, len(skeleton.joints), 6)
    assert_same(found, expected, rtol, atol)


@SKELETONS
@CHANNELWISE
def test_each_row_of_the_attention_sums_to_1_and_stays_on_the_skeleton(skeleton: Skeleton, channelwise: bool) -> None:
    layer = SemGraphConv(3, 4, skeleton, channelwise=channelwise).double()
    randomise(layer, seed=2)
    attention = layer.attention().detach()
    joints = len(skeleton.joints)
    assert attention.shape == ((4, joints, joints) if channelwise else (joints, joints))
    torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention[..., 0]))
    on_skeleton = torch.from_numpy(skeleton.adjacency_JJ).expand_as(attention)
    assert (attention[~on_skeleton] == 0).all()
    assert (attention[on_skeleton] > 0).all()


@SKELETONS
def test_the_channelwise_attention_has_a_matrix_for_every_output_channel(skeleton: Skeleton) -> None:
    layer = SemGraphConv(3, 4, skeleton, channelwise=True).double()
    randomise(layer, seed=3)
    expected = torch.stack([literal_attention(e, skeleton) for e in layer.edge_weight])
    torch.testing.assert_close(layer.attention(), expected)


@SKELETONS
def test_at_first_a_joint_attends_evenly_to_itself_and_its_neighbours(skeleton: Skeleton) -> None:
    layer = SemGraphConv(3, 4, skeleton)
    edges = 3 * len(skeleton.joints) - 2
    assert torch.equal(layer.edge_weight, torch.ones(edges))
    degree = torch.from_numpy(skeleton.adjacency_JJ).sum(1)
    torch.testing.assert_close(layer.attention().diagonal(), 1 / degree)
    channelwise = SemGraphConv(3, 4, skeleton, channelwise=True)
    assert torch.equal(channelwise.edge_weight, torch.ones(4, edges))
    torch.testing.assert_close(channelwise.attention(), layer.attention().expand(4, -1, -1))


def test_the_initial_weights_have_the_published_ranges() -> None:
    torch.manual_seed(4)
    layer = SemGraphConv(64, 128, H36M16)
    assert_published_initial_values(layer)


@SKELETONS
def test_what_follows_from_the_skeleton_is_no_part_of_a_checkpoint(skeleton: Skeleton) -> None:
    assert set(SemGraphConv(3, 4, skeleton).state_dict()) == {"weight", "bias", "edge_weight"}
    names = set(NonLocal(4, skeleton).state_dict())
    assert not [name for name in names if "group" in name]


# Blocks


@SKELETONS
@CHANNELWISE
@PRECISIONS
def test_a_residual_block_agrees_with_its_formula_running_statistics_included(
    skeleton: Skeleton, channelwise: bool, dtype: torch.dtype, rtol: float, atol: float
) -> None:
    block = ResidualBlock(6, skeleton, channelwise=channelwise, dropout=0).to(dtype)
    randomise(block, seed=5)
    start = {name: value.clone() for name, value in block.state_dict().items()}
    x_BJC = random_input((4, len(skeleton.joints), 6), dtype, seed=6)
    found = output_and_gradients(block, x_BJC, block)
    statistics = running_statistics(block)
    block.load_state_dict(start)
    expected = output_and_gradients(lambda x: literal_residual_block(block, x, skeleton, training=True), x_BJC, block)
    assert_same(found, expected, rtol, atol, CANCELLING)
    assert_same(statistics, running_statistics(block), rtol, atol)


def test_in_eval_a_graph_block_uses_the_running_statistics_and_leaves_them() -> None:
    block = GraphBlock(3, 6, H36M16, channelwise=False, dropout=0).double().eval()
    randomise(block, seed=7)
    before = running_statistics(block)
    x_BJC = random_input((4, 16, 3), torch.float64, seed=8)
    torch.testing.assert_close(block(x_BJC), literal_graph_block(block, x_BJC, H36M16, training=False))
    assert_same(running_statistics(block), before, 0, 0)
    torch.testing.assert_close(block(x_BJC[:1]), block(x_BJC)[:1])


def test_dropout_drops_after_the_relu_and_only_in_training() -> None:
    block = GraphBlock(3, 64, H36M16, channelwise=False, dropout=0.25).double()
    whole = GraphBlock(3, 64, H36M16, channelwise=False, dropout=0).double()
    whole.load_state_dict(block.state_dict())
    x_BJC = random_input((32, 16, 3), torch.float64, seed=9)
    torch.manual_seed(10)
    dropped, kept = block(x_BJC), whole(x_BJC)
    is_kept = dropped != 0
    torch.testing.assert_close(dropped[is_kept], kept[is_kept] / 0.75)
    assert is_kept[kept > 0].double().mean().item() == pytest.approx(0.75, abs=0.02)
    block.eval()
    whole.eval()
    assert torch.equal(block(x_BJC), whole(x_BJC))


# Non-local layer


# Groups of one joint and of three.
UNEVEN = Skeleton(
    "uneven", ("Hip", "RHip", "RKnee", "LKnee", "Thorax", "Neck/Nose", "Head", "RElbow", "LElbow", "LShoulder")
)


@pytest.mark.parametrize("skeleton", [H36M16, H36M17, UNEVEN], ids=lambda skeleton: skeleton.name)
@PRECISIONS
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_non_local_layer_agrees_with_its_formula_running_statistics_included(
    skeleton: Skeleton, dtype: torch.dtype, rtol: float, atol: float, training: bool
) -> None:
    layer = NonLocal(8, skeleton).to(dtype).train(training)
    randomise(layer, seed=11)
    x_BJC = random_input((5, len(skeleton.joints), 8), dtype, seed=12)
    balance(layer, x_BJC, skeleton)
    start = {name: value.clone() for name, value in layer.state_dict().items()}
    found = output_and_gradients(layer, x_BJC, layer)
    statistics = running_statistics(layer)
    layer.load_state_dict(start)
    expected = output_and_gradients(lambda x: literal_non_local(layer, x, skeleton, training=training), x_BJC, layer)
    assert (expected["output"] - x_BJC).abs().max() > 0.5, "the layer does something"
    assert_same(found, expected, rtol, atol, CANCELLING if training else ())
    assert_same(statistics, running_statistics(layer), rtol, atol)


@SKELETONS
def test_through_the_non_local_layer_every_joint_reaches_every_other(skeleton: Skeleton) -> None:
    layer = NonLocal(8, skeleton).double().eval()
    randomise(layer, seed=13)
    joints = len(skeleton.joints)
    x_BJC = random_input((50, joints, 8), torch.float64, seed=14)
    balance(layer, x_BJC, skeleton)
    output_BJ = layer(x_BJC.requires_grad_()).sum(-1)
    for joint in range(joints):
        (gradient_BJC,) = torch.autograd.grad(output_BJ[:, joint].sum(), x_BJC, retain_graph=True)
        assert (gradient_BJC.abs().sum((0, 2)) > 0).all()


def test_in_evaluation_a_pose_unlike_those_of_training_is_not_blown_up() -> None:
    """Eight layers that were trained on small inputs: each is quadratic, so 100 became more than 10^30."""
    torch.manual_seed(0)
    network = nn.Sequential(*(NonLocal(8, H36M16) for _ in range(8))).double()
    for layer in network:
        nn.init.normal_(layer.norm.weight)
    for _ in range(200):
        network(torch.randn(16, 16, 8, dtype=torch.float64))
    network.eval()
    strange = 100 * torch.randn(4, 16, 8, dtype=torch.float64)
    change = network(strange) - strange
    most = sum(20 * layer.norm.weight.abs().max() + layer.norm.bias.abs().max() for layer in network)
    assert change.abs().max() <= most


def test_the_limit_of_the_evaluation_changes_no_bit_of_what_is_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = NonLocal(8, H36M16)
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    for _ in range(50):
        layer(torch.randn(16, 16, 8))
    layer.eval()
    x_BJC = torch.randn(16, 16, 8)
    limited = layer(x_BJC)
    monkeypatch.setattr(layers, "MOST_DEVIATIONS", float("inf"))
    assert torch.equal(layer(x_BJC), limited)


@SKELETONS
def test_the_non_local_layer_starts_as_the_identity(skeleton: Skeleton) -> None:
    layer = NonLocal(8, skeleton)
    x_BJC = random_input((5, len(skeleton.joints), 8), torch.float32, seed=15)
    assert torch.equal(layer(x_BJC), x_BJC)
    assert torch.equal(layer.eval()(x_BJC), x_BJC)


def test_the_non_local_layer_starts_with_kaiming_weights_no_biases_and_no_gain() -> None:
    torch.manual_seed(16)
    layer = NonLocal(128, H36M16)
    for linear, inputs, outputs in [
        (layer.theta, 128, 64),
        (layer.phi, 128, 64),
        (layer.g, 128, 64),
        (layer.score, 128, 1),
        (layer.out, 64, 128),
    ]:
        assert linear.weight.shape == (outputs, inputs)
        tolerance = 0.2 if outputs == 1 else 0.05
        assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=tolerance)
        assert linear.bias is None or not linear.bias.any()
    assert layer.score.bias is None
    assert not layer.norm.weight.any()
    assert not layer.norm.bias.any()
