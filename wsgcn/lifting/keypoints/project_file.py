"""The project's own detections.h5, see `wsgcn.pose.store`. A person is a sequence: S9/Eating 1/54138969."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints.base import Person, Size, Track, split_triples
from wsgcn.pose.store import Detections, Sequence2D

FORMAT = "detections"


class DetectionsFile:
    """Such a file, of which only the tracks that are asked for are read.

    Raises:
        InputError: it is missing, no HDF5, or not a detections.h5 of this project.
    """

    format = FORMAT

    def __init__(self, path: Path, order: JointOrder | None = None) -> None:
        self.origin = path
        with Detections(path) as detections:
            self.order = JointOrder(detections.source, tuple(detections.joints))
            self._frames = {
                f"{subject}/{take}/{serial}": detections.frames(subject, take, serial)
                for subject in detections.subjects
                for take in detections.takes(subject)
                for serial in detections.serials(subject, take)
            }
        if not self._frames:
            raise InputError(f"{path}: has nobody in it.")
        if order is not None and order.joints != self.order.joints:
            raise InputError(f"{path}: names its own joints, which are not those of {order.name}.")

    @cached_property
    def people(self) -> tuple[Person, ...]:
        return tuple(Person(name, frames, 0, frames - 1, None) for name, frames in self._frames.items())

    def size(self, person: str) -> Size:
        """The picture's size, of the sequence's camera."""
        with Detections(self.origin) as detections:
            return _size(detections, person)

    def track(self, person: str) -> Track:
        with Detections(self.origin) as detections:
            return _track(person, 0, detections.sequence(*_parts(person)), _size(detections, person))

    def slices(self, person: str, frames: int) -> Iterator[Track]:
        """The track in pieces of so many frames, each read when its turn comes."""
        with Detections(self.origin) as detections:
            size = _size(detections, person)
            for number, piece in enumerate(detections.slices(*_parts(person), frames)):
                yield _track(person, number * frames, piece, size)


def _parts(person: str) -> tuple[str, str, str]:
    subject, take, serial = person.split("/")
    return subject, take, serial


def _size(detections: Detections, person: str) -> Size:
    subject, _, serial = _parts(person)
    camera = detections.camera(subject, serial)
    return camera.width_px, camera.height_px


def _track(person: str, start: int, piece: Sequence2D, size: Size) -> Track:
    confidence = np.ones(piece.keypoints_px.shape[:2], np.float32) if piece.confidence is None else piece.confidence
    points, scores = split_triples(np.concatenate([piece.keypoints_px, confidence[..., None]], axis=-1))
    return Track(person, start + np.arange(len(points)), points, scores, size=size)
