"""Windows over the frames of a set: what a network over time sees of it, as indices, so that frames lie there once.

A set is made of runs, each the frames of one take as one camera saw them, without a gap. A window never leaves the run
of the frame that it is for: beyond the run's ends the first and the last frame are repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wsgcn.model.context import Context
from wsgcn.training.tensors import Tensors


@dataclass(frozen=True)
class Windows(Tensors):
    """M windows of T frames over a set of N."""

    lifted_M: Tensor  # the frame that the window is for
    first_M: Tensor  # of its run
    last_M: Tensor
    offset_T: Tensor  # from the lifted frame

    def __len__(self) -> int:
        return len(self.lifted_M)

    def frames(self, index_B: Tensor) -> Tensor:
        """The frames (B, T) of these windows."""
        frame_BT = self.lifted_M.index_select(0, index_B)[:, None] + self.offset_T
        first_B1, last_B1 = (ends_M.index_select(0, index_B)[:, None] for ends_M in (self.first_M, self.last_M))
        return torch.minimum(torch.maximum(frame_BT, first_B1), last_B1)

    def followed_by(self, other: "Windows") -> "Windows":
        """These, then those of another set, whose frames follow in the same set."""
        return replace(
            self,
            lifted_M=torch.cat((self.lifted_M, other.lifted_M)),
            first_M=torch.cat((self.first_M, other.first_M)),
            last_M=torch.cat((self.last_M, other.last_M)),
        )


def seen(of_frames_N: Tensor, windows: Windows | None, index_B: Tensor) -> Tensor:
    """What the network sees of frames (N, ...): those of a batch (B, ...), or of its windows (B, T, ...)."""
    if windows is None:
        return of_frames_N.index_select(0, index_B)
    frame_BT = windows.frames(index_B)
    return of_frames_N.index_select(0, frame_BT.flatten()).unflatten(0, frame_BT.shape)


def windows_of(runs: Sequence[np.ndarray], context: Context, stride: int = 1) -> Windows:
    """The windows of the frames that lie in runs, one run after the other.

    Args:
        runs: of each sequence, where in it a run begins: 0, and the frames that do not follow the frame before; then
            the number of its frames. See `wsgcn.pose.sequences.run_ends`.
        stride: every so many frames of a sequence are lifted; what is seen around them is at the full rate.
    """
    lifted: list[np.ndarray] = []
    first: list[np.ndarray] = []
    last: list[np.ndarray] = []
    start = 0
    for ends in runs:
        frames = np.arange(0, ends[-1], stride)
        run = np.searchsorted(ends, frames, side="right") - 1
        lifted.append(start + frames)
        first.append(start + ends[run])
        last.append(start + ends[run + 1] - 1)
        start += int(ends[-1])
    lifted_M, first_M, last_M = (
        torch.from_numpy(np.concatenate([*part, np.empty(0, np.int64)])) for part in (lifted, first, last)
    )
    return Windows(lifted_M, first_M, last_M, torch.arange(-context.before, context.after + 1))
