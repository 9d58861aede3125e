"""Where and how torch computes: device, threads, determinism."""

import os

import torch

from wsgcn.errors import InputError
from wsgcn.params import Runtime


def prepare(runtime: Runtime) -> torch.device:
    """Choose the device and make torch's results repeatable on it.

    On one machine at an equal number of threads, two runs then give the same bits.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise InputError("runtime.device: is cuda, but torch sees no CUDA device; use auto or cpu.")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    # cuBLAS repeats its results only with a workspace of fixed size, set before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    use_cuda = runtime.device == "cuda" or (runtime.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")
