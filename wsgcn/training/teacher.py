"""Weak supervision by pseudo-labels: unlabelled 2D becomes 3D, which augmentation then draws from as from a label.

The network that is being trained teaches itself (self-training). At the start of each weak epoch its averaged weights
lift some of the unlabelled 2D; `wsgcn.training.pseudo_labels` makes the lift agree with the 2D and with the bones of
the person; and the poses are written behind the labelled ones in the set that augmentation draws from. The network then
sees them mirrored, turned, in other sizes and places, as no camera has shown them, and learns more than it knew. With
`weak.views: synchronised` calibrated views of one instant are triangulated instead, and nothing is lifted.

What is known of the unlabelled is their 2D and intrinsics; of their cameras' poses nothing, unless views are
synchronised. Each unlabelled camera is taken to stand as the labelled camera of the same serial number stands: that
gives the vertical, and a place on the floor. The height of the lowest joint is that of some labelled pose.

For a network over time stretches of frames that follow each other are lifted, or triangulated. What is lifted is put on
rays, and every third frame on bones; then the way through the world is smoothed, because nobody moves as the errors of
single frames do. The poses are then windows like those of labels, all of them within a stretch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsgcn.model.cpu.threads import one_thread_in_torch
from wsgcn.model.predict import predict
from wsgcn.pose.camera import undistort
from wsgcn.pose.skeleton import Skeleton
from wsgcn.training.augmentation import PoseSet, pose_set
from wsgcn.training.params import PseudoLabels
from wsgcn.training.pseudo_labels import (
    consistent_depths,
    rays,
    smooth_motion,
    stand_at_heights,
    triangulate,
)
from wsgcn.training.tensors import Tensors
from wsgcn.training.unlabelled import UnlabelledSet
from wsgcn.training.windows import Windows

_STRETCH = 3  # times as long as a window is what a network over time lifts at once
_EVERY = 3  # of a stretch's frames the depths are solved for; those of the others lie between them
_SMOOTH_FRAMES = 2.0  # standard deviation of the filter over its lift
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
        self,
        source: PseudoSource,
        labelled: PoseSet,
        skeleton: Skeleton,
        settings: PseudoLabels,
        seed: int,
        windows: Windows | None = None,
    ) -> None:
        """`windows` are those of the labelled poses, for a network over time."""
        self._source, self._skeleton, self._settings, self._seed = source, skeleton, settings, seed
        self._labelled, self._persons = len(labelled), int(source.person_K.max()) + 1
        self._of_labelled, self._stretch = windows, 1  # frames that are lifted as a sequence
        instants, views = (len(source.unlabelled), 1) if source.views is None else source.views.pose_MV.shape
        poses = settings.poses // views
        if windows is not None:
            self._stretch = _STRETCH * len(windows.offset_T)
            poses *= _EVERY
        self._chosen = max(1, min(poses, instants) // self._stretch)
        self._count = self._chosen * self._stretch * views
        self.poses = labelled.extended(self._count)
        self.windows: Windows | None = None  # those of the labelled poses, then of these
        if windows is not None:
            taught = _inner_windows(self._labelled, self._chosen * views, self._stretch, windows.offset_T)
            self.windows = windows.followed_by(taught)

    def __len__(self) -> int:
        """How many poses it labels, or for a network over time windows."""
        return self._count if self.windows is None else len(self.windows) - self.first

    @property
    def first(self) -> int:
        """Where in `poses`, or in `windows`, they begin."""
        return self._labelled if self._of_labelled is None else len(self._of_labelled)

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
        like = self._alike(generator).to(device)  # other things as of these
        with one_thread_in_torch():  # training on these is to repeat with any number
            if self._source.views is None:
                network.eval()
                index, positions_NJ3 = self._lifted(network, epoch)
                lowest_N = self.poses.lowest_N[like].double()
            else:
                index, positions_NJ3, lowest_N = self._triangulated(self._source.views, epoch)
            standing_N = self._source.standing_K[self._source.unlabelled.camera_N[index]]
            rotation_N33 = self.poses.rotation_K33[standing_N].double()
            world_NJ3 = positions_NJ3 @ rotation_N33 + self.poses.translation_K3[standing_N, None].double()
            world_SLJ3 = world_NJ3.unflatten(0, (-1, self._stretch))
            if self._of_labelled is not None:
                world_SLJ3 = smooth_motion(world_SLJ3, _SMOOTH_FRAMES)
            world_SLJ3 = stand_at_heights(world_SLJ3, lowest_N.view(-1, self._stretch))
            labels = pose_set(
                world_SLJ3.flatten(0, 1).float(),
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

    def _alike(self, generator: torch.Generator) -> Tensor:
        """Labelled poses (N,): any, or for stretches as many that follow each other."""
        if self._of_labelled is None:
            return torch.randint(self._labelled, (self._count,), generator=generator)
        stretches = self._count // self._stretch
        window_S = torch.randint(len(self._of_labelled), (stretches,), generator=generator)
        return _stretches(self._of_labelled, window_S.to(self._of_labelled.lifted_M.device), self._stretch).flatten()

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
        unlabelled, breaks = self._source.unlabelled, range(0)
        index_N = self._spread(len(unlabelled), epoch)
        if unlabelled.windows is not None:
            index_N = _stretches(unlabelled.windows, index_N, self._stretch).flatten()
            breaks = range(self._stretch, len(index_N), self._stretch)
        lifted = predict(
            network,
            unlabelled.keypoints_NJ2[index_N].cpu().numpy(),
            self._skeleton,
            flip=True,
            device=index_N.device,
            breaks=breaks,
        )
        lifted_NJ3 = torch.from_numpy(lifted).to(index_N.device)
        root_N3 = unlabelled.roots.select(index_N).of(lifted_NJ3)
        uv_NJ2 = self._uv(index_N)
        solved_N = torch.arange(len(index_N), device=index_N.device).view(-1, self._stretch)[:, ::_EVERY].flatten()
        depth_NJ = consistent_depths(
            (root_N3[:, 2:] + lifted_NJ3[..., 2]).double()[solved_N],
            uv_NJ2[solved_N],
            self._source.person_K[unlabelled.camera_N[index_N[solved_N]]],
            self._persons,
            self._skeleton,
            self._settings.bone_sd_m,
            self._settings.depth_sd_m,
        )
        depth_NJ = _between(depth_NJ.unflatten(0, (self._chosen, -1)), self._stretch).flatten(0, 1)
        return index_N, depth_NJ[..., None] * rays(uv_NJ2)

    def _triangulated(self, views: Views, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Which poses (N,), the joints (N, J, 3) where their views meet, m, camera frame, and the lowest's height."""
        pose_VM = views.pose_MV[self._instants(views, epoch)].T
        camera_VM = self._source.unlabelled.camera_N[pose_VM]
        rotation_VM33 = views.rotation_K33[camera_VM].double()
        translation_VM3 = views.translation_K3[camera_VM].double()
        world_MJ3 = triangulate(torch.stack([self._uv(pose_M) for pose_M in pose_VM]), rotation_VM33, translation_VM3)
        seen_VMJ3 = (world_MJ3 - translation_VM3[:, :, None]) @ rotation_VM33.mT
        lowest_VM = world_MJ3[..., 2].amin(1).expand(len(pose_VM), -1)
        return pose_VM.flatten(), seen_VMJ3.flatten(0, 1), lowest_VM.flatten()

    def _instants(self, views: Views, epoch: int) -> Tensor:
        """Rows (M,) of the views' poses: instants by themselves, or stretches of them, one after the other."""
        windows, first_view_M = self._source.unlabelled.windows, views.pose_MV[:, 0].contiguous()
        if windows is None:
            return self._spread(len(views.pose_MV), epoch)
        seen_first = torch.isin(windows.lifted_M, first_view_M).nonzero()[:, 0]
        window_S = seen_first[self._spread(len(seen_first), epoch)]
        frame_M = _stretches(windows, window_S, self._stretch).flatten()
        # Where the other views end sooner, their last instant again.
        return torch.searchsorted(first_view_M, frame_M, right=True) - 1


def _stretches(windows: Windows, index_S: Tensor, length: int) -> Tensor:
    """Frames (S, length) that follow each other from those of these windows on, or as late as their runs allow."""
    lifted_S, first_S, last_S = (of_all[index_S] for of_all in (windows.lifted_M, windows.first_M, windows.last_M))
    start_S = torch.maximum(torch.minimum(lifted_S, last_S - length + 1), first_S)
    frame_SL = start_S[:, None] + torch.arange(length, device=start_S.device)
    return torch.minimum(frame_SL, last_S[:, None])  # of a run that is shorter the last one again


def _between(solved_SMJ: Tensor, length: int) -> Tensor:
    """Values (S, length, J) of stretches of which every third (S, M, J) is known: linear, the last one kept."""
    at_L = torch.arange(length, dtype=solved_SMJ.dtype, device=solved_SMJ.device) / _EVERY
    before_L = at_L.long()
    after_L = (before_L + 1).clamp(max=solved_SMJ.shape[1] - 1)
    return torch.lerp(solved_SMJ[:, before_L], solved_SMJ[:, after_L], (at_L - before_L)[:, None])


def _inner_windows(start: int, stretches: int, length: int, offset_T: Tensor) -> Windows:
    """The windows that lie wholly within stretches, which lie one after the other from `start` on."""
    first_S1 = start + length * torch.arange(stretches, device=offset_T.device)[:, None]
    lifted_SM = first_S1 + torch.arange(-int(offset_T[0]), length - int(offset_T[-1]), device=offset_T.device)
    first_SM = first_S1.expand_as(lifted_SM)
    return Windows(lifted_SM.flatten(), first_SM.flatten(), (first_SM + length - 1).flatten(), offset_T)
