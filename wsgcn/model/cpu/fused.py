"""SemGCN in training on the CPU in float32: the function of `wsgcn.model.layers`, differentiated by hand as a whole.

The work is done by `wsgcn.model.cpu.kernels`, in as many threads as torch may use, each with its own blocks of the
batch. They meet where a batch norm needs the statistics of the whole batch and nowhere else: what follows a norm is
done by the kernel of the next layer. Each layer keeps its input and the inputs of its batch norms; the rest is made
again in the backward pass, which is cheaper than fetching it from memory. Gradients take the place of what is used up.
The number of threads changes no bit of a result.

Values and gradients agree with the plain layers up to rounding, with one exception, which is exact: a bias that a batch
norm follows has no effect on its output, so it is added to the running mean alone and its gradient is zero. (In the
plain layers it is rounding error, which Adam scales up to a random walk.)
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wsgcn.model import layers
from wsgcn.model.cpu import kernels
from wsgcn.model.cpu.blas import one_thread
from wsgcn.model.cpu.crew import share_out
from wsgcn.model.cpu.kernels import Source
from wsgcn.model.cpu.threads import threads

Gradients = dict[Tensor, Tensor]  # by parameter


def forward(modules: Iterable[nn.Module], x_BJC: Tensor) -> Tensor:
    """The modules one after the other in training mode: a `GraphBlock`, more layers, a `SemGraphConv`.

    Their convolutions may not be channel-wise, and their blocks have no dropout.
    """
    modules = tuple(modules)
    parameters = [parameter for module in modules for parameter in module.parameters()]
    output: Tensor = _Network.apply(x_BJC, modules, parameters, *parameters)
    return output


class _Network(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_BJC: Tensor, modules: tuple[nn.Module, ...], parameters: list[nn.Parameter], *_: Tensor
    ) -> Tensor:
        source = _given(x_BJC.numpy())
        ctx.layers = []
        for module in modules[:-1]:
            layer = _layer_of(module)
            source = layer.forward(source)
            ctx.layers.append(layer)
        ctx.last, ctx.parameters = _Output(modules[-1]), parameters
        return ctx.last.forward(source)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.layers is None:
            raise RuntimeError("SemGCN on the CPU keeps nothing after the backward pass: it can be taken once.")
        gradients: Gradients = {}
        grad = ctx.last.backward(grads[0].contiguous(), gradients)
        for layer in reversed(ctx.layers):
            grad = layer.backward(grad, gradients)
        ctx.layers = None
        return torch.from_numpy(grad.x_BJC), None, None, *(gradients[parameter] for parameter in ctx.parameters)


class _Gradient(NamedTuple):
    """That of a source: of x, and what the backward pass through the norm before it takes from every block."""

    x_BJC: np.ndarray
    sums_N2C: np.ndarray


class _Layer(Protocol):
    def forward(self, source: Source) -> Source: ...

    def backward(self, grad: _Gradient, gradients: Gradients) -> _Gradient:
        """From the gradient of its output to that of its input; enters those of its parameters."""


def _layer_of(module: nn.Module) -> _Layer:
    match module:
        case layers.GraphBlock():
            return _GraphBlock(module)
        case layers.ResidualBlock():
            return _ResidualBlock(module)
        case layers.NonLocal():
            return _NonLocal(module)
        case _:
            raise TypeError(f"{type(module).__name__}: is no layer of SemGCN.")


# The batch, shared out


def _count_blocks(batch: int) -> int:
    return -(-batch // kernels.BLOCK)


def _count_portions(batch: int) -> int:
    return -(-batch // (kernels.BLOCK * kernels.PORTION))


def _run(kernel: Callable[..., None], batch: int, *arguments: Any) -> None:
    """Call a kernel with all blocks of the batch, shared between as many threads as torch may use."""
    with one_thread():
        share_out(kernel, _count_blocks(batch), kernels.PORTION, threads(), *arguments)


def _empty(*shape: int) -> np.ndarray:
    return torch.empty(shape).numpy()  # whose rows start where a register's load does, as numpy's need not


def _of_blocks(batch: int, *shape: int) -> np.ndarray:
    return np.empty((_count_blocks(batch), *shape), np.float32)


def _of_portions(batch: int, *shape: int) -> np.ndarray:
    return np.empty((_count_portions(batch), *shape), np.float32)


def _total(of_blocks: np.ndarray) -> Tensor:
    return torch.from_numpy(of_blocks.sum(0))


# Batch norm


class _Norm:
    """A batch norm by the statistics of one batch: y * scale + shift."""

    def __init__(self, module: nn.BatchNorm1d, y_BJC: np.ndarray, moments_N2C: np.ndarray, bias: nn.Parameter) -> None:
        """By the moments of y's blocks. The running statistics move by those of y + bias."""
        assert module.running_mean is not None
        assert module.running_var is not None
        assert module.num_batches_tracked is not None
        batch, joints, channels = y_BJC.shape
        self.module, self.bias, self.y_BJC = module, bias, y_BJC
        self.count = batch * joints
        self.y_RC = y_BJC.reshape(self.count, channels)
        self.whole_4C = np.empty((4, channels), np.float32)
        self.mean_C, self.affine = self.whole_4C[0], self.whole_4C[2:]
        kernels.norm_of_moments(
            *(moments_N2C, kernels.BLOCK * joints, self.count, module.eps),
            *(module.weight.numpy(), module.bias.numpy(), bias.numpy()),
            *(module.momentum, module.running_mean.numpy(), module.running_var.numpy(), self.whole_4C),
        )
        module.num_batches_tracked.add_(1)

    def output(self, *, is_relu: bool, around_BJC: np.ndarray | None) -> Source:
        is_added = around_BJC is not None
        around_BJC = self.y_BJC if around_BJC is None else around_BJC
        x_BJC = _empty(*self.y_BJC.shape)
        return Source(kernels.MADE, x_BJC, self.y_BJC, self.affine, self.mean_C, is_relu, is_added, around_BJC)

    def passing(self) -> Source:
        """relu(norm(y)), not kept."""
        return Source(kernels.PASSING, self.y_BJC, self.y_BJC, self.affine, self.mean_C, True, False, self.y_BJC)

    def backward(self, sums_N2C: np.ndarray, gradients: Gradients) -> np.ndarray:
        """The rows `of_y` and `constant` of the backward pass, dy = scale * grad + of_y * y + constant."""
        gradient_4C = np.empty_like(self.whole_4C)
        kernels.norm_gradient(sums_N2C, self.whole_4C, self.count, gradient_4C)
        gain, shift = torch.from_numpy(gradient_4C[2:])
        gradients |= {self.module.weight: gain, self.module.bias: shift, self.bias: torch.zeros_like(gain)}
        return gradient_4C[:2]


_NOTHING_BJC = np.zeros((1, 1, 1), np.float32)  # where a kernel wants an array and reads none
_NOTHING_2C, _NOTHING_C = _NOTHING_BJC[0], _NOTHING_BJC[0, 0]


def _given(x_BJC: np.ndarray) -> Source:
    return Source(kernels.GIVEN, x_BJC, _NOTHING_BJC, _NOTHING_2C, _NOTHING_C, False, False, _NOTHING_BJC)


# Graph convolution


_GRADIENT, _OF_NORM, _OF_NORM_RELU = range(3)  # `dy_of` of kernels.convolve_backward


class _Convolution:
    """A graph convolution without its bias: (B, J, C_in) -> (B, J, C_out)."""

    def __init__(self, module: layers.SemGraphConv) -> None:
        self.module = module
        self.weight = module.weight.numpy().reshape(-1, module.weight.shape[2])
        # The non-zeros row by row: where each row starts, and their columns.
        joints = len(module.self_loops_JJ)
        rows, columns = np.divmod(module.edge_index.numpy(), joints)
        self.graph = (np.searchsorted(rows, np.arange(joints + 1)), columns)
        self.a_E = np.empty(len(columns), np.float32)
        kernels.attention(module.edge_weight.numpy(), self.graph[0], self.a_E)

    def forward(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """y, and the moments (N, 2, C_out) of its blocks."""
        self.source = source
        batch, joints, _ = source.x_BJC.shape
        width = self.weight.shape[1]
        y_BJC, moments_N2C = _empty(batch, joints, width), _of_blocks(batch, 2, width)
        y_RC = y_BJC.reshape(-1, width)
        _run(kernels.convolve, batch, source, self.a_E, *self.graph, self.weight, y_RC, moments_N2C)
        return y_BJC, moments_N2C

    def normed(self, source: Source, norm: nn.BatchNorm1d) -> _Norm:
        return _Norm(norm, *self.forward(source), self.module.bias)

    def backward(self, grad_RC: np.ndarray, dx_BJC: np.ndarray, gradients: Gradients) -> _Gradient:
        """From the gradient of y; that of the input is written to dx."""
        return self._back(_GRADIENT, grad_RC, grad_RC, _NOTHING_2C, _NOTHING_2C, False, dx_BJC, gradients)

    def backward_from(
        self,
        norm: _Norm,
        grad: _Gradient,
        dx_BJC: np.ndarray,
        gradients: Gradients,
        *,
        is_relu: bool,
        is_added: bool = False,
    ) -> _Gradient:
        """From the gradient of norm(y) or relu(norm(y)); that of the input is written, or added, to dx.

        It may be written to the place of y, which is not needed any more.
        """
        dy_of = _OF_NORM_RELU if is_relu else _OF_NORM
        of_y_and_constant = norm.backward(grad.sums_N2C, gradients)
        grad_RC = grad.x_BJC.reshape(norm.y_RC.shape)
        return self._back(dy_of, grad_RC, norm.y_RC, norm.affine, of_y_and_constant, is_added, dx_BJC, gradients)

    def _back(
        self,
        dy_of: int,
        grad_RC: np.ndarray,
        y_RC: np.ndarray,
        affine: np.ndarray,
        of_y_and_constant: np.ndarray,
        is_added: bool,
        dx_BJC: np.ndarray,
        gradients: Gradients,
    ) -> _Gradient:
        module, source = self.module, self.source
        batch, _, channels = source.x_BJC.shape
        sums_N2C = _of_blocks(batch, 2, channels)
        dweight_N, dedge_NE = _of_portions(batch, *self.weight.shape), _of_blocks(batch, len(self.a_E))
        _run(
            kernels.convolve_backward,
            batch,
            *(dy_of, grad_RC, y_RC, affine, of_y_and_constant, source, self.a_E, *self.graph, self.weight),
            *(is_added, dx_BJC, dweight_N, dedge_NE, sums_N2C),
        )
        dedge_weight_E = np.empty_like(self.a_E)
        kernels.attention_backward(self.a_E, dedge_NE.sum(0), self.graph[0], dedge_weight_E)
        gradients[module.edge_weight] = torch.from_numpy(dedge_weight_E)
        gradients[module.weight] = _total(dweight_N).view_as(module.weight)
        return _Gradient(dx_BJC, sums_N2C)


# The layers


class _Output:
    def __init__(self, module: nn.Module) -> None:
        assert isinstance(module, layers.SemGraphConv)
        self.convolution = _Convolution(module)

    def forward(self, source: Source) -> Tensor:
        y_BJC, _ = self.convolution.forward(source)
        return torch.from_numpy(y_BJC).add_(self.convolution.module.bias)

    def backward(self, grad_BJC: Tensor, gradients: Gradients) -> _Gradient:
        grad_RC = grad_BJC.flatten(0, 1)
        gradients[self.convolution.module.bias] = grad_RC.sum(0)
        dx_BJC = _empty(*self.convolution.source.x_BJC.shape)
        return self.convolution.backward(grad_RC.numpy(), dx_BJC, gradients)


class _GraphBlock:
    def __init__(self, module: layers.GraphBlock) -> None:
        self.module, self.convolution = module, _Convolution(module.convolution)

    def forward(self, source: Source) -> Source:
        self.norm = self.convolution.normed(source, self.module.norm)
        return self.norm.output(is_relu=True, around_BJC=None)

    def backward(self, grad: _Gradient, gradients: Gradients) -> _Gradient:
        dx_BJC = _empty(*self.convolution.source.x_BJC.shape)
        return self.convolution.backward_from(self.norm, grad, dx_BJC, gradients, is_relu=True)


class _ResidualBlock:
    def __init__(self, module: layers.ResidualBlock) -> None:
        self.module = module
        self.first, self.second = (_Convolution(block.convolution) for block in (module.first, module.second))

    def forward(self, source: Source) -> Source:
        self.norm_1 = self.first.normed(source, self.module.first.norm)
        self.norm_2 = self.second.normed(self.norm_1.passing(), self.module.second.norm)
        return self.norm_2.output(is_relu=True, around_BJC=source.x_BJC)

    def backward(self, grad: _Gradient, gradients: Gradients) -> _Gradient:
        grad_1 = self.second.backward_from(self.norm_2, grad, self.norm_2.y_BJC, gradients, is_relu=True)
        return self.first.backward_from(self.norm_1, grad_1, grad.x_BJC, gradients, is_relu=False, is_added=True)


class _NonLocal:
    def __init__(self, module: layers.NonLocal) -> None:
        self.module = module
        theta, phi, g = module.theta, module.phi, module.g
        inner, channels = theta.weight.shape
        v_C, phi_g_weight = _empty(channels), _empty(2 * inner, channels)
        w_2H = module.score.weight[0].numpy()
        constant = kernels.fold(
            *(theta.weight.numpy(), theta.bias.numpy(), phi.weight.numpy(), phi.bias.numpy(), g.weight.numpy()),
            *(w_2H, v_C, phi_g_weight),
        )
        self.fixed = (
            *(v_C, constant, w_2H[inner:], phi_g_weight, g.bias.numpy()),
            *(module.out.weight.contiguous().numpy(), module.group_members.numpy()),
        )

    def forward(self, source: Source) -> Source:
        module = self.module
        self.source = source
        batch, joints, channels = source.x_BJC.shape
        inner = len(module.g.bias)
        self.kept = (_empty(batch, joints, 2 * inner), _empty(batch, joints), _empty(batch, joints, inner))
        u_BJC, moments_N2C = _empty(batch, joints, channels), _of_blocks(batch, 2, channels)
        _run(kernels.attend, batch, source, *self.fixed, *self.kept, u_BJC.reshape(-1, channels), moments_N2C)
        self.norm = _Norm(module.norm, u_BJC, moments_N2C, module.out.bias)
        return self.norm.output(is_relu=False, around_BJC=source.x_BJC)

    def backward(self, grad: _Gradient, gradients: Gradients) -> _Gradient:
        module, source, norm = self.module, self.source, self.norm
        batch, _, channels = source.x_BJC.shape
        inner = len(module.g.bias)
        of_y_and_constant = norm.backward(grad.sums_N2C, gradients)
        dx = _Gradient(grad.x_BJC, _of_blocks(batch, 2, channels))
        # dv, dconstant, dw_phi, dphi_g_weight, dg_bias and dout_weight
        of_blocks = [
            *(_of_blocks(batch, channels), _of_blocks(batch), _of_blocks(batch, inner)),
            *(_of_portions(batch, 2 * inner, channels), _of_blocks(batch, inner), _of_portions(batch, channels, inner)),
        ]
        _run(
            kernels.attend_backward,
            batch,
            *(grad.x_BJC, norm.y_RC, norm.affine, of_y_and_constant, source, *self.fixed, *self.kept),
            *(*of_blocks, dx.sums_N2C),
        )
        dv_C, dconstant, dw_phi_H, dphi_g_weight, dg_bias_H, dout_weight = (of_block.sum(0) for of_block in of_blocks)
        dw_2H = np.concatenate((np.empty_like(dw_phi_H), dw_phi_H))
        dtheta_weight, dtheta_bias_H, dphi_bias_H = _empty(inner, channels), _empty(inner), _empty(inner)
        kernels.fold_backward(
            *(module.theta.weight.numpy(), module.theta.bias.numpy(), module.phi.bias.numpy()),
            *(module.score.weight[0].numpy(), dv_C, dconstant, dw_2H, dtheta_weight, dtheta_bias_H, dphi_bias_H),
        )
        of_parameters = {
            module.theta.weight: dtheta_weight,
            module.theta.bias: dtheta_bias_H,
            module.phi.weight: dphi_g_weight[:inner],
            module.phi.bias: dphi_bias_H,
            module.g.weight: dphi_g_weight[inner:],
            module.g.bias: dg_bias_H,
            module.score.weight: dw_2H[None],
            module.out.weight: dout_weight,
        }
        gradients |= {parameter: torch.from_numpy(gradient) for parameter, gradient in of_parameters.items()}
        return dx
