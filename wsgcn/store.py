"""The pipeline's own HDF5 files: poses.h5, detections.h5 and predictions.h5.

    poses.h5         /<subject>/<take>/positions_m              (T, 17, 3) float32, world, Human3.6M-17; attributes
                                                                fps and, where there are any, dropped_frames
                     /cameras/<subject>/<serial>                the camera's parameters as attributes
    detections.h5    /<subject>/<take>/<serial>/keypoints_px    (T, J, 2) float32; confidence (T, J) where there is one
                     /cameras/...                               as above; source and joints are attributes of the file
    predictions.h5   /<subject>/<take>/<serial>/predicted_m     (T, J, 3) float32, camera frame, root-relative
                     /<subject>/<take>/<serial>/truth_m         the same; attributes of the file say which run this is

The attribute content says which of the three a file is. detections.h5 repeats the cameras so that training without 3D
never opens poses.h5. Files are written whole or not at all, and hold nothing that differs between two runs on the same
input.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from wsgcn.camera import Camera
from wsgcn.errors import InputError
from wsgcn.hdf5 import new_hdf5

_CAMERAS = "cameras"

Cameras = Mapping[str, Mapping[str, Camera]]  # by subject and serial


@dataclass(frozen=True)
class Sequence2D:
    """One take seen by one camera."""

    subject: str
    take: str
    serial: str
    keypoints_px: np.ndarray  # (T, J, 2) float32
    confidence: np.ndarray | None = None  # (T, J) float32 in [0, 1]


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
        self, subject: str, take: str, positions_m: np.ndarray, fps: float, dropped_frames: Sequence[int] = ()
    ) -> None:
        """Add a take: positions_m (T, 17, 3), world; `dropped_frames` are those of the raw take that are not in it."""
        group = self._file.create_group(f"{subject}/{take}")
        group.create_dataset("positions_m", data=positions_m.astype(np.float32))
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
    def add(self, subject: str, take: str, serial: str, predicted_m: np.ndarray, truth_m: np.ndarray) -> None:
        """Add a sequence: both (T, J, 3), camera frame, root-relative."""
        group = self._file.create_group(f"{subject}/{take}/{serial}")
        group.create_dataset("predicted_m", data=predicted_m.astype(np.float32))
        group.create_dataset("truth_m", data=truth_m.astype(np.float32))


@contextmanager
def _new_file(path: Path | str, content: str) -> Iterator[h5py.File]:
    with new_hdf5(path) as file:
        file.attrs["content"] = content
        yield file


@contextmanager
def create_poses(path: Path | str) -> Iterator[PosesWriter]:
    """Write poses.h5; it appears when the block ends well. Raises InputError if the disk is full."""
    with _new_file(path, "poses") as file:
        yield PosesWriter(file)


@contextmanager
def create_detections(path: Path | str, source: str, joints: Sequence[str]) -> Iterator[DetectionsWriter]:
    """Write detections.h5; it appears when the block ends well. Raises InputError if the disk is full."""
    with _new_file(path, "detections") as file:
        file.attrs["source"] = source
        file.attrs["joints"] = list(joints)
        yield DetectionsWriter(file)


@contextmanager
def create_predictions(
    path: Path | str, joints: Sequence[str], attributes: Mapping[str, str]
) -> Iterator[PredictionsWriter]:
    """Write predictions.h5; it appears when the block ends well. Raises InputError if the disk is full."""
    with _new_file(path, "predictions") as file:
        file.attrs["joints"] = list(joints)
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
        try:
            self._file = h5py.File(self.path, "r")
        except FileNotFoundError:
            raise InputError(f"{path}: not found; `dvc repro` makes it.") from None
        except OSError as error:
            raise InputError(f"{path}: is not a readable HDF5 file ({' '.join(str(error).split())}).") from error
        if (content := self._file.attrs.get("content")) != self._content:
            self._file.close()
            raise InputError(f"{path}: holds {content or 'something else'}, expected {self._content}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def subjects(self) -> list[str]:
        """In Human3.6M's order, by number."""
        return sorted((name for name in self._file if name != _CAMERAS), key=lambda name: int(name[1:]))

    def takes(self, subject: str) -> list[str]:
        return list(self._group(subject))

    def camera(self, subject: str, serial: str) -> Camera:
        attributes = self._group(f"{_CAMERAS}/{subject}/{serial}").attrs
        fields: dict[str, Any] = {
            name: value.item() if value.ndim == 0 else tuple(value.tolist())
            for name, value in ((name, np.asarray(value)) for name, value in attributes.items())
        }
        return Camera(serial=serial, **fields)

    def cameras(self) -> dict[str, dict[str, Camera]]:
        """All of them, by subject and serial."""
        return {
            subject: {serial: self.camera(subject, serial) for serial in by_serial}
            for subject, by_serial in self._group(_CAMERAS).items()
        }

    def _group(self, name: str) -> h5py.Group:
        if name not in self._file:
            raise InputError(f"{self.path}: has no {name} (it has {', '.join(self._file)}).")
        return self._file[name]


class Poses(_Reader):
    """poses.h5, open for reading."""

    _content = "poses"

    def frames(self, subject: str, take: str) -> int:
        return self._group(f"{subject}/{take}/positions_m").shape[0]

    def fps(self, subject: str, take: str) -> float:
        return float(self._group(f"{subject}/{take}").attrs["fps"])

    def dropped_frames(self, subject: str, take: str) -> list[int]:
        """The frames of the raw take that were left out of it; what was recorded with the take has them still."""
        dropped = self._group(f"{subject}/{take}").attrs.get("dropped_frames")
        return [] if dropped is None else dropped.tolist()

    def positions_m(self, subject: str, take: str) -> np.ndarray:
        """(T, 17, 3) float32, world."""
        return self._group(f"{subject}/{take}/positions_m")[()]


class Detections(_Reader):
    """detections.h5, open for reading."""

    _content = "detections"

    @property
    def source(self) -> str:
        return str(self._file.attrs["source"])

    @property
    def joints(self) -> list[str]:
        return [str(joint) for joint in self._file.attrs["joints"]]

    def serials(self, subject: str, take: str) -> list[str]:
        return list(self._group(f"{subject}/{take}"))

    def frames(self, subject: str, take: str, serial: str) -> int:
        return self._group(f"{subject}/{take}/{serial}/keypoints_px").shape[0]

    def sequence(self, subject: str, take: str, serial: str) -> Sequence2D:
        group = self._group(f"{subject}/{take}/{serial}")
        confidence = group["confidence"][()] if "confidence" in group else None
        return Sequence2D(subject, take, serial, group["keypoints_px"][()], confidence)


class Predictions(_Reader):
    """predictions.h5, open for reading."""

    _content = "predictions"

    @property
    def joints(self) -> list[str]:
        return [str(joint) for joint in self._file.attrs["joints"]]

    @property
    def attributes(self) -> dict[str, str]:
        return {name: str(value) for name, value in self._file.attrs.items() if name not in ("content", "joints")}

    def serials(self, subject: str, take: str) -> list[str]:
        return list(self._group(f"{subject}/{take}"))

    def predicted_m(self, subject: str, take: str, serial: str) -> np.ndarray:
        """(T, J, 3) float32, camera frame, root-relative."""
        return self._group(f"{subject}/{take}/{serial}/predicted_m")[()]

    def truth_m(self, subject: str, take: str, serial: str) -> np.ndarray:
        """(T, J, 3) float32, camera frame, root-relative."""
        return self._group(f"{subject}/{take}/{serial}/truth_m")[()]
