"""Training: the warm-up with 3D labels and the weak stage that goes on from it with 2D.

An epoch is `training.epoch_steps` steps, or with 0 one pass over the larger of the labelled and the unlabelled set, in
both stages; the other set is cycled. So with Human3.6M's S1 against S5-S8 an epoch of the warm-up is as long as one of
the weak stage, as in the published code.
The sets are streams of shuffled passes, cut into batches of equal size; the last batch of an epoch may reach into the
next pass.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.run import Run
from wsgcn.model.checkpoint import Checkpoint, Chosen, load_checkpoint
from wsgcn.model.cpu import products
from wsgcn.model.networks import build_network
from wsgcn.model.person import FOCAL
from wsgcn.model.runtime import check_precision, prepare
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.pose.store import Detections
from wsgcn.training.losses import loss_weights
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.sets import load_sets
from wsgcn.training.snapshots import Snapshots
from wsgcn.training.trainer import Trainer, copied, validation_mpjpe_mm


@dataclass
class Curves:
    """The rows of metrics/<stage>.csv, one an epoch."""

    path: Path
    losses: Sequence[str]
    rows: list[Mapping[str, float]] = field(default_factory=list)

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row and write the file, so that a run that breaks off keeps its curve."""
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        columns = ("epoch", "step", *self.losses, "total", "learning_rate", "validation_mpjpe_mm")
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        write_atomically(self.path, buffer.getvalue())


def warm_up(
    params: WarmupParams,
    poses_path: Path,
    detections_path: Path,
    checkpoint_path: Path,
    curves_path: Path,
    run: Run | None = None,
) -> None:
    """Stage warmup: train on the labelled subjects alone; write a checkpoint and the curves.

    Raises:
        InputError: see `load_sets`, `Trainer.run_epoch` and `Checkpoint.save`.
    """
    run = run or Run()
    device = prepare(params.runtime)
    check_precision(params.runtime.precision, device)
    skeleton = SKELETONS[params.data.skeleton]
    network = build_network(skeleton, params.model, params.seed)
    sets = load_sets(params, None, poses_path, detections_path, device)
    snapshots = Snapshots("warmup", params, (poses_path, detections_path), device, run)
    weights = loss_weights(params.training, has_trajectory=sets.trajectory is not None)
    epochs = params.warmup.epochs + params.weak.epochs
    trainer = Trainer.start(network, params.training, params.seed, sets, weights, params.runtime.precision, epochs)
    weights_at_start = copied(network.state_dict())
    with Detections(detections_path) as detections:
        source, source_words = detections.source, detections.source_words
        if params.augmentation.camera == "any":
            camera_9 = (FOCAL, FOCAL, *[0.0] * 7)
        else:
            camera_9 = _mean_camera(detections, params.data.subjects.labelled)
    start = Checkpoint(
        model=params.model,
        skeleton=skeleton,
        source=source,
        source_words=source_words,
        camera_9=camera_9,
        # Of weak.root it depends on whether there is a trajectory network.
        params=params.model_dump(exclude={"weak": {"root"}} if sets.trajectory is None else None),
        weights=weights_at_start,
        optimiser=trainer.optimiser_state(),
        epoch=0,
        step=0,
        chosen=Chosen(epoch=0, by=params.training.choose_epoch, validation_mpjpe_mm=None),
        chosen_weights=weights_at_start,
        average=weights_at_start if trainer.average is not None else {},
        trajectory={} if sets.trajectory is None else copied(sets.trajectory.state_dict()),
        fps=sets.fps,
    )
    _train("warm-up", params.warmup.epochs, trainer, start, curves_path, snapshots, run).save(checkpoint_path)
    snapshots.remove()


def train_weakly(
    params: WeakParams,
    warmup_path: Path,
    poses_path: Path,
    detections_path: Path,
    checkpoint_path: Path,
    curves_path: Path,
    run: Run | None = None,
) -> None:
    """Stage weak: go on from the warm-up's checkpoint with the unlabelled subjects; write a checkpoint and the curves.

    With 0 epochs the warm-up's checkpoint is passed on; without unlabelled subjects training goes on with labels.

    Raises:
        InputError: the warm-up's checkpoint does not fit the parameters; see also `load_sets`, `Trainer.run_epoch`,
            `load_checkpoint` and `Checkpoint.save`.
    """
    run = run or Run()
    device = prepare(params.runtime)
    check_precision(params.runtime.precision, device)
    warmup = load_checkpoint(warmup_path)
    with Detections(detections_path) as detections:
        warmup.check_fits(warmup_path, SKELETONS[params.data.skeleton], detections.source, params.model)
    if not warmup.optimiser:
        raise InputError(f"{warmup_path}: has no optimiser's state, without which training cannot go on from it.")
    sets = load_sets(params, params.weak, poses_path, detections_path, device)
    if bool(warmup.trajectory) != (sets.trajectory is not None):
        raise InputError(
            f"{warmup_path}: has {'a' if warmup.trajectory else 'no'} trajectory network, which does not fit "
            f"weak.root: {params.weak.root}; run stage warmup with the same weak.root."
        )
    snapshots = Snapshots("weak", params, (poses_path, detections_path, warmup_path), device, run)
    weights = loss_weights(params.training, params.weak, has_trajectory=sets.trajectory is not None)
    epochs = warmup.epoch + params.weak.epochs
    trainer = Trainer.resume(warmup, params.training, params.seed, sets, weights, params.runtime.precision, epochs)
    start = replace(warmup, params={**warmup.params, **params.model_dump()})
    _train("weak", params.weak.epochs, trainer, start, curves_path, snapshots, run).save(checkpoint_path)
    snapshots.remove()


def _mean_camera(detections: Detections, subjects: Sequence[str]) -> tuple[float, ...]:
    """The mean of the intrinsics with which the labelled poses were seen, normalised screen units."""
    cameras = detections.cameras()
    seen = [camera.intrinsics_screen for subject in subjects for camera in cameras[subject].values()]
    return tuple(np.mean(seen, axis=0).tolist())


def _train(
    label: str,
    epochs: int,
    trainer: Trainer,
    start: Checkpoint,
    curves_path: Path,
    snapshots: Snapshots,
    run: Run,
) -> Checkpoint:
    """Train for some epochs from a checkpoint to the next, which knows the chosen one of all epochs so far.

    Where an interrupted run left a snapshot, it goes on from there.
    """
    sets, last = trainer.sets, start.epoch + epochs
    curves = Curves(curves_path, tuple(trainer.weights))
    checkpoint = start
    if (found := snapshots.find(start)) is not None and found.unfinished is not None:
        print(f"{label}: goes on after epoch {found.epoch} of {last}, where an interrupted run left it.", flush=True)
        trainer.restore(found)
        checkpoint = replace(found, unfinished=None)
        curves.rows.extend(found.unfinished.curves)
        if found.unfinished.run_id:
            run.tracker.set_tags({"continues": found.unfinished.run_id})
        for row in curves.rows:
            _log(row, run)
    curves.write()
    with run.bars(label, (last - trainer.epoch) * sets.steps_per_epoch, "steps") as bar:
        loss = ""  # of the epoch before: reading one within an epoch would make a GPU wait
        while trainer.epoch < last:
            note = f"epoch {trainer.epoch + 1}, rate {trainer.rate:.2g}{loss}"
            means = trainer.run_epoch(partial(bar.advance, note=note))
            loss = f", loss of epoch {trainer.epoch} {means['total']:.5f}"
            row = {"epoch": trainer.epoch, "step": trainer.step, **means, "learning_rate": trainer.rate}
            if sets.validation is not None:
                row["validation_mpjpe_mm"] = validation_mpjpe_mm(trainer.result, sets.validation)
            curves.add(row)
            _log(row, run)
            checkpoint = _advanced(checkpoint, trainer, row.get("validation_mpjpe_mm"))
            if trainer.epoch < last:
                snapshots.offer(checkpoint, curves.rows)
    return checkpoint


def _log(row: Mapping[str, float], run: Run) -> None:
    """Log an epoch's row of the curves."""
    run.tracker.log_metrics({name: value for name, value in row.items() if name != "epoch"}, step=int(row["epoch"]))


def _advanced(checkpoint: Checkpoint, trainer: Trainer, mpjpe_mm: float | None) -> Checkpoint:
    """The checkpoint after one more epoch."""
    by, best = checkpoint.chosen.by, checkpoint.chosen.validation_mpjpe_mm
    weights = copied(trainer.network.state_dict())
    average = {} if trainer.average is None else copied(trainer.average.network.state_dict())
    trajectory = {} if trainer.sets.trajectory is None else copied(trainer.sets.trajectory.state_dict())
    if by == "last" or best is None or (mpjpe_mm is not None and mpjpe_mm < best):
        chosen, chosen_weights = Chosen(trainer.epoch, by, mpjpe_mm), average or weights
    else:
        chosen, chosen_weights = checkpoint.chosen, checkpoint.chosen_weights
    return replace(
        checkpoint,
        weights=weights,
        optimiser=trainer.optimiser_state(),
        epoch=trainer.epoch,
        step=trainer.step,
        chosen=chosen,
        chosen_weights=chosen_weights,
        average=average,
        trajectory=trajectory,
        product=products.in_use(),
    )
