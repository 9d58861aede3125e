"""SemGCN in prediction on the CPU in float32: the layers of `wsgcn.model.layers` in evaluation, norms folded in.

The work is done by `wsgcn.model.cpu.prediction`, in as many threads as torch may use.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wsgcn.model import layers
from wsgcn.model.cpu import prediction
from wsgcn.model.cpu.blas import one_thread
from wsgcn.model.cpu.crew import share_out
from wsgcn.model.cpu.prediction import Convolutions, Ends, Folded, Graph, NonLocals
from wsgcn.model.cpu.threads import threads

_STEPS: dict[type[nn.Module], tuple[int, ...]] = {
    layers.ResidualBlock: (prediction.FIRST, prediction.SECOND),
    layers.NonLocal: (prediction.NON_LOCAL,),
}


def forward(network: Folded, x_BJ2: Tensor) -> Tensor:
    """(B, J, 2) to (B, J, 3)."""
    batch, joints, _ = x_BJ2.shape
    pose_BJ3 = torch.empty(batch, joints, 3)
    block = prediction.block_of(joints, len(network.ends.entry_bias_C))
    if blocks := -(-batch // block):
        arrays = x_BJ2.contiguous().numpy(), pose_BJ3.numpy()
        with one_thread("mkl"):
            share_out(prediction.predict, blocks, 1, threads(), block, *network, *arrays)
    return pose_BJ3


@torch.no_grad()
def fold(modules: Iterable[nn.Module]) -> Folded:
    """The modules one after the other as they are now: a `GraphBlock`, more layers, a `SemGraphConv`."""
    entry, *between, last = modules
    assert isinstance(entry, layers.GraphBlock)
    assert isinstance(last, layers.SemGraphConv)
    residual = [module for module in between if isinstance(module, layers.ResidualBlock)]
    non_local = [module for module in between if isinstance(module, layers.NonLocal)]
    blocks = [block for module in residual for block in (module.first, module.second)]
    joints, channels = len(last.self_loops_JJ), len(entry.convolution.bias)
    rows, column = np.divmod(last.edge_index.numpy(), joints)
    entry_weight, entry_bias_C = _folded_convolution(entry)
    weights = [_folded_convolution(block) for block in blocks]
    return Folded(
        steps=np.array([step for module in between for step in _STEPS[type(module)]], np.int64),
        graph=Graph(np.searchsorted(rows, np.arange(joints + 1)), column),
        ends=Ends(
            entry_a_E=_entries(entry.convolution).numpy(),
            entry_weight=entry_weight.reshape(4, channels).numpy(),
            entry_bias_C=entry_bias_C.numpy(),
            last_a_E=_entries(last).numpy(),
            last_weight_6C=last.weight.transpose(1, 2).reshape(6, channels).numpy(),
            last_bias_3=last.bias.numpy(),
        ),
        convolutions=Convolutions(
            a_LE=_stacked([_entries(block.convolution) for block in blocks], len(column)),
            weight_L2CC=_stacked([weight for weight, _ in weights], 2, channels, channels),
            bias_LC=_stacked([bias_C for _, bias_C in weights], channels),
        ),
        non_locals=NonLocals(**_folded_non_local(non_local, channels)),
        members=non_local[0].group_members.numpy() if non_local else np.zeros((1, 1), np.int64),
    )


def _stacked(tensors: Sequence[Tensor], *shape: int) -> np.ndarray:
    """Along a new first axis; `shape` is that of each, for where there are none."""
    return (torch.stack(list(tensors)) if tensors else torch.empty(0, *shape)).contiguous().numpy()


def _entries(convolution: layers.SemGraphConv) -> Tensor:
    """A's non-zeros."""
    return convolution.attention().flatten()[convolution.edge_index]


def _scale_and_shift(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """What a norm is in evaluation: y * scale + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale_C = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale_C, norm.bias - norm.running_mean * scale_C


def _folded_convolution(block: layers.GraphBlock) -> tuple[Tensor, Tensor]:
    """[W0, W1] and the bias, with the norm that follows."""
    scale_C, shift_C = _scale_and_shift(block.norm)
    return block.convolution.weight * scale_C, block.convolution.bias * scale_C + shift_C


def _folded_non_local(modules: Sequence[layers.NonLocal], channels: int) -> dict[str, np.ndarray]:
    """theta meets w_theta alone, so the two are one vector, and the number G by which f is divided goes into W."""
    inner = channels // 2
    parts: dict[str, tuple[list[Tensor], tuple[int, ...]]] = {
        "v_NC": ([], (channels,)),
        "constant_N": ([], ()),
        "w_phi_NH": ([], (inner,)),
        "phi_g_weight_NCC": ([], (channels, channels)),
        "g_bias_NH": ([], (inner,)),
        "out_weight_NHC": ([], (inner, channels)),
        "out_bias_NC": ([], (channels,)),
        "least_NC": ([], (channels,)),
        "most_NC": ([], (channels,)),
    }
    for module in modules:
        scale_C, shift_C = _scale_and_shift(module.norm)
        reach_C = layers.MOST_DEVIATIONS * module.norm.weight.abs()
        w_theta_H, w_phi_H = module.score.weight[0].chunk(2)
        values = (
            w_theta_H @ module.theta.weight,
            w_theta_H @ module.theta.bias + w_phi_H @ module.phi.bias,
            w_phi_H,
            torch.cat((module.phi.weight, module.g.weight)).T,
            module.g.bias,
            module.out.weight.T * (scale_C / len(module.group_members[0])),
            module.out.bias * scale_C + shift_C,
            module.norm.bias - reach_C,
            module.norm.bias + reach_C,
        )
        for (found, _), value in zip(parts.values(), values, strict=True):
            found.append(value)
    return {name: _stacked(found, *shape) for name, (found, shape) in parts.items()}
