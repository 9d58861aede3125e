"""Augmentation for people whom no capture shows: motion widened on purpose, and 2D as detectors give it.

Bodies: trunks of other shapes, since what a skeleton calls hip and shoulder differs from one to the next.
Motion: arms and legs from other poses, turned a little more, or anywhere within the limits of their joints; bodies
tipped over.
2D: Hip, Spine, Thorax and Head as they follow from COCO's joints; errors of every joint, and large ones of a few;
joints that are not found. Each is off at 0. All random numbers come from a stream of their own, so that switching
something on changes nothing else that is drawn. As in `wsgcn.training.augmentation` nothing is read back from the
device.

Body axes of trunk and pelvis: x forward, y left, z up.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wsgcn.model.missing import fill_missing
from wsgcn.pose.skeleton import Skeleton
from wsgcn.training.params import Augmentation
from wsgcn.training.rotations import about_x, about_y, about_z, exp, normal, uniform
from wsgcn.training.windows import Windows

_STREAM = 0x80000000  # beyond every seed, so that no other seed has this stream
_FRAMES = 0x80000000  # beyond every step, likewise: what is drawn for each frame of a window

_LIMBS = ("LArm", "RArm", "LLeg", "RLeg")
_BONES = {"Arm": ("Elbow", "Wrist"), "Leg": ("Knee", "Foot")}  # a limb's two bones, by their children

# Degrees: flexion, abduction, outward rotation, and of the hinge: those of the bodies of the synthetic capture, which
# training does not import; a test compares them.
_LIMITS_DEG = {
    "Arm": ((-60, 175), (-45, 120), (-95, 100), (0, 150)),
    "Leg": ((-30, 135), (-30, 55), (-50, 60), (0, 150)),
}
_LARGEST_TIP_DEG = 110.0

# Of the distance from Thorax to the top of the skull: how far up the eyes are and how far forward, and their spread.
_EYES_UP, _EYES_FORWARD, _EYES_SD = 0.55, 0.38, 0.06
_HEAD_TURN_RAD = 0.4  # standard deviation of the head's turn against the shoulders
_OUTLIER = 0.12  # of the person's extent in the picture: standard deviation of an outlier

# What has a length of its own in a trunk.
_TRUNK = (("Spine", "Thorax"), ("LHip", "RHip"), ("LShoulder", "RShoulder"), ("Head",))
# Detectors and marker sets mean by a shoulder something between the joint's centre, which the synthetic bodies have
# (0.09 of the stature from the middle), and the tip of the shoulder blade above it (half the biacromial breadth, 0.11).
_WIDER, _HIGHER = 1.15, 0.1  # shoulders on average, the latter as a part of their half width

_LEGS = ("RKnee", "RFoot", "LKnee", "LFoot")
# What is missing together: single joints, ends of limbs, limbs, and what lies below the picture's edge.
_GONE_TOGETHER = (
    *(("RFoot",), ("LFoot",), ("RKnee",), ("LKnee",), ("RWrist",), ("LWrist",), ("RElbow",), ("LElbow",), ("Head",)),
    *(("RKnee", "RFoot"), ("LKnee", "LFoot"), ("RElbow", "RWrist"), ("LElbow", "LWrist")),
    *(("RWrist", "LWrist"), ("RFoot", "LFoot"), ("RFoot", "LFoot"), _LEGS, _LEGS),
    *(("RShoulder", "RElbow", "RWrist"), ("LShoulder", "LElbow", "LWrist")),
    *(("Hip", "Spine", "RHip", *_LEGS[:2]), ("Hip", "Spine", "LHip", *_LEGS[2:])),
    ("Hip", "Spine", "RHip", "LHip", *_LEGS),
)


@dataclass(frozen=True)
class _Columns:
    """Where a pose's random numbers stand; J is the number of joints."""

    joints: int
    tip: int = 0  # whether, about which axis, how far
    donors: int = 3  # of the left arm, the right arm, the legs: whether, and from which pose
    limbs: int = 9  # of each limb: whether, and four angles
    coco: int = 29  # trunk, head, the head's turn, the eyes' place (2)
    missing: int = 34  # whether, what, whether more, what
    level: int = 38  # of the noise
    outlier: int = 39  # J, then 4 J of noise and outliers

    @property
    def trunk(self) -> int:
        """Lengths of `_TRUNK`, how far up the shoulders are."""
        return self.outlier + 5 * self.joints

    @property
    def sway(self) -> int:
        """Of each limb three angles, and three of its outer bone."""
        return self.trunk + len(_TRUNK) + 1

    @property
    def count(self) -> int:
        return self.sway + 6 * len(_LIMBS)


class Widener:
    """What is drawn for a batch beside its sizes and cameras; a function of the seed and the step alone."""

    def __init__(self, skeleton: Skeleton, settings: Augmentation, seed: int, device: torch.device) -> None:
        self._skeleton, self._settings, self._seed = skeleton, settings, seed ^ _STREAM
        joints = skeleton.joints
        self._columns = _Columns(len(joints))
        self._joint = {joint: index for index, joint in enumerate(joints)}
        self._limb_E = {
            limb: [self._joint[limb[0] + end] - 1 for end in _BONES[limb[1:]]] for limb in _LIMBS
        }  # bones are in the order of their children 1 ... J - 1
        gone_PJ = torch.zeros(len(_GONE_TOGETHER), len(joints), dtype=torch.bool)
        for row, names in enumerate(_GONE_TOGETHER):
            gone_PJ[row, [self._joint[name] for name in names]] = True
        self._gone_PJ = gone_PJ.to(device)
        self._limits_rad = {
            limb: torch.deg2rad(torch.tensor(limits, dtype=torch.float32)).to(device)
            for limb, limits in _LIMITS_DEG.items()
        }

    def random(self, rows: int, step: int | Tensor, device: torch.device, frames: int = 1) -> Tensor:
        """The random numbers (rows, columns) of a step, which the other methods take.

        Args:
            frames: of a window, each of which has the window's numbers, (rows * frames, columns); but errors of the 2D
                are drawn for each frame by itself.
        """
        random_BC = uniform(self._seed, step, rows, self._columns.count, device)
        if frames == 1:
            return random_BC
        random_RC = random_BC.repeat_interleave(frames, 0)
        if self._settings.noise or self._settings.outliers:
            errors = slice(self._columns.outlier, self._columns.trunk)
            columns = errors.stop - errors.start
            random_RC[:, errors] = uniform(self._seed, step ^ _FRAMES, rows * frames, columns, device)
        return random_RC

    def moved(
        self,
        all_directions_NE3: Tensor,
        all_lengths_NE: Tensor,
        index_B: Tensor,
        random_BC: Tensor,
        windows: Windows | None = None,
    ) -> Tensor:
        """The bones' directions (B, E, 3), world axes, of the poses `index_B` with limbs that are moved.

        Args:
            windows: the poses are the frames of such, one window after the other, and limbs come from windows too.
        """
        directions_BE3, lengths_BE = all_directions_NE3[index_B], all_lengths_NE[index_B]
        if not (self._settings.recombine or self._settings.sway or self._settings.limbs):
            return directions_BE3
        directions_BE3 = directions_BE3.clone()
        axes = self._axes(directions_BE3, lengths_BE)
        if self._settings.recombine:
            for number, limbs in enumerate((("LArm",), ("RArm",), ("LLeg", "RLeg"))):
                column = self._columns.donors + 2 * number
                is_chosen_B = random_BC[:, column] < self._settings.recombine
                count = len(all_directions_NE3) if windows is None else len(windows)
                donor_B = (random_BC[:, column + 1] * count).long().clamp(max=count - 1)
                if windows is not None:
                    donor_B = windows.frames(donor_B[:: len(windows.offset_T)]).flatten()
                donor_BE3 = all_directions_NE3[donor_B]
                part = limbs[0][1:]
                turn_B33 = axes[part] @ self._axes(donor_BE3, all_lengths_NE[donor_B])[part].mT
                for bone in (bone for limb in limbs for bone in self._limb_E[limb]):
                    given_B3 = (turn_B33 @ donor_BE3[:, bone, :, None])[..., 0]
                    directions_BE3[:, bone] = torch.where(is_chosen_B[:, None], given_B3, directions_BE3[:, bone])
        if self._settings.sway:
            angle_BC = self._settings.sway * normal(random_BC[:, self._columns.sway : self._columns.count])
            whole_B43, outer_B43 = angle_BC.unflatten(1, (2, len(_LIMBS), 3)).unbind(1)
            for number, limb in enumerate(_LIMBS):
                bones = self._limb_E[limb]
                for turned, angle_B43 in ((bones, whole_B43), (bones[1:], outer_B43)):
                    x_B, y_B, z_B = angle_B43[:, number].unbind(1)
                    turn_B33 = about_x(x_B) @ about_y(y_B) @ about_z(z_B)
                    directions_BE3[:, turned] = directions_BE3[:, turned] @ turn_B33.mT
        if self._settings.limbs:
            for number, limb in enumerate(_LIMBS):
                column = self._columns.limbs + 5 * number
                is_chosen_B = random_BC[:, column] < self._settings.limbs
                low_4, high_4 = self._limits_rad[limb[1:]].unbind(1)
                angle_B4 = low_4 + (high_4 - low_4) * random_BC[:, column + 1 : column + 5]
                for bone, anywhere_B3 in zip(self._limb_E[limb], _limb_directions(limb, angle_B4), strict=True):
                    given_B3 = (axes[limb[1:]] @ anywhere_B3[..., None])[..., 0]
                    directions_BE3[:, bone] = torch.where(is_chosen_B[:, None], given_B3, directions_BE3[:, bone])
        return directions_BE3

    def _axes(self, directions_BE3: Tensor, lengths_BE: Tensor) -> dict[str, Tensor]:
        """Rotations (B, 3, 3) to world axes from those of the trunk, which arms hang from, and of the pelvis."""

        def axes(middle: str, pair: str) -> Tensor:
            left, right = (self._joint[side + pair] - 1 for side in "LR")
            across_B3 = (
                directions_BE3[:, left] * lengths_BE[:, left, None]
                - directions_BE3[:, right] * lengths_BE[:, right, None]
            )
            up_B3 = directions_BE3[:, self._joint[middle] - 1]
            left_B3 = _unit(across_B3 - (across_B3 * up_B3).sum(-1, keepdim=True) * up_B3)
            return torch.stack((torch.linalg.cross(left_B3, up_B3), left_B3, up_B3), dim=-1)

        return {"Arm": axes("Thorax", "Shoulder"), "Leg": axes("Spine", "Hip")}

    def shaped(self, directions_BE3: Tensor, lengths_BE: Tensor, random_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Directions (B, E, 3) and lengths (B, E), m, of bodies with other trunks."""
        if not self._settings.trunk:
            return directions_BE3, lengths_BE
        changes_BC = self._settings.trunk * normal(random_BC[:, self._columns.trunk : self._columns.sway])
        directions_BE3, lengths_BE = directions_BE3.clone(), lengths_BE.clone()
        for number, names in enumerate(_TRUNK):
            bones = [self._joint[name] - 1 for name in names]
            lengths_BE[:, bones] = lengths_BE[:, bones] * exp(changes_BC[:, number, None])
        up_B3 = directions_BE3[:, self._joint["Thorax"] - 1]
        for name in ("LShoulder", "RShoulder"):
            bone = self._joint[name] - 1
            lengths_BE[:, bone] = _WIDER * lengths_BE[:, bone]
            directions_BE3[:, bone] = _unit(directions_BE3[:, bone] + (_HIGHER + changes_BC[:, -1:]) * up_B3)
        return directions_BE3, lengths_BE

    def tipped(self, world_BJ3: Tensor, random_BC: Tensor) -> Tensor:
        """Poses (B, J, 3), root-relative, world axes, of which some are tipped over as a whole."""
        if not self._settings.tip:
            return world_BJ3
        chosen_B, way_B, far_B = random_BC[:, self._columns.tip : self._columns.tip + 3].unbind(1)
        angle_B = math.radians(_LARGEST_TIP_DEG) * far_B * (chosen_B < self._settings.tip)
        way_B = 2 * math.pi * way_B
        tip_B33 = about_z(way_B) @ about_x(angle_B) @ about_z(-way_B)
        return world_BJ3 @ tip_B33.mT

    def with_eyes(self, pose_BJ3: Tensor, random_BC: Tensor) -> Tensor:
        """Poses (B, J, 3) in any axes, in some of which Head is the middle of the eyes, as in COCO's joints."""
        if not self._settings.coco:
            return pose_BJ3
        column = self._columns.coco
        is_chosen_B = random_BC[:, column + 1] < self._settings.coco
        turn_B, up_B, forward_B = normal(random_BC[:, column + 2 : column + 5]).unbind(1)
        thorax_B3, head = pose_BJ3[:, self._joint["Thorax"]], self._joint["Head"]
        neck_B3 = pose_BJ3[:, head] - thorax_B3
        across_B3 = pose_BJ3[:, self._joint["LShoulder"]] - pose_BJ3[:, self._joint["RShoulder"]]
        length_B1 = torch.linalg.vector_norm(neck_B3, dim=-1, keepdim=True)
        upwards_B3 = neck_B3 / length_B1.clamp(min=1e-9)
        left_B3 = _unit(across_B3 - (across_B3 * upwards_B3).sum(-1, keepdim=True) * upwards_B3)
        ahead_B3 = torch.linalg.cross(left_B3, upwards_B3)
        turn_B1 = _HEAD_TURN_RAD * turn_B[:, None]
        circle_B1 = torch.polar(torch.ones_like(turn_B1), turn_B1)
        facing_B3 = circle_B1.real * ahead_B3 + circle_B1.imag * left_B3
        up_B1 = _EYES_UP + _EYES_SD * up_B[:, None]
        forward_B1 = _EYES_FORWARD + _EYES_SD * forward_B[:, None]
        eyes_B3 = thorax_B3 + up_B1 * neck_B3 + forward_B1 * length_B1 * facing_B3
        seen_BJ3 = pose_BJ3.clone()
        seen_BJ3[:, head] = torch.where(is_chosen_B[:, None], eyes_B3, pose_BJ3[:, head])
        return seen_BJ3

    def detected(self, keypoints_BJ2: Tensor, random_BC: Tensor) -> Tensor:
        """2D joints (B, J, 2) as a detector gives them: with errors, derived joints, and the missing filled."""
        settings, columns, joints = self._settings, self._columns, self._columns.joints
        if settings.noise or settings.outliers:
            extent_B = torch.linalg.vector_norm(keypoints_BJ2.amax(1) - keypoints_BJ2.amin(1), dim=-1)
            error_BJ4 = normal(random_BC[:, columns.outlier + joints : columns.trunk]).unflatten(1, (joints, 4))
            level_B = 2 * settings.noise * random_BC[:, columns.level]
            is_outlier_BJ = random_BC[:, columns.outlier : columns.outlier + joints] < settings.outliers
            error_BJ2 = level_B[:, None, None] * error_BJ4[..., :2]
            error_BJ2 = error_BJ2 + _OUTLIER * is_outlier_BJ[..., None] * error_BJ4[..., 2:]
            keypoints_BJ2 = keypoints_BJ2 + extent_B[:, None, None] * error_BJ2
        if settings.coco:
            is_chosen_B = random_BC[:, columns.coco] < settings.coco
            keypoints_BJ2 = torch.where(is_chosen_B[:, None, None], self._as_coco(keypoints_BJ2), keypoints_BJ2)
        if settings.missing:
            lacks_B, what_B, lacks_more_B, more_B = random_BC[:, columns.missing : columns.missing + 4].unbind(1)
            is_missing_BJ = self._gone(what_B) | (self._gone(more_B) & (lacks_more_B < 0.5)[:, None])
            is_missing_BJ = is_missing_BJ & (lacks_B < settings.missing)[:, None]
            keypoints_BJ2 = fill_missing(keypoints_BJ2, is_missing_BJ, self._skeleton)
        return keypoints_BJ2

    def _gone(self, random_B: Tensor) -> Tensor:
        return self._gone_PJ[(random_B * len(self._gone_PJ)).long().clamp(max=len(self._gone_PJ) - 1)]

    def _as_coco(self, keypoints_BJ2: Tensor) -> Tensor:
        """Hip, Spine and Thorax as `wsgcn.detections.joint_orders` derives them from hips and shoulders."""
        hips_B2, shoulders_B2 = (
            (keypoints_BJ2[:, self._joint[f"L{pair}"]] + keypoints_BJ2[:, self._joint[f"R{pair}"]]) / 2
            for pair in ("Hip", "Shoulder")
        )
        derived_BJ2 = keypoints_BJ2.clone()
        derived_BJ2[:, self._joint["Hip"]] = hips_B2
        derived_BJ2[:, self._joint["Thorax"]] = shoulders_B2
        derived_BJ2[:, self._joint["Spine"]] = (hips_B2 + shoulders_B2) / 2
        return derived_BJ2


def _limb_directions(limb: str, angle_B4: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors (B, 3) along a limb's two bones, body axes: flexed, then abducted, then rotated; then the hinge."""
    flexion_B, abduction_B, rotation_B, hinge_B = angle_B4.unbind(1)
    outward = 1.0 if limb[0] == "L" else -1.0
    first_B33 = about_y(-flexion_B) @ about_x(outward * abduction_B) @ about_z(outward * rotation_B)
    closing = 1.0 if limb[1:] == "Leg" else -1.0  # a knee closes backward, an elbow forward
    return -first_B33[..., 2], -(first_B33 @ about_y(closing * hinge_B))[..., 2]


def _unit(vectors_B3: Tensor) -> Tensor:
    return vectors_B3 / torch.linalg.vector_norm(vectors_B3, dim=-1, keepdim=True).clamp(min=1e-9)
