"""What a training step on the CPU computes for one part of the batch, compiled by numba.

`wsgcn.model.layers` holds the same layers in plain torch, operation by operation over the whole batch. Here a thread
takes one block of `BLOCK` samples after another from batch norm to batch norm, where the whole batch must meet, so that
what one operation writes is in its cache when the next one reads it, and everything elementwise is one pass. The
kernels with no underscore are called by `wsgcn.model.cpu.fused`: they do the blocks that they take of `work` (see
`wsgcn.model.cpu.crew`), hold no interpreter lock, and take the outputs as their last parameters. What is a sum over the
batch they give for each block (N), so that no bit depends on which thread took which block.

All is float32 and C-contiguous; nothing is checked. R is B * J rows, H the inner width of the non-local layer. `first`
(J + 1,) and `column` list the non-zeros of the adjacency, E, row by row. z holds both halves of a graph convolution
side by side: (A * I) x and (A * (1 - I)) x, where a_E are A's non-zeros. `affine` (2, C) is a batch norm as scale and
shift, `moments` (N, 2, C) hold the mean of a block's rows and the sum of squared differences from it.
"""

from typing import NamedTuple

import numpy as np

from wsgcn.model.cpu.blas import product, set_threads
from wsgcn.model.cpu.crew import next_block
from wsgcn.model.cpu.vectors import add_scaled, dot, vectorised

BLOCK = 16  # samples: the widest activation of a block at the paper's setting is a quarter of a megabyte
PORTION = 2  # blocks that one thread takes together, and whose shares of a weight's gradient are added up at once

GIVEN, MADE, PASSING = range(3)


class Source(NamedTuple):
    """The input x of a layer, which is the output of the layer before, from that layer's batch norm on.

    x = norm(y) or (is_relu) relu(norm(y)), plus (is_added) what goes around it. MADE, it is written to x_BJC by the
    kernel that reads it first. PASSING, a ReLU with nothing added, it is made where it is used and not kept, and y is
    in x_BJC. GIVEN, it comes from outside, and there is no y.
    """

    kind: int
    x_BJC: np.ndarray
    y_BJC: np.ndarray
    affine: np.ndarray
    mean_C: np.ndarray
    is_relu: bool
    is_added: bool
    around_BJC: np.ndarray


# The input of a layer


@vectorised
def _make(source, start, stop):  # type: ignore[no-untyped-def]
    """x of the samples start to stop."""
    joints, channels = source.x_BJC.shape[1:]
    scale, shift = source.affine[0], source.affine[1]
    least = np.float32(0) if source.is_relu else -np.float32(np.inf)
    for b in range(start, stop):
        for i in range(joints):
            x, y = source.x_BJC[b, i], source.y_BJC[b, i]
            if source.is_added:
                around = source.around_BJC[b, i]
                for c in range(channels):
                    x[c] = around[c] + max(y[c] * scale[c] + shift[c], least)
            else:
                for c in range(channels):
                    x[c] = max(y[c] * scale[c] + shift[c], least)


@vectorised
def _sum_gradient(source, dx_BJC, start, stop, total_C, product_C):  # type: ignore[no-untyped-def]
    """The sums of the gradient that reaches the norm, and of it times y - mean, over the samples start to stop."""
    joints, channels = source.x_BJC.shape[1:]
    scale, shift, mean_C = source.affine[0], source.affine[1], source.mean_C
    total_C[:] = np.float32(0)
    product_C[:] = np.float32(0)
    for b in range(start, stop):
        for i in range(joints):
            dx, y = dx_BJC[b, i], source.y_BJC[b, i]
            if source.is_relu:
                for c in range(channels):
                    is_on = y[c] * scale[c] + shift[c] > np.float32(0)
                    grad = dx[c] if is_on else np.float32(0)
                    total_C[c] += grad
                    product_C[c] += grad * (y[c] - mean_C[c])
            else:
                for c in range(channels):
                    total_C[c] += dx[c]
                    product_C[c] += dx[c] * (y[c] - mean_C[c])


# The convolution


@vectorised
def attention(edge_weight_E, first, a_E):  # type: ignore[no-untyped-def]
    """The softmax of each row of A."""
    for i in range(len(first) - 1):
        row = edge_weight_E[first[i] : first[i + 1]]
        exponential = np.exp(row - row.max())
        a_E[first[i] : first[i + 1]] = exponential / exponential.sum()


@vectorised
def attention_backward(a_E, da_E, first, dedge_weight_E):  # type: ignore[no-untyped-def]
    """Back through `attention`."""
    for i in range(len(first) - 1):
        row = slice(first[i], first[i + 1])
        dedge_weight_E[row] = a_E[row] * (da_E[row] - (a_E[row] * da_E[row]).sum())


@vectorised
def convolve(work, source, a_E, first, column, weight, y_RC, moments_N2C):  # type: ignore[no-untyped-def]
    """y = z weight."""
    batch, joints, channels = source.x_BJC.shape
    z = np.empty((BLOCK, joints, 2 * channels), np.float32)
    scratch = np.empty((joints, channels), np.float32)
    threads = set_threads(1)
    n = next_block(work, -1)
    while n >= 0:
        start, stop = n * BLOCK, min(batch, (n + 1) * BLOCK)
        if source.kind == MADE:
            _make(source, start, stop)
        _mix_block(source, start, stop, a_E, first, column, scratch, z)
        y = y_RC[start * joints : stop * joints]
        product(z.reshape(BLOCK * joints, 2 * channels)[: len(y)], weight, y, False, False)
        _moments(y, moments_N2C[n, 0], moments_N2C[n, 1])
        n = next_block(work, n)
    set_threads(threads)


@vectorised
def _mix_block(source, start, stop, a_E, first, column, scratch_JC, z_BJ2C):  # type: ignore[no-untyped-def]
    for b in range(start, stop):
        x = source.x_BJC[b]
        if source.kind == PASSING:
            _norm_relu(x, source.affine, scratch_JC)
            _mix(scratch_JC, a_E, first, column, z_BJ2C[b - start])
        else:
            _mix(x, a_E, first, column, z_BJ2C[b - start])


@vectorised
def convolve_backward(  # type: ignore[no-untyped-def]
    work,
    dy_of,
    grad_RC,
    y_RC,
    affine,
    of_y_and_constant,
    source,
    a_E,
    first,
    column,
    weight,
    is_added,
    dx_BJC,
    dweight_N,
    dedge_NE,
    sums_N2C,
):
    """Back through `convolve`, and the sums that the backward pass through the source's norm takes.

    dy is grad itself (dy_of 0), or follows from it through a batch norm of y (1), or a ReLU and a batch norm (2). With
    is_added, dx is added to what is there. dx of a PASSING source is the gradient of its norm's output. It may lie in
    the place of grad or y.
    """
    batch, joints, channels = source.x_BJC.shape
    width = weight.shape[1]
    z = np.empty((BLOCK, joints, 2 * channels), np.float32)  # and dz in the same place, once z is used: less to cache
    dy = np.empty((BLOCK * joints, width), np.float32)
    scratch = np.empty((joints, channels), np.float32)
    threads = set_threads(1)
    n = next_block(work, -1)
    while n >= 0:
        start, stop = n * BLOCK, min(batch, (n + 1) * BLOCK)
        rows = (stop - start) * joints
        grad, y = grad_RC[start * joints : stop * joints], y_RC[start * joints : stop * joints]
        dy_block = dy[:rows]
        if dy_of == 2:
            _norm_relu_backward(grad, y, affine, of_y_and_constant, dy_block)
        elif dy_of == 1:
            _norm_backward(grad, y, affine, of_y_and_constant, dy_block)
        else:
            dy_block[:] = grad
        _mix_block(source, start, stop, a_E, first, column, scratch, z)
        z_RC = z.reshape(BLOCK * joints, 2 * channels)[:rows]
        product(z_RC, dy_block, dweight_N[n // PORTION], True, False, n % PORTION > 0)
        product(dy_block, weight, z_RC, False, True)
        dedge_NE[n] = np.float32(0)
        sums_N2C[n] = np.float32(0)
        for b in range(start, stop):
            x, dx = source.x_BJC[b], dx_BJC[b]
            if not is_added:
                dx[:] = np.float32(0)
            if source.kind == PASSING:
                _norm_relu(x, source.affine, scratch)
                _mix_backward(z[b - start], scratch, a_E, first, column, dx, dedge_NE[n])
                _relu_backward_and_sum(scratch, x, source.mean_C, dx, sums_N2C[n, 0], sums_N2C[n, 1])
            else:
                _mix_backward(z[b - start], x, a_E, first, column, dx, dedge_NE[n])
        if source.kind == MADE:
            _sum_gradient(source, dx_BJC, start, stop, sums_N2C[n, 0], sums_N2C[n, 1])
        n = next_block(work, n)
    set_threads(threads)


@vectorised
def _mix(x_JC, a_E, first, column, z_J2C):  # type: ignore[no-untyped-def]
    joints, channels = x_JC.shape
    for i in range(joints):
        z_J2C[i] = np.float32(0)
        for e in range(first[i], first[i + 1]):
            j = column[e]
            a = a_E[e]
            start = 0 if i == j else channels
            add_scaled(z_J2C[i, start:], a, x_JC[j])


@vectorised
def _mix_backward(dz_J2C, x_JC, a_E, first, column, dx_JC, dedge_E):  # type: ignore[no-untyped-def]
    """Adds to dx and to the gradients of the entries of A."""
    joints, channels = x_JC.shape
    for i in range(joints):
        for e in range(first[i], first[i + 1]):
            j = column[e]
            a = a_E[e]
            start = 0 if i == j else channels
            dot = np.float32(0)
            for c in range(channels):
                dx_JC[j, c] += a * dz_J2C[i, start + c]
                dot += dz_J2C[i, start + c] * x_JC[j, c]
            dedge_E[e] += dot


# Batch norm


@vectorised
def _moments(y_RC, mean_C, square_C):  # type: ignore[no-untyped-def]
    rows, channels = y_RC.shape
    mean_C[:] = np.float32(0)
    square_C[:] = np.float32(0)
    for r in range(rows):
        for c in range(channels):
            mean_C[c] += y_RC[r, c]
    for c in range(channels):
        mean_C[c] /= np.float32(rows)
    for r in range(rows):
        for c in range(channels):
            difference = y_RC[r, c] - mean_C[c]
            square_C[c] += difference * difference


@vectorised
def norm_of_moments(  # type: ignore[no-untyped-def]
    moments_N2C, rows, count, eps, gain_C, shift_C, bias_C, momentum, running_mean_C, running_variance_C, norm_4C
):
    """A batch norm of `count` rows in blocks of `rows`, as mean, 1 / deviation, scale and shift.

    The running statistics move by those of y + bias. All in float64 from the blocks' own means, so that a large mean
    costs no digits of the variance.
    """
    for c in range(moments_N2C.shape[2]):
        mean = 0.0
        for n in range(len(moments_N2C)):
            mean += np.float64(moments_N2C[n, 0, c]) * (min(count, (n + 1) * rows) - n * rows)
        mean /= count
        square = 0.0
        for n in range(len(moments_N2C)):
            off = moments_N2C[n, 0, c] - mean
            square += moments_N2C[n, 1, c] + off * off * (min(count, (n + 1) * rows) - n * rows)
        inverse_deviation = 1 / np.sqrt(square / count + eps)
        scale = gain_C[c] * inverse_deviation
        norm_4C[0, c], norm_4C[1, c] = mean, inverse_deviation
        norm_4C[2, c], norm_4C[3, c] = scale, shift_C[c] - mean * scale
        running_mean_C[c] += momentum * (mean + bias_C[c] - running_mean_C[c])
        running_variance_C[c] += momentum * (square / (count - 1) - running_variance_C[c])


@vectorised
def norm_gradient(sums_N2C, norm_4C, count, gradient_4C):  # type: ignore[no-untyped-def]
    """Back through a batch norm by the sums of its blocks: `of_y_and_constant` (2, C), then dgain and dshift."""
    for c in range(sums_N2C.shape[2]):
        total, product_with_y = 0.0, 0.0
        for n in range(len(sums_N2C)):
            total += sums_N2C[n, 0, c]
            product_with_y += sums_N2C[n, 1, c]
        inverse_deviation = np.float64(norm_4C[1, c])
        of_y = -norm_4C[2, c] * inverse_deviation * inverse_deviation * product_with_y / count
        gradient_4C[0, c] = of_y
        gradient_4C[1, c] = -norm_4C[2, c] * total / count - of_y * norm_4C[0, c]
        gradient_4C[2, c], gradient_4C[3, c] = product_with_y * inverse_deviation, total


@vectorised
def _norm_relu(y_RC, affine, out_RC):  # type: ignore[no-untyped-def]
    rows, channels = y_RC.shape
    scale, shift = affine[0], affine[1]
    for r in range(rows):
        for c in range(channels):
            out_RC[r, c] = max(y_RC[r, c] * scale[c] + shift[c], np.float32(0))


@vectorised
def _relu_backward_and_sum(out_JC, y_JC, mean_C, grad_JC, total_C, product_C):  # type: ignore[no-untyped-def]
    """The gradient of a ReLU's input, in place, and its sums."""
    joints, channels = y_JC.shape
    for i in range(joints):
        for c in range(channels):
            grad = grad_JC[i, c] if out_JC[i, c] > np.float32(0) else np.float32(0)
            grad_JC[i, c] = grad
            total_C[c] += grad
            product_C[c] += grad * (y_JC[i, c] - mean_C[c])


@vectorised
def _norm_backward(grad_RC, y_RC, affine, of_y_and_constant, dy_RC):  # type: ignore[no-untyped-def]
    rows, channels = y_RC.shape
    scale, of_y, constant = affine[0], of_y_and_constant[0], of_y_and_constant[1]
    for r in range(rows):
        for c in range(channels):
            dy_RC[r, c] = scale[c] * grad_RC[r, c] + (of_y[c] * y_RC[r, c] + constant[c])


@vectorised
def _norm_relu_backward(grad_RC, y_RC, affine, of_y_and_constant, dy_RC):  # type: ignore[no-untyped-def]
    rows, channels = y_RC.shape
    scale, shift, of_y, constant = affine[0], affine[1], of_y_and_constant[0], of_y_and_constant[1]
    for r in range(rows):
        for c in range(channels):
            is_on = y_RC[r, c] * scale[c] + shift[c] > np.float32(0)
            grad = grad_RC[r, c] if is_on else np.float32(0)
            dy_RC[r, c] = scale[c] * grad + (of_y[c] * y_RC[r, c] + constant[c])


# The non-local layer


@vectorised
def fold(theta_weight, theta_bias_H, phi_weight, phi_bias_H, g_weight, w_2H, v_C, phi_g_weight):  # type: ignore[no-untyped-def]
    """The parameters as `attend` takes them; returns the constant. theta meets w_theta alone, so it is never formed."""
    inner = len(theta_bias_H)
    phi_g_weight[:inner] = phi_weight
    phi_g_weight[inner:] = g_weight
    v_C[:] = np.float32(0)
    constant = np.float32(0)
    for h in range(inner):
        add_scaled(v_C, w_2H[h], theta_weight[h])
        constant += w_2H[h] * theta_bias_H[h] + w_2H[inner + h] * phi_bias_H[h]
    return constant


@vectorised
def fold_backward(  # type: ignore[no-untyped-def]
    theta_weight, theta_bias_H, phi_bias_H, w_2H, dv_C, dconstant, dw_2H, dtheta_weight, dtheta_bias_H, dphi_bias_H
):
    """Back through `fold`. dw_2H holds in its second half what reaches w_phi past it, which is added to."""
    inner = len(theta_bias_H)
    for h in range(inner):
        dw_2H[h] = dot(theta_weight[h], dv_C) + theta_bias_H[h] * dconstant
        dw_2H[inner + h] += phi_bias_H[h] * dconstant
        dtheta_weight[h] = w_2H[h] * dv_C
        dtheta_bias_H[h] = w_2H[h] * dconstant
        dphi_bias_H[h] = w_2H[inner + h] * dconstant


@vectorised
def attend(  # type: ignore[no-untyped-def]
    work,
    source,
    v_C,
    constant,
    w_phi_H,
    phi_g_weight,
    g_bias_H,
    out_weight,
    members,
    phi_g_BJ2H,
    score_BJ,
    y_BJH,
    u_RC,
    moments_N2C,
):
    """u = y W^T with y_i = sum_j relu(x_i . v + w_phi . phi_j + constant) (g_j + bias) / G, of a source to be MADE.

    phi and g are maxima over the joints `members` (largest group, G) of each group.
    """
    batch, joints, channels = source.x_BJC.shape
    groups, inner = members.shape[1], len(w_phi_H)
    pooled = np.empty((groups, 2 * inner), np.float32)
    of_group = np.empty(groups, np.float32)
    threads = set_threads(1)
    n = next_block(work, -1)
    while n >= 0:
        start, stop = n * BLOCK, min(batch, (n + 1) * BLOCK)
        rows = (stop - start) * joints
        _make(source, start, stop)
        phi_g = phi_g_BJ2H[start:stop].reshape(rows, 2 * inner)
        product(source.x_BJC[start:stop].reshape(rows, channels), phi_g_weight, phi_g, False, True)
        for b in range(start, stop):
            y = y_BJH[b]
            _pool(phi_g_BJ2H[b], w_phi_H, constant, members, pooled, of_group)
            for i in range(joints):
                score = dot(source.x_BJC[b, i], v_C)
                score_BJ[b, i] = score
                y[i] = np.float32(0)
                f_sum = np.float32(0)
                for k in range(groups):
                    f = (score + of_group[k]) / np.float32(groups)
                    if f > np.float32(0):
                        f_sum += f
                        add_scaled(y[i], f, pooled[k, inner:])
                add_scaled(y[i], f_sum, g_bias_H)
        u = u_RC[start * joints : stop * joints]
        product(y_BJH[start:stop].reshape(rows, inner), out_weight, u, False, True)
        _moments(u, moments_N2C[n, 0], moments_N2C[n, 1])
        n = next_block(work, n)
    set_threads(threads)


@vectorised
def attend_backward(  # type: ignore[no-untyped-def]
    work,
    grad_BJC,
    u_RC,
    affine,
    of_y_and_constant,
    source,
    v_C,
    constant,
    w_phi_H,
    phi_g_weight,
    g_bias_H,
    out_weight,
    members,
    phi_g_BJ2H,
    score_BJ,
    y_BJH,
    dv_NC,
    dconstant_N,
    dw_phi_NH,
    dphi_g_weight_N,
    dg_bias_NH,
    dout_weight_N,
    sums_N2C,
):
    """Back through x + norm(attend(x)), and the sums that the backward pass through the source's norm takes.

    grad_BJC is replaced by the gradient of x.
    """
    batch, joints, channels = source.x_BJC.shape
    size, groups = members.shape
    inner = len(w_phi_H)
    du = np.empty((BLOCK * joints, channels), np.float32)
    dy = np.empty((BLOCK * joints, inner), np.float32)
    dphi_g = np.empty((BLOCK * joints, 2 * inner), np.float32)
    pooled = np.empty((groups, 2 * inner), np.float32)
    dpooled = np.empty((groups, 2 * inner), np.float32)
    of_group = np.empty(groups, np.float32)
    dof_group = np.empty(groups, np.float32)
    dscore = np.empty(BLOCK * joints, np.float32)
    threads = set_threads(1)
    n = next_block(work, -1)
    while n >= 0:
        start, stop = n * BLOCK, min(batch, (n + 1) * BLOCK)
        rows = (stop - start) * joints
        first_row = start * joints
        grad = grad_BJC[start:stop].reshape(rows, channels)
        _norm_backward(grad, u_RC[first_row : first_row + rows], affine, of_y_and_constant, du[:rows])
        product(
            du[:rows], y_BJH[start:stop].reshape(rows, inner), dout_weight_N[n // PORTION], True, False, n % PORTION > 0
        )
        product(du[:rows], out_weight, dy[:rows], False, False)
        dv_NC[n] = np.float32(0)
        dw_phi_NH[n] = np.float32(0)
        dg_bias_NH[n] = np.float32(0)
        dconstant = np.float32(0)
        for b in range(start, stop):
            phi_g = phi_g_BJ2H[b]
            _pool(phi_g, w_phi_H, constant, members, pooled, of_group)
            dpooled[:] = np.float32(0)
            dof_group[:] = np.float32(0)
            row = (b - start) * joints
            for i in range(joints):
                dy_H = dy[row + i]
                through_bias = dot(dy_H, g_bias_H)
                f_sum = np.float32(0)
                of_score = np.float32(0)
                for k in range(groups):
                    f = (score_BJ[b, i] + of_group[k]) / np.float32(groups)
                    if f > np.float32(0):
                        f_sum += f
                        df = through_bias + dot(dy_H, pooled[k, inner:])
                        add_scaled(dpooled[k, inner:], f, dy_H)
                        df /= np.float32(groups)
                        of_score += df
                        dof_group[k] += df
                dscore[row + i] = of_score
                dconstant += of_score
                add_scaled(dg_bias_NH[n], f_sum, dy_H)
                add_scaled(dv_NC[n], of_score, source.x_BJC[b, i])
            for k in range(groups):
                add_scaled(dpooled[k], dof_group[k], w_phi_H)
                add_scaled(dw_phi_NH[n], dof_group[k], pooled[k, :inner])
                for m in range(size):
                    j = members[m, k]
                    _where_reached(phi_g[j], pooled[k], dpooled[k], dphi_g[row + j])
        dconstant_N[n] = dconstant
        x_RC = source.x_BJC[start:stop].reshape(rows, channels)
        product(dphi_g[:rows], x_RC, dphi_g_weight_N[n // PORTION], True, False, n % PORTION > 0)
        product(dphi_g[:rows], phi_g_weight, du[:rows], False, False)
        for r in range(rows):
            for c in range(channels):
                grad[r, c] += du[r, c] + dscore[r] * v_C[c]
        _sum_gradient(source, grad_BJC, start, stop, sums_N2C[n, 0], sums_N2C[n, 1])
        n = next_block(work, n)
    set_threads(threads)


@vectorised
def _pool(phi_g_J2H, w_phi_H, constant, members, pooled_G2H, of_group_G):  # type: ignore[no-untyped-def]
    """phi and g of each group: the maxima over its joints; and w_phi . phi + constant."""
    size, groups = members.shape
    width = phi_g_J2H.shape[1]
    for k in range(groups):
        pooled_G2H[k] = phi_g_J2H[members[0, k]]
        for m in range(1, size):
            j = members[m, k]
            for h in range(width):
                pooled_G2H[k, h] = max(pooled_G2H[k, h], phi_g_J2H[j, h])
        of_group_G[k] = dot(w_phi_H, pooled_G2H[k]) + constant


@vectorised
def _where_reached(values_H, maximum_H, gradient_H, out_H):  # type: ignore[no-untyped-def]
    for h in range(len(values_H)):
        out_H[h] = gradient_H[h] if values_H[h] >= maximum_H[h] else np.float32(0)
