"""Lifting frames with a network, a batch at a time."""

import numpy as np
import torch
from torch import nn

from wsgcn.model.cpu.door import predicting
from wsgcn.pose.skeleton import Skeleton


@torch.no_grad()
@predicting()
def predict(
    network: nn.Module,
    keypoints_TJ2: np.ndarray,
    skeleton: Skeleton,
    *,
    flip: bool = False,
    batch: int = 4096,
    device: torch.device | None = None,
) -> np.ndarray:
    """Lift frames, a batch at a time.

    Args:
        network: in evaluation mode, on `device`.
        keypoints_TJ2: normalised screen units.
        flip: average with the mirrored prediction for the mirrored input.

    Returns:
        (T, J, 3) float32, m, camera axes, minus the root joint.
    """
    mirror = torch.tensor(skeleton.mirror, device=device)
    flip_x_3 = torch.tensor([-1.0, 1.0, 1.0], device=device)
    parts = [np.empty((0, len(skeleton.joints), 3), np.float32)]
    for start in range(0, len(keypoints_TJ2), batch):
        keypoints_BJ2 = torch.from_numpy(keypoints_TJ2[start : start + batch]).to(device)
        predicted_BJ3 = network(keypoints_BJ2)
        if flip:
            mirrored_BJ3 = network(keypoints_BJ2[:, mirror] * flip_x_3[:2])
            predicted_BJ3 = (predicted_BJ3 + mirrored_BJ3[:, mirror] * flip_x_3) / 2
        parts.append((predicted_BJ3 - predicted_BJ3[:, :1]).cpu().numpy())
    return np.concatenate(parts)
