"""What seeing more than a frame costs: training steps and lifting of networks over time, against the single frame's."""

import statistics
from collections.abc import Callable

import numpy as np

from benchmarks.random_training import runner_of
from benchmarks.recipe import training_of
from benchmarks.recipes import changed_params
from benchmarks.report import Measurement, median_and_spread, median_seconds, seconds
from wsgcn.model.context import context_of
from wsgcn.model.networks import count_parameters
from wsgcn.model.predict import predict
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.training.params import WarmupParams

_FRAMES = 300  # of a take of the capture
_ROUNDS, _SECONDS = 5, 2.0
_LEAST_SHARE = 0.3  # of the single frame's poses a second
_LIFTED, _LIFTED_CONTEXT, _MOST_SECONDS = 10_000, 81, 4.0

SINGLE = "single frame"
_OURS, _PAVLLO = "model.temporal.member=graph", "model.temporal.member=videopose3d"
_THEIR_SETTING = ("model.temporal.channels=1024", "model.temporal.blocks=0", "model.temporal.dropout=0.25")
NETWORKS: dict[str, tuple[str, ...]] = {
    SINGLE: (),
    **{
        f"{name}, {frames} frames": ("model.name=temporal", f"model.temporal.frames={frames}", *settings)
        for frames in (27, 81)
        for name, settings in (("graph", (_OURS,)), ("VideoPose3D", (_PAVLLO, *_THEIR_SETTING)))
    },
}


def measure() -> list[Measurement]:
    runners: dict[str, Callable[[int], object]] = {}
    steps: dict[str, int] = {}
    rows, lifting_s = [], {}
    for name, changes in NETWORKS.items():
        params = WarmupParams.of(changed_params(changes))
        skeleton = SKELETONS[params.data.skeleton]
        trainer = training_of(params, None, _FRAMES)
        rows.append(Measurement(f"{name}: parameters", count_parameters(trainer.network), ""))
        runners[name] = runner_of(trainer)
        runners[name](1)
        steps[name] = max(1, int(_SECONDS / seconds(lambda run=runners[name]: run(1))))  # type: ignore[misc]
        clip_TJ2 = np.random.default_rng(0).normal(0, 0.3, (_LIFTED, len(skeleton.joints), 2)).astype(np.float32)
        if context_of(trainer.network).frames in (1, _LIFTED_CONTEXT):
            lifting_s[name] = median_seconds(lambda: predict(trainer.result, clip_TJ2, skeleton, batch=1024), 3)  # noqa: B023
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(_ROUNDS):
        for name, run in runners.items():
            rates[name].append(steps[name] / seconds(lambda run=run, count=steps[name]: run(count)))  # type: ignore[misc]
    for name in runners:
        value, spread = median_and_spread(rates[name])
        rows.append(Measurement(f"{name}: training", value, "steps/s", spread))
        if name != SINGLE:
            shares = [one / single for one, single in zip(rates[name], rates[SINGLE], strict=True)]
            share, goal = statistics.median(shares), _LEAST_SHARE if name.startswith("graph") else None
            rows.append(
                Measurement(
                    f"{name}: its share of the single frame's",
                    share,
                    "",
                    (min(shares), max(shares)),
                    "" if goal is None else f">= {goal:g}",
                    None if goal is None else share >= goal,
                )
            )
    for name, (value, spread) in lifting_s.items():
        goal = _MOST_SECONDS if name.startswith("graph") else None
        rows.append(
            Measurement(
                f"{name}: lifting {_LIFTED:,} frames",
                value,
                "s",
                spread,
                "" if goal is None else f"< {goal:g} s",
                None if goal is None else value < goal,
                "without start-up",
            )
        )
    return rows
