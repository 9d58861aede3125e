"""A network that looks at the person and not at the picture: where and how large somebody is seen is taken out first.

With cameras of all kinds a person stands anywhere in the picture and in any size; a network that is shown the joints
centred and scaled need not learn either. What the place in the picture says is put back at the end: the pose is turned
by the angle under which the person is seen, with the focal length of a usual camera, as the true one is not known.
"""

from typing import Any

import torch
from torch import Tensor, nn

from wsgcn.model.context import Context, context_of

FOCAL = 2.0  # half picture widths: a horizontal field of view of 53 degrees

_SMALLEST = 1e-6  # screen units


class PersonCentred(nn.Module):
    """(B, J, 2) screen units -> (B, J, 3) m, camera axes, by a network that gets joints of mean 0 and variance 1.

    Of a network over time each frame is centred and scaled by itself, so that what it gives for a frame does not depend
    on where a window or a piece of a sequence begins.
    """

    network: Any

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def context(self) -> Context:
        return context_of(self.network)

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        """(B, J, 2), or windows (B, T, J, 2), to (B, J, 3)."""
        centred, centre = _centred(keypoints_BJ2)
        if self.context:
            centre = centre[:, self.context.before]
        # ONNX knows no `mT`.
        return self.network(centred) @ towards(centre[:, 0] / FOCAL).transpose(1, 2)

    def sequence(self, keypoints_STJ2: Tensor) -> Tensor:
        """See `wsgcn.model.temporal.Temporal.sequence`."""
        centred, centre_ST12 = _centred(keypoints_STJ2)
        lifted_ST12 = centre_ST12[:, self.context.before : -self.context.after or None]
        turns = towards(lifted_ST12[:, :, 0].flatten(0, 1) / FOCAL).transpose(1, 2)
        pose_STJ3 = self.network.sequence(centred)
        return (pose_STJ3.flatten(0, 1) @ turns).view_as(pose_STJ3)


def _centred(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """Joints (..., J, 2) of mean 0 and variance 1, and the centres (..., 1, 2) that were taken out."""
    centre = keypoints.mean(-2, keepdim=True)
    from_centre = keypoints - centre
    scale = from_centre.square().mean((-2, -1), keepdim=True).sqrt()
    return from_centre / scale.clamp(min=_SMALLEST), centre


def towards(uv_B2: Tensor) -> Tensor:
    """The smallest rotations (B, 3, 3) that turn the optical axis to the rays through (u, v, 1)."""
    ray_B3 = torch.cat((uv_B2, torch.ones_like(uv_B2[:, :1])), dim=-1)
    a, b, c = (ray_B3 / torch.linalg.vector_norm(ray_B3, dim=-1, keepdim=True)).unbind(-1)
    k = 1 / (1 + c)
    rows = (1 - a * a * k, -a * b * k, a, -a * b * k, 1 - b * b * k, b, -a, -b, c)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
