"""Labelled poses drawn anew: a pose of another size, mirrored, turned, at another place, seen by another camera.

A pose is kept as the directions and lengths of its bones. At every step a batch of them is rescaled, mirrored, turned
about the vertical, put at another pose's place on the floor and projected with full distortion, so 2D and 3D stay
exactly consistent and the labelled set has no end. `wsgcn.training.widening` adds motion and errors that no capture
has. For a network over time all that is drawn is drawn once for a window. Everything is a fixed number of operations on
whole batches: nothing is read back from the device, so CUDA can capture it in the step.

The random numbers are a hash of seed, step and position (`uniform`), with no state: a resumed run draws what the
unbroken run would have drawn, on any device and in any number of threads.

Frames: world, metres, z up; camera, metres, x right, y down, z forward; picture, normalised screen units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wsgcn.model.context import ALONE, Context
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import Skeleton
from wsgcn.training.params import AnyCamera, Augmentation
from wsgcn.training.rotations import about_x, about_z, exp, normal, uniform
from wsgcn.training.tensors import Tensors
from wsgcn.training.widening import Widener
from wsgcn.training.windows import Windows

# Columns of a pose's random numbers: uniform ones, then those that are made normal, the bones' lengths last.
_MIRROR, _TURN, _PLACE, _PITCH, _ROLL, _FOCAL, _X, _Y, _APPARENT = range(9)
_SIZE, _TILT_X, _TILT_Z, _DISTANCE, _BONES = range(9, 14)


@dataclass(frozen=True)
class DrawnPoses:
    """A batch of poses drawn anew, with all that it takes to project them again."""

    keypoints_BJ2: Tensor  # normalised screen units; of windows (B, T, J, 2), and what follows is that of their poses
    pose_BJ3: Tensor  # m, camera axes, relative to the root
    root_B3: Tensor  # m, camera frame
    intrinsics_B9: Tensor  # normalised screen units


@dataclass(frozen=True)
class PoseSet(Tensors):
    """N poses as `draw` takes them, each with the camera that saw it."""

    directions_NE3: Tensor  # unit vectors from parent to child, world axes
    lengths_NE: Tensor  # m
    lowest_N: Tensor  # m: height of the lowest joint above the floor
    place_N2: Tensor  # m: where on the floor the root stands
    camera_N: Tensor  # index into the cameras
    residual_NJ2: Tensor | None  # screen units: detection minus exact projection; None with exact 2D
    apparent_N: Tensor | None  # focal length over the root's depth, which the residual is relative to
    rotation_K33: Tensor  # world to camera axes
    translation_K3: Tensor  # m, the camera's place in the world
    intrinsics_K9: Tensor  # normalised screen units

    def __len__(self) -> int:
        return len(self.directions_NE3)

    def extended(self, count: int) -> "PoseSet":
        """With room for so many poses more behind these, to be filled before they are drawn."""

        def longer(rows_N: Tensor) -> Tensor:
            return torch.cat((rows_N, rows_N.new_zeros(count, *rows_N.shape[1:])))

        return replace(
            self,
            directions_NE3=longer(self.directions_NE3),
            lengths_NE=longer(self.lengths_NE),
            lowest_N=longer(self.lowest_N),
            place_N2=longer(self.place_N2),
            camera_N=longer(self.camera_N),
            residual_NJ2=None if self.residual_NJ2 is None else longer(self.residual_NJ2),
            apparent_N=None if self.apparent_N is None else longer(self.apparent_N),
        )


def pose_set(
    positions_NJ3: Tensor,
    camera_N: Tensor,
    rotation_K33: Tensor,
    translation_K3: Tensor,
    intrinsics_K9: Tensor,
    skeleton: Skeleton,
    keypoints_NJ2: Tensor | None = None,
) -> PoseSet:
    """The set of world poses, each seen by one camera.

    Args:
        positions_NJ3: m, world.
        camera_N: index into the K cameras.
        rotation_K33: world to camera axes.
        translation_K3: the cameras' places, m.
        intrinsics_K9: normalised screen units.
        keypoints_NJ2: a detector's 2D joints, normalised screen units; their distance from the exact projection goes
            along with the pose. None: exact 2D.
    """
    child, parent = (list(joints) for joints in zip(*skeleton.bones, strict=True))
    bones_NE3 = positions_NJ3[:, child] - positions_NJ3[:, parent]
    lengths_NE = torch.linalg.vector_norm(bones_NE3, dim=-1)
    residual_NJ2 = apparent_N = None
    if keypoints_NJ2 is not None:
        intrinsics_N9 = intrinsics_K9[camera_N]
        camera_NJ3 = (positions_NJ3 - translation_K3[camera_N, None]) @ rotation_K33[camera_N].mT
        residual_NJ2 = keypoints_NJ2 - project(camera_NJ3, intrinsics_N9)
        apparent_N = intrinsics_N9[:, 0] / camera_NJ3[:, 0, 2]
    return PoseSet(
        directions_NE3=bones_NE3 / lengths_NE[..., None].clamp(min=1e-9),
        lengths_NE=lengths_NE,
        lowest_N=positions_NJ3[..., 2].amin(1),
        place_N2=positions_NJ3[:, 0, :2].contiguous(),
        camera_N=camera_N,
        residual_NJ2=residual_NJ2,
        apparent_N=apparent_N,
        rotation_K33=rotation_K33,
        translation_K3=translation_K3,
        intrinsics_K9=intrinsics_K9,
    )


class Drawer:
    """Draws batches of a set anew, each a function of the seed and the step alone."""

    def __init__(
        self,
        skeleton: Skeleton,
        settings: Augmentation,
        seed: int,
        device: torch.device,
        context: Context = ALONE,
    ) -> None:
        """`context` is the network's; with one that sees more than a frame windows are drawn."""
        self._settings, self._seed, self._context = settings, seed, context
        self._widener = Widener(skeleton, settings, seed, device) if settings.is_widened else None
        joints, bones = len(skeleton.joints), skeleton.bones
        # positions = chain @ bones: every joint is the sum of the bones between the root and itself.
        chain_JE = torch.zeros(joints, len(bones))
        for joint in range(joints):
            ancestor = joint
            while skeleton.parents[ancestor] >= 0:
                chain_JE[joint, ancestor - 1] = 1  # bones are in the order of their children 1 ... J - 1
                ancestor = skeleton.parents[ancestor]
        mirror = torch.tensor(skeleton.mirror)
        # Left and right share a column of random numbers, and so a length.
        pair = torch.minimum(mirror, torch.arange(joints))[1:]
        _, group_E = torch.unique(pair, return_inverse=True)
        self._chain_JE = chain_JE.to(device)
        self._group_E = group_E.to(device)
        self._groups = int(group_E.max()) + 1
        self._mirror_J, self._mirror_E = mirror.to(device), (mirror[1:] - 1).to(device)
        # A level camera that looks along the world's y: x stays, y down is -z, z forward is y.
        self._level_33 = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], device=device)
        self._flip_3 = torch.tensor([-1.0, 1.0, 1.0], device=device)

    def draw(self, poses: PoseSet, index_B: Tensor, step: int | Tensor, windows: Windows | None = None) -> DrawnPoses:
        """The poses `index_B` drawn anew for a step (on CUDA a tensor, so that a captured step reads it).

        Args:
            windows: `index_B` are some of these, and 2D is drawn for all their frames: each window is changed as a
                whole, the way that the person goes in it included. None: they are poses by themselves.
        """
        settings, count = self._settings, len(index_B)
        # R rows are the frames of all windows, one after the other: without windows R is B, and nothing is repeated.
        lifted_B = index_B if windows is None else windows.lifted_M.index_select(0, index_B)
        index_R = index_B if windows is None else windows.frames(index_B).flatten()
        frames = self._context.frames

        def of_rows(of_windows: Tensor) -> Tensor:
            return of_windows if windows is None else of_windows.repeat_interleave(frames, 0)

        random_BC = uniform(self._seed, step, count, _BONES + self._groups, poses.lengths_NE.device)
        normal_BC = normal(random_BC[:, _SIZE:])
        widener = self._widener
        directions_RE3, lengths_RE = poses.directions_NE3[index_R], poses.lengths_NE[index_R]
        if widener is not None:
            more_RC = widener.random(count, step, lengths_RE.device, frames)
            directions_RE3 = widener.moved(poses.directions_NE3, poses.lengths_NE, index_R, more_RC, windows)
        camera_B = poses.camera_N[lifted_B]

        if settings.mirror:
            is_mirrored_B = random_BC[:, _MIRROR] < 0.5
            is_mirrored_R = of_rows(is_mirrored_B)
            mirrored_RE3 = directions_RE3[:, self._mirror_E] * self._flip_3
            directions_RE3 = torch.where(is_mirrored_R[:, None, None], mirrored_RE3, directions_RE3)
            lengths_RE = torch.where(is_mirrored_R[:, None], lengths_RE[:, self._mirror_E], lengths_RE)
        if settings.size or settings.bones:
            bones_BG = normal_BC[:, _BONES - _SIZE :] * settings.bones
            factors_BG = exp(bones_BG + settings.size * normal_BC[:, :1])
            lengths_RE = lengths_RE * of_rows(factors_BG)[:, self._group_E]
        if widener is not None:
            directions_RE3, lengths_RE = widener.shaped(directions_RE3, lengths_RE, more_RC)
        world_RJ3 = self._chain_JE @ (directions_RE3 * lengths_RE[..., None])
        if widener is not None:
            world_RJ3 = widener.tipped(world_RJ3, more_RC)
        # The lowest joint keeps its height above the floor.
        height_R = poses.lowest_N[index_R] - world_RJ3[..., 2].amin(1)
        world_BX3 = world_RJ3.view(count, -1, 3)  # the joints of all frames of a window
        way_BT2: Tensor | None = None
        if windows is not None:
            way_BT2 = poses.place_N2[index_R].view(count, -1, 2) - poses.place_N2[lifted_B][:, None]
            if settings.mirror:
                way_BT2 = torch.where(is_mirrored_B[:, None, None], way_BT2 * self._flip_3[:2], way_BT2)
            if settings.size:
                way_BT2 = way_BT2 * exp(settings.size * normal_BC[:, :1, None])

        if settings.camera == "capture":
            rotation_B33 = poses.rotation_K33[camera_B]
            if settings.turn:
                turn_B33 = about_z(2 * math.pi * random_BC[:, _TURN])
                rotation_B33 = rotation_B33 @ turn_B33
                way_BT2 = None if way_BT2 is None else way_BT2 @ turn_B33[:, :2, :2].mT
            pose_BX3 = world_BX3 @ rotation_B33.mT
            place_B2 = poses.place_N2[lifted_B]
            if settings.place:
                place_B2 = poses.place_N2[(random_BC[:, _PLACE] * len(poses)).long().clamp(max=len(poses) - 1)]
            place_BT2 = place_B2[:, None] if way_BT2 is None else place_B2[:, None] + way_BT2
            root_world_BT3 = torch.cat((place_BT2, height_R.view(count, -1, 1)), -1)
            from_camera_BT3 = root_world_BT3 - poses.translation_K3[camera_B][:, None]
            root_B3T = poses.rotation_K33[camera_B] @ from_camera_BT3.mT
            if settings.tilt_rad:
                tilt_BC = settings.tilt_rad * normal_BC[:, _TILT_X - _SIZE : _TILT_Z - _SIZE + 1]
                tilt_B33 = about_z(tilt_BC[:, 1]) @ about_x(tilt_BC[:, 0])
                pose_BX3 = pose_BX3 @ tilt_B33.mT
                root_B3T = tilt_B33 @ root_B3T
            if settings.distance:
                root_B3T = root_B3T * exp(settings.distance * normal_BC[:, _DISTANCE - _SIZE, None, None])
            root_R3 = root_B3T.mT.reshape(-1, 3)
            intrinsics_B9 = poses.intrinsics_K9[camera_B]
        elif way_BT2 is None:
            rotation_B33, root_R3, intrinsics_B9 = _any_camera(settings.any, random_BC, world_BX3, self._level_33)
            pose_BX3 = world_BX3 @ rotation_B33.mT
        else:
            height_BT1 = height_R.view(count, -1, 1)
            way_BT3 = torch.cat((way_BT2, height_BT1 - height_BT1[:, self._context.before, None]), -1)
            along_BX3 = (world_BX3.view(count, frames, -1, 3) + way_BT3[:, :, None]).flatten(1, 2)
            rotation_B33, root_B3, intrinsics_B9 = _any_camera(settings.any, random_BC, along_BX3, self._level_33)
            pose_BX3 = world_BX3 @ rotation_B33.mT
            root_R3 = (root_B3[:, None] + way_BT3 @ rotation_B33.mT).flatten(0, 1)

        pose_RJ3 = pose_BX3.view_as(world_RJ3)
        seen_RJ3 = pose_RJ3 if widener is None else widener.with_eyes(pose_RJ3, more_RC)
        placed_BX3 = (seen_RJ3 + root_R3[:, None]).view(count, -1, 3)
        keypoints_RJ2 = project(placed_BX3, intrinsics_B9).view(*world_RJ3.shape[:2], 2)
        if poses.residual_NJ2 is not None and poses.apparent_N is not None:
            residual_RJ2 = poses.residual_NJ2[index_R]
            if settings.mirror:
                mirrored_RJ2 = residual_RJ2[:, self._mirror_J] * self._flip_3[:2]
                residual_RJ2 = torch.where(is_mirrored_R[:, None, None], mirrored_RJ2, residual_RJ2)
            scale_R = of_rows(intrinsics_B9[:, 0]) / root_R3[:, 2] / poses.apparent_N[index_R]
            keypoints_RJ2 = keypoints_RJ2 + residual_RJ2 * scale_R[:, None, None]
        if widener is not None:
            keypoints_RJ2 = widener.detected(keypoints_RJ2, more_RC)
        if windows is None:
            return DrawnPoses(keypoints_RJ2, pose_RJ3, root_R3, intrinsics_B9)
        keypoints_BTJ2, pose_BTJ3, root_BT3 = (
            of_rows_R.view(count, frames, *of_rows_R.shape[1:]) for of_rows_R in (keypoints_RJ2, pose_RJ3, root_R3)
        )
        lifted = self._context.before
        return DrawnPoses(keypoints_BTJ2, pose_BTJ3[:, lifted], root_BT3[:, lifted], intrinsics_B9)


def _any_camera(
    ranges: AnyCamera, random_BC: Tensor, world_BJ3: Tensor, level_33: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A camera for each pose: its rotation (B, 3, 3) from world axes, where the root stands (B, 3), its intrinsics."""

    def within(ends: Sequence[float], column: int) -> Tensor:
        return ends[0] + (ends[1] - ends[0]) * random_BC[:, column]

    pitch_B = torch.deg2rad(within(ranges.pitch_deg, _PITCH))
    roll_B = torch.deg2rad(within((-ranges.roll_deg, ranges.roll_deg), _ROLL))
    focal_B = exp(within([math.log(end) for end in ranges.focal], _FOCAL))
    apparent_B = exp(within([math.log(end) for end in ranges.apparent], _APPARENT))
    rotation_B33 = about_z(roll_B) @ about_x(pitch_B) @ level_33 @ about_z(2 * math.pi * random_BC[:, _TURN])
    extent_B = torch.linalg.vector_norm(world_BJ3.amax(1) - world_BJ3.amin(1), dim=-1)
    # Not so near that a limb stretched towards the camera reaches it.
    depth_B = torch.maximum(focal_B * extent_B / apparent_B, 1.25 * extent_B)
    x_B, y_B = (within((-ranges.centre, ranges.centre), column) for column in (_X, _Y))
    root_B3 = torch.stack((x_B / focal_B, y_B / focal_B, torch.ones_like(depth_B)), -1) * depth_B[:, None]
    zero_B = torch.zeros_like(focal_B)
    intrinsics_B9 = torch.stack((focal_B, focal_B, *[zero_B] * 7), -1)
    return rotation_B33, root_B3, intrinsics_B9
