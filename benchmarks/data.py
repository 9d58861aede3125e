"""The training process at Human3.6M's full size: its memory, and what the choice of a batch takes of a step."""

import itertools

import torch

from benchmarks.capture import full_size_params, prepared
from benchmarks.processes import in_fresh_process, memory_gb
from benchmarks.report import Measurement, median_and_spread, median_seconds, seconds
from wsgcn.model.network import build_network
from wsgcn.model.runtime import prepare
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.running.params import Training
from wsgcn.training.sets import LabelledSet, Shuffle, UnlabelledSet
from wsgcn.training.stages import Trainer, load_sets
from wsgcn.training.step import Weights

_STEPS, _REPEATS = 8, 5
_BATCHES = 200
_MOST_GB, _MOST_PERCENT = 3.0, 3.0


def measure() -> list[Measurement]:
    poses_path, detections_path = in_fresh_process(prepared)
    params = full_size_params()
    device = prepare(params.runtime)
    skeleton = SKELETONS[params.data.skeleton]
    loaded = []
    load_s = seconds(lambda: loaded.append(load_sets(params, "weak", poses_path, detections_path, device)))
    (sets,) = loaded
    labelled, unlabelled = sets.labelled, sets.unlabelled
    assert unlabelled is not None

    trainer = Trainer.start(build_network(skeleton, params.model, 0).to(device), params.training, 0)
    weights = Weights(supervised=1.0, reprojection=1.0, bone=1.0)
    bones_E2 = torch.tensor(skeleton.bones, device=device)
    steps = sets.steps_per_epoch
    shuffle_s = seconds(lambda: _shuffle(labelled, unlabelled, params.training, steps))
    trainer.run_epoch(2, labelled, unlabelled, weights, bones_E2)
    step_s = [
        seconds(lambda: trainer.run_epoch(_STEPS, labelled, unlabelled, weights, bones_E2)) / _STEPS
        for _ in range(_REPEATS)
    ]
    peak_gb = memory_gb("VmHWM")
    choice_s, choice_spread = _choice_seconds(labelled, unlabelled, params.training)
    step_median_s, step_spread = median_and_spread(step_s)
    share = 100 * (choice_s + shuffle_s / steps) / step_median_s
    poses = f"{len(labelled):,} labelled and {len(unlabelled):,} unlabelled poses"
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


def _shuffle(labelled: LabelledSet, unlabelled: UnlabelledSet, settings: Training, steps: int) -> None:
    """The order of an epoch's poses."""
    device = labelled.keypoints_NJ2.device
    for size, batch in ((len(labelled), settings.batch_labelled), (len(unlabelled), settings.batch_unlabelled)):
        Shuffle(size, batch, seed=0, role="labelled").epoch_indices(0, steps).to(device)


def _choice_seconds(
    labelled: LabelledSet, unlabelled: UnlabelledSet, settings: Training
) -> tuple[float, tuple[float, float]]:
    """Every selection of a step, each time of other poses; median, least and most."""
    device = labelled.keypoints_NJ2.device
    labelled_index = torch.randint(len(labelled), (_BATCHES, settings.batch_labelled), device=device)
    unlabelled_index = torch.randint(len(unlabelled), (_BATCHES, settings.batch_unlabelled), device=device)
    predicted_BJ3 = labelled.pose_NJ3[: settings.batch_unlabelled]
    batches = itertools.cycle(zip(labelled_index, unlabelled_index, strict=True))

    def choose() -> None:
        labelled_B, unlabelled_B = next(batches)
        torch.cat((labelled.keypoints_NJ2[labelled_B], unlabelled.keypoints_NJ2[unlabelled_B]))
        _ = labelled.pose_NJ3[labelled_B]
        unlabelled.roots.of(unlabelled_B, predicted_BJ3)
        _ = unlabelled.intrinsics_K9[unlabelled.camera_N[unlabelled_B]]
        if device.type == "cuda":
            torch.cuda.synchronize()

    return median_seconds(choose, _BATCHES)
