"""What an interrupted training goes on from: its state after an epoch, in a folder that no stage has as its output.

All that an epoch does is a function of this state, the parameters, the sets and the number of the epoch or step (order
of the poses, dropout, augmentation, pseudo-labels). So training that goes on from a snapshot ends with the same bytes
as one that nothing interrupted, and a snapshot is only good for a run of which everything else is the same: its name
has a digest of that.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import torch

from wsgcn.base.errors import InputError
from wsgcn.base.files import file_sha256, files_sha256, remove_abandoned
from wsgcn.base.run import Run
from wsgcn.model.checkpoint import Checkpoint, Unfinished, load_checkpoint
from wsgcn.model.cpu.cache import processor
from wsgcn.training.params import TrainingParams

WINGS = ("base", "containers", "model", "pose", "training")  # whose code decides on the result, see dvc.yaml
_PACKAGES = ("llvmlite", "numba", "numpy", "torch")
_VARIABLES = (
    *("ATEN_", "CUBLAS_", "CUDNN_", "KMP_", "MKL_", "NUMBA_", "NVIDIA_TF32"),
    *("OMP_", "ONEDNN_", "OPENBLAS_", "TORCH_"),
)
_KEPT_DAYS = 30  # for a run that nobody repeats


def digest(stage: str, params: TrainingParams, inputs: Iterable[Path], device: torch.device) -> str:
    """Of everything that the result of a training stage depends on, in hexadecimal.

    These are the parameters, the content of the inputs, the code, and what rounding depends on: the device, the number
    of threads, the versions of libraries, and the variables that change what these do.
    """
    about = {
        "stage": stage,
        "params": params.model_dump(),
        "inputs": [file_sha256(path) for path in inputs],
        "code": _code_sha256(),
        "device": [device.type, torch.cuda.get_device_name(device) if device.type == "cuda" else "", processor()],
        "threads": torch.get_num_threads(),
        "versions": [sys.version, torch.__config__.show(), *(metadata.version(package) for package in _PACKAGES)],
        "variables": {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)},
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _code_sha256() -> str:
    root = Path(__file__).resolve().parents[1]
    return files_sha256(sorted(file for wing in WINGS for file in (root / wing).rglob("*.py")), root)


class Snapshots:
    """The snapshot of one run of a training stage, where its `Run` has a folder for it."""

    def __init__(self, stage: str, params: TrainingParams, inputs: Sequence[Path], device: torch.device, run: Run):
        self._stage, self._run = stage, run
        self._path: Path | None = None
        self._taken_at_s, self._has_failed = time.monotonic(), False
        if run.snapshots is not None:
            _tidy(run.snapshots)
            self._path = run.snapshots / f"{stage}-{digest(stage, params, inputs, device)[:32]}.pt"

    def find(self, start: Checkpoint) -> Checkpoint | None:
        """The state to go on from, of a run that began at `start` as this one does; None if there is none.

        A snapshot that cannot be read is left aside, which one line says.
        """
        if self._path is None or not self._path.is_file():
            return None
        try:
            found = load_checkpoint(self._path)
            found.check_fits(self._path, start.skeleton, start.source, start.model)
            if found.unfinished is None or found.epoch - start.epoch != len(found.unfinished.curves):
                raise InputError(f"{self._path}: is not the snapshot of an interrupted training.")
        except InputError as error:
            print(
                f"{self._stage}: begins anew, since the snapshot of an interrupted run is unusable ({error})",
                flush=True,
            )
            return None
        # The rest is as at the start: the texts in it too, which a file has as other objects.
        return replace(
            start,
            weights=found.weights,
            optimiser=found.optimiser,
            epoch=found.epoch,
            step=found.step,
            chosen=found.chosen,
            chosen_weights=found.chosen_weights,
            average=found.average,
            trajectory=found.trajectory,
            unfinished=found.unfinished,
        )

    def offer(self, checkpoint: Checkpoint, curves: Sequence[Mapping[str, float]]) -> None:
        """Keep this state if the last one was kept long enough ago; a disk that is full costs a line, not the run."""
        waited_s = time.monotonic() - self._taken_at_s
        if self._path is None or self._has_failed or waited_s < self._run.snapshot_seconds:
            return
        try:
            replace(checkpoint, unfinished=Unfinished(curves, self._run.tracker.run_id)).save(self._path)
        except InputError as error:
            print(
                f"{self._stage}: goes on without snapshots, and would begin anew ({error})", file=sys.stderr, flush=True
            )
            self._has_failed = True
        self._taken_at_s = time.monotonic()

    def remove(self) -> None:
        """The stage has ended well."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    """Remove what killed writers left, and snapshots of runs that nobody repeated."""
    remove_abandoned(folder)
    for path in folder.glob("*.pt"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _KEPT_DAYS * 24 * 3600:
                path.unlink()
