"""Training steps on this machine's CPU against the published step, written literally, and against their floor.

All of it is timed by turns in one process, so that what else the machine does falls on every side. The literal step
profits from the process's settings too (it keeps freed memory), and is given its batches by the faster of no worker and
two.
"""

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from benchmarks.bf16 import bf16_networks
from benchmarks.literal import LabelledPoses, LiteralTraining, UnlabelledPoses
from benchmarks.random_training import STAGES, Products, Training
from benchmarks.recipes import published_params
from benchmarks.report import Measurement, median_and_spread, product_flop_per_s, seconds
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import build_network
from wsgcn.model.runtime import prepare
from wsgcn.model.semgcn import SemGCN
from wsgcn.training.sets import TrueRootSource

_POSES = 20_000
_ROUNDS = 7
_LEAST_OVER_LITERAL, _LEAST_SHARE_OF_FLOOR = 3.5, 0.5

OURS, PLAIN, BF16, LITERAL = "step", "step, plain layers", "step, bf16 (plain layers)", "published step, literal"
_STEPS = {OURS: 24, PLAIN: 6, BF16: 6, LITERAL: 4}  # in a round, about a second of each; fewer of what is slower


def measure() -> list[Measurement]:
    return [measurement for stage in STAGES for measurement in _measure(stage)]


def _measure(stage: str) -> list[Measurement]:
    params = published_params()
    device = prepare(params.runtime.model_copy(update={"device": "cpu"}))
    training = Training(params, stage, "float32", device, labelled=_POSES, unlabelled=_POSES)
    with plain_layers(), Products() as products:
        training.runner(is_captured=False)(1)
    with bf16_networks():
        bf16 = training.runner(is_captured=False)
    flop = sum(of_product for of_product, _ in products.counted)
    runners: dict[str, tuple[Callable[[int], object], Callable[[], AbstractContextManager[object]]]] = {
        OURS: (training.runner(is_captured=False), nullcontext),
        PLAIN: (training.runner(is_captured=False), plain_layers),
        BF16: (bf16, nullcontext),
        LITERAL: (_faster(_literal(training, workers=0), _literal(training, workers=2)), nullcontext),
    }
    rates: dict[str, list[float]] = {name: [] for name in runners}
    product_rates = []
    for _ in range(_ROUNDS):
        product_rates.append(product_flop_per_s())
        for name, (run, context) in runners.items():
            with context():
                steps = max(1, min(_STEPS[name], int(1 / seconds(lambda run=run: run(1)))))  # type: ignore[misc]
                rates[name].append(steps / seconds(lambda run=run, steps=steps: run(steps)))  # type: ignore[misc]
    over_literal = [a / b for a, b in zip(rates[OURS], rates[LITERAL], strict=True)]
    floor_share = [rate * flop / product for rate, product in zip(rates[OURS], product_rates, strict=True)]
    rows = [Measurement(f"{stage} {name}", *_rated(rates[name])) for name in rates]
    for what, values, least, note in (
        (f"{stage} step over the literal one", over_literal, _LEAST_OVER_LITERAL, ""),
        (
            f"{stage} step, share of its floor",
            floor_share,
            _LEAST_SHARE_OF_FLOOR,
            f"{flop / 1e9:.1f} GFLOP in products, at {statistics.median(product_rates) / 1e9:.0f} GFLOP/s",
        ),
    ):
        value, spread = median_and_spread(values)
        rows.append(Measurement(what, value, "", spread, f">= {least:g}", value >= least, note))
    return rows


def _rated(values: list[float]) -> tuple[float, str, tuple[float, float]]:
    value, spread = median_and_spread(values)
    return value, "steps/s", spread


def _literal(training: Training, workers: int) -> Callable[[int], object]:
    sets, unlabelled = training.sets, None
    if sets.unlabelled is not None:
        roots = sets.unlabelled.roots
        assert isinstance(roots, TrueRootSource)
        intrinsics_N9 = sets.unlabelled.intrinsics_K9[sets.unlabelled.camera_N]
        unlabelled = UnlabelledPoses(
            sets.unlabelled.keypoints_NJ2.numpy(), roots.root_N3.numpy(), intrinsics_N9.numpy()
        )
    network = build_network(training.skeleton, training.params.model, 0)
    assert isinstance(network, SemGCN), "the literal step is SemGCN's: run this with model.name: semgcn"
    labelled = LabelledPoses(sets.labelled.keypoints_NJ2.numpy(), sets.labelled.pose_NJ3.numpy())
    return LiteralTraining(
        network, training.skeleton, training.params.training, labelled, unlabelled, workers=workers
    ).run


def _faster(*runs: Callable[[int], object]) -> Callable[[int], object]:
    for run in runs:
        run(1)
    return min(runs, key=lambda run: seconds(lambda: run(_STEPS[LITERAL])))
