"""The training losses: pure functions of tensors, and the table of terms that training sums up.

All are means over everything, poses in metres, pictures in normalised screen units. `training.loss` says whether an
error counts by its square (mse: m^2, screen units^2) or by its length (mean_distance). With the latter every term is in
metres: a distance in the picture is taken at the depth where the person stands, where one screen unit is depth over
focal length metres. The bone-length loss is a length in both, and that of the trajectory network a share of the depth.

A new term is a line in TERMS, and a key `<name>_weight` in the section `weak` of params.yaml (`training` for a term of
the labels alone).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wsgcn.pose.camera import project
from wsgcn.training.batch import Batch
from wsgcn.training.params import Training, Weak


def supervised_loss(predicted_BJ3: Tensor, truth_BJ3: Tensor) -> Tensor:
    """Mean squared error of root-relative poses, in m^2, over batch, joints and axes."""
    return torch.nn.functional.mse_loss(predicted_BJ3, truth_BJ3)


def reprojection_loss(predicted_BJ3: Tensor, root_B3: Tensor, keypoints_BJ2: Tensor, intrinsics_B9: Tensor) -> Tensor:
    """Mean squared distance between the 2D input and the projection of the pose placed at its root.

    Args:
        predicted_BJ3: root-relative poses, m, camera axes.
        root_B3: where the root stands in the camera frame, m: the truth, or `solve_root`'s answer.
        keypoints_BJ2: the 2D input in normalised screen units.
        intrinsics_B9: in normalised screen units, with distortion, see `wsgcn.pose.camera`.

    Returns:
        A scalar in squared screen units, the mean over batch, joints and both axes.
    """
    return torch.nn.functional.mse_loss(project(predicted_BJ3 + root_B3[:, None], intrinsics_B9), keypoints_BJ2)


def distance_loss(predicted_BJ3: Tensor, truth_BJ3: Tensor) -> Tensor:
    """Mean distance of the joints of root-relative poses, in m, over batch and joints."""
    return torch.linalg.vector_norm(predicted_BJ3 - truth_BJ3, dim=-1).mean()


def reprojection_distance_loss(
    predicted_BJ3: Tensor, root_B3: Tensor, keypoints_BJ2: Tensor, intrinsics_B9: Tensor
) -> Tensor:
    """Mean distance between the 2D input and the projection, in m at the depth of the root.

    Arguments as of `reprojection_loss`. The depth is a factor through which no gradient passes: a pose is not to become
    better by coming nearer, as one that is placed by `solve_root` could.
    """
    difference_BJ2 = project(predicted_BJ3 + root_B3[:, None], intrinsics_B9) - keypoints_BJ2
    metres_B2 = root_B3[:, 2:].detach().abs() / intrinsics_B9[:, :2]  # of a screen unit
    return torch.linalg.vector_norm(difference_BJ2 * metres_B2[:, None], dim=-1).mean()


def trajectory_loss(predicted_B3: Tensor, root_B3: Tensor) -> Tensor:
    """Mean distance of predicted roots from the true ones, each as a share of the true depth.

    Both in the camera frame, in one unit. From Pavllo et al. 2019: an error far away shows less in the picture.
    """
    distance_B = torch.linalg.vector_norm(predicted_B3 - root_B3, dim=-1)
    return (distance_B / root_B3[:, 2]).mean()


def bone_ends(bones_E2: Tensor, joints: int) -> Tensor:
    """Bones, given as (child, parent) joint indices (E, 2), as the selections (2, E, J) of children and of parents."""
    return torch.nn.functional.one_hot(bones_E2.T, joints).float()


def bone_lengths(pose_BJ3: Tensor, ends_2EJ: Tensor) -> Tensor:
    """Lengths (B, E) of the bones of `bone_ends`.

    The joints are selected by a product, which is exact. The gradient of indexing would have CUDA sort the indices at
    every step, because its results are to repeat.
    """
    child_BE3, parent_BE3 = ends_2EJ[0] @ pose_BJ3, ends_2EJ[1] @ pose_BJ3
    return torch.linalg.vector_norm(child_BE3 - parent_BE3, dim=-1)


def bone_loss(labelled_BJ3: Tensor, unlabelled_BJ3: Tensor, ends_2EJ: Tensor) -> Tensor:
    """Mean over the bones of |mean length in the labelled batch's prediction - mean length in the unlabelled one's|.

    In metres. It sees lengths alone, so it is blind to rotation; gradients reach both predictions.
    """
    labelled_E = bone_lengths(labelled_BJ3, ends_2EJ).mean(0)
    unlabelled_E = bone_lengths(unlabelled_BJ3, ends_2EJ).mean(0)
    return (labelled_E - unlabelled_E).abs().mean()


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term of the loss.

    Attributes:
        name: of its column in metrics/*.csv and of its weight.
        unit: of its value with `training.loss: mse`.
        words: what it is.
        compute: its value from the batch and the prediction (B, J, 3) for all of it.
        compute_distance: likewise in m, with `training.loss: mean_distance`; None where `compute` is in m already.
        of_unlabelled: whether it needs unlabelled poses.
        of_trajectory: whether it is the trajectory network's, and there with it alone. It weighs 1 and has no key for
            that: Adam's steps do not depend on the scale of a gradient, and it has none for the other network.
    """

    name: str
    unit: str
    words: str
    compute: Callable[[Batch, Tensor], Tensor]
    compute_distance: Callable[[Batch, Tensor], Tensor] | None = None
    of_unlabelled: bool = True
    of_trajectory: bool = False

    def function(self, loss: str) -> Callable[[Batch, Tensor], Tensor]:
        """What computes it with this value of `training.loss`."""
        return self.compute_distance if loss == "mean_distance" and self.compute_distance else self.compute


def _supervised(loss: Callable[[Tensor, Tensor], Tensor], batch: Batch, predicted_BJ3: Tensor) -> Tensor:
    labelled_LJ3, _ = batch.split(predicted_BJ3)
    return loss(labelled_LJ3, batch.truth_LJ3)


def _reprojection(
    loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], batch: Batch, predicted_BJ3: Tensor
) -> Tensor:
    assert batch.unlabelled is not None
    _, unlabelled_UJ3 = batch.split(predicted_BJ3)
    _, keypoints_UJ2 = batch.split(batch.lifted_BJ2)
    root_U3 = batch.unlabelled.roots.of(unlabelled_UJ3)
    return loss(unlabelled_UJ3, root_U3, keypoints_UJ2, batch.unlabelled.intrinsics_U9)


def _bone(batch: Batch, predicted_BJ3: Tensor) -> Tensor:
    return bone_loss(*batch.split(predicted_BJ3), batch.bone_ends_2EJ)


def _trajectory(batch: Batch, predicted_BJ3: Tensor) -> Tensor:
    assert batch.trajectory is not None
    assert batch.root_L3 is not None
    labelled_LJ2, _ = batch.split(batch.keypoints_BJ2)
    return trajectory_loss(batch.trajectory(labelled_LJ2), batch.root_L3)


TERMS = (
    Term(
        name="supervised",
        unit="m²",
        words="3D labels",
        compute=partial(_supervised, supervised_loss),
        compute_distance=partial(_supervised, distance_loss),
        of_unlabelled=False,
    ),
    Term(
        name="reprojection",
        unit="screen units²",
        words="reprojection loss",
        compute=partial(_reprojection, reprojection_loss),
        compute_distance=partial(_reprojection, reprojection_distance_loss),
    ),
    Term(name="bone", unit="m", words="bone-length loss", compute=_bone),
    Term(
        name="trajectory",
        unit="of the depth",
        words="the trajectory network's error",
        compute=_trajectory,
        of_unlabelled=False,
        of_trajectory=True,
    ),
)


def loss_weights(training: Training, weak: Weak | None = None, *, has_trajectory: bool = False) -> dict[str, float]:
    """The weight of each term by name; in the warm-up, without `weak`, of those alone that need labels only."""
    weights: dict[str, float] = {}
    for term in TERMS:
        section = weak if term.of_unlabelled else training
        if term.of_trajectory:
            if has_trajectory:
                weights[term.name] = 1.0
        elif section is not None:
            weights[term.name] = getattr(section, f"{term.name}_weight")
    return weights


def active_terms(weights: Mapping[str, float], *, has_unlabelled: bool, has_trajectory: bool) -> tuple[Term, ...]:
    """The terms that are computed: those of the labels always, the others where they can be and weigh something."""

    def is_active(term: Term) -> bool:
        if term.of_trajectory:
            return has_trajectory
        return not term.of_unlabelled or (has_unlabelled and weights.get(term.name, 0.0) > 0)

    return tuple(filter(is_active, TERMS))
