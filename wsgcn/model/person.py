"""A network that looks at the person and not at the picture: where and how large somebody is seen is taken out first.

With cameras of all kinds a person stands anywhere in the picture and in any size; a network that is shown the joints
centred and scaled need not learn either. What the place in the picture says is put back at the end: the pose is turned
by the angle under which the person is seen, with the focal length of a usual camera, as the true one is not known.
"""

import torch
from torch import Tensor, nn

FOCAL = 2.0  # half picture widths: a horizontal field of view of 53 degrees

_SMALLEST = 1e-6  # screen units


class PersonCentred(nn.Module):
    """(B, J, 2) screen units -> (B, J, 3) m, camera axes, by a network that gets joints of mean 0 and variance 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        centre_B12 = keypoints_BJ2.mean(1, keepdim=True)
        from_centre_BJ2 = keypoints_BJ2 - centre_B12
        scale_B11 = from_centre_BJ2.square().mean((1, 2), keepdim=True).sqrt()
        pose_BJ3 = self.network(from_centre_BJ2 / scale_B11.clamp(min=_SMALLEST))
        return pose_BJ3 @ towards(centre_B12[:, 0] / FOCAL).transpose(1, 2)  # ONNX knows no `mT`


def towards(uv_B2: Tensor) -> Tensor:
    """The smallest rotations (B, 3, 3) that turn the optical axis to the rays through (u, v, 1)."""
    ray_B3 = torch.cat((uv_B2, torch.ones_like(uv_B2[:, :1])), dim=-1)
    a, b, c = (ray_B3 / torch.linalg.vector_norm(ray_B3, dim=-1, keepdim=True)).unbind(-1)
    k = 1 / (1 + c)
    rows = (1 - a * a * k, -a * b * k, a, -a * b * k, 1 - b * b * k, b, -a, -b, c)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
