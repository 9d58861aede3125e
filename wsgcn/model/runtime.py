"""Where and how torch computes: device, threads, determinism, precision."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from wsgcn.base.errors import InputError
from wsgcn.model.cpu import products
from wsgcn.model.params import Precision, Runtime


def prepare(runtime: Runtime) -> torch.device:
    """Choose the device and make torch's results repeatable on it.

    On one machine two runs then give the same bits, at an equal number of threads (SemGCN in float32: at any). Which
    library's products the compiled step takes, see `wsgcn.model.cpu.products`.

    Raises:
        InputError: CUDA is asked for and not there, or a library of products is.
    """
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise InputError("runtime.device: is cuda, but torch sees no CUDA device; use auto or cpu.")
    products.want(runtime.product)
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    # cuBLAS repeats its results only with a workspace of fixed size, set before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As `use_deterministic_algorithms` does, which also imports torch's compiler, for a second.
    torch.set_deterministic_debug_mode("error")
    # Deterministic mode also fills every new tensor with NaN, for code that reads memory it has not written. There is
    # none here, and the filling was 7 % of a training step on the CPU.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Whatever the process was set to: TF32 is for the network in training and only by `tf32_products`.
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    _keep_freed_memory()
    use_cuda = runtime.device == "cuda" or (runtime.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")


def _keep_freed_memory() -> None:
    """Have GNU's allocator hold on to what is freed, up to 2 GB; elsewhere nothing happens.

    A step takes and frees the same few MB over and over. Given back to the system in between, they come as new pages
    that must be cleared: some 15,000 page faults a step, a tenth of its time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    trim_threshold, mmap_threshold = -1, -3  # the names in malloc.h
    mallopt(mmap_threshold, 32 << 20)
    mallopt(trim_threshold, 2**31 - 1)


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raises InputError if the device cannot train in this precision."""
    if precision == "tf32" and device.type != "cuda":
        raise InputError("runtime.precision: is tf32, which only CUDA devices have; use float32.")


@contextmanager
def tf32_products(enabled: bool) -> Iterator[None]:
    """Inside, CUDA's float32 matrix products round their factors to TF32. Autograd does not remember it.

    cuBLAS alone is told: the networks have no convolution in cuDNN's sense.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    if enabled:
        matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision = before
