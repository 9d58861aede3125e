"""The training process at Human3.6M's full size: its memory, and what the choice of a batch takes of a step."""

import itertools

import torch

from benchmarks.capture import full_size_params, prepared
from benchmarks.processes import in_fresh_process, memory_gb
from benchmarks.random_training import WEIGHTS, runner_of
from benchmarks.report import Measurement, median_and_spread, median_seconds, seconds
from wsgcn.model.networks import build_network
from wsgcn.model.runtime import prepare
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.training.params import Training, WeakParams
from wsgcn.training.sets import Sets, Shuffle, load_sets
from wsgcn.training.trainer import Trainer

_STEPS, _REPEATS = 8, 5
_BATCHES = 200
_MOST_GB, _MOST_PERCENT = 3.0, 3.0


def measure() -> list[Measurement]:
    poses_path, detections_path = in_fresh_process(prepared)
    params = WeakParams.of(full_size_params())
    device = prepare(params.runtime)
    skeleton = SKELETONS[params.data.skeleton]
    loaded = []
    load_s = seconds(lambda: loaded.append(load_sets(params, params.weak, poses_path, detections_path, device)))
    (sets,) = loaded
    assert sets.unlabelled is not None
    steps = sets.steps_per_epoch
    shuffle_s = seconds(lambda: _shuffle(sets, params.training))
    run = runner_of(Trainer.start(build_network(skeleton, params.model, 0), params.training, 0, sets, WEIGHTS))
    run(2)
    step_s = [seconds(lambda: run(_STEPS)) / _STEPS for _ in range(_REPEATS)]
    peak_gb = memory_gb("VmHWM")
    choice_s, choice_spread = _choice_seconds(sets, params.training)
    step_median_s, step_spread = median_and_spread(step_s)
    share = 100 * (choice_s + shuffle_s / steps) / step_median_s
    poses = f"{len(sets.labelled):,} labelled and {len(sets.unlabelled):,} unlabelled poses"
    return [
        Measurement("loading the weak stage's sets", load_s, "s", note=poses),
        Measurement(
            "peak memory of training",
            peak_gb,
            "GB",
            goal=f"< {_MOST_GB:.0f} GB",
            met=peak_gb < _MOST_GB,
            note="loading and steps, with network, optimiser and torch itself",
        ),
        Measurement("weak step", 1000 * step_median_s, "ms", (1000 * step_spread[0], 1000 * step_spread[1])),
        Measurement(
            "selecting and placing its batch", 1000 * choice_s, "ms", (1000 * choice_spread[0], 1000 * choice_spread[1])
        ),
        Measurement("shuffling, a step's part", 1000 * shuffle_s / steps, "ms", note=f"an epoch of {steps:,} steps"),
        Measurement(
            "share of both in the step",
            share,
            "%",
            goal=f"< {_MOST_PERCENT:.0f} %",
            met=share < _MOST_PERCENT,
        ),
    ]


def _sizes(sets: Sets, settings: Training) -> tuple[tuple[int, int], tuple[int, int]]:
    """Poses, and how many of them a batch has, of the labelled and of the unlabelled set."""
    assert sets.unlabelled is not None
    return (len(sets.labelled), settings.batch_labelled), (len(sets.unlabelled), settings.batch_unlabelled)


def _shuffle(sets: Sets, settings: Training) -> None:
    """The order of an epoch's poses."""
    for size, batch in _sizes(sets, settings):
        Shuffle(size, batch, seed=0, role="labelled").epoch_indices(0, sets.steps_per_epoch).to(sets.device)


def _choice_seconds(sets: Sets, settings: Training) -> tuple[float, tuple[float, float]]:
    """Every selection of a step, each time of other poses; median, least and most."""
    device = sets.device
    labelled_index, unlabelled_index = (
        torch.randint(size, (_BATCHES, batch), device=device) for size, batch in _sizes(sets, settings)
    )
    batches = itertools.cycle(zip(labelled_index, unlabelled_index, strict=True))

    def choose() -> None:
        sets.batch(*next(batches))
        if device.type == "cuda":
            torch.cuda.synchronize()

    return median_seconds(choose, _BATCHES)
