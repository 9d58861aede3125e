"""What prediction on the CPU computes for some blocks of poses, compiled by numba.

In evaluation a batch norm is a constant scale and shift, which `wsgcn.model.cpu.folded` puts into the weights. No layer
then needs more than the pose itself, so a thread takes one block of `BLOCK` poses through the whole network while it is
in cache. A block is always filled up, with poses of zeros at the end, and every product is MKL's, which gives a row
the same bits wherever it stands: so a pose's result depends on that pose and the weights alone, and neither on the
batch that it came in nor on the number of threads. (OpenBLAS' products differ from row to row.)

All is float32 and C-contiguous; nothing is checked. The letters are those of `wsgcn.model.cpu.kernels`.
"""

from typing import NamedTuple

import numpy as np

from wsgcn.model.cpu.blas import product, set_threads
from wsgcn.model.cpu.compiled import compiled

BLOCK = 64  # poses: the products of so many rows are near the full rate, and three activations of them are in cache

RESIDUAL, NON_LOCAL = range(2)

_MATHS = {"reassoc", "contract", "nsz"}  # sums in any order, fused multiply-add; NaN and infinity keep their meaning
_compiled = compiled(fastmath=_MATHS)


class Folded(NamedTuple):
    """A network whose norms are in its weights; an axis L counts the convolutions, N the non-local layers."""

    kinds: np.ndarray  # of the layers between the first and the last: RESIDUAL, NON_LOCAL
    first: np.ndarray  # (J + 1,) where each row of the adjacency starts ...
    column: np.ndarray  # (E,) ... and its columns
    entry_a_E: np.ndarray
    entry_weight: np.ndarray  # (4, C)
    entry_bias_C: np.ndarray
    a_LE: np.ndarray
    weight_L2CC: np.ndarray
    bias_LC: np.ndarray
    last_a_E: np.ndarray
    last_weight_6C: np.ndarray  # transposed: W0 before W1
    last_bias_3: np.ndarray
    v_NC: np.ndarray
    constant_N: np.ndarray
    w_phi_NH: np.ndarray
    phi_g_weight_NCC: np.ndarray  # transposed
    g_bias_NH: np.ndarray
    out_weight_NHC: np.ndarray  # transposed
    out_bias_NC: np.ndarray
    least_NC: np.ndarray
    most_NC: np.ndarray
    members: np.ndarray  # (largest group, G)


@_compiled
def predict(lo, hi, network, keypoints_BJ2, pose_BJ3):  # type: ignore[no-untyped-def]
    """The poses of the blocks lo to hi."""
    batch, joints, _ = keypoints_BJ2.shape
    channels = len(network.entry_bias_C)
    x = np.empty((BLOCK, joints, channels), np.float32)
    y = np.empty((BLOCK, joints, channels), np.float32)
    z = np.empty((BLOCK, joints, 2 * channels), np.float32)
    seen = np.zeros((BLOCK, joints, 2), np.float32)
    threads = set_threads(1)
    for n in range(lo, hi):
        start, stop = n * BLOCK, min(batch, (n + 1) * BLOCK)
        seen[: stop - start] = keypoints_BJ2[start:stop]
        seen[stop - start :] = np.float32(0)
        _enter(network, seen, x)
        convolution, non_local = 0, 0
        for kind in network.kinds:
            if kind == RESIDUAL:
                _convolve(network, convolution, x, z, y, y, False)
                _convolve(network, convolution + 1, y, z, y, x, True)
                convolution += 2
            else:
                _attend(network, non_local, x, y, z)
                non_local += 1
        _leave(network, x, start, stop, pose_BJ3)
    set_threads(threads)


@_compiled
def _enter(network, seen_BJ2, x_BJC):  # type: ignore[no-untyped-def]
    """The first block, whose convolution has two channels in."""
    first, column, a_E = network.first, network.column, network.entry_a_E
    w, bias_C = network.entry_weight, network.entry_bias_C
    for b in range(BLOCK):
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


@_compiled
def _leave(network, x_BJC, start, stop, pose_BJ3):  # type: ignore[no-untyped-def]
    """The last convolution, with three channels out."""
    first, column, a_E = network.first, network.column, network.last_a_E
    joints = len(first) - 1
    products = np.empty((joints, 6), np.float32)
    for b in range(stop - start):
        for j in range(joints):
            for k in range(6):
                products[j, k] = _dot(x_BJC[b, j], network.last_weight_6C[k])
        for i in range(joints):
            pose = pose_BJ3[start + b, i]
            pose[:] = network.last_bias_3
            for e in range(first[i], first[i + 1]):
                j = column[e]
                half = 0 if i == j else 3
                for k in range(3):
                    pose[k] += a_E[e] * products[j, half + k]


@_compiled
def _convolve(network, layer, x_BJC, z_BJ2C, y_BJC, out_BJC, is_added):  # type: ignore[no-untyped-def]
    """relu(convolution of x), written to out or added to it. y, where the product is put, may be x or out."""
    joints, channels = x_BJC.shape[1:]
    first, column, a_E = network.first, network.column, network.a_LE[layer]
    for b in range(BLOCK):
        for i in range(joints):
            z = z_BJ2C[b, i]
            z[channels:] = np.float32(0)
            for e in range(first[i], first[i + 1]):
                j = column[e]
                if i == j:
                    _scale(z[:channels], a_E[e], x_BJC[b, j])
                else:
                    _add_scaled(z[channels:], a_E[e], x_BJC[b, j])
    y_RC = y_BJC.reshape(BLOCK * joints, channels)
    weight = network.weight_L2CC[layer].reshape(2 * channels, channels)
    product(z_BJ2C.reshape(BLOCK * joints, 2 * channels), weight, y_RC, False, False)
    out_RC, bias_C = out_BJC.reshape(BLOCK * joints, channels), network.bias_LC[layer]
    for r in range(BLOCK * joints):
        out, y = out_RC[r], y_RC[r]
        if is_added:
            for c in range(channels):
                out[c] += max(y[c] + bias_C[c], np.float32(0))
        else:
            for c in range(channels):
                out[c] = max(y[c] + bias_C[c], np.float32(0))


@_compiled
def _attend(network, layer, x_BJC, phi_g_BJC, scratch):  # type: ignore[no-untyped-def]
    """A non-local layer, in place. W is applied to the G pooled g of a pose, in place of the J sums of them."""
    joints, channels = x_BJC.shape[1:]
    inner = channels // 2
    members = network.members
    size, groups = members.shape
    v_C, constant, w_phi_H = network.v_NC[layer], network.constant_N[layer], network.w_phi_NH[layer]
    g_bias_H, out_bias_C = network.g_bias_NH[layer], network.out_bias_NC[layer]
    least_C, most_C = network.least_NC[layer], network.most_NC[layer]
    product(
        x_BJC.reshape(BLOCK * joints, channels),
        network.phi_g_weight_NCC[layer],
        phi_g_BJC.reshape(BLOCK * joints, channels),
        False,
        False,
    )
    parts = scratch.reshape(BLOCK * joints * 2 * channels)
    g_BGH = parts[: BLOCK * groups * inner].reshape(BLOCK, groups, inner)
    u_BGC = parts[BLOCK * joints * channels :][: BLOCK * groups * channels].reshape(BLOCK, groups, channels)
    of_group = np.empty((BLOCK, groups), np.float32)
    pooled = np.empty(channels, np.float32)
    change = np.empty(channels, np.float32)
    for b in range(BLOCK):
        for k in range(groups):
            pooled[:] = phi_g_BJC[b, members[0, k]]
            for m in range(1, size):
                _raise(pooled, phi_g_BJC[b, members[m, k]])
            of_group[b, k] = _dot(w_phi_H, pooled[:inner]) + constant
            for h in range(inner):
                g_BGH[b, k, h] = pooled[inner + h] + g_bias_H[h]
    product(
        g_BGH.reshape(BLOCK * groups, inner),
        network.out_weight_NHC[layer],
        u_BGC.reshape(BLOCK * groups, channels),
        False,
        False,
    )
    for b in range(BLOCK):
        for i in range(joints):
            x = x_BJC[b, i]
            score = _dot(x, v_C)
            change[:] = out_bias_C
            for k in range(groups):
                f = score + of_group[b, k]
                if f > np.float32(0):
                    _add_scaled(change, f, u_BGC[b, k])
            for c in range(channels):
                x[c] += min(max(change[c], least_C[c]), most_C[c])


@_compiled
def _dot(a_C, b_C):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for c in range(len(a_C)):
        total += a_C[c] * b_C[c]
    return total


@_compiled
def _scale(to_C, scale, b_C):  # type: ignore[no-untyped-def]
    for c in range(len(b_C)):
        to_C[c] = scale * b_C[c]


@_compiled
def _add_scaled(to_C, scale, b_C):  # type: ignore[no-untyped-def]
    for c in range(len(b_C)):
        to_C[c] += scale * b_C[c]


@_compiled
def _raise(to_C, b_C):  # type: ignore[no-untyped-def]
    for c in range(len(b_C)):
        to_C[c] = max(to_C[c], b_C[c])
