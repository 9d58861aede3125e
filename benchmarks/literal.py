"""The published training step, written down literally: what `wsgcn` is measured against, and must agree with.

As the published code does it: one Python object a pose, put together by a loader; two matrix products a graph
convolution; batch norm and non-local layers over transposed activations (B, C, J); attention scores from the tensor of
all pairs of joint and group (B, 2C, J, G); the projection put together anew for every batch.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv
from wsgcn.model.semgcn import SemGCN
from wsgcn.pose.skeleton import Skeleton
from wsgcn.training.params import Training


class GraphConvolution(nn.Module):
    def __init__(self, layer: SemGraphConv, skeleton: Skeleton) -> None:
        super().__init__()
        self.weight, self.bias, self.edge_weight = layer.weight, layer.bias, layer.edge_weight
        self.is_edge = torch.from_numpy(skeleton.adjacency_JJ) > 0

    def forward(self, x_BJC: Tensor) -> Tensor:
        own = torch.matmul(x_BJC, self.weight[0])
        others = torch.matmul(x_BJC, self.weight[1])
        attention = torch.full(self.is_edge.shape, -9e15, dtype=x_BJC.dtype)
        attention[self.is_edge] = self.edge_weight
        attention = F.softmax(attention, dim=1)
        identity = torch.eye(len(attention), dtype=x_BJC.dtype)
        return torch.matmul(attention * identity, own) + torch.matmul(attention * (1 - identity), others) + self.bias


class Block(nn.Module):
    def __init__(self, layer: GraphBlock, skeleton: Skeleton) -> None:
        super().__init__()
        self.convolution, self.norm = GraphConvolution(layer.convolution, skeleton), layer.norm

    def forward(self, x_BJC: Tensor) -> Tensor:
        y_BJC = self.norm(self.convolution(x_BJC).transpose(1, 2)).transpose(1, 2)
        return F.relu(y_BJC)


class Residual(nn.Module):
    def __init__(self, layer: ResidualBlock, skeleton: Skeleton) -> None:
        super().__init__()
        self.first, self.second = Block(layer.first, skeleton), Block(layer.second, skeleton)

    def forward(self, x_BJC: Tensor) -> Tensor:
        return x_BJC + self.second(self.first(x_BJC))


class NonLocalConcatenation(nn.Module):
    def __init__(self, layer: NonLocal, skeleton: Skeleton) -> None:
        super().__init__()
        self.layer = layer
        self.order = torch.tensor([joint for group in skeleton.groups for joint in group])
        self.back = self.order.argsort()
        self.size = len(skeleton.groups[0])
        assert {len(group) for group in skeleton.groups} == {self.size}, "the published layer pools equal groups"

    def forward(self, x_BJC: Tensor) -> Tensor:
        layer = self.layer
        x_BCJ = x_BJC[:, self.order].transpose(1, 2).contiguous()
        g_BGC = F.max_pool1d(F.conv1d(x_BCJ, layer.g.weight[..., None], layer.g.bias), self.size).permute(0, 2, 1)
        theta_BCJ1 = F.conv1d(x_BCJ, layer.theta.weight[..., None], layer.theta.bias)[..., None]
        phi_BC1G = F.max_pool1d(F.conv1d(x_BCJ, layer.phi.weight[..., None], layer.phi.bias), self.size)[:, :, None]
        joints, groups = theta_BCJ1.shape[2], phi_BC1G.shape[3]
        pairs = torch.cat((theta_BCJ1.expand(-1, -1, -1, groups), phi_BC1G.expand(-1, -1, joints, -1)), dim=1)
        scores_BJG = F.relu(F.conv2d(pairs, layer.score.weight[..., None, None]))[:, 0]
        y_BCJ = torch.matmul(scores_BJG / groups, g_BGC).permute(0, 2, 1).contiguous()
        out_BCJ = layer.norm(F.conv1d(y_BCJ, layer.out.weight[..., None], layer.out.bias)) + x_BCJ
        return out_BCJ.transpose(1, 2)[:, self.back]


def literal_network(network: SemGCN, skeleton: Skeleton) -> nn.Module:
    """The literal form of a network; it shares the network's parameters and running statistics."""

    def literal(layer: nn.Module) -> nn.Module:
        match layer:
            case SemGraphConv():
                return GraphConvolution(layer, skeleton)
            case GraphBlock():
                return Block(layer, skeleton)
            case ResidualBlock():
                return Residual(layer, skeleton)
            case NonLocal():
                return NonLocalConcatenation(layer, skeleton)
        raise TypeError(layer)

    return nn.Sequential(*(literal(layer) for layer in network.layers))


class LabelledPoses(Dataset[tuple[Tensor, Tensor]]):
    """One pose at a time, from arrays."""

    def __init__(self, keypoints_NJ2: np.ndarray, pose_NJ3: np.ndarray) -> None:
        self.keypoints_NJ2, self.pose_NJ3 = keypoints_NJ2, pose_NJ3

    def __len__(self) -> int:
        return len(self.keypoints_NJ2)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.keypoints_NJ2[index]).float(), torch.from_numpy(self.pose_NJ3[index]).float()


class UnlabelledPoses(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One pose at a time, with its root and its camera."""

    def __init__(self, keypoints_NJ2: np.ndarray, root_N3: np.ndarray, intrinsics_N9: np.ndarray) -> None:
        self.keypoints_NJ2, self.root_N3, self.intrinsics_N9 = keypoints_NJ2, root_N3, intrinsics_N9

    def __len__(self) -> int:
        return len(self.keypoints_NJ2)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        return (
            torch.from_numpy(self.keypoints_NJ2[index]).float(),
            torch.from_numpy(self.root_N3[index]).float(),
            torch.from_numpy(self.intrinsics_N9[index]).float(),
        )


def project_to_2d(points_BJ3: Tensor, intrinsics_B9: Tensor) -> Tensor:
    camera = intrinsics_B9[:, None]
    focal, centre, radial, tangential = camera[..., :2], camera[..., 2:4], camera[..., 4:7], camera[..., 7:]
    xy = torch.clamp(points_BJ3[..., :2] / points_BJ3[..., 2:], min=-1, max=1)
    r2 = torch.sum(xy**2, dim=-1, keepdim=True)
    radial_term = 1 + torch.sum(radial * torch.cat((r2, r2**2, r2**3), dim=-1), dim=-1, keepdim=True)
    tangential_term = torch.sum(tangential * xy, dim=-1, keepdim=True)
    return focal * (xy * (radial_term + tangential_term) + tangential * r2) + centre


def bone_lengths(pose_BJ3: Tensor, bones: tuple[tuple[int, int], ...]) -> Tensor:
    """The mean length of each bone, (E,)."""
    return torch.stack([torch.norm(pose_BJ3[:, child] - pose_BJ3[:, parent], dim=-1).mean() for child, parent in bones])


class LiteralTraining:
    """The published loop over loaders, with the weights of the losses at 1."""

    def __init__(
        self,
        network: SemGCN,
        skeleton: Skeleton,
        settings: Training,
        labelled: LabelledPoses,
        unlabelled: UnlabelledPoses | None,
        workers: int = 0,
    ) -> None:
        self.network, self.skeleton, self.settings = literal_network(network, skeleton), skeleton, settings
        self.optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        shared: dict[str, Any] = {"shuffle": True, "drop_last": True, "num_workers": workers}
        self._labelled = self._endless(DataLoader(labelled, settings.batch_labelled, **shared))
        self._unlabelled = None
        if unlabelled is not None:
            self._unlabelled = self._endless(DataLoader(unlabelled, settings.batch_unlabelled, **shared))

    @staticmethod
    def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
        while True:
            yield from loader

    def run(self, steps: int) -> None:
        self.network.train()
        for _ in range(steps):
            loss = self.loss(next(self._labelled), None if self._unlabelled is None else next(self._unlabelled))
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), max_norm=self.settings.gradient_clip)
            self.optimiser.step()
            loss.item()  # the published loop averages and prints it

    def loss(self, labelled: tuple[Tensor, Tensor], unlabelled: tuple[Tensor, Tensor, Tensor] | None) -> Tensor:
        keypoints_BJ2, truth_BJ3 = labelled
        if unlabelled is None:
            return F.mse_loss(self.network(keypoints_BJ2), truth_BJ3)
        unlabelled_BJ2, root_B3, intrinsics_B9 = unlabelled
        predicted = self.network(torch.cat((keypoints_BJ2, unlabelled_BJ2)))
        labelled_BJ3, unlabelled_BJ3 = predicted[: len(truth_BJ3)], predicted[len(truth_BJ3) :]
        projected_BJ2 = project_to_2d(unlabelled_BJ3 + root_B3[:, None], intrinsics_B9)
        bones = self.skeleton.bones
        bone = (bone_lengths(labelled_BJ3, bones) - bone_lengths(unlabelled_BJ3, bones)).abs().mean()
        return F.mse_loss(labelled_BJ3, truth_BJ3) + F.mse_loss(projected_BJ2, unlabelled_BJ2) + bone
