"""The networks: SemGCN with non-local layers, and the linear model of Martinez et al.

Both take 2D joints (B, J, 2) in normalised screen units and give 3D joints (B, J, 3) in metres, camera axes, relative
to the root up to an offset that training does not force to zero; what reports a pose subtracts the root joint.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv
from wsgcn.pose.skeleton import Skeleton
from wsgcn.running import params


class SemGCN(nn.Module):
    """SemGCN (Zhao et al. 2019): an input block, residual blocks, an output graph convolution.

    With `non_local`, a non-local layer follows the input block and each residual block. At the paper's setting (16
    joints, 128 channels, 4 blocks, non-local) it has 434,703 parameters.
    """

    def __init__(self, skeleton: Skeleton, model: params.Model) -> None:
        super().__init__()
        channels, dropout, channelwise = model.channels, model.dropout, model.channelwise
        layers: list[nn.Module] = [GraphBlock(2, channels, skeleton, channelwise=channelwise, dropout=dropout)]
        if model.non_local:
            layers.append(NonLocal(channels, skeleton))
        for _ in range(model.blocks):
            layers.append(ResidualBlock(channels, skeleton, channelwise=channelwise, dropout=dropout))
            if model.non_local:
                layers.append(NonLocal(channels, skeleton))
        layers.append(_OutputGraphConv(channels, 3, skeleton, channelwise=channelwise))
        self.layers = nn.Sequential(*layers)
        self._has_fused_form = not channelwise and not dropout

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        keypoints_BJ2 = keypoints_BJ2.contiguous()
        if self.training and self._has_fused_form and may_fuse(keypoints_BJ2, next(self.parameters())):
            from wsgcn.model.cpu import fused

            return fused.forward(self.layers, keypoints_BJ2)
        return self.layers(keypoints_BJ2)


def may_fuse(*tensors: Tensor) -> bool:
    """Whether `wsgcn.model.cpu.fused` can train with these tensors here."""
    if not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    if any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in tensors):
        return False
    # Here and above it is imported where it runs: numba takes a third of a second to load, and only training needs it.
    from wsgcn.model.cpu.blas import IS_AVAILABLE

    return IS_AVAILABLE


class LinearModel(nn.Module):
    """The baseline of Martinez et al. 2017, "A simple yet effective baseline for 3d human pose estimation".

    A linear layer to `width`, residual blocks of two linear layers each (batch norm, ReLU and dropout after every
    one), a linear layer to 3J. 4.29 M parameters at their setting.
    """

    def __init__(self, skeleton: Skeleton, model: params.Linear) -> None:
        super().__init__()
        joints = len(skeleton.joints)
        self.first = _LinearBlock(2 * joints, model.width, model.dropout)
        self.residual = nn.ModuleList(
            nn.Sequential(
                _LinearBlock(model.width, model.width, model.dropout),
                _LinearBlock(model.width, model.width, model.dropout),
            )
            for _ in range(model.blocks)
        )
        self.last = _OutputLinear(model.width, 3 * joints)
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


class _OutputGraphConv(SemGraphConv):
    def forward(self, x_BJC: Tensor) -> Tensor:
        return _in_float32(super().forward, x_BJC)


class _OutputLinear(nn.Linear):
    def forward(self, x_BC: Tensor) -> Tensor:
        return _in_float32(super().forward, x_BC)


def _in_float32(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The layer outside of autocast: its output is coordinates in metres, of which bfloat16 keeps 2 to 4 mm."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return layer(x)
    with torch.autocast(device, enabled=False):
        return layer(x.float())


def build_network(skeleton: Skeleton, model: params.Model, seed: int | None = None) -> nn.Module:
    """The network that `model` describes, in training mode, on the CPU.

    Args:
        seed: draws the initial weights; with None they come from torch's global generator.
    """
    if seed is None:
        return SemGCN(skeleton, model) if model.name == "semgcn" else LinearModel(skeleton, model.linear)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(skeleton, model)


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
