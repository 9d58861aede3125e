"""Lifting folders of Parquet or HDF5 files on a cluster, as a Ray Data job.

Each file is one piece of work, lifted by `wsgcn.lifting.batch_lifting.lift_file` in an actor that loads the checkpoint
once; so the result is the same as file by file on one machine. The folders and the checkpoint must be visible to every
node under the same path. Ray is an optional extra.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wsgcn.base.errors import InputError
from wsgcn.lifting.batch_lifting import SUFFIXES, Summary, lift_file
from wsgcn.lifting.intrinsics import Intrinsics
from wsgcn.lifting.keypoints.base import Size
from wsgcn.lifting.lifter import DEFAULT_CHECKPOINT, Lifter, Options

EXTRA = "ray"


@dataclass(frozen=True)
class Settings:
    """What is the same for all files, see `wsgcn.lifting.batch_lifting.lift_file`."""

    checkpoint: Path = DEFAULT_CHECKPOINT
    size: Size | None = None
    joints: str | None = None
    intrinsics: Intrinsics | None = None
    fps: float | None = None
    options: Options | None = None


def lift_folder(
    source: Path | str,
    target: Path | str,
    settings: Settings,
    *,
    suffix: str = ".parquet",
    workers: int | None = None,
    gpus_per_worker: float = 0,
) -> dict[str, Summary]:
    """Lift every Parquet and HDF5 file of a folder into another folder, on the Ray cluster that is at hand.

    Without a running cluster (RAY_ADDRESS) Ray starts on this machine. A file that fails does not stop the others.

    Args:
        suffix: of the written files, .parquet or .h5.
        workers: actors at work at a time; None lets Ray choose by what is free.
        gpus_per_worker: GPUs, or shares of one, that each of them takes.

    Returns:
        What was lifted, by name of the file.

    Raises:
        InputError: Ray is not installed, the folder has no such file, or some of them could not be lifted.
    """
    source, target = Path(source).absolute(), Path(target).absolute()
    files = sorted(path for path in source.glob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{source}: holds no {' or '.join(SUFFIXES)} file, expected keypoints in such files.")
    if suffix not in SUFFIXES:
        raise InputError(f"suffix: is {suffix!r}, expected {' or '.join(SUFFIXES)}.")
    targets = [target / f"{path.stem}{suffix}" for path in files]
    if len(set(targets)) < len(targets) or target == source:
        raise InputError(f"{target}: several files would be written to the same place, or over the keypoints.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody's runs phone home
    try:
        import ray
    except ImportError:
        raise InputError(
            f"ray: is not installed; folders are lifted by Ray, which comes with `pip install wsgcn[{EXTRA}]`."
        ) from None
    target.mkdir(parents=True, exist_ok=True)
    work = [{"source": str(path), "target": str(to)} for path, to in zip(files, targets, strict=True)]
    rows = (
        ray.data.from_items(work, override_num_blocks=len(work))
        .map(
            _LiftFile,
            fn_constructor_args=(settings,),
            compute=ray.data.ActorPoolStrategy(size=workers) if workers else ray.data.ActorPoolStrategy(min_size=1),
            num_gpus=gpus_per_worker or None,
        )
        .take_all()
    )
    failed = sorted(row["error"] for row in rows if row["error"])
    if failed:
        raise InputError(f"{len(failed)} of {len(files)} files could not be lifted: {' '.join(failed)}")
    rows = sorted(rows, key=lambda row: row["source"])
    return {
        Path(row["source"]).name: Summary(**{field.name: row[field.name] for field in fields(Summary)}) for row in rows
    }


class _LiftFile:
    """The actor: a checkpoint, and one file after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lifter = Lifter.load(settings.checkpoint)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        settings = self._settings
        try:
            summary = lift_file(
                self._lifter,
                row["source"],
                row["target"],
                settings.size,
                joints=settings.joints,
                intrinsics=settings.intrinsics,
                fps=settings.fps,
                options=settings.options,
            )
        except InputError as error:
            return {**row, **vars(Summary(0, 0, 0)), "error": str(error)}
        return {**row, **vars(summary), "error": ""}
