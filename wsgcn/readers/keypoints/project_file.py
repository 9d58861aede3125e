"""The project's own detections.h5, see `wsgcn.store`. A person is a sequence: S9/Eating 1/54138969."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import JointOrder
from wsgcn.readers.keypoints.base import Person, Size, Track, split_triples
from wsgcn.store import Detections

FORMAT = "detections"


class DetectionsFile:
    """Such a file, of which only the tracks that are asked for are read.

    Raises:
        InputError: it is missing, no HDF5, or not a detections.h5 of this project.
    """

    format = FORMAT

    def __init__(self, path: Path, order: JointOrder | None = None) -> None:
        self.origin = path
        try:
            with Detections(path) as detections:
                self.order = JointOrder(detections.source, tuple(detections.joints))
                self._frames = {
                    f"{subject}/{take}/{serial}": detections.frames(subject, take, serial)
                    for subject in detections.subjects
                    for take in detections.takes(subject)
                    for serial in detections.serials(subject, take)
                }
        except InputError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: is HDF5, but not a detections.h5 of this project ({error}).") from error
        if order is not None and order.joints != self.order.joints:
            raise InputError(f"{path}: names its own joints, which are not those of {order.name}.")

    @cached_property
    def people(self) -> tuple[Person, ...]:
        return tuple(Person(name, frames, 0, frames - 1, None) for name, frames in self._frames.items())

    def size(self, person: str) -> Size:
        """The picture's size, of the sequence's camera."""
        subject, _, serial = _parts(person)
        with Detections(self.origin) as detections:
            camera = detections.camera(subject, serial)
        return camera.width_px, camera.height_px

    def track(self, person: str) -> Track:
        with Detections(self.origin) as detections:
            sequence = detections.sequence(*_parts(person))
        return _track(person, 0, sequence.keypoints_px, sequence.confidence, self.size(person))

    def slices(self, person: str, frames: int) -> Iterator[Track]:
        """The track in pieces of so many frames, each read when its turn comes."""
        size = self.size(person)
        with h5py.File(self.origin, "r") as file:
            group = file[person]
            for start in range(0, self._frames[person], frames):
                rows = slice(start, start + frames)
                confidence = group["confidence"][rows] if "confidence" in group else None
                yield _track(person, start, group["keypoints_px"][rows], confidence, size)


def _parts(person: str) -> tuple[str, str, str]:
    subject, take, serial = person.split("/")
    return subject, take, serial


def _track(person: str, start: int, keypoints_px: np.ndarray, confidence: np.ndarray | None, size: Size) -> Track:
    scores = np.ones(keypoints_px.shape[:2], np.float32) if confidence is None else confidence
    points, scores = split_triples(np.concatenate([keypoints_px, scores[..., None]], axis=-1))
    return Track(person, start + np.arange(len(points)), points, scores, size=size)
