"""What prediction on the CPU computes for some blocks of poses, compiled by numba.

In evaluation a batch norm is a constant scale and shift, which `wsgcn.model.cpu.folded` puts into the weights. No layer
then needs more than the pose itself, so a thread takes one block of poses (`block_of`) through the whole network while
it is in cache. A block is always filled up, with poses of zeros at the end, and every product is MKL's, which gives a
row the same bits wherever it stands: so a pose's result depends on that pose and the weights alone, and neither on the
batch that it came in nor on the number of threads. (OpenBLAS' products differ from row to row.)

All is float32 and C-contiguous; nothing is checked. The letters are those of `wsgcn.model.cpu.kernels`.
"""

from typing import NamedTuple

import numpy as np

from wsgcn.model.cpu.blas import product, set_threads
from wsgcn.model.cpu.crew import next_block
from wsgcn.model.cpu.vectors import add_scaled, dot, vectorised

_ACTIVATIONS = 32768  # numbers, a quarter of a core's second cache or less; four of them are in use

FIRST, SECOND, NON_LOCAL = range(3)  # the two convolutions of a residual block, and the layer


def block_of(joints: int, channels: int) -> int:
    """How many poses go through the network together."""
    return max(1, _ACTIVATIONS // (joints * channels))


class Graph(NamedTuple):
    """The skeleton's adjacency, the diagonal included."""

    first: np.ndarray  # (J + 1,) where each row starts ...
    column: np.ndarray  # (E,) ... and its columns


class Ends(NamedTuple):
    """The first and the last convolution, with two channels in and three out."""

    entry_a_E: np.ndarray
    entry_weight: np.ndarray  # (4, C)
    entry_bias_C: np.ndarray
    last_a_E: np.ndarray
    last_weight_6C: np.ndarray  # transposed: W0 before W1
    last_bias_3: np.ndarray


class Convolutions(NamedTuple):
    """The convolutions (L) in between."""

    a_LE: np.ndarray
    weight_L2CC: np.ndarray
    bias_LC: np.ndarray


class NonLocals(NamedTuple):
    """The non-local layers (N)."""

    v_NC: np.ndarray
    constant_N: np.ndarray
    w_phi_NH: np.ndarray
    phi_g_weight_NCC: np.ndarray  # transposed
    g_bias_NH: np.ndarray
    out_weight_NHC: np.ndarray  # transposed
    out_bias_NC: np.ndarray
    least_NC: np.ndarray
    most_NC: np.ndarray


class Folded(NamedTuple):
    """A network whose norms are in its weights."""

    steps: np.ndarray  # between the first and the last layer: FIRST, SECOND, NON_LOCAL
    graph: Graph
    ends: Ends
    convolutions: Convolutions
    non_locals: NonLocals
    members: np.ndarray  # (largest group, G)


@vectorised
def predict(work, block, steps, graph, ends, convolutions, non_locals, members, keypoints_BJ2, pose_BJ3):  # type: ignore[no-untyped-def]
    """The poses of the blocks that `work` gives."""
    batch, joints, _ = keypoints_BJ2.shape
    channels = len(ends.entry_bias_C)
    x = np.empty((block, joints, channels), np.float32)
    y = np.empty((block, joints, channels), np.float32)
    z = np.empty((block * joints, 2 * channels), np.float32)
    seen = np.zeros((block, joints, 2), np.float32)
    threads = set_threads(1)
    n = next_block(work, -1)
    while n >= 0:
        start, stop = n * block, min(batch, (n + 1) * block)
        seen[: stop - start] = keypoints_BJ2[start:stop]
        seen[stop - start :] = np.float32(0)
        _enter(graph, ends, seen, x)
        convolution, non_local = 0, 0
        for step in steps:
            if step == NON_LOCAL:
                _attend(non_locals, non_local, members, x, y, z)
                non_local += 1
            else:
                # One call for both convolutions of a block, because the compiler writes out each.
                source, out = (x, y) if step == FIRST else (y, x)
                _convolve(
                    *(graph.first, graph.column, convolutions.a_LE[convolution], convolutions.weight_L2CC[convolution]),
                    *(convolutions.bias_LC[convolution], source, z, y, out, step == SECOND),
                )
                convolution += 1
        _leave(graph, ends, x, start, stop, pose_BJ3)
        n = next_block(work, n)
    set_threads(threads)


@vectorised
def _enter(graph, ends, seen_BJ2, x_BJC):  # type: ignore[no-untyped-def]
    """The first block, whose convolution has two channels in."""
    first, column, a_E = graph.first, graph.column, ends.entry_a_E
    w, bias_C = ends.entry_weight, ends.entry_bias_C
    for b in range(len(x_BJC)):
        for i in range(len(first) - 1):
            z0, z1, z2, z3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for e in range(first[i], first[i + 1]):
                j = column[e]
                if i == j:
                    z0 += a_E[e] * seen_BJ2[b, j, 0]
                    z1 += a_E[e] * seen_BJ2[b, j, 1]
                else:
                    z2 += a_E[e] * seen_BJ2[b, j, 0]
                    z3 += a_E[e] * seen_BJ2[b, j, 1]
            x = x_BJC[b, i]
            for c in range(len(bias_C)):
                x[c] = max(bias_C[c] + z0 * w[0, c] + z1 * w[1, c] + (z2 * w[2, c] + z3 * w[3, c]), np.float32(0))


@vectorised
def _leave(graph, ends, x_BJC, start, stop, pose_BJ3):  # type: ignore[no-untyped-def]
    """The last convolution, with three channels out."""
    first, column, a_E = graph.first, graph.column, ends.last_a_E
    joints = len(first) - 1
    products = np.empty((joints, 6), np.float32)
    for b in range(stop - start):
        for j in range(joints):
            for k in range(6):
                products[j, k] = dot(x_BJC[b, j], ends.last_weight_6C[k])
        for i in range(joints):
            pose = pose_BJ3[start + b, i]
            pose[:] = ends.last_bias_3
            for e in range(first[i], first[i + 1]):
                j = column[e]
                half = 0 if i == j else 3
                for k in range(3):
                    pose[k] += a_E[e] * products[j, half + k]


@vectorised
def _convolve(first, column, a_E, weight_2CC, bias_C, x_BJC, z_RC, y_BJC, out_BJC, is_added):  # type: ignore[no-untyped-def]
    """relu(convolution of x), added to out, or written to it, which then is y. y is overwritten, and may be x."""
    block, joints, channels = x_BJC.shape
    rows = block * joints
    for b in range(len(x_BJC)):
        for i in range(joints):
            z = z_RC[b * joints + i]
            z[channels:] = np.float32(0)
            for e in range(first[i], first[i + 1]):
                j = column[e]
                if i == j:
                    _scale(z[:channels], a_E[e], x_BJC[b, j])
                else:
                    add_scaled(z[channels:], a_E[e], x_BJC[b, j])
    y_RC, out_RC = y_BJC.reshape(rows, channels), out_BJC.reshape(rows, channels)
    product(z_RC, weight_2CC.reshape(2 * channels, channels), y_RC, False, False)
    for r in range(rows):
        y = y_RC[r]
        for c in range(channels):
            y[c] = max(y[c] + bias_C[c], np.float32(0))
        if is_added:
            add_scaled(out_RC[r], np.float32(1), y)


@vectorised
def _attend(all_of_them, layer, members, x_BJC, phi_g_BJC, z_RC):  # type: ignore[no-untyped-def]
    """A non-local layer, in place. W is applied to the G pooled g of a pose, in place of the J sums of them."""
    block, joints, channels = x_BJC.shape
    inner = channels // 2
    size, groups = members.shape
    v_C, constant, w_phi_H = all_of_them.v_NC[layer], all_of_them.constant_N[layer], all_of_them.w_phi_NH[layer]
    g_bias_H, out_bias_C = all_of_them.g_bias_NH[layer], all_of_them.out_bias_NC[layer]
    least_C, most_C = all_of_them.least_NC[layer], all_of_them.most_NC[layer]
    product(
        x_BJC.reshape(block * joints, channels),
        all_of_them.phi_g_weight_NCC[layer],
        phi_g_BJC.reshape(block * joints, channels),
        False,
        False,
    )
    scratch = z_RC.reshape(z_RC.size)
    g_BGH = scratch[: block * groups * inner].reshape(block, groups, inner)
    u_BGC = scratch[block * joints * channels :][: block * groups * channels].reshape(block, groups, channels)
    of_group = np.empty((block, groups), np.float32)
    pooled = np.empty(channels, np.float32)
    change = np.empty(channels, np.float32)
    for b in range(len(x_BJC)):
        for k in range(groups):
            pooled[:] = phi_g_BJC[b, members[0, k]]
            for m in range(1, size):
                _raise(pooled, phi_g_BJC[b, members[m, k]])
            of_group[b, k] = dot(w_phi_H, pooled[:inner]) + constant
            for h in range(inner):
                g_BGH[b, k, h] = pooled[inner + h] + g_bias_H[h]
    product(
        g_BGH.reshape(block * groups, inner),
        all_of_them.out_weight_NHC[layer],
        u_BGC.reshape(block * groups, channels),
        False,
        False,
    )
    for b in range(len(x_BJC)):
        for i in range(joints):
            x = x_BJC[b, i]
            score = dot(x, v_C)
            change[:] = out_bias_C
            for k in range(groups):
                f = score + of_group[b, k]
                if f > np.float32(0):
                    add_scaled(change, f, u_BGC[b, k])
            for c in range(channels):
                x[c] += min(max(change[c], least_C[c]), most_C[c])


@vectorised
def _scale(to_C, scale, b_C):  # type: ignore[no-untyped-def]
    for c in range(len(b_C)):
        to_C[c] = scale * b_C[c]


@vectorised
def _raise(to_C, b_C):  # type: ignore[no-untyped-def]
    for c in range(len(b_C)):
        to_C[c] = max(to_C[c], b_C[c])
