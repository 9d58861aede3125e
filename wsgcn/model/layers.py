"""The layers of SemGCN (Zhao et al. 2019, "Semantic Graph Convolutional Networks for 3D Human Pose Regression").

Activations are (B, J, C), contiguous. tests/model holds the literal form of each formula; the forms here are the same
functions with fewer products and passes over memory. A change here is the whole of an experiment: where
`wsgcn.model.cpu.door` finds that the compiled step no longer fits, training uses these layers.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsgcn.pose.skeleton import Skeleton

MOST_DEVIATIONS = 20.0  # of what a non-local layer's norm gives in evaluation


class SemGraphConv(nn.Module):
    """Semantic graph convolution: Y = (A * I) X W0 + (A * (1 - I)) X W1 + b.

    A (J, J) is the softmax over each row of learnt edge weights e, one for each non-zero of the skeleton's adjacency
    (self loops included), minus infinity elsewhere. The channel-wise variant has its own e, and so its own A, for every
    output channel.

    Shapes: X (B, J, in_channels) -> Y (B, J, out_channels).
    """

    edge_index: Tensor  # (edges,) positions of e in the flattened (J, J) matrix
    edge_of_position: Tensor  # (J * J,) the edge at each of its positions, or the number of edges where there is none
    self_loops_JJ: Tensor

    def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton, *, channelwise: bool = False) -> None:
        super().__init__()
        self.channelwise = channelwise
        adjacency_JJ = torch.from_numpy(skeleton.adjacency_JJ)
        joints = len(adjacency_JJ)
        # Derived from the skeleton, so they are no part of a checkpoint.
        self.register_buffer("edge_index", adjacency_JJ.flatten().nonzero()[:, 0], persistent=False)
        self.register_buffer("self_loops_JJ", torch.eye(joints), persistent=False)
        edges = len(self.edge_index)
        edge_of_position = torch.full((joints * joints,), edges)
        edge_of_position[self.edge_index] = torch.arange(edges)
        self.register_buffer("edge_of_position", edge_of_position, persistent=False)
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.edge_weight = nn.Parameter(torch.empty((out_channels, edges) if channelwise else (edges,)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform with gain 1.414 over the (2, C_in, C_out) tensor, by PyTorch's fan rule on three axes."""
        nn.init.xavier_uniform_(self.weight, gain=1.414)
        nn.init.ones_(self.edge_weight)
        bound = 1 / math.sqrt(len(self.bias))
        nn.init.uniform_(self.bias, -bound, bound)

    def attention(self) -> Tensor:
        """A: (J, J), or (C_out, J, J) in the channel-wise variant; each row sums to 1."""
        logits = _PlaceEdges.apply(self.edge_weight, self.edge_index, self.edge_of_position)
        return logits.unflatten(-1, self.self_loops_JJ.shape).softmax(-1)

    def forward(self, x_BJC: Tensor) -> Tensor:
        attention = self.attention()
        to_itself = attention * self.self_loops_JJ
        to_others = attention - to_itself
        if self.channelwise:
            own_BJC = (x_BJC @ self.weight[0]) * to_itself.sum(-1).T
            return own_BJC + torch.einsum("cij,bjc->bic", to_others, x_BJC @ self.weight[1]) + self.bias
        # A acts on joints and W on channels, so the order is free. With the rows of the two halves of A interleaved,
        # the product (B, 2J, C) read as (B, J, 2C) has both halves side by side, ready for one product with [W0; W1].
        interleaved = torch.stack((to_itself, to_others), dim=1).flatten(0, 1)
        both = torch.bmm(interleaved.expand(x_BJC.shape[0], -1, -1), x_BJC).view(-1, 2 * x_BJC.shape[-1])
        return torch.addmm(self.bias, both, self.weight.flatten(0, 1)).view(*x_BJC.shape[:2], -1)


class _PlaceEdges(torch.autograd.Function):
    """e (..., edges) in the flattened matrix (..., J * J), minus infinity where there is no edge.

    Each way is a selection. Scattering would have CUDA sort the indices, because its results are to repeat.
    """

    @staticmethod
    def forward(ctx: Any, edge_weight: Tensor, edge_index: Tensor, edge_of_position: Tensor) -> Tensor:
        ctx.save_for_backward(edge_index)
        padded = F.pad(edge_weight, (0, 1), value=-torch.inf)
        return padded.index_select(-1, edge_of_position)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (edge_index,) = ctx.saved_tensors
        return gradients[0].index_select(-1, edge_index), None, None


class GraphBlock(nn.Module):
    """Graph convolution, batch norm over the channels, ReLU, dropout: (B, J, C_in) -> (B, J, C_out)."""

    def __init__(
        self, in_channels: int, out_channels: int, skeleton: Skeleton, *, channelwise: bool, dropout: float
    ) -> None:
        super().__init__()
        self.convolution = SemGraphConv(in_channels, out_channels, skeleton, channelwise=channelwise)
        self.norm = nn.BatchNorm1d(out_channels)
        self.dropout = dropout

    def forward(self, x_BJC: Tensor) -> Tensor:
        y_BJC = self.convolution(x_BJC)
        # Batch norm over (B * J, C) keeps the statistics of every joint together, as the published code does.
        y_BJC = F.relu(self.norm(y_BJC.flatten(0, 1))).view_as(y_BJC)
        return F.dropout(y_BJC, self.dropout, self.training) if self.dropout else y_BJC


class ResidualBlock(nn.Module):
    """Two graph blocks and the way around them: (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int, skeleton: Skeleton, *, channelwise: bool, dropout: float) -> None:
        super().__init__()
        self.first = GraphBlock(channels, channels, skeleton, channelwise=channelwise, dropout=dropout)
        self.second = GraphBlock(channels, channels, skeleton, channelwise=channelwise, dropout=dropout)

    def forward(self, x_BJC: Tensor) -> Tensor:
        return x_BJC + self.second(self.first(x_BJC))


class NonLocal(nn.Module):
    """Non-local layer in concatenation form (Wang et al. 2018, "Non-local Neural Networks") over joint groups.

    With theta, phi, g linear in x and phi and g max-pooled over each joint group:
    f_ij = ReLU(w_theta . theta_i + w_phi . phi_j) / G,  y_i = sum_j f_ij g_j,  out = BatchNorm(W y) + x.

    The inner width is half the channels. The batch norm's gain starts at zero, so the layer starts as the identity.
    The layer is quadratic in x. In training the batch's own statistics bound what the norm gives; in evaluation nothing
    would, and four such layers in a row blew poses unlike those of training up to kilometres. So in evaluation the
    normalised values are limited to 20 standard deviations, which what is like training does not reach.
    Shapes: (B, J, C) -> (B, J, C), for any number of joints and G groups of any size.
    """

    group_members: Tensor  # (largest group, G) joint indices; small groups repeat a joint, which a maximum ignores
    group_of_joint: Tensor  # (J,)

    def __init__(self, channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        inner = channels // 2
        largest = max(len(group) for group in skeleton.groups)
        padded = [group + group[-1:] * (largest - len(group)) for group in skeleton.groups]
        group_of_joint = [
            next(g for g, group in enumerate(skeleton.groups) if j in group) for j in range(len(skeleton.joints))
        ]
        self.register_buffer("group_members", torch.tensor(padded).T.contiguous(), persistent=False)
        self.register_buffer("group_of_joint", torch.tensor(group_of_joint), persistent=False)
        self.theta = nn.Linear(channels, inner)
        self.phi = nn.Linear(channels, inner)
        self.g = nn.Linear(channels, inner)
        self.score = nn.Linear(2 * inner, 1, bias=False)  # [w_theta, w_phi]
        self.out = nn.Linear(inner, channels)
        self.norm = nn.BatchNorm1d(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for linear in (self.theta, self.phi, self.g, self.score, self.out):
            nn.init.kaiming_normal_(linear.weight)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def forward(self, x_BJC: Tensor) -> Tensor:
        w_theta, w_phi = self.score.weight[0].chunk(2)
        # theta meets only w_theta: the two linear maps are one vector, and theta itself is never formed.
        v, constant = w_theta @ self.theta.weight, w_theta @ self.theta.bias
        phi_g_weight = torch.cat((self.phi.weight, self.g.weight))
        score_BJ = x_BJC @ v + constant
        phi_and_g = F.linear(x_BJC, phi_g_weight, torch.cat((self.phi.bias, self.g.bias)))
        pooled = _GroupMax.apply(phi_and_g, self.group_members, self.group_of_joint)
        phi_BGC, g_BGC = pooled.chunk(2, dim=-1)
        attention_BJG = F.relu(score_BJ[:, :, None] + (phi_BGC @ w_phi)[:, None, :]) / len(self.group_members[0])
        y_BJC = torch.bmm(attention_BJG, g_BGC)
        change = self.norm(self.out(y_BJC).flatten(0, 1))
        if not self.training:
            reach_C = MOST_DEVIATIONS * self.norm.weight.abs()
            change = change.clamp(self.norm.bias - reach_C, self.norm.bias + reach_C)
        return change.view_as(x_BJC) + x_BJC


class _GroupMax(torch.autograd.Function):
    """Maximum over each joint group: (B, J, C) -> (B, G, C).

    Every joint stands in one group, so the gradient is gathered from the groups where indexing's own backward would
    scatter into zeros (a seventh of a step's time). Joints that tie for the maximum each receive the gradient.
    """

    @staticmethod
    def forward(ctx: Any, x_BJC: Tensor, group_members: Tensor, group_of_joint: Tensor) -> Tensor:
        pooled_BGC = x_BJC.index_select(1, group_members[0])
        for members in group_members[1:]:
            pooled_BGC = torch.maximum(pooled_BGC, x_BJC.index_select(1, members))
        ctx.save_for_backward(x_BJC, pooled_BGC, group_of_joint)
        return pooled_BGC

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        x_BJC, pooled_BGC, group_of_joint = ctx.saved_tensors
        is_below = x_BJC < pooled_BGC.index_select(1, group_of_joint)
        return gradients[0].index_select(1, group_of_joint).masked_fill_(is_below, 0), None, None
