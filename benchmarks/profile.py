"""Where the time of a training step and of prediction on the CPU goes, by part, and the bytes that a plain step moves.

    python -m benchmarks.profile                      a step of params.yaml, which both stages take
    python -m benchmarks.profile --published weak     of the published recipe: warm-up or weak
    python -m benchmarks.profile --prediction         an evaluation's batch with the network of params.yaml
    python -m benchmarks.profile --plain              the published weak step in plain layers, by operation of torch

The parts are those of the thread that calls; the others share its kernels. On a machine that does other things too
--busy counts the processor's time, which is best looked at with OMP_NUM_THREADS=1, since waiting is none. What a
kernel's time is, the system's profiler says by library, where there is one: MKL's products lie in libtorch_cpu.so, what
numba compiled in no file.

    perf record -e cpu-clock -o data/perf python -m benchmarks.profile
    perf report -i data/perf --stdio --sort dso,symbol --percent-limit 0.5

The bytes are those that torch's operations read and write, each operation's tensors once; they are counted with --plain
only, since torch does not see into the compiled kernels (docs/performance.md counts those by hand).
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.random_training import STAGES, Training, runner_of
from benchmarks.recipe import recipe_training
from benchmarks.recipes import published_params
from benchmarks.report import markdown
from wsgcn.model.cpu import crew, folded, kernels, prediction
from wsgcn.model.cpu.adam import ClippedAdam
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import build_network
from wsgcn.model.predict import predict
from wsgcn.model.runtime import prepare
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.running.params import read_params
from wsgcn.training.averaging import Average
from wsgcn.training.sets import Sets

_POSES, _STEPS, _ROWS = 20_000, 10, 25
_PROFILED_STEPS, _BATCHES = 100, 20

# Functions, none of which calls another, by where they are looked up.
_PARTS: dict[str, tuple[Any, str]] = {
    "graph convolutions, forth": (kernels, "convolve"),
    "graph convolutions, back": (kernels, "convolve_backward"),
    "non-local layers, forth": (kernels, "attend"),
    "non-local layers, back": (kernels, "attend_backward"),
    "prediction's kernel": (prediction, "predict"),
    "waiting for the other threads": (crew._Task, "wait"),
    "drawing and augmenting the batch": (Sets, "batch"),
    "clipping and Adam": (ClippedAdam, "step"),
    "averaging the weights": (Average, "update"),
    "folding the norms into the weights": (folded, "fold"),
}
_REST = "the rest: losses, autograd, Python in between"


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
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--published", choices=STAGES, help="a step of the published recipe")
    what.add_argument("--prediction", action="store_true", help="an evaluation's batch")
    what.add_argument("--plain", action="store_true", help="the published weak step through the layers in plain torch")
    parser.add_argument("--busy", action="store_true", help="count the processor's time in place of the clock's")
    arguments = parser.parse_args()
    if arguments.plain:
        _plain()
        return
    if arguments.prediction:
        run, times = _predicting(), _BATCHES
    else:
        run = _published(arguments.published) if arguments.published else _ours()
        times = _PROFILED_STEPS
    run(_STEPS)
    clock = time.thread_time if arguments.busy else time.perf_counter
    with timed_parts(clock) as spent_s:
        started = clock()
        run(times)
        total_s = clock() - started
    print(by_part(spent_s, total_s, times))


@contextmanager
def timed_parts(clock: Callable[[], float]) -> Iterator[dict[str, float]]:
    """Inside, the seconds that this thread spends in each part are added up."""
    spent_s = dict.fromkeys(_PARTS, 0.0)
    here = threading.get_ident()

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != here:
                return function(*args, **kwargs)
            started = clock()
            try:
                return function(*args, **kwargs)
            finally:
                spent_s[part] += clock() - started

        return call

    with ExitStack() as stack:
        for part, (owner, name) in _PARTS.items():
            stack.enter_context(mock.patch.object(owner, name, timed(part, getattr(owner, name))))
        yield spent_s


def by_part(spent_s: Mapping[str, float], total_s: float, times: int) -> str:
    """Milliseconds and shares of what was done so many times, as a table; what is in no part is the rest."""
    shown_s = {part: part_s for part, part_s in spent_s.items() if part_s} | {_REST: total_s - sum(spent_s.values())}
    rows = [
        (part, f"{1000 * part_s / times:.2f}", f"{part_s / total_s:.1%}")
        for part, part_s in sorted(shown_s.items(), key=lambda item: -item[1])
    ]
    return markdown([("part", "ms", "share"), *rows, ("together", f"{1000 * total_s / times:.2f}", "")])


def _ours() -> Callable[[int], object]:
    trainer = recipe_training()
    trainer.sets = replace(trainer.sets, teacher=None)
    return runner_of(trainer)


def _published(stage: str) -> Callable[[int], object]:
    params = published_params()
    device = prepare(params.runtime.model_copy(update={"device": "cpu"}))
    training = Training(params, stage, "float32", device, labelled=_POSES, unlabelled=_POSES)
    return training.runner(is_captured=False)


def _predicting() -> Callable[[int], object]:
    params = read_params()
    prepare(params.runtime.model_copy(update={"device": "cpu"}))
    skeleton, batch = SKELETONS[params.data.skeleton], params.evaluate.batch
    network = build_network(skeleton, params.model, 0).eval()
    keypoints_NJ2 = np.random.default_rng(0).uniform(-0.5, 0.5, (batch, len(skeleton.joints), 2)).astype(np.float32)

    def run(batches: int) -> None:
        predict(network, np.tile(keypoints_NJ2, (batches, 1, 1)), skeleton, flip=params.evaluate.flip, batch=batch)

    return run


def _plain() -> None:
    run = _published("weak")
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
