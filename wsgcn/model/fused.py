"""The layers of `wsgcn.model.layers` for training on the CPU in float32: the same functions, differentiated by hand.

The work is done by `wsgcn.model.kernels`, in as many threads as torch may use, each with its own blocks of the batch. A
layer keeps its input and the inputs of its batch norms; the rest is made again on the way back, which is cheaper than
fetching it from memory. The number of threads changes no bit of a result.

Values and gradients agree with the plain layers up to rounding, with one exception, which is exact: a bias that a batch
norm follows has no effect on its output, so it is added to the running mean alone and its gradient is zero. (In the
plain layers it is rounding error, which Adam scales up to a random walk.)
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wsgcn.model import kernels

Graph = tuple[np.ndarray, np.ndarray]  # `first` and `column` of `wsgcn.model.kernels`


def _count_blocks(batch: int) -> int:
    return -(-batch // kernels.BLOCK)


def _run(kernel: Callable[..., None], batch: int, *arguments: Any) -> None:
    """Call a kernel with all blocks of the batch, shared out between the threads."""
    blocks = _count_blocks(batch)
    threads = min(torch.get_num_threads(), blocks)
    bounds = [blocks * thread // threads for thread in range(threads + 1)]
    others = [_pool(threads).submit(kernel, *bounds[n : n + 2], *arguments) for n in range(1, threads)]
    kernel(*bounds[:2], *arguments)
    for other in others:
        other.result()


@functools.lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "block")


def _empty(*shape: int) -> np.ndarray:
    return torch.empty(shape).numpy()  # whose rows start where a register's load does, as numpy's need not


# Batch norm


class _Norm:
    """A batch norm by the statistics of one batch: y * scale + shift."""

    def __init__(self, norm_4C: np.ndarray) -> None:
        self.whole_4C = norm_4C
        self.mean_C, self.affine = norm_4C[0], norm_4C[2:]

    @classmethod
    def of(cls, moments_N2C: np.ndarray, count: int, rows: int, norm: nn.BatchNorm1d, bias_C: Tensor) -> "_Norm":
        """Batch norm of y by the moments of its blocks of `rows`; moves the running ones by those of y + bias."""
        norm_4C = np.empty((4, moments_N2C.shape[2]), np.float32)
        parameters = (norm.weight.detach().numpy(), norm.bias.detach().numpy(), bias_C.numpy())
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        running = (norm.running_mean.numpy(), norm.running_var.numpy())
        kernels.norm_of_moments(moments_N2C, rows, count, norm.eps, *parameters, norm.momentum, *running, norm_4C)
        norm.num_batches_tracked.add_(1)
        return cls(norm_4C)

    def output(self, y_RC: np.ndarray, x_BJC: np.ndarray, *, is_relu: bool, is_added: bool) -> Tensor:
        """norm(y) or its ReLU, plus x if it is added: (B, J, C)."""
        batch, joints = x_BJC.shape[:2]
        out_RC = torch.empty(y_RC.shape)
        x_RC = x_BJC.reshape(len(y_RC), -1)
        arguments = (y_RC, self.affine, is_relu, is_added, x_RC, out_RC.numpy())
        _run(kernels.norm, batch, kernels.BLOCK * joints, *arguments)
        return out_RC.view(batch, joints, -1)

    def sums(self, grad_RC: np.ndarray, y_RC: np.ndarray, joints: int, *, is_relu: bool) -> np.ndarray:
        """Of each block, the sum of the gradient that reaches the norm, and of it times y - mean: (N, 2, C)."""
        batch = len(y_RC) // joints
        sums_N2C = np.empty((_count_blocks(batch), 2, y_RC.shape[1]), np.float32)
        arguments = (grad_RC, y_RC, self.affine, self.mean_C, is_relu, sums_N2C)
        _run(kernels.norm_backward_sums, batch, kernels.BLOCK * joints, *arguments)
        return sums_N2C

    def backward(self, sums_N2C: np.ndarray, count: int) -> "_NormGradient":
        gradient_4C = np.empty_like(self.whole_4C)
        kernels.norm_gradient(sums_N2C, self.whole_4C, count, gradient_4C)
        gain, shift = torch.from_numpy(gradient_4C[2:])
        return _NormGradient(gradient_4C[:2], torch.zeros_like(gain), gain, shift)


class _NormGradient(NamedTuple):
    """The way back through a batch norm, dy = scale * grad + of_y * y + constant, and its parameters' gradients."""

    of_y_and_constant: np.ndarray  # (2, C)
    bias: Tensor  # that of the layer before it: zero
    gain: Tensor
    shift: Tensor


# Graph convolution


_GRADIENT, _OF_NORM, _OF_NORM_RELU = range(3)  # `dy_of` of kernels.convolve_backward


@dataclass(frozen=True)
class _Convolution:
    """A graph convolution without its bias: (B, J, C_in) -> (B * J, C_out). With `before`, of relu(norm(x))."""

    graph: Graph
    a_E: np.ndarray
    weight: np.ndarray  # (2 C_in, C_out)
    before: _Norm | None = None

    @classmethod
    def of(cls, edge_weight_E: Tensor, weight: Tensor, graph: Graph, before: _Norm | None = None) -> "_Convolution":
        a_E = np.empty(len(graph[1]), np.float32)
        kernels.attention(edge_weight_E.numpy(), graph[0], a_E)
        return cls(graph, a_E, weight.numpy(), before)

    def forward(self, x_BJC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y, and the moments (N, 2, C_out) of its blocks."""
        batch, joints, _ = x_BJC.shape
        y_RC = _empty(batch * joints, self.weight.shape[1])
        moments_N2C = np.empty((_count_blocks(batch), 2, self.weight.shape[1]), np.float32)
        before = self.before or _NO_NORM
        _run(
            kernels.convolve,
            batch,
            *(x_BJC, self.before is not None, before.affine, self.a_E, *self.graph, self.weight, y_RC, moments_N2C),
        )
        return y_RC, moments_N2C

    def normed(self, x_BJC: np.ndarray, norm: nn.BatchNorm1d, bias: Tensor) -> tuple[np.ndarray, _Norm]:
        """y, and its batch norm."""
        y_RC, moments_N2C = self.forward(x_BJC)
        return y_RC, _Norm.of(moments_N2C, len(y_RC), kernels.BLOCK * x_BJC.shape[1], norm, bias)

    def backward(
        self,
        x_BJC: np.ndarray,
        grad_RC: np.ndarray,
        dy_of: int,
        y_RC: np.ndarray,
        norm: _Norm,
        of_y_and_constant: np.ndarray,
        add_BJC: np.ndarray | None = None,
    ) -> "_ConvolutionGradient":
        """Back through `forward` and, by `dy_of`, what follows it. `add_BJC` is added to the gradient of x."""
        batch, _, channels = x_BJC.shape
        blocks = _count_blocks(batch)
        before = self.before or _NO_NORM
        dx_BJC = _empty(*x_BJC.shape)
        dweight_N = np.empty((blocks, *self.weight.shape), np.float32)
        dedge_NE = np.empty((blocks, len(self.graph[1])), np.float32)
        sums_N2C = np.empty((blocks, 2, channels), np.float32)
        _run(
            kernels.convolve_backward,
            batch,
            *(dy_of, grad_RC, y_RC, norm.affine, of_y_and_constant),
            *(x_BJC, self.before is not None, before.affine, before.mean_C),
            *(self.a_E, *self.graph, self.weight),
            *(add_BJC is not None, x_BJC if add_BJC is None else add_BJC, dx_BJC, dweight_N, dedge_NE, sums_N2C),
        )
        dedge_weight_E = np.empty(len(self.graph[1]), np.float32)
        kernels.attention_backward(self.a_E, dedge_NE.sum(0), self.graph[0], dedge_weight_E)
        parameters = (torch.from_numpy(dedge_weight_E), torch.from_numpy(dweight_N.sum(0)))
        return _ConvolutionGradient(dx_BJC, parameters, sums_N2C)


class _ConvolutionGradient(NamedTuple):
    x_BJC: np.ndarray  # with `before`, of the norm's output, whose sums are
    parameters: tuple[Tensor, Tensor]  # edge weights, weight
    sums_N2C: np.ndarray


_NO_NORM = _Norm(np.zeros((4, 1), np.float32))  # where a kernel wants one and reads none


# The layers


class _GraphConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BJC: Tensor, edge_weight_E: Tensor, weight: Tensor, bias: Tensor, graph: Graph) -> Tensor:
        ctx.convolution = _Convolution.of(edge_weight_E, weight, graph)
        ctx.save_for_backward(x_BJC)
        y_RC, _ = ctx.convolution.forward(x_BJC.numpy())
        return torch.from_numpy(y_RC).add_(bias).view(*x_BJC.shape[:2], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x_BJC,) = ctx.saved_tensors
        dy_RC = grads[0].flatten(0, 1).contiguous()
        dy = dy_RC.numpy()
        through = ctx.convolution.backward(x_BJC.numpy(), dy, _GRADIENT, dy, _NO_NORM, _NO_NORM.affine)
        return torch.from_numpy(through.x_BJC), *through.parameters, dy_RC.sum(0), None


class _GraphBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_BJC: Tensor,
        edge_weight_E: Tensor,
        weight: Tensor,
        bias: Tensor,
        gain: Tensor,
        shift: Tensor,
        graph: Graph,
        norm: nn.BatchNorm1d,
    ) -> Tensor:
        x = x_BJC.numpy()
        ctx.convolution = _Convolution.of(edge_weight_E, weight, graph)
        ctx.y, ctx.norm = ctx.convolution.normed(x, norm, bias)
        ctx.save_for_backward(x_BJC)
        return ctx.norm.output(ctx.y, x, is_relu=True, is_added=False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x_BJC,) = ctx.saved_tensors
        y, joints = ctx.y, x_BJC.shape[1]
        grad = grads[0].contiguous().numpy().reshape(y.shape)
        norm = ctx.norm.backward(ctx.norm.sums(grad, y, joints, is_relu=True), len(y))
        through = ctx.convolution.backward(x_BJC.numpy(), grad, _OF_NORM_RELU, y, ctx.norm, norm.of_y_and_constant)
        return torch.from_numpy(through.x_BJC), *through.parameters, *norm[1:], None, None


class _ResidualBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_BJC: Tensor,
        edge_weight_1: Tensor,
        weight_1: Tensor,
        bias_1: Tensor,
        gain_1: Tensor,
        shift_1: Tensor,
        edge_weight_2: Tensor,
        weight_2: Tensor,
        bias_2: Tensor,
        gain_2: Tensor,
        shift_2: Tensor,
        graph: Graph,
        norms: tuple[nn.BatchNorm1d, nn.BatchNorm1d],
    ) -> Tensor:
        x = x_BJC.numpy()
        ctx.first = _Convolution.of(edge_weight_1, weight_1, graph)
        ctx.y_1, norm_1 = ctx.first.normed(x, norms[0], bias_1)
        ctx.second = _Convolution.of(edge_weight_2, weight_2, graph, before=norm_1)
        ctx.y_2, ctx.norm_2 = ctx.second.normed(ctx.y_1.reshape(x.shape), norms[1], bias_2)
        ctx.save_for_backward(x_BJC)
        return ctx.norm_2.output(ctx.y_2, x, is_relu=True, is_added=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x_BJC,) = ctx.saved_tensors
        x, y_1, y_2 = x_BJC.numpy(), ctx.y_1, ctx.y_2
        grad_BJC = grads[0].contiguous().numpy()
        grad = grad_BJC.reshape(y_2.shape)
        norm_2 = ctx.norm_2.backward(ctx.norm_2.sums(grad, y_2, x.shape[1], is_relu=True), len(y_2))
        second = ctx.second.backward(
            y_1.reshape(x.shape), grad, _OF_NORM_RELU, y_2, ctx.norm_2, norm_2.of_y_and_constant
        )
        norm_1 = ctx.second.before.backward(second.sums_N2C, len(y_1))
        grad_1 = second.x_BJC.reshape(y_1.shape)
        first = ctx.first.backward(
            x, grad_1, _OF_NORM, y_1, ctx.second.before, norm_1.of_y_and_constant, add_BJC=grad_BJC
        )
        of_first, of_second = (*first.parameters, *norm_1[1:]), (*second.parameters, *norm_2[1:])
        return torch.from_numpy(first.x_BJC), *of_first, *of_second, None, None


class _NonLocal(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_BJC: Tensor,
        v_C: Tensor,
        constant: Tensor,
        w_phi_H: Tensor,
        phi_g_weight: Tensor,
        g_bias_H: Tensor,
        out_weight: Tensor,
        out_bias: Tensor,
        gain: Tensor,
        shift: Tensor,
        members: np.ndarray,
        norm: nn.BatchNorm1d,
    ) -> Tensor:
        x = x_BJC.numpy()
        batch, joints, channels = x.shape
        inner = len(w_phi_H)
        phi_g, score = _empty(batch, joints, 2 * inner), _empty(batch, joints)
        y, u = _empty(batch, joints, inner), _empty(batch * joints, channels)
        moments_N2C = np.empty((_count_blocks(batch), 2, channels), np.float32)
        fixed = (
            *(v_C.numpy(), np.float32(constant.item()), w_phi_H.contiguous().numpy()),
            *(phi_g_weight.numpy(), g_bias_H.numpy(), out_weight.numpy(), members),
        )
        _run(
            kernels.attend,
            batch,
            *(x, *fixed, phi_g, score, y, u, moments_N2C),
        )
        ctx.norm = _Norm.of(moments_N2C, len(u), kernels.BLOCK * joints, norm, out_bias)
        ctx.fixed = fixed
        ctx.kept = (phi_g, score, y, u)
        ctx.save_for_backward(x_BJC)
        return ctx.norm.output(u, x, is_relu=False, is_added=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x_BJC,) = ctx.saved_tensors
        batch, joints, channels = x_BJC.shape
        phi_g, score, y, u = ctx.kept
        inner = y.shape[2]
        grad = grads[0].contiguous().numpy().reshape(u.shape)
        norm = ctx.norm.backward(ctx.norm.sums(grad, u, joints, is_relu=False), len(u))
        dx = torch.empty(x_BJC.shape)
        # dv, dconstant, dw_phi, dphi_g_weight, dg_bias and dout_weight of each block
        shapes = ((channels,), (), (inner,), (2 * inner, channels), (inner,), (channels, inner))
        of_blocks = [np.empty((_count_blocks(batch), *shape), np.float32) for shape in shapes]
        _run(
            kernels.attend_backward,
            batch,
            *(grad, ctx.norm.affine, norm.of_y_and_constant, x_BJC.numpy(), *ctx.fixed, phi_g, score, y, u),
            *(dx.numpy().reshape(u.shape), *of_blocks),
        )
        parameters = (torch.as_tensor(of_block.sum(0)) for of_block in of_blocks)
        return dx, *parameters, *norm[1:], None, None


graph_convolution = _GraphConvolution.apply
graph_block = _GraphBlock.apply
residual_block = _ResidualBlock.apply
non_local = _NonLocal.apply
