"""The pipeline's own HDF5 files: poses.h5, detections.h5 and predictions.h5.

    poses.h5         /<subject>/<take>/positions_m              (T, 17, 3) float32, world, Human3.6M-17; attributes of
                                                                the take: action, fps and, where there are any,
                                                                dropped_frames
                     /cameras/<subject>/<serial>                the camera's parameters as attributes; the actions in
                                                                order are an attribute of the file
    detections.h5    /<subject>/<take>/<serial>/keypoints_px    (T, J, 2) float32; confidence (T, J) where there is one
                     /cameras/...                               as above; source, source_words and joints are attributes
                                                                of the file
    predictions.h5   /<subject>/<take>/<serial>/predicted_m     (T, J, 3) float32, camera frame, root-relative
                     /<subject>/<take>/<serial>/truth_m         the same; cameras, actions and the attributes action
                                                                and fps of the take as above; further attributes of
                                                                the file say which run this is

The attribute content says which of the three a file is. detections.h5 repeats the cameras so that training without 3D
never opens poses.h5. Files are written whole or not at all, and hold nothing that differs between two runs on the same
input.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.base.hdf5 import ForeignDataset, ForeignHdf5, new_hdf5
from wsgcn.base.section import is_name
from wsgcn.pose.camera import Camera

_CAMERAS = "cameras"
_CAMERA_SIZES = {"focal_px": 2, "centre_px": 2, "radial": 3, "tangential": 2, "orientation_wxyz": 4, "translation_m": 3}

Cameras = Mapping[str, Mapping[str, Camera]]  # by subject and serial


@dataclass(frozen=True)
class Sequence2D:
    """One take seen by one camera."""

    subject: str
    take: str
    serial: str
    keypoints_px: np.ndarray  # (T, J, 2) float32
    confidence: np.ndarray | None = None  # (T, J) float32 in [0, 1]


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Sorted, with the numbers in them by value: S9 before S11. The order given leaves no trace."""

    def key(name: str) -> list[tuple[int, int | str]]:
        return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]

    return sorted(sorted(names), key=key)  # S1 and S01 are equal by value


class _Writer:
    """A file under construction; use the `create` functions below."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def add_cameras(self, cameras: Cameras) -> None:
        for subject, by_serial in cameras.items():
            for serial, camera in by_serial.items():
                group = self._file.create_group(f"{_CAMERAS}/{subject}/{serial}")
                for name, value in asdict(camera).items():
                    if name != "serial":
                        group.attrs[name] = value


class PosesWriter(_Writer):
    def add(
        self,
        subject: str,
        take: str,
        positions_m: np.ndarray,
        action: str,
        fps: float,
        dropped_frames: Sequence[int] = (),
    ) -> None:
        """Add a take: positions_m (T, 17, 3), world; `dropped_frames` are those of the raw take that are not in it."""
        group = self._file.create_group(f"{subject}/{take}")
        group.create_dataset("positions_m", data=positions_m.astype(np.float32))
        group.attrs["action"] = action
        group.attrs["fps"] = fps
        if dropped_frames:
            group.attrs["dropped_frames"] = np.array(dropped_frames, dtype=np.int64)


class DetectionsWriter(_Writer):
    def add(self, sequence: Sequence2D) -> None:
        group = self._file.create_group(f"{sequence.subject}/{sequence.take}/{sequence.serial}")
        group.create_dataset("keypoints_px", data=sequence.keypoints_px.astype(np.float32))
        if sequence.confidence is not None:
            group.create_dataset("confidence", data=sequence.confidence.astype(np.float32))


class PredictionsWriter(_Writer):
    def add_take(self, subject: str, take: str, action: str, fps: float) -> None:
        """Add a take, whose sequences follow."""
        group = self._file.create_group(f"{subject}/{take}")
        group.attrs["action"] = action
        group.attrs["fps"] = fps

    def add(self, subject: str, take: str, serial: str, predicted_m: np.ndarray, truth_m: np.ndarray) -> None:
        """Add a sequence of a take that is there: both (T, J, 3), camera frame, root-relative."""
        group = self._file.create_group(f"{subject}/{take}/{serial}")
        group.create_dataset("predicted_m", data=predicted_m.astype(np.float32))
        group.create_dataset("truth_m", data=truth_m.astype(np.float32))


def _numbers_in(value: object) -> int | None:
    """How many numbers a list has, 0 for a number alone, None for anything else."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, int | float) for each in values):
        return None
    return len(values) if isinstance(value, list) else 0


@contextmanager
def _new_file(path: Path | str, content: str) -> Iterator[h5py.File]:
    with new_hdf5(path) as file:
        file.attrs["content"] = content
        yield file


@contextmanager
def create_poses(path: Path | str, actions: Sequence[str]) -> Iterator[PosesWriter]:
    """Write poses.h5; it appears when the block ends well. Raises InputError if the disk is full.

    Args:
        actions: of all takes, in the order in which tables list them.
    """
    with _new_file(path, "poses") as file:
        file.attrs["actions"] = list(actions)
        yield PosesWriter(file)


@contextmanager
def create_detections(
    path: Path | str, source: str, source_words: str, joints: Sequence[str]
) -> Iterator[DetectionsWriter]:
    """Write detections.h5; it appears when the block ends well. Raises InputError if the disk is full.

    Args:
        source: the value of `detections.source`; `source_words` says what that is.
        joints: the order of the joints.
    """
    with _new_file(path, "detections") as file:
        file.attrs["source"] = source
        file.attrs["source_words"] = source_words
        file.attrs["joints"] = list(joints)
        yield DetectionsWriter(file)


@contextmanager
def create_predictions(
    path: Path | str, joints: Sequence[str], actions: Sequence[str], attributes: Mapping[str, str]
) -> Iterator[PredictionsWriter]:
    """Write predictions.h5; it appears when the block ends well. Raises InputError if the disk is full."""
    with _new_file(path, "predictions") as file:
        file.attrs["joints"] = list(joints)
        file.attrs["actions"] = list(actions)
        for name, value in attributes.items():
            file.attrs[name] = value
        yield PredictionsWriter(file)


class _Reader:
    """An open file of the pipeline; closed at the end of a `with` block.

    Raises:
        InputError: the file is missing, is no HDF5 file, or not the kind of file expected.
    """

    _content: str  # the attribute by which the file is known

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise InputError(f"{path}: is a folder, expected a file that `dvc repro` makes.")
        if not self.path.exists():
            raise InputError(f"{path}: not found; `dvc repro` makes it.")
        self._file = ForeignHdf5(self.path, path)
        try:
            if (content := self._file.attribute("content")) != self._content:
                held = brief(content, 80) if content else enumerated(self._file.names())
                raise InputError(f"{path}: holds {held}, expected {self._content} of this project.")
        except InputError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def subjects(self) -> list[str]:
        names = [name for name in self._file.names() if name != _CAMERAS]
        if strays := [name for name in names if not is_name(name)]:
            raise InputError(
                f"{self.path}: is HDF5, but not {self._content} of this project (it has {enumerated(strays)})."
            )
        return in_natural_order(names)

    def takes(self, subject: str) -> list[str]:
        return self._file.names(subject)

    def camera(self, subject: str, serial: str) -> Camera:
        place = f"{_CAMERAS}/{subject}/{serial}"
        found = self._file.attributes(place)
        sizes = {field.name: _CAMERA_SIZES.get(field.name, 0) for field in fields(Camera) if field.name != "serial"}
        if {name: _numbers_in(value) for name, value in found.items()} != sizes:
            raise InputError(f"{self.path}: {brief(place, 80)} has not a camera's parameters: {enumerated(sizes)}.")
        parameters: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
        }
        return Camera(serial=serial, **parameters)

    def cameras(self) -> dict[str, dict[str, Camera]]:
        """All of them, by subject and serial.

        Raises:
            InputError: there is somebody whom no camera has seen.
        """
        if unseen := set(self.subjects) - set(self._file.names(_CAMERAS)):
            raise InputError(f"{self.path}: has no cameras of {enumerated(sorted(unseen))}.")
        return {
            subject: {serial: self.camera(subject, serial) for serial in self._file.names(f"{_CAMERAS}/{subject}")}
            for subject in self._file.names(_CAMERAS)
        }

    def _texts(self, name: str) -> list[str]:
        found = self._file.attribute(name)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise InputError(f"{self.path}: has no {name}, expected a list of names.")
        return found

    def _read(self, place: str, *item: int) -> np.ndarray:
        """An array (T, *item); -1 stands for any size."""
        return self._dataset(place, *item).read()

    def _dataset(self, place: str, *item: int) -> ForeignDataset:
        found = self._file.dataset(place)
        fits = len(found.shape) == len(item) + 1 and all(
            size in (-1, have) for size, have in zip(item, found.shape[1:], strict=True)
        )
        if not fits or found.dtype.kind not in "fiu":
            expected = ", ".join(["T", *("J" if size < 0 else str(size) for size in item)])
            raise InputError(
                f"{self.path}: {brief(place, 80)} is of {found.dtype} {brief(found.shape, 60)}, "
                f"expected numbers ({expected})."
            )
        return found


class _WithActions(_Reader):
    """A file whose takes have an action and a rate."""

    @property
    def actions(self) -> list[str]:
        """In the order in which tables list them."""
        return self._texts("actions")

    def action(self, subject: str, take: str) -> str:
        action = self._file.attribute("action", f"{subject}/{take}")
        if not isinstance(action, str):
            raise InputError(f"{self.path}: {brief(f'{subject}/{take}', 80)} has no action, expected a name.")
        return action

    def fps(self, subject: str, take: str) -> float:
        fps = self._file.attribute("fps", f"{subject}/{take}")
        if not isinstance(fps, int | float):
            raise InputError(f"{self.path}: {brief(f'{subject}/{take}', 80)} has no fps, expected a number.")
        return float(fps)


class Poses(_WithActions):
    """poses.h5, open for reading."""

    _content = "poses"

    def frames(self, subject: str, take: str) -> int:
        return self._dataset(f"{subject}/{take}/positions_m", 17, 3).shape[0]

    def dropped_frames(self, subject: str, take: str) -> list[int]:
        """The frames of the raw take that were left out of it; what was recorded with the take has them still."""
        dropped = self._file.attribute("dropped_frames", f"{subject}/{take}")
        if dropped is None:
            return []
        if not isinstance(dropped, list) or not all(isinstance(frame, int) for frame in dropped):
            raise InputError(f"{self.path}: {subject}/{take} has dropped_frames that are no list of frames.")
        return dropped

    def positions_m(self, subject: str, take: str) -> np.ndarray:
        """(T, 17, 3) float32, world."""
        return self._read(f"{subject}/{take}/positions_m", 17, 3)


class Detections(_Reader):
    """detections.h5, open for reading."""

    _content = "detections"

    @property
    def source(self) -> str:
        return str(self._file.attribute("source"))

    @property
    def source_words(self) -> str:
        """What the source is."""
        return str(self._file.attribute("source_words"))

    @property
    def joints(self) -> list[str]:
        return self._texts("joints")

    def serials(self, subject: str, take: str) -> list[str]:
        return self._file.names(f"{subject}/{take}")

    def frames(self, subject: str, take: str, serial: str) -> int:
        return self._dataset(f"{subject}/{take}/{serial}/keypoints_px", -1, 2).shape[0]

    def sequence(self, subject: str, take: str, serial: str) -> Sequence2D:
        [sequence] = self.slices(subject, take, serial, None)
        return sequence

    def slices(self, subject: str, take: str, serial: str, frames: int | None) -> Iterator[Sequence2D]:
        """The sequence in pieces of so many frames, each read when its turn comes; None for one piece."""
        place = f"{subject}/{take}/{serial}"
        keypoints = self._dataset(f"{place}/keypoints_px", -1, 2)
        has_confidence = self._file.holds(f"{place}/confidence")
        confidence = self._dataset(f"{place}/confidence", -1) if has_confidence else None
        if confidence is not None and confidence.shape != keypoints.shape[:2]:
            raise InputError(f"{self.path}: {place} has keypoints and confidence of different shapes.")
        for start in range(0, keypoints.shape[0], frames) if frames else (0,):
            rows = slice(start, None if frames is None else start + frames)
            scores = None if confidence is None else confidence.read(rows)
            yield Sequence2D(subject, take, serial, keypoints.read(rows), scores)


class Predictions(_WithActions):
    """predictions.h5, open for reading."""

    _content = "predictions"

    @property
    def joints(self) -> list[str]:
        return self._texts("joints")

    @property
    def attributes(self) -> dict[str, str]:
        return {
            name: str(value)
            for name, value in self._file.attributes().items()
            if name not in ("content", "joints", "actions")
        }

    def serials(self, subject: str, take: str) -> list[str]:
        return self._file.names(f"{subject}/{take}")

    def predicted_m(self, subject: str, take: str, serial: str) -> np.ndarray:
        """(T, J, 3) float32, camera frame, root-relative."""
        return self._read(f"{subject}/{take}/{serial}/predicted_m", -1, 3)

    def truth_m(self, subject: str, take: str, serial: str) -> np.ndarray:
        """(T, J, 3) float32, camera frame, root-relative."""
        return self._read(f"{subject}/{take}/{serial}/truth_m", -1, 3)
