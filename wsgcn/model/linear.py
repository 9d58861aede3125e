"""The baseline of Martinez et al. 2017, "A simple yet effective baseline for 3d human pose estimation"."""

from torch import Tensor, nn
from torch.nn import functional as F

from wsgcn.pose.skeleton import Skeleton


class LinearModel(nn.Module):
    """A linear layer to `width`, residual blocks of two linear layers each, a linear layer to 3J.

    (B, J, 2) -> (B, J, 3). Batch norm, ReLU and dropout follow every linear layer but the last. 4.29 M parameters at
    their setting.
    """

    def __init__(self, skeleton: Skeleton, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        joints = len(skeleton.joints)
        self.first = _LinearBlock(2 * joints, width, dropout)
        self.residual = nn.ModuleList(
            nn.Sequential(_LinearBlock(width, width, dropout), _LinearBlock(width, width, dropout))
            for _ in range(blocks)
        )
        self.last = nn.Linear(width, 3 * joints)
        nn.init.kaiming_normal_(self.last.weight)

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        x_BC = self.first(keypoints_BJ2.flatten(1))
        for block in self.residual:
            x_BC = x_BC + block(x_BC)
        return self.last(x_BC).unflatten(1, (-1, 3))


class _LinearBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)
        self.norm = nn.BatchNorm1d(out_channels)
        self.dropout = dropout
        nn.init.kaiming_normal_(self.linear.weight)

    def forward(self, x_BC: Tensor) -> Tensor:
        return F.dropout(F.relu(self.norm(self.linear(x_BC))), self.dropout, self.training)
