"""Sequences out of whatever file holds poses: predictions.h5, or the output of `wsgcn lift`."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.pose.store import Detections, Predictions
from wsgcn.rendering.lifted_files import is_lifted, lifted_sequences
from wsgcn.rendering.sequences import PoseSequence, predicted_sequence


def read_sequences(
    path: Path,
    detections_path: Path | None = None,
    subject: str | None = None,
    take: str | None = None,
    serial: str | None = None,
) -> Iterator[PoseSequence]:
    """The sequences of a file, one after the other.

    Args:
        detections_path: of predictions.h5, gives cameras and 2D input; by default detections.h5 beside it, and without
            that the cameras are taken for level.
        subject, take, serial: of predictions.h5, these alone; by default all subjects, all takes, and of each take the
            first camera.

    Raises:
        InputError: the file is missing, is not one of poses, or has not what was asked for.
    """
    if is_lifted(path):
        if any((detections_path, subject, take, serial)):
            raise InputError(f"{path}: holds lifted poses, which have no subjects, takes, cameras or detections.")
        yield from lifted_sequences(path)
        return
    beside = path.parent / "detections.h5"
    if detections_path is None and beside.is_file():
        detections_path = beside
    with ExitStack() as files:
        predictions = files.enter_context(Predictions(path))
        detections = None if detections_path is None else files.enter_context(Detections(detections_path))
        for key in _chosen(predictions, subject, take, serial):
            yield predicted_sequence(predictions, detections, *key)


def _chosen(
    predictions: Predictions, subject: str | None, take: str | None, serial: str | None
) -> list[tuple[str, str, str]]:
    """The sequences that fit, each as subject, take and serial."""
    subjects = _fitting(subject, predictions.subjects, f"{predictions.path}: has no subject")
    takes = [(name, each) for name in subjects for each in predictions.takes(name)]
    chosen = set(_fitting(take, list(dict.fromkeys(each for _, each in takes)), f"{predictions.path}: has no take"))
    keys = []
    for name, each in takes:
        serials = predictions.serials(name, each)
        if each in chosen and serials and (serial is None or serial in serials):
            keys.append((name, each, serial or serials[0]))
    if not keys:
        what = " ".join(part for part in (subject, take) if part) or "no take"
        raise InputError(f"{predictions.path}: {what} has no camera {serial or 'at all'}.")
    return keys


def _fitting(wanted: str | None, there: list[str], complaint: str) -> list[str]:
    if wanted is not None and wanted not in there:
        raise InputError(f"{complaint} {wanted} (it has {', '.join(there)}).")
    return there if wanted is None else [wanted]
