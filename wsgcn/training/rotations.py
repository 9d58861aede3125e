"""Random numbers without a state, and rotations by them: what augmentation computes with.

The random numbers are a hash of seed, step and position (`uniform`): a resumed run draws what the unbroken run would
have drawn, on any device and in any number of threads.
"""

import math
from typing import Any

import torch
from torch import Tensor


def uniform(seed: int, step: int | Tensor, rows: int, columns: int, device: torch.device) -> Tensor:
    """Random numbers (rows, columns) in [0, 1), float32: a hash of seed, step, row and column.

    The hash is Chris Wellons' "lowbias32" (hash-prospector), in int64 because torch lacks products of uint32.
    """
    counter = torch.arange(rows * columns, device=device)
    key = _hash(_hash(seed & 0xFFFFFFFF) ^ (step & 0xFFFFFFFF))
    hashed = _hash(_hash(counter) ^ key)
    return ((hashed >> 8).float() * 2**-24).view(rows, columns)


def _hash(x: Any) -> Any:
    """lowbias32 of integers in [0, 2^32), a number or a tensor."""
    x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
    return x ^ (x >> 16)


def normal(uniform_: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones, one for one: the inverse of the distribution, within +-5.3."""
    return torch.special.ndtri(uniform_.clamp(2**-24, 1 - 2**-24))


# On the CPU MKL computes torch's exp, sin, cos and erfinv with all threads, and waking them took 0.3 ms a call, more
# than half of the time of a batch in all. What is used here instead is computed in the thread that asks.


def exp(x: Tensor) -> Tensor:
    return torch.pow(math.e, x)


def cos_sin(angle: Tensor) -> tuple[Tensor, Tensor]:
    circle = torch.polar(torch.ones_like(angle), angle)
    return circle.real, circle.imag


def about_z(angle_B: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about the third axis."""
    cos, sin = cos_sin(angle_B)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), -1).unflatten(-1, (3, 3))


def about_x(angle_B: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about the first axis."""
    cos, sin = cos_sin(angle_B)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack((one, zero, zero, zero, cos, -sin, zero, sin, cos), -1).unflatten(-1, (3, 3))


def about_y(angle_B: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about the second axis."""
    cos, sin = cos_sin(angle_B)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack((cos, zero, sin, zero, one, zero, -sin, zero, cos), -1).unflatten(-1, (3, 3))
