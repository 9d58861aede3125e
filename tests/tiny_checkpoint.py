"""Checkpoints for tests that need a network but no training."""

from pathlib import Path
from typing import Any

import torch

from tests.tiny import tiny_params
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.model.checkpoint import Checkpoint, Chosen
from wsgcn.model.networks import build_network, context_of_model
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.training.params import WarmupParams, WeakParams


def write_tiny_checkpoint(path: Path, **changes: Any) -> Checkpoint:
    """Write a checkpoint as stage weak would, of a network in which every weight counts; returns it.

    Args:
        changes: of the parameters, as `tiny_params` takes them.
    """
    params = tiny_params(**changes)
    skeleton = SKELETONS[params.data.skeleton]
    network = build_network(skeleton, params.model, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():  # the non-local layers start as the identity
            weight += 0.1 * (weight.std() or 1) * torch.randn(weight.shape, generator=generator)
        for name, statistic in network.named_buffers():
            if name.endswith("running_mean"):
                statistic += 0.1 * torch.randn(statistic.shape, generator=generator)
            elif name.endswith("running_var"):
                statistic *= 1 + torch.rand(statistic.shape, generator=generator)
    weights = network.state_dict()
    checkpoint = Checkpoint(
        model=params.model,
        skeleton=skeleton,
        source="gt",
        source_words="exact projections",
        camera_9=tuple(human36m_cameras()["S1"]["54138969"].intrinsics_screen.tolist()),
        params={**WarmupParams.of(params).model_dump(), **WeakParams.of(params).model_dump()},
        weights=weights,
        optimiser={},
        epoch=2,
        step=1234,
        chosen=Chosen(epoch=2, by="last", validation_mpjpe_mm=None),
        chosen_weights=weights,
        fps=50.0 if context_of_model(params.model) else None,
    )
    checkpoint.save(path)
    return checkpoint
