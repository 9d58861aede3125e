"""The unlabelled set: 2D, intrinsics, and where the poses stand or how that follows from the 2D."""

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from wsgcn.training.batch import ModelRoots, Roots, SolvedRoots, TrueRoots, Unlabelled
from wsgcn.training.tensors import Tensors
from wsgcn.training.windows import Windows, seen


class RootSource(Protocol):
    """Where the poses of an unlabelled set stand."""

    def select(self, index_B: Tensor) -> Roots:
        """Those of these frames."""

    def to(self, device: torch.device) -> Self: ...


@dataclass(frozen=True)
class TrueRootSource(Tensors):
    root_N3: Tensor

    def select(self, index_B: Tensor) -> Roots:
        return TrueRoots(self.root_N3.index_select(0, index_B))


@dataclass(frozen=True)
class SolvedRootSource(Tensors):
    uv_NJ2: Tensor  # undistorted normalised coordinates
    normal_inverse_N33: Tensor

    def select(self, index_B: Tensor) -> Roots:
        return SolvedRoots(self.uv_NJ2.index_select(0, index_B), self.normal_inverse_N33.index_select(0, index_B))


@dataclass(frozen=True)
class ModelRootSource(Tensors):
    trajectory: nn.Module  # see wsgcn.model.trajectory
    keypoints_NJ2: Tensor  # normalised screen units
    windows: Windows | None  # for a network over time, of every frame

    def select(self, index_B: Tensor) -> Roots:
        return ModelRoots(self.trajectory, self.keypoints_NJ2, self.windows, index_B)


@dataclass(frozen=True)
class UnlabelledSet(Tensors):
    """N poses of which the training sees the 2D, the cameras' intrinsics, and `roots`."""

    keypoints_NJ2: Tensor  # normalised screen units
    camera_N: Tensor  # index into intrinsics_K9
    intrinsics_K9: Tensor  # normalised screen units, see wsgcn.pose.camera
    roots: RootSource
    windows: Windows | None = None  # which of them are trained on, for a network over time; None: each by itself

    def __len__(self) -> int:
        return len(self.keypoints_NJ2) if self.windows is None else len(self.windows)

    def seen(self, index_B: Tensor) -> Tensor:
        """The 2D (B, J, 2), or of windows (B, T, J, 2), of the poses of a batch."""
        return seen(self.keypoints_NJ2, self.windows, index_B)

    def select(self, index_B: Tensor) -> Unlabelled:
        """What is known of the poses of a batch beside their 2D."""
        if self.windows is not None:
            index_B = self.windows.lifted_M.index_select(0, index_B)
        camera_B = self.camera_N.index_select(0, index_B)
        return Unlabelled(self.intrinsics_K9.index_select(0, camera_B), self.roots.select(index_B))
