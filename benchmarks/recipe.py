"""What our recipe adds to a step: augmentation, averaged weights, and the pseudo-labels at the start of an epoch."""

from dataclasses import replace
from functools import partial

from benchmarks.capture import CACHE, prepared
from benchmarks.processes import in_fresh_process
from benchmarks.random_training import runner_of
from benchmarks.report import Measurement, median_and_spread, median_seconds, seconds
from wsgcn.model.networks import build_network
from wsgcn.model.runtime import prepare
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.running.params import read_params
from wsgcn.training.losses import loss_weights
from wsgcn.training.params import WarmupParams, Weak, WeakParams
from wsgcn.training.sets import load_sets
from wsgcn.training.trainer import Trainer

_FRAMES = 100  # of a take of the capture
_STEPS, _ROUNDS = 20, 7
_MOST_PERCENT = 5.0


def recipe_training() -> Trainer:
    """A weak stage of params.yaml at its start, on a small capture."""
    params = WeakParams.of(read_params())
    return training_of(params, params.weak, _FRAMES)


def training_of(params: WarmupParams | WeakParams, weak: Weak | None, frames: int) -> Trainer:
    """A stage at its start, on a capture with so many frames a take; without `weak` the warm-up."""
    poses_path, detections_path = in_fresh_process(prepared, CACHE, frames, frames)
    sets = load_sets(params, weak, poses_path, detections_path, prepare(params.runtime))
    network = build_network(SKELETONS[params.data.skeleton], params.model, 0)
    return Trainer.start(network, params.training, 0, sets, loss_weights(params.training, weak))


def measure() -> list[Measurement]:
    params = read_params()
    trainer = recipe_training()
    sets, settings = trainer.sets, trainer.settings
    assert sets.teacher is not None
    teach = sets.teacher.teach
    teach_s = [seconds(partial(teach, trainer.result, epoch)) for epoch in range(_ROUNDS)]
    run = runner_of(trainer)
    trainer.sets = sets = replace(sets, teacher=None)
    run(2)
    step_s, drawn_s, averaged_s = [], [], []
    index_B = trainer._labelled_indices(1)[0]
    for _ in range(_ROUNDS):
        step_s.append(seconds(lambda: run(_STEPS)) / _STEPS)
        drawn_s.append(median_seconds(lambda: sets.batch(index_B, index_B, 1), _STEPS)[0])
        averaged_s.append(median_seconds(lambda: trainer.average and trainer.average.update(trainer.step), _STEPS)[0])
    rows = [_milliseconds("step of the recipe, warm-up", step_s)]
    for name, part_s in (("augmentation", drawn_s), ("averaged weights", averaged_s)):
        share, spread = median_and_spread([100 * part / step for part, step in zip(part_s, step_s, strict=True)])
        rows.append(
            Measurement(
                f"share of the {name} in it", share, "%", spread, f"< {_MOST_PERCENT:.0f} %", share < _MOST_PERCENT
            )
        )
    epoch_s = settings.epoch_steps * median_and_spread(step_s)[0]
    share, spread = median_and_spread([100 * s / (s + epoch_s) for s in teach_s])
    rows.append(_milliseconds(f"pseudo-labels of {params.weak.pseudo_labels.poses:,} poses", teach_s))
    rows.append(Measurement("their share of a weak epoch", share, "%", spread, note=f"of {settings.epoch_steps} steps"))
    return rows


def _milliseconds(what: str, values_s: list[float]) -> Measurement:
    value, (least, most) = median_and_spread(values_s)
    return Measurement(what, 1000 * value, "ms", (1000 * least, 1000 * most))
