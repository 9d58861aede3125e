"""Networks over time: one frame is lifted from those around it.

Two members share one layout, which is that of VideoPose3D (Pavllo et al. 2019, "3D human pose estimation in video with
temporal convolutions and semi-supervised training"): a convolution over time, residual blocks of a convolution over
time and a layer within the frame, and a last layer. Each convolution takes the frames that the one before it leaves
out, so that the frames seen are the product of the widths.

- `videopose3d` as published: all joints of a frame are one vector, and the layer within a frame is a full one. Of 243
  frames 17 joints make 16,952,371 parameters.
- `graph`: SemGCN (Zhao et al. 2019) over time. Every joint has channels of its own. Over time it is convolved along
  itself, with the same weights as all others; within a frame the joints are mixed by semantic graph convolution. The
  first layer takes nine frames at once: on two numbers a joint that costs next to nothing, and all that follows works
  on a ninth of the frames. When the lifted frame alone is left, SemGCN's residual blocks and non-local layers follow.

Each network has two forms with the same weights. `forward` takes windows of just the frames that are seen and computes
what the lifted one needs, as training wants it (VideoPose3D's strided convolutions); `sequence` lifts every frame of
whole sequences, each layer once a frame (dilated ones). In evaluation mode both give the same numbers. In training mode
the batch norms see other frames.

Shapes: N nodes of C channels over T frames, (B, N, T, C), contiguous. So every step of a convolution over time is a
view, and so is a frame's graph.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsgcn.model.context import Context
from wsgcn.model.layers import NonLocal, ResidualBlock, SemGraphConv
from wsgcn.model.params import Member
from wsgcn.pose.skeleton import Skeleton

Mixer = Callable[[int, int], nn.Module]  # makes a layer within the frame of so many channels in and out


class Temporal(nn.Module):
    """2D joints of windows (B, T, J, 2), T = `frames`, to 3D joints (B, J, 3) of one frame each: the middle one, or
    with `causal` the last. Of one frame it takes (B, J, 2), as other networks do.

    Attributes:
        context: the frames before and after the lifted one.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        member: Member,
        frames: int,
        channels: int,
        blocks: int,
        non_local: bool,
        dropout: float,
        causal: bool,
    ) -> None:
        super().__init__()
        self.context = context(frames, causal=causal)
        self.skeleton, self.is_graph, self.dropout = skeleton, member == "graph", dropout
        over_time = widths(frames, first=9 if self.is_graph else 3)
        self.widths = over_time if self.is_graph else (*over_time, *[1] * blocks)
        joints = len(skeleton.joints)
        nodes = joints if self.is_graph else 1
        self.first = self._mixer(self.widths[0] * 2 * joints // nodes, channels)
        self.norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(
            TemporalBlock(channels, width, self._mixer, dropout=dropout, causal=causal) for width in self.widths[1:]
        )
        self.within = nn.Sequential()  # of the lifted frame (B, J, C)
        for _ in range(blocks if self.is_graph else 0):
            self.within.append(ResidualBlock(channels, skeleton, channelwise=False, dropout=dropout))
            if non_local:
                self.within.append(NonLocal(channels, skeleton))
        outputs = 3 * joints // nodes
        self.last = FrameGraphConv(channels, outputs, skeleton) if self.is_graph else nn.Linear(channels, outputs)

    def _mixer(self, in_channels: int, out_channels: int) -> nn.Module:
        if self.is_graph:
            return FrameGraphConv(in_channels, out_channels, self.skeleton)
        return nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, keypoints_BTJ2: Tensor) -> Tensor:
        if not self.context:  # a network of single frames like any other
            keypoints_BTJ2 = keypoints_BTJ2[:, None]
        assert keypoints_BTJ2.shape[1] == self.context.frames, f"{tuple(keypoints_BTJ2.shape)}"
        return self._lift(keypoints_BTJ2, is_window=True)[:, 0]

    def sequence(self, keypoints_STJ2: Tensor) -> Tensor:
        """The frames of S sequences (S, T, J, 2) that have all their context: (S, T - context, J, 3)."""
        return self._lift(keypoints_STJ2, is_window=False)

    def _lift(self, keypoints_BTJ2: Tensor, *, is_window: bool) -> Tensor:
        x_BNTC = keypoints_BTJ2.transpose(1, 2).contiguous() if self.is_graph else keypoints_BTJ2.flatten(2)[:, None]
        x_BNTC = self.first(neighbours(x_BNTC, self.widths[0], None if is_window else 1))
        x_BNTC = activated(x_BNTC, self.norm, self.dropout)
        dilation = self.widths[0]
        for block, width in zip(self.blocks, self.widths[1:], strict=True):
            x_BNTC = block(x_BNTC, None if is_window else dilation)
            dilation *= width
        if len(self.within):
            x_BTNC = x_BNTC.transpose(1, 2)
            x_BTNC = self.within(x_BTNC.flatten(0, 1).contiguous()).view_as(x_BTNC)
            x_BNTC = x_BTNC.transpose(1, 2).contiguous()
        pose_BNTC = self.last(x_BNTC)
        if self.is_graph:
            return pose_BNTC.transpose(1, 2)
        return pose_BNTC[:, 0].unflatten(-1, (-1, 3))


class TemporalBlock(nn.Module):
    """A convolution over time along each node and a layer within the frame, and the way around them.

    (B, N, T, C) -> (B, N, T', C), batch norm over the channels, ReLU and dropout after each.
    """

    def __init__(self, channels: int, width: int, mixer: Mixer, *, dropout: float, causal: bool) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.kept = width - 1 if causal else width // 2  # of each `width` frames, the one that goes around
        self.along = nn.Linear(width * channels, channels, bias=False)
        self.within = mixer(channels, channels)
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2))

    def forward(self, x_BNTC: Tensor, dilation: int | None) -> Tensor:
        """`dilation` is the distance of the frames that are convolved, None for windows, see `neighbours`."""
        y_BNTC = self.along(neighbours(x_BNTC, self.width, dilation))
        y_BNTC = activated(y_BNTC, self.norms[0], self.dropout)
        y_BNTC = activated(self.within(y_BNTC), self.norms[1], self.dropout)
        if dilation is None:
            return x_BNTC[:, :, self.kept :: self.width] + y_BNTC
        return shifted(x_BNTC, self.width, dilation, self.kept) + y_BNTC


class FrameGraphConv(SemGraphConv):
    """Semantic graph convolution within each frame: (B, J, T, in_channels) -> (B, J, T, out_channels)."""

    def forward(self, x_BJTC: Tensor) -> Tensor:
        attention_JJ = self.attention()
        to_itself_J = attention_JJ.diagonal()
        to_others_JJ = attention_JJ * (1 - self.self_loops_JJ)
        own_BJTC = x_BJTC * to_itself_J[:, None, None]
        others_BJTC = torch.bmm(to_others_JJ.expand(x_BJTC.shape[0], -1, -1), x_BJTC.flatten(2))
        y_XC = torch.addmm(self.bias, own_BJTC.flatten(0, 2), self.weight[0])
        y_XC = torch.addmm(y_XC, others_BJTC.view(-1, x_BJTC.shape[-1]), self.weight[1])
        return y_XC.view(*x_BJTC.shape[:3], -1)


def activated(x_BNTC: Tensor, norm: nn.Module, dropout: float) -> Tensor:
    y_BNTC = F.relu(norm(x_BNTC.flatten(0, 2))).view_as(x_BNTC)
    return F.dropout(y_BNTC, dropout, norm.training) if dropout else y_BNTC


def neighbours(x_BNTC: Tensor, width: int, dilation: int | None) -> Tensor:
    """The channels of `width` frames side by side: what a convolution over time multiplies by its weights.

    Args:
        dilation: the distance of those frames: (B, N, T - (width - 1) dilation, width C). None: windows, of which each
            frame is taken once: (B, N, T / width, width C), a view.
    """
    if width == 1:
        return x_BNTC
    if dilation is None:
        return x_BNTC.unflatten(2, (-1, width)).flatten(3)
    return torch.cat([shifted(x_BNTC, width, dilation, frame) for frame in range(width)], dim=-1)


def shifted(x_BNTC: Tensor, width: int, dilation: int, frame: int) -> Tensor:
    """The frames that are the `frame`-th of `width` that lie `dilation` apart."""
    return x_BNTC[:, :, frame * dilation : -(width - 1 - frame) * dilation or None]


def widths(frames: int, *, first: int) -> tuple[int, ...]:
    """Of the convolutions over time whose product is `frames`, a power of three; the first is at most `first` wide."""
    if frames <= first:
        return (frames,)
    return (first, *[3] * round(math.log(frames / first, 3)))


def context(frames: int, *, causal: bool) -> Context:
    return Context(before=frames - 1) if causal else Context(before=frames // 2, after=frames // 2)
