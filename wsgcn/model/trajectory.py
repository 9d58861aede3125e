"""Where a person stands in the camera frame, from their 2D: the second network of semi-supervised training.

Pavllo et al. 2019, "3D human pose estimation in video with temporal convolutions and semi-supervised training", section
4: beside the network for the pose, relative to its root, a second one gives the root, so that an unlabelled pose can be
placed and compared with its 2D. Theirs has the layout of the first; this one is a small perceptron over time. Only
training needs it: a checkpoint has it to go on with, and nothing reports what it says.

It always sees the picture, whatever the other network sees: where the person is in it, and how large, is what says
where they stand. Without batch norms and dropout it is a function of each pose by itself, the same in every batch, in
training and in evaluation.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsgcn.model.context import Context
from wsgcn.model.person import FOCAL
from wsgcn.model.temporal import neighbours, widths
from wsgcn.pose.skeleton import Skeleton

_CHANNELS, _FURTHER = 128, 2
# What is usually seen of a bone's length, as a root mean square over all of them: for one and the same person it varies
# by 3 % from pose to pose (the joints' spread by 6 %), so it says how far away they are.
_BONE_M = 0.3
_SMALLEST = 0.01  # screen units, of the same: nobody is further than 60 m away


class Trajectory(nn.Module):
    """2D joints (B, J, 2), or of windows (B, T, J, 2), in normalised screen units to the roots (B, 3) of the poses that
    the network of this context gives, m, camera frame.

    What it learns is a correction, as a share of the depth, of where somebody would stand who is as large as most are
    and is seen by a usual camera; with the initial weights there is none. Adam's steps of the last layer, after which
    no norm takes out their scale, are made small. 38,019 parameters for a single frame of 16 joints, 244,099 for 243
    frames.
    """

    def __init__(self, skeleton: Skeleton, context: Context) -> None:
        super().__init__()
        self.context = context
        bones_E2 = torch.tensor(skeleton.bones)
        child_EJ, parent_EJ = F.one_hot(bones_E2.T, len(skeleton.joints)).float()
        self.register_buffer("bones_EJ", child_EJ - parent_EJ, persistent=False)
        self.widths = (*widths(context.frames, first=3), *[1] * _FURTHER)
        features = 2 * len(skeleton.joints) + 3  # joints, their centre, their scale
        self.layers = nn.ModuleList(
            nn.Linear(width * channels, _CHANNELS)
            for width, channels in zip(self.widths, (features, *[_CHANNELS] * len(self.widths)), strict=False)
        )
        self.last = nn.Linear(_CHANNELS, 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, keypoints_BTJ2: Tensor) -> Tensor:
        if not self.context:
            keypoints_BTJ2 = keypoints_BTJ2[:, None]
        centre_BT12 = keypoints_BTJ2.mean(2, keepdim=True)
        bones_BTE2 = self.get_buffer("bones_EJ") @ keypoints_BTJ2
        scale_BT11 = bones_BTE2.square().sum(3, keepdim=True).mean(2, keepdim=True).sqrt().clamp(min=_SMALLEST)
        joints_BTJ2 = (keypoints_BTJ2 - centre_BT12) / scale_BT11
        features = (joints_BTJ2.flatten(2), centre_BT12.flatten(2), scale_BT11.flatten(2).log())
        x_B1TC = torch.cat(features, dim=-1)[:, None]
        for layer, width in zip(self.layers, self.widths, strict=True):
            y_B1TC = F.relu(F.layer_norm(layer(neighbours(x_B1TC, width, None)), (_CHANNELS,)))
            kept = width // 2 if self.context.after else width - 1  # the frame that goes around the layer
            x_B1TC = y_B1TC if layer is self.layers[0] else x_B1TC[:, :, kept::width] + y_B1TC
        correction_B3 = self.last(x_B1TC[:, 0, 0]) / _CHANNELS
        lifted = self.context.before
        ray_B3 = F.pad(centre_BT12[:, lifted, 0] / FOCAL, (0, 1), value=1.0)
        depth_B1 = FOCAL * _BONE_M / scale_BT11[:, lifted, 0]
        return depth_B1 * (ray_B3 + correction_B3)


def build_trajectory(skeleton: Skeleton, context: Context, seed: int | None = None) -> Trajectory:
    """The trajectory network of a pose network with this context, on the CPU.

    Args:
        seed: draws the initial weights; with None they come from torch's global generator.
    """
    if seed is None:
        return Trajectory(skeleton, context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Trajectory(skeleton, context)
