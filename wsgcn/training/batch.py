"""What one training step sees: made by the sets, changed by augmentation, read by the losses."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from wsgcn.pose.camera import solve_root
from wsgcn.training.windows import Windows, seen

_AT_ONCE = 1024  # poses; beside a network over time each is a window


class Roots(Protocol):
    """Where unlabelled poses stand in their cameras' frames."""

    def of(self, predicted_UJ3: Tensor) -> Tensor:
        """The roots (U, 3), m, camera frame, of the poses given their prediction."""


@dataclass(frozen=True)
class TrueRoots:
    """The published protocol: the true 3D root of every unlabelled pose, which is more than 2D supervision."""

    root_U3: Tensor

    def of(self, predicted_UJ3: Tensor) -> Tensor:
        return self.root_U3


@dataclass(frozen=True)
class SolvedRoots:
    """The root in closed form from 2D and prediction; holds nothing but what follows from the 2D."""

    uv_UJ2: Tensor  # undistorted normalised coordinates
    normal_inverse_U33: Tensor

    def of(self, predicted_UJ3: Tensor) -> Tensor:
        return solve_root(predicted_UJ3, self.uv_UJ2, self.normal_inverse_U33)


@dataclass(frozen=True)
class ModelRoots:
    """The root as the trajectory network gives it, from the 2D alone."""

    trajectory: nn.Module  # see wsgcn.model.trajectory
    keypoints_NJ2: Tensor  # normalised screen units, of the set
    windows: Windows | None  # for a network over time, of every frame of it
    index_U: Tensor

    def of(self, predicted_UJ3: Tensor) -> Tensor:
        parts = (seen(self.keypoints_NJ2, self.windows, index_B) for index_B in self.index_U.split(_AT_ONCE))
        return torch.cat([self.trajectory(part_BJ2) for part_BJ2 in parts])


@dataclass(frozen=True)
class Unlabelled:
    """Of the U unlabelled poses, what is known of them beside their 2D."""

    intrinsics_U9: Tensor  # normalised screen units, see wsgcn.pose.camera
    roots: Roots


@dataclass(frozen=True)
class Batch:
    """L labelled poses, and after them U unlabelled ones; B = L + U."""

    keypoints_BJ2: Tensor  # normalised screen units; of a network over time those of windows, (B, T, J, 2)
    truth_LJ3: Tensor  # m, camera axes, relative to the root
    unlabelled: Unlabelled | None  # None where U is 0
    bone_ends_2EJ: Tensor  # see `wsgcn.training.losses.bone_ends`
    lifted: int | None = None  # which of a window's frames is the lifted one; None: there are no windows
    root_L3: Tensor | None = None  # m, camera frame: where the labelled stand, for the trajectory network to learn
    trajectory: nn.Module | None = None  # that network; None: there is none

    @property
    def lifted_BJ2(self) -> Tensor:
        """2D of the poses that the network gives."""
        return self.keypoints_BJ2 if self.lifted is None else self.keypoints_BJ2[:, self.lifted]

    def split(self, of_all: Tensor) -> tuple[Tensor, Tensor]:
        """What belongs to the labelled poses (L, ...), and to the unlabelled ones (U, ...)."""
        labelled = len(self.truth_LJ3)
        labelled_L, unlabelled_U = of_all.split((labelled, len(of_all) - labelled))
        return labelled_L, unlabelled_U
