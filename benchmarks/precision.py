"""What the precision of the training does to the final error, on a capture in any of Human3.6M's layouts.

    python -m benchmarks.precision RAW [--supervised] [--only NAME ...] [--seeds N] [--epochs WARMUP WEAK] [--stride N]

trains the published weak set-up for every seed in every precision, on the CPU, and tests on S9 and S11; with
--supervised S5-S8 have labels too, which leaves far less noise. TF32 is emulated where `Step` asks for it: the factors
of the network's matrix products, on both ways, are rounded to 10 bits. float32 trained through the plain layers differs
from float32 by rounding alone, which training amplifies; how far it comes out is the noise to judge by. The rate falls
to a hundredth, so that the last steps add little to it.
"""

import argparse
import io
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.bf16 import bf16_networks
from benchmarks.capture import full_size_params, prepare
from benchmarks.report import Measurement, row_of, table
from wsgcn.base.errors import InputError
from wsgcn.evaluation.evaluate import EvaluationPaths, evaluate
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.params import Precision
from wsgcn.pose.sequences import count_poses, takes_of
from wsgcn.pose.store import Detections
from wsgcn.running.params import Params, parse_params
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.sets import epoch_steps
from wsgcn.training.stages import train_weakly, warm_up

CAPTURE_VARIABLE = "WSGCN_CAPTURE"  # names the capture where no argument can

METRICS = {"mpjpe_mm": "MPJPE", "p_mpjpe_mm": "P-MPJPE"}
_LIMIT_MM = 0.5
_FIRST_FACTOR = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}  # position among the arguments; the second one follows
_DECAYS, _LAST_RATE = 40, 0.01  # the rate falls in so many steps to this share of the first


@dataclass(frozen=True)
class Variant:
    """A way to train: `runtime.precision`, what else holds meanwhile, and whether it differs by rounding alone."""

    precision: Precision
    meanwhile: Callable[[], AbstractContextManager[object]] = nullcontext
    is_noise: bool = False


REFERENCE = "float32"
VARIANTS = {
    REFERENCE: Variant("float32"),
    "float32-plain": Variant("float32", plain_layers, is_noise=True),
    "bf16": Variant("float32", bf16_networks),
    "tf32-emulated": Variant("tf32", plain_layers),
}

Errors = dict[str, float]  # mm, by metric, the mean over the test frames


def measure() -> list[Measurement]:
    """The usual comparison of the capture that WSGCN_CAPTURE names."""
    raw = os.environ.get(CAPTURE_VARIABLE)
    if not raw:
        note = f"not measured: {CAPTURE_VARIABLE} names no capture"
        return [Measurement("precision and final error", math.nan, "mm", note=note)]
    return compare(Path(raw))


def compare(
    raw: Path,
    *,
    seeds: int = 5,
    epochs: tuple[int, int] = (4, 16),
    stride: int = 1,
    threads: int = 0,
    is_supervised: bool = False,
    names: Sequence[str] = tuple(VARIANTS),
) -> list[Measurement]:
    """Train and test the named variants with every seed; each run's errors are printed as they come.

    Raises:
        InputError: the capture cannot be read or lacks a subject.
    """
    errors: dict[str, list[Errors]] = {name: [] for name in VARIANTS if name in {REFERENCE, *names}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        params = _parameters(raw, folder, epochs=epochs, stride=stride, threads=threads, is_supervised=is_supervised)
        for seed in range(seeds):
            for name in errors:
                errors[name].append(_final_errors(params, folder, seed, VARIANTS[name]))
                found = ", ".join(f"{label} {errors[name][-1][metric]:.2f} mm" for metric, label in METRICS.items())
                print(f"seed {seed}, {name}: {found}", file=sys.stderr, flush=True)
    return [row for metric, label in METRICS.items() for row in _rows(errors, metric, label)]


def _parameters(
    raw: Path, folder: Path, *, epochs: tuple[int, int], stride: int, threads: int, is_supervised: bool
) -> Params:
    """The published weak set-up, or labels for all; poses.h5 and detections.h5 are made in the folder."""
    prepare(raw, folder)
    tree = full_size_params(raw).model_dump()
    tree["data"]["stride"] = stride
    if is_supervised:
        subjects = tree["data"]["subjects"]
        subjects |= {"labelled": subjects["labelled"] + subjects["unlabelled"], "unlabelled": []}
    tree["warmup"]["epochs"], tree["weak"]["epochs"] = epochs
    tree["runtime"] |= {"device": "cpu", "threads": threads}
    params = parse_params(tree, "benchmarks.precision")
    with Detections(folder / "detections.h5") as detections:
        labelled, unlabelled = (
            count_poses(detections, takes_of(detections, subjects), stride)
            for subjects in (params.data.subjects.labelled, params.data.subjects.unlabelled)
        )
    steps = sum(epochs) * epoch_steps(labelled, unlabelled, params.training)
    tree["training"] |= {"decay_steps": max(1, steps // _DECAYS), "decay_factor": _LAST_RATE ** (1 / _DECAYS)}
    return parse_params(tree, "benchmarks.precision")


def _final_errors(params: Params, folder: Path, seed: int, variant: Variant) -> Errors:
    changed = params.model_dump() | {"seed": seed}
    changed["runtime"]["precision"] = variant.precision
    params = parse_params(changed, "benchmarks.precision")
    poses, detections, warmup, weak = (folder / name for name in ("poses.h5", "detections.h5", "warmup.pt", "weak.pt"))
    written = ("predictions.h5", "evaluation.json", "protocol.json", "actions.csv", "joints.csv")
    paths = EvaluationPaths(weak, poses, detections, *(folder / name for name in written))
    with (
        patch("wsgcn.training.stages.check_precision"),  # which knows that the CPU has no TF32
        patch("wsgcn.training.step.tf32_products", _emulated_tf32_products),
        variant.meanwhile(),
    ):
        warm_up(WarmupParams.of(params), poses, detections, warmup, folder / "warmup.csv")
        train_weakly(WeakParams.of(params), warmup, poses, detections, weak, folder / "weak.csv")
    with redirect_stdout(io.StringIO()):  # the table of the actions
        report = evaluate(EvaluateParams.of(params), paths)
    return {metric: report[metric]["frame_mean"] for metric in METRICS}


def _emulated_tf32_products(enabled: bool) -> AbstractContextManager[object]:
    return Tf32Factors() if enabled else nullcontext()


class Tf32Factors(TorchDispatchMode):
    """Inside, the factors of matrix products are rounded to TF32; the products add up in float32, as on the device."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        first = _FIRST_FACTOR.get(func.overloadpacket.__name__)
        if first is not None:
            args = (*args[:first], *(round_to_tf32(factor) for factor in args[first : first + 2]), *args[first + 2 :])
        return func(*args, **(kwargs or {}))


def round_to_tf32(x: Tensor) -> Tensor:
    """The nearest float32 with 10 bits after the leading one, and ties away from zero."""
    half, dropped = 1 << 12, (1 << 13) - 1
    return ((x.contiguous().view(torch.int32) + half) & ~dropped).view(torch.float32)


def _rows(errors: dict[str, list[Errors]], metric: str, label: str) -> Iterator[Measurement]:
    reference = [error[metric] for error in errors[REFERENCE]]
    for name, found in errors.items():
        values = [error[metric] for error in found]
        yield Measurement(
            f"{label}, {name}",
            statistics.mean(values),
            "mm",
            (min(values), max(values)),
            note=f"mean of {len(values)} seeds, standard deviation {_deviation(values):.2f} mm",
        )
        if name != REFERENCE:
            differences = [value - other for value, other in zip(values, reference, strict=True)]
            mean, is_noise = statistics.mean(differences), VARIANTS[name].is_noise
            yield Measurement(
                f"{label}, {name} minus {REFERENCE}",
                mean,
                "mm",
                (min(differences), max(differences)),
                goal="" if is_noise else f"within {_LIMIT_MM} mm",
                met=None if is_noise else abs(mean) <= _LIMIT_MM,
                note=f"paired by seed, standard error {_deviation(differences) / math.sqrt(len(differences)):.2f} mm",
            )


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if the capture cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("raw", metavar="RAW", type=Path, help="the capture, as data.raw")
    parser.add_argument("--seeds", type=int, default=5, help="seeds to train with, from 0 (default: %(default)s)")
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=(4, 16), metavar=("WARMUP", "WEAK"), help="(default: 4 16)"
    )
    parser.add_argument("--stride", type=int, default=1, help="as data.stride (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    parser.add_argument("--supervised", action="store_true", help="labels for S5-S8 too, and no weak losses")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(VARIANTS),
        default=list(VARIANTS),
        metavar="NAME",
        help=f"beside {REFERENCE}: {', '.join(name for name in VARIANTS if name != REFERENCE)} (default: all)",
    )
    options = parser.parse_args(arguments)
    try:
        rows = compare(
            options.raw,
            seeds=options.seeds,
            epochs=tuple(options.epochs),
            stride=options.stride,
            threads=options.threads,
            is_supervised=options.supervised,
            names=options.only,
        )
    except InputError as error:
        parser.exit(1, f"{error}\n")
    print(table([row_of("precision", row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
