"""Networks over time against literal versions, and their two forms against each other."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.model.test_layers import literal_non_local, literal_residual_block
from tests.tiny import published_tree
from wsgcn.model.context import Context
from wsgcn.model.layers import NonLocal, ResidualBlock
from wsgcn.model.networks import build_network, context_of_model, count_parameters, describe_network
from wsgcn.model.params import Model
from wsgcn.model.predict import predict
from wsgcn.model.temporal import Temporal, widths
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.running.params import parse_params

pytestmark = pytest.mark.usefixtures("one_thread")

MEMBERS = pytest.mark.parametrize("member", ["graph", "videopose3d"])


def model_of(**changes: object) -> Model:
    tree = published_tree()
    tree["model"]["name"] = "temporal"
    tree["model"]["sees"] = changes.pop("sees", "picture")
    tree["model"]["temporal"] |= {"channels": 6, "blocks": 1, "frames": 27} | changes
    return parse_params(tree, "temporal").model


def network_of(skeleton=H36M16, **changes: object) -> nn.Module:
    """A network in which every weight and statistic counts."""
    network = build_network(skeleton, model_of(**changes), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        for name, statistic in network.named_buffers():
            if name.endswith("running_mean"):
                statistic += 0.1 * torch.randn(statistic.shape, generator=generator)
            elif name.endswith("running_var"):
                statistic *= 1 + torch.rand(statistic.shape, generator=generator)
    return network


def clip(frames: int, joints: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(frames, joints, 2, generator=torch.Generator().manual_seed(seed))


def windows_of(clip_TJ2: Tensor, context: Context) -> Tensor:
    """(T, window, J, 2), the ends repeated."""
    frames = torch.arange(len(clip_TJ2))[:, None] + torch.arange(-context.before, context.after + 1)
    return clip_TJ2[frames.clamp(0, len(clip_TJ2) - 1)]


class LiteralVideoPose3D(nn.Module):
    """The paper's layers one after the other: dilated convolutions over (B, C, T), and slices that go around them."""

    def __init__(self, joints: int, frames: int, channels: int, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.depth = round(np.log(frames) / np.log(3))
        self.causal, self.dropout = causal, nn.Dropout(dropout)
        self.expand = nn.Conv1d(2 * joints, channels, 3, bias=False)
        self.expand_norm = nn.BatchNorm1d(channels)
        self.wide = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, dilation=3**level, bias=False) for level in range(1, self.depth)
        )
        self.narrow = nn.ModuleList(nn.Conv1d(channels, channels, 1, bias=False) for _ in range(1, self.depth))
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2, 2 * self.depth))
        self.shrink = nn.Conv1d(channels, 3 * joints, 1)

    def forward(self, keypoints_BTJ2: Tensor) -> Tensor:
        x = keypoints_BTJ2.flatten(2).transpose(1, 2)
        x = self.dropout(F.relu(self.expand_norm(self.expand(x))))
        for level in range(1, self.depth):
            pad = 3**level
            shift = pad if self.causal else 0
            around = x[:, :, pad + shift : x.shape[2] - pad + shift]
            first, second = self.norms[2 * level - 2], self.norms[2 * level - 1]
            x = self.dropout(F.relu(first(self.wide[level - 1](x))))
            x = around + self.dropout(F.relu(second(self.narrow[level - 1](x))))
        return self.shrink(x).transpose(1, 2).unflatten(2, (-1, 3))

    def take_weights(self, network: Temporal) -> None:
        """Those of ours, whose convolutions are products with (width C_in, C_out), the frames' channels in a row."""

        def kernel(weight: Tensor, width: int) -> Tensor:
            return weight.unflatten(1, (width, -1)).transpose(1, 2)

        with torch.no_grad():
            self.expand.weight.copy_(kernel(network.first.weight, 3))
            self.expand_norm.load_state_dict(network.norm.state_dict())
            for level, block in enumerate(network.blocks):
                self.wide[level].weight.copy_(kernel(block.along.weight, 3))
                self.narrow[level].weight.copy_(kernel(block.within.weight, 1))
                self.norms[2 * level].load_state_dict(block.norms[0].state_dict())
                self.norms[2 * level + 1].load_state_dict(block.norms[1].state_dict())
            self.shrink.weight.copy_(network.last.weight[..., None])
            self.shrink.bias.copy_(network.last.bias)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("frames", "causal"), [(9, False), (27, False), (27, True)])
def test_videopose3d_is_the_literal_one(frames, causal, training):
    network = network_of(member="videopose3d", frames=frames, blocks=0, causal=causal, dropout=0.0)
    literal = LiteralVideoPose3D(16, frames, 6, 0.0, causal=causal)
    literal.take_weights(network)
    sequences_STJ2 = torch.stack([clip(frames + 5, seed=seed) for seed in range(3)])
    expected = literal.train(training)(sequences_STJ2)
    assert expected.shape == (3, 6, 16, 3)
    torch.testing.assert_close(network.train(training).sequence(sequences_STJ2), expected)


def test_videopose3d_of_243_frames_has_the_published_number_of_parameters():
    model = model_of(member="videopose3d", frames=243, channels=1024, blocks=0)
    with torch.device("meta"):
        network = build_network(H36M17, model)
        literal = LiteralVideoPose3D(17, 243, 1024, 0.25, causal=False)
    assert count_parameters(network) == count_parameters(literal) == 16_952_371


@pytest.mark.parametrize("frames", [27, 81, 243])
def test_ours_is_small(frames):
    assert count_parameters(build_network(H36M16, model_of(frames=frames, channels=128, blocks=4))) < 700_000


def literal_graph_network(network: Temporal, window_TJ2: Tensor, *, causal: bool) -> Tensor:
    """One window frame by frame and joint by joint, in evaluation mode."""

    def graph(layer, x_JC):
        a_JJ = layer.attention()
        own_JJ, others_JJ = a_JJ * torch.eye(len(a_JJ)), a_JJ * (1 - torch.eye(len(a_JJ)))
        return own_JJ @ x_JC @ layer.weight[0] + others_JJ @ x_JC @ layer.weight[1] + layer.bias

    def norm(layer, x_JC):
        scaled = (x_JC - layer.running_mean) / (layer.running_var + layer.eps).sqrt()
        return F.relu(scaled * layer.weight + layer.bias)

    def side_by_side(frames_JC):
        return torch.cat(list(frames_JC), dim=1)

    groups = list(window_TJ2.split(network.widths[0]))
    frames = [norm(network.norm, graph(network.first, side_by_side(group))) for group in groups]
    for block, width in zip(network.blocks, network.widths[1:], strict=True):
        groups = [frames[start : start + width] for start in range(0, len(frames), width)]
        frames = []
        for group in groups:
            y_JC = norm(block.norms[0], side_by_side(group) @ block.along.weight.T)
            y_JC = norm(block.norms[1], graph(block.within, y_JC))
            frames.append(y_JC + (group[-1] if causal else group[len(group) // 2]))
    (frame,) = frames
    for layer in network.within:
        literal = literal_non_local if isinstance(layer, NonLocal) else literal_residual_block
        frame = literal(layer, frame[None], network.skeleton, training=False)[0]
    return graph(network.last, frame)


@pytest.mark.parametrize("non_local", [False, True])
@pytest.mark.parametrize(("frames", "causal"), [(9, False), (81, False), (27, True)])
def test_the_graph_over_time_is_the_literal_one(frames, causal, non_local):
    network = network_of(frames=frames, causal=causal, non_local=non_local, blocks=2).eval()
    assert [type(layer) for layer in network.within] == 2 * ([ResidualBlock] + non_local * [NonLocal])
    windows_BTJ2 = torch.stack([clip(frames, seed=seed) for seed in range(3)])
    expected = torch.stack([literal_graph_network(network, window, causal=causal) for window in windows_BTJ2])
    torch.testing.assert_close(network(windows_BTJ2), expected)


@MEMBERS
@pytest.mark.parametrize("sees", ["picture", "person"])
@pytest.mark.parametrize(("frames", "causal"), [(9, False), (27, True), (81, False)])
def test_windows_and_whole_sequences_give_the_same(member, sees, frames, causal):
    network = network_of(member=member, frames=frames, causal=causal, sees=sees).eval()
    clip_TJ2, context = clip(100), network.context
    of_windows = network(windows_of(clip_TJ2, context))
    ends = torch.arange(-context.before, 100 + context.after).clamp(0, 99)
    torch.testing.assert_close(network.sequence(clip_TJ2[ends][None])[0], of_windows)
    assert of_windows.std(0).min() > 1e-4


@MEMBERS
@pytest.mark.parametrize("causal", [False, True])
def test_a_frame_depends_on_just_its_context(member, causal):
    network = network_of(member=member, frames=27, causal=causal).eval()
    assert network.context == (Context(26, 0) if causal else Context(13, 13))
    clip_TJ2 = clip(27).requires_grad_()
    network(clip_TJ2[None])[0].square().sum().backward()
    assert (clip_TJ2.grad.abs().amax((1, 2)) > 0).all()
    pose_TJ3 = torch.from_numpy(predict(network, clip(60).numpy(), H36M16))
    changed_TJ2 = clip(60)
    changed_TJ2[30] += 1
    moved_T = (torch.from_numpy(predict(network, changed_TJ2.numpy(), H36M16)) - pose_TJ3).abs().amax((1, 2)) > 0
    assert moved_T.nonzero()[:, 0].tolist() == list(range(30, 57) if causal else range(17, 44))


@MEMBERS
def test_batches_of_a_sequence_are_the_whole_and_nothing_is_seen_across_a_break(member):
    network = network_of(member=member).eval()
    clip_TJ2 = clip(100).numpy()
    whole = predict(network, clip_TJ2, H36M16, flip=True)
    np.testing.assert_allclose(predict(network, clip_TJ2, H36M16, flip=True, batch=7), whole, atol=1e-5)
    parts = [predict(network, part, H36M16) for part in np.split(clip_TJ2, [3, 50])]
    broken = predict(network, clip_TJ2, H36M16, breaks=[3, 50])
    np.testing.assert_allclose(broken, np.concatenate(parts), atol=1e-6)
    assert predict(network, clip_TJ2[:0], H36M16).shape == (0, 16, 3)


@MEMBERS
def test_of_one_frame_it_is_a_network_of_single_frames(member):
    network = network_of(member=member, frames=1).eval()
    assert not network.context
    torch.testing.assert_close(network(clip(5)), network.sequence(clip(5)[None])[0])


def test_a_mirrored_person_is_lifted_to_the_mirrored_pose_with_flip():
    network = network_of().eval()
    mirror, flip_3 = list(H36M16.mirror), np.array([-1.0, 1.0, 1.0], np.float32)
    clip_TJ2 = clip(40).numpy()
    mirrored = predict(network, clip_TJ2[:, mirror] * flip_3[:2], H36M16, flip=True)
    np.testing.assert_allclose(mirrored, predict(network, clip_TJ2, H36M16, flip=True)[:, mirror] * flip_3, atol=1e-5)


def test_it_says_what_it_sees():
    assert describe_network(model_of(frames=81, dropout=0.25)) == (
        "temporal (graph), 6 channels, sees 81 frames, 40 before and 40 after, 1 further block, non-local layers, "
        "dropout 0.25"
    )
    assert context_of_model(model_of(frames=9, causal=True)) == Context(8, 0)
    assert widths(81, first=9) == (9, 3, 3)
    assert widths(243, first=3) == (3, 3, 3, 3, 3)
    assert widths(1, first=9) == (1,)
