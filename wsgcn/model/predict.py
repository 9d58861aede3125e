"""Lifting frames with a network, a batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wsgcn.model.context import Context, context_of
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
    breaks: Sequence[int] = (),
) -> np.ndarray:
    """Lift frames, a batch at a time.

    Of a network over time they are a sequence, each frame computed once. At its ends the first and the last frame are
    repeated; the batches overlap by what the network sees around them, and give what the whole would.

    Args:
        network: in evaluation mode, on `device`.
        keypoints_TJ2: normalised screen units.
        flip: average with the mirrored prediction for the mirrored input.
        breaks: the frames, ascending, that do not follow the frame before them; nothing is seen across. A network that
            sees one frame does not look.

    Returns:
        (T, J, 3) float32, m, camera axes, minus the root joint.
    """
    mirror = torch.tensor(skeleton.mirror, device=device)
    flip_x_3 = torch.tensor([-1.0, 1.0, 1.0], device=device)
    parts = [np.empty((0, len(skeleton.joints), 3), np.float32)]
    context = context_of(network)
    lift = _of_sequence(network) if context else network
    for rows in _batches(len(keypoints_TJ2), batch, context, breaks):
        keypoints_BJ2 = torch.from_numpy(keypoints_TJ2[rows]).to(device)
        predicted_BJ3 = lift(keypoints_BJ2)
        if flip:
            mirrored_BJ3 = lift(keypoints_BJ2[:, mirror] * flip_x_3[:2])
            predicted_BJ3 = (predicted_BJ3 + mirrored_BJ3[:, mirror] * flip_x_3) / 2
        parts.append((predicted_BJ3 - predicted_BJ3[:, :1]).cpu().numpy())
    return np.concatenate(parts)


def _of_sequence(network: Any) -> Callable[[Tensor], Tensor]:
    return lambda keypoints_TJ2: network.sequence(keypoints_TJ2[None])[0]


def _batches(frames: int, batch: int, context: Context, breaks: Sequence[int]) -> Iterator[slice | np.ndarray]:
    """The frames that are lifted together, with what a network over time sees around them."""
    if not context:
        yield from (slice(start, start + batch) for start in range(0, frames, batch))
        return
    for first, last in pairwise([0, *breaks, frames]):
        for start in range(first, last, batch):
            rows = np.arange(start - context.before, min(start + batch, last) + context.after)
            yield rows.clip(first, last - 1)
