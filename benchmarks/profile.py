"""Where the time of a weak training step on the CPU goes, and the bytes that it moves.

    python -m benchmarks.profile           the step as it is: by function
    python -m benchmarks.profile --plain   through the plain layers: by operation of torch

The bytes are those that torch's operations read and write, each operation's tensors once; they are counted with --plain
only, since torch does not see into the compiled kernels (docs/performance.md counts those by hand).
"""

import argparse
import cProfile
import pstats
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.random_training import Training
from benchmarks.recipes import published_params
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.runtime import prepare

_POSES, _STEPS, _ROWS = 20_000, 10, 25


class _Bytes(TorchDispatchMode):
    """Counts the bytes of the tensors that operations inside read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, out)) if isinstance(leaf, Tensor)]
            self.total += sum(tensor.untyped_storage().nbytes() for tensor in tensors)
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--plain", action="store_true", help="through the layers in plain torch")
    is_plain = parser.parse_args().plain
    params = published_params()
    device = prepare(params.runtime.model_copy(update={"device": "cpu"}))
    training = Training(params, "weak", "float32", device, labelled=_POSES, unlabelled=_POSES)
    run = training.runner(is_captured=False)
    if not is_plain:
        run(_STEPS)
        with cProfile.Profile() as profile:
            run(_STEPS)
        pstats.Stats(profile).sort_stats("tottime").print_stats(_ROWS)
        return
    with plain_layers():
        run(_STEPS)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            run(_STEPS)
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=_ROWS))
        with _Bytes() as counted:
            run(1)
        print(f"{counted.total / 1e9:.2f} GB a step")


if __name__ == "__main__":
    main()
