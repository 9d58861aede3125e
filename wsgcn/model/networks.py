"""The networks by name; a new one is a line in NETWORKS, and a section in `wsgcn.model.params.Model`.

All take 2D joints (B, J, 2) in normalised screen units and give 3D joints (B, J, 3) in metres, camera axes, relative
to the root up to an offset that training does not force to zero; what reports a pose subtracts the root joint. Those
that see more than the frame that they lift take windows of it, (B, T, J, 2), and have a second form for whole
sequences, see `wsgcn.model.temporal`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from wsgcn.model.context import ALONE, Context
from wsgcn.model.linear import LinearModel
from wsgcn.model.modulated_gcn import ModulatedGCN
from wsgcn.model.params import Linear, Model
from wsgcn.model.params import ModulatedGCN as ModulatedGCNSection
from wsgcn.model.params import SemGCN as SemGCNSection
from wsgcn.model.params import Temporal as TemporalSection
from wsgcn.model.person import PersonCentred
from wsgcn.model.semgcn import SemGCN
from wsgcn.model.temporal import Temporal, context
from wsgcn.pose.skeleton import Skeleton


@dataclass(frozen=True, kw_only=True)
class Network:
    """A kind of network.

    Attributes:
        build: takes the skeleton and the keys of the network's section by name.
        words: the network that a section describes, in one line.
        context: how many frames around the one that is lifted it sees with a section.
    """

    build: Callable[..., nn.Module]
    words: Callable[[Any], str]
    context: Callable[[Any], Context] = lambda section: ALONE


def counted(number: int, noun: str) -> str:
    """ "1 epoch", "2 epochs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _semgcn_words(section: SemGCNSection) -> str:
    parts = ["semgcn", f"{section.channels} channels", counted(section.blocks, "residual block")]
    parts += ["non-local layers"] if section.non_local else []
    parts += ["channel-wise edge weights"] if section.channelwise else []
    parts += [f"dropout {section.dropout:g}"] if section.dropout else []
    return ", ".join(parts)


def _linear_words(section: Linear) -> str:
    blocks = counted(section.blocks, "residual block")
    return f"linear, {section.width} wide, {blocks}, dropout {section.dropout:g}"


def _modulated_gcn_words(section: ModulatedGCNSection) -> str:
    blocks = counted(section.blocks, "residual block")
    return f"modulated_gcn, {section.channels} channels, {blocks}" + (
        f", dropout {section.dropout:g}" if section.dropout else ""
    )


def _temporal_words(section: TemporalSection) -> str:
    seen = context(section.frames, causal=section.causal)
    parts = [f"temporal ({section.member})", f"{section.channels} channels"]
    parts.append(
        f"sees {counted(seen.frames, 'frame')}" + (f", {seen.before} before and {seen.after} after" if seen else "")
    )
    parts += [counted(section.blocks, "further block")] if section.blocks else []
    parts += ["non-local layers"] if section.member == "graph" and section.blocks and section.non_local else []
    parts += [f"dropout {section.dropout:g}"] if section.dropout else []
    return ", ".join(parts)


NETWORKS = {
    "semgcn": Network(build=SemGCN, words=_semgcn_words),
    "linear": Network(build=LinearModel, words=_linear_words),
    "modulated_gcn": Network(build=ModulatedGCN, words=_modulated_gcn_words),
    "temporal": Network(
        build=Temporal, words=_temporal_words, context=lambda section: context(section.frames, causal=section.causal)
    ),
}


def build_network(skeleton: Skeleton, model: Model, seed: int | None = None) -> nn.Module:
    """The network that `model` describes, in training mode, on the CPU.

    Args:
        seed: draws the initial weights; with None they come from torch's global generator.
    """
    if seed is None:
        network = NETWORKS[model.name].build(skeleton, **model.chosen.model_dump())
        return PersonCentred(network) if model.sees == "person" else network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(skeleton, model)


def context_of_model(model: Model) -> Context:
    """How many frames around the one that is lifted the network sees."""
    return NETWORKS[model.name].context(model.chosen)


def describe_network(model: Model) -> str:
    """The network in one line."""
    words = NETWORKS[model.name].words(model.chosen)
    return f"{words}, sees the person centred" if model.sees == "person" else words


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
