"""SemGCN trained with products in bfloat16, which the pipeline does not offer: docs/performance.md says why."""

from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

import torch
from torch import Tensor

from wsgcn.model.networks import NETWORKS
from wsgcn.model.semgcn import SemGCN


class Bf16SemGCN(SemGCN):
    """In training, the plain layers under autocast, all but the last: bfloat16 keeps 2 to 4 mm of its coordinates."""

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        if not self.training:
            return super().forward(keypoints_BJ2)
        with torch.autocast(keypoints_BJ2.device.type, torch.bfloat16, cache_enabled=False):
            x_BJC = self.layers[:-1](keypoints_BJ2)
        return self.layers[-1](x_BJC.float())


def bf16_networks() -> AbstractContextManager[object]:
    """Inside, `build_network` makes `Bf16SemGCN` of what is to be SemGCN; its parameters have the same names."""
    return patch.dict(NETWORKS, {"semgcn": replace(NETWORKS["semgcn"], build=Bf16SemGCN)})
