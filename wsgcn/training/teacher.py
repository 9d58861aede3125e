"""Weak supervision by pseudo-labels: unlabelled 2D becomes 3D, which augmentation then draws from as from a label.

The network that is being trained teaches itself (self-training). At the start of each weak epoch its averaged weights
lift some of the unlabelled 2D; `wsgcn.training.pseudo_labels` makes the lift agree with the 2D and with the bones of
the person; and the poses are written behind the labelled ones in the set that augmentation draws from. The network then
sees them mirrored, turned, in other sizes and places, as no camera has shown them, and learns more than it knew. With
`weak.views: synchronised` calibrated views of one instant are triangulated instead, and nothing is lifted.

What is known of the unlabelled is their 2D and intrinsics; of their cameras' poses nothing, unless views are
synchronised. Each unlabelled camera is taken to stand as the labelled camera of the same serial number stands: that
gives the vertical, and a place on the floor. The height of the lowest joint is that of some labelled pose.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsgcn.model.predict import predict
from wsgcn.pose.camera import undistort
from wsgcn.pose.skeleton import Skeleton
from wsgcn.training.augmentation import PoseSet, pose_set
from wsgcn.training.params import PseudoLabels
from wsgcn.training.pseudo_labels import consistent_depths, rays, stand_at_height, triangulate
from wsgcn.training.tensors import Tensors
from wsgcn.training.unlabelled import UnlabelledSet

_GOLDEN = 0.618034  # multiples of it, without their whole part, fill [0, 1) evenly


@dataclass(frozen=True)
class Views(Tensors):
    """The views of each instant, and how their cameras stand."""

    pose_MV: Tensor  # of M instants: where each view stands in the unlabelled set
    rotation_K33: Tensor  # world to camera axes, of the unlabelled set's cameras
    translation_K3: Tensor  # m, their places in the world


@dataclass(frozen=True)
class PseudoSource(Tensors):
    """Unlabelled poses, and what it takes to make labels of them."""

    unlabelled: UnlabelledSet
    person_K: Tensor  # of each of its cameras: the index of who is seen
    standing_K: Tensor  # ... the camera of the labelled poses that stands as it does
    views: Views | None  # None: each picture by itself


class Teacher:
    """Keeps the last poses of a set that augmentation draws from filled with pseudo-labels."""

    def __init__(
        self, source: PseudoSource, labelled: PoseSet, skeleton: Skeleton, settings: PseudoLabels, seed: int
    ) -> None:
        self._source, self._skeleton, self._settings, self._seed = source, skeleton, settings, seed
        self._labelled, self._persons = len(labelled), int(source.person_K.max()) + 1
        if source.views is None:
            self._chosen = min(settings.poses, len(source.unlabelled))
            self._count = self._chosen
        else:
            instants, views = source.views.pose_MV.shape
            self._chosen = min(max(1, settings.poses // views), instants)
            self._count = self._chosen * views
        self.poses = labelled.extended(self._count)

    def __len__(self) -> int:
        """How many poses it labels."""
        return self._count

    @property
    def first(self) -> int:
        """Where in `poses` they begin."""
        return self._labelled

    def share_of(self, batch: int) -> int:
        """How many poses of a batch are to be pseudo-labelled: at least one, and not all."""
        return min(max(1, round(self._settings.share * batch)), batch - 1)

    @torch.no_grad()
    def teach(self, network: nn.Module, epoch: int) -> None:
        """Label the poses of an epoch anew: a function of the network, the seed and the epoch alone.

        Args:
            network: what lifts; it is left in evaluation mode. Not used where views are triangulated.
        """
        device = self.poses.lengths_NE.device
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        like = torch.randint(self._labelled, (self._count,), generator=generator).to(device)  # other things as of these
        with _one_thread():
            if self._source.views is None:
                network.eval()
                index, positions_NJ3 = self._lifted(network, epoch)
                lowest_N = self.poses.lowest_N[like].double()
            else:
                index, positions_NJ3, lowest_N = self._triangulated(self._source.views, epoch)
            standing_N = self._source.standing_K[self._source.unlabelled.camera_N[index]]
            rotation_N33 = self.poses.rotation_K33[standing_N].double()
            world_NJ3 = positions_NJ3 @ rotation_N33 + self.poses.translation_K3[standing_N, None].double()
            labels = pose_set(
                stand_at_height(world_NJ3, lowest_N).float(),
                standing_N,
                self.poses.rotation_K33,
                self.poses.translation_K3,
                self.poses.intrinsics_K9,
                self._skeleton,
            )
        # In place, because a captured step reads these very tensors.
        poses, taught = self.poses, slice(self._labelled, None)
        for target, value in (
            (poses.directions_NE3, labels.directions_NE3),
            (poses.lengths_NE, labels.lengths_NE),
            (poses.lowest_N, labels.lowest_N),
            (poses.place_N2, labels.place_N2),
            (poses.camera_N, labels.camera_N),
        ):
            target[taught] = value
        if poses.residual_NJ2 is not None and poses.apparent_N is not None:
            # The 2D of a lift lies on its own rays, so its errors are hidden in the pose: those of a label go along.
            poses.residual_NJ2[taught] = poses.residual_NJ2[like]
            poses.apparent_N[taught] = poses.apparent_N[like]

    def _spread(self, items: int, epoch: int) -> Tensor:
        """Which of so many items an epoch takes: evenly spread, and others in the next epoch."""
        start = (epoch * _GOLDEN) % 1
        index = (torch.arange(self._chosen, dtype=torch.float64) + start) * (items / self._chosen)
        return index.long().clamp(max=items - 1).to(self._source.person_K.device)

    def _uv(self, index_N: Tensor) -> Tensor:
        """Undistorted normalised coordinates (N, J, 2), float64."""
        unlabelled = self._source.unlabelled
        intrinsics_N9 = unlabelled.intrinsics_K9[unlabelled.camera_N[index_N]]
        return undistort(unlabelled.keypoints_NJ2[index_N].double(), intrinsics_N9.double())

    def _lifted(self, network: nn.Module, epoch: int) -> tuple[Tensor, Tensor]:
        """Which poses (N,), and the joints (N, J, 3) that the network sees in them, m, camera frame."""
        unlabelled = self._source.unlabelled
        index_N = self._spread(len(unlabelled), epoch)
        keypoints_NJ2 = unlabelled.keypoints_NJ2[index_N]
        lifted = predict(network, keypoints_NJ2.cpu().numpy(), self._skeleton, flip=True, device=index_N.device)
        lifted_NJ3 = torch.from_numpy(lifted).to(index_N.device)
        root_N3 = unlabelled.roots.select(index_N).of(lifted_NJ3)
        uv_NJ2 = self._uv(index_N)
        depth_NJ = consistent_depths(
            (root_N3[:, 2:] + lifted_NJ3[..., 2]).double(),
            uv_NJ2,
            self._source.person_K[unlabelled.camera_N[index_N]],
            self._persons,
            self._skeleton,
            self._settings.bone_sd_m,
            self._settings.depth_sd_m,
        )
        return index_N, depth_NJ[..., None] * rays(uv_NJ2)

    def _triangulated(self, views: Views, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Which poses (N,), the joints (N, J, 3) where their views meet, m, camera frame, and the lowest's height."""
        pose_VM = views.pose_MV[self._spread(len(views.pose_MV), epoch)].T
        camera_VM = self._source.unlabelled.camera_N[pose_VM]
        rotation_VM33 = views.rotation_K33[camera_VM].double()
        translation_VM3 = views.translation_K3[camera_VM].double()
        world_MJ3 = triangulate(torch.stack([self._uv(pose_M) for pose_M in pose_VM]), rotation_VM33, translation_VM3)
        seen_VMJ3 = (world_MJ3 - translation_VM3[:, :, None]) @ rotation_VM33.mT
        lowest_VM = world_MJ3[..., 2].amin(1).expand(len(pose_VM), -1)
        return pose_VM.flatten(), seen_VMJ3.flatten(0, 1), lowest_VM.flatten()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch's own sums depend on the number of threads, and training on these is to repeat with any number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
