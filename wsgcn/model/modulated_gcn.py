"""Modulated GCN (Zou and Tang 2021, "Modulated Graph Convolutional Network for 3D Human Pose Estimation", ICCV).

From the paper: the weight modulation, the affinity modulation and its symmetry, separate weights for a joint itself and
for its neighbours, and the layout of residual blocks of two graph convolutions.

From the authors' published code (github.com/ZhimingZo/Modulated-GCN, the variant for 2D ground truth):

- the adjacency: a bone's entry is 1 over the row's number of neighbours, and the diagonal, which is set after that
  normalisation, is 1 (so a row sums to 2);
- initial values: weights Xavier-uniform with gain 1.414, biases uniform within 1 / sqrt(C_out), weight modulation 1,
  affinity modulation 1e-6;
- a bias in every convolution, also in those before a batch norm;
- batch norm with one set of statistics per channel, common to all joints; then ReLU; then dropout, which is 0;
- no ReLU after a residual block's sum, and no batch norm or ReLU after the last convolution;
- no non-local layer. The code's other variant, for detected 2D, has one before the last convolution, a Xavier-uniform
  weight modulation, 17 joints, 384 channels and a dropout of 0.2. It is not built here.

That variant of the code is trained with 0.9 MSE + 0.1 L1 in batches of 64. Losses are no matter of this module.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsgcn.base.errors import InputError
from wsgcn.pose.skeleton import Skeleton


class ModulatedGraphConv(nn.Module):
    """Modulated graph convolution: Y = (S * I) (M * X W0) + (S * (1 - I)) (M * X W1) + b, with * entry by entry.

    M (J, C_out) is the weight modulation: joint j's features pass through W with its columns scaled by M_j, so each
    joint has a transformation of its own for the price of one vector. S (J, J) is the modulated affinity, symmetric and
    dense: with A the skeleton's normalised adjacency and Q (J, J) the affinity modulation, S = (A + Q + (A + Q)^T) / 2.

    Shapes: X (B, J, in_channels) -> Y (B, J, out_channels).
    """

    adjacency_JJ: Tensor  # (A + A^T) / 2
    self_loops_JJ: Tensor

    def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        joints = len(skeleton.joints)
        neighbours_JJ = skeleton.adjacency_JJ & ~np.eye(joints, dtype=bool)
        adjacency_JJ = neighbours_JJ / neighbours_JJ.sum(1, keepdims=True) + np.eye(joints)
        symmetric_JJ = torch.from_numpy((adjacency_JJ + adjacency_JJ.T) / 2).float()
        # Derived from the skeleton, so they are no part of a checkpoint.
        self.register_buffer("adjacency_JJ", symmetric_JJ, persistent=False)
        self.register_buffer("self_loops_JJ", torch.eye(joints), persistent=False)
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))  # W0, W1
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.weight_modulation = nn.Parameter(torch.empty(joints, out_channels))  # M
        self.affinity_modulation = nn.Parameter(torch.empty(joints, joints))  # Q
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The published code's initial values; Xavier by PyTorch's fan rule on the three axes of the weight."""
        nn.init.xavier_uniform_(self.weight, gain=1.414)
        bound = 1 / math.sqrt(len(self.bias))
        nn.init.uniform_(self.bias, -bound, bound)
        nn.init.ones_(self.weight_modulation)
        nn.init.constant_(self.affinity_modulation, 1e-6)

    def affinity(self) -> Tensor:
        """S: (J, J), symmetric."""
        return self.adjacency_JJ + (self.affinity_modulation + self.affinity_modulation.T) / 2

    def forward(self, x_BJC: Tensor) -> Tensor:
        affinity_JJ = self.affinity()
        to_itself_JJ = affinity_JJ * self.self_loops_JJ
        to_others_JJ = affinity_JJ - to_itself_JJ
        # The diagonal half mixes no joints: it scales M.
        own_modulation_JC = to_itself_JJ.sum(1, keepdim=True) * self.weight_modulation
        own_BJC = torch.addcmul(self.bias, own_modulation_JC, x_BJC @ self.weight[0])
        others_BJC = self.weight_modulation * (x_BJC @ self.weight[1])
        # Not len(x_BJC): tracing for ONNX would write that number into the graph.
        return torch.baddbmm(own_BJC, to_others_JJ.expand(x_BJC.shape[0], -1, -1), others_BJC)


class ModulatedGraphBlock(nn.Module):
    """Modulated graph convolution, batch norm over the channels, ReLU, dropout: (B, J, C_in) -> (B, J, C_out)."""

    def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton, *, dropout: float) -> None:
        super().__init__()
        self.convolution = ModulatedGraphConv(in_channels, out_channels, skeleton)
        self.norm = nn.BatchNorm1d(out_channels)
        self.dropout = dropout

    def forward(self, x_BJC: Tensor) -> Tensor:
        y_BJC = self.convolution(x_BJC)
        y_BJC = F.relu(self.norm(y_BJC.flatten(0, 1))).view_as(y_BJC)
        return F.dropout(y_BJC, self.dropout, self.training)


class ModulatedResidualBlock(nn.Module):
    """Two modulated graph blocks and the way around them: (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int, skeleton: Skeleton, *, dropout: float) -> None:
        super().__init__()
        self.first = ModulatedGraphBlock(channels, channels, skeleton, dropout=dropout)
        self.second = ModulatedGraphBlock(channels, channels, skeleton, dropout=dropout)

    def forward(self, x_BJC: Tensor) -> Tensor:
        return x_BJC + self.second(self.first(x_BJC))


class ModulatedGCN(nn.Module):
    """Modulated GCN: an input block, residual blocks, an output convolution.

    2D joints (B, J, 2) in normalised screen units become 3D joints (B, J, 3) in metres, camera axes, relative to the
    root up to an offset that training does not force to zero.

    At the published setting for 2D ground truth (16 joints, 128 channels, 4 blocks) it has 287,923 parameters, which is
    the paper's 0.29 M: 3,200 in the input block, 8 x 35,456 in the residual blocks and 1,075 in the output convolution.

    Args:
        channels: the width of every layer but the last.
        blocks: the number of residual blocks, two convolutions each.
        dropout: the probability of dropping a value after each ReLU.

    Raises:
        InputError: fewer than one channel or block, or a dropout outside of [0, 1).
    """

    def __init__(self, skeleton: Skeleton, *, channels: int = 128, blocks: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        for name, count in (("channels", channels), ("blocks", blocks)):
            if count < 1:
                raise InputError(f"modulated_gcn: {name} is {count}, expected at least 1.")
        if not 0 <= dropout < 1:
            raise InputError(f"modulated_gcn: dropout is {dropout}, expected at least 0 and less than 1.")
        self.input_shape = (len(skeleton.joints), 2)
        self.layers = nn.Sequential(
            ModulatedGraphBlock(2, channels, skeleton, dropout=dropout),
            *(ModulatedResidualBlock(channels, skeleton, dropout=dropout) for _ in range(blocks)),
            ModulatedGraphConv(channels, 3, skeleton),
        )

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        # A single joint would be broadcast over the modulation vectors of all of them.
        assert keypoints_BJ2.shape[1:] == self.input_shape, f"{tuple(keypoints_BJ2.shape)}, not (B, J, 2)"
        return self.layers(keypoints_BJ2)
