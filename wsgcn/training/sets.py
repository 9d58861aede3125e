"""The sets that training draws from, and the order in which it draws.

A set is a handful of tensors that move to the device once; a batch is a selection of indices. What does not change from
step to step (camera frames, normalised 2D, undistorted 2D, the roots' normal matrices) is computed once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from wsgcn.base.errors import InputError
from wsgcn.pose.camera import (
    Camera,
    normalise_screen,
    root_normal_inverse,
    solve_root,
    undistort,
    world_to_camera,
)
from wsgcn.pose.skeleton import H36M17, Skeleton
from wsgcn.pose.store import Detections, Poses, Sequence2D

Take = tuple[str, str]  # subject, take


class _Tensors:
    """A frozen dataclass of tensors (and of such dataclasses) that moves between devices as one."""

    def to(self, device: torch.device) -> Self:
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class LabelledSet(_Tensors):
    """N poses with their 3D labels."""

    keypoints_NJ2: Tensor  # normalised screen units
    pose_NJ3: Tensor  # m, camera axes, relative to the root

    def __len__(self) -> int:
        return len(self.keypoints_NJ2)


class Roots(Protocol):
    """Where the unlabelled poses stand."""

    def of(self, index_B: Tensor, predicted_BJ3: Tensor) -> Tensor:
        """The roots (B, 3), m, camera frame, of the poses `index_B` given their prediction."""

    def to(self, device: torch.device) -> Self: ...


@dataclass(frozen=True)
class TrueRoots(_Tensors):
    """The published protocol: the true 3D root of every unlabelled pose, which is more than 2D supervision."""

    root_N3: Tensor

    def of(self, index_B: Tensor, predicted_BJ3: Tensor) -> Tensor:
        return self.root_N3[index_B]


@dataclass(frozen=True)
class SolvedRoots(_Tensors):
    """The root in closed form from 2D and prediction; holds nothing but what follows from the 2D."""

    uv_NJ2: Tensor  # undistorted normalised coordinates
    normal_inverse_N33: Tensor

    def of(self, index_B: Tensor, predicted_BJ3: Tensor) -> Tensor:
        return solve_root(predicted_BJ3, self.uv_NJ2[index_B], self.normal_inverse_N33[index_B])


@dataclass(frozen=True)
class UnlabelledSet:
    """N poses of which the training sees the 2D, the cameras' intrinsics, and `roots`."""

    keypoints_NJ2: Tensor  # normalised screen units
    camera_N: Tensor  # index into intrinsics_K9
    intrinsics_K9: Tensor  # normalised screen units, see wsgcn.pose.camera
    roots: Roots

    def to(self, device: torch.device) -> "UnlabelledSet":
        return UnlabelledSet(
            self.keypoints_NJ2.to(device),
            self.camera_N.to(device),
            self.intrinsics_K9.to(device),
            self.roots.to(device),
        )

    def __len__(self) -> int:
        return len(self.keypoints_NJ2)


def load_labelled(
    poses_path: Path | str, detections_path: Path | str, takes: Iterable[Take], skeleton: Skeleton, stride: int = 1
) -> LabelledSet:
    """Every `stride`-th frame of the takes, seen by every camera that has detections of them.

    Raises:
        InputError: a take is missing, or the detections lack one of the skeleton's joints.
    """
    keypoints, pose = [], []
    with Poses(poses_path) as poses, Detections(detections_path) as detections:
        for sequence, camera in _sequences(detections, takes):
            keypoints.append(_keypoints(detections, sequence, camera, skeleton, stride))
            positions_m = poses.positions_m(sequence.subject, sequence.take)[::stride]
            pose.append(root_relative(camera_poses(positions_m, camera, skeleton)).astype(np.float32))
    joints = len(skeleton.joints)
    return LabelledSet(_stack(keypoints, joints, 2), _stack(pose, joints, 3))


def load_unlabelled(
    detections_path: Path | str, takes: Iterable[Take], skeleton: Skeleton, stride: int = 1
) -> UnlabelledSet:
    """The unlabelled set with solved roots. It is made of detections.h5 alone, which holds no 3D of anybody.

    Raises:
        InputError: a take is missing, or the detections lack one of the skeleton's joints.
    """
    uv: list[np.ndarray] = []
    normal_inverse: list[np.ndarray] = []

    def add_root(sequence: Sequence2D, camera: Camera, keypoints_TJ2: np.ndarray) -> None:
        uv_TJ2 = undistort(keypoints_TJ2.astype(np.float64), camera.intrinsics_screen)
        normal_inverse_T33 = root_normal_inverse(uv_TJ2)
        is_degenerate = ~np.isfinite(normal_inverse_T33).all((1, 2))
        if is_degenerate.any():
            raise InputError(
                f"{detections_path}: {sequence.subject} {sequence.take}, camera {sequence.serial}, has all joints at "
                f"one point in {is_degenerate.sum()} frames, the first is {is_degenerate.argmax() * stride}; "
                "weak.root: solved cannot place them."
            )
        uv.append(uv_TJ2.astype(np.float32))
        normal_inverse.append(normal_inverse_T33.astype(np.float32))

    unlabelled = _load_2d(detections_path, takes, skeleton, stride, add_root)
    joints = len(skeleton.joints)
    return UnlabelledSet(*unlabelled, roots=SolvedRoots(_stack(uv, joints, 2), _stack(normal_inverse, 3, 3)))


def load_unlabelled_with_true_roots(
    poses_path: Path | str, detections_path: Path | str, takes: Sequence[Take], skeleton: Skeleton, stride: int = 1
) -> UnlabelledSet:
    """The unlabelled set of the published protocol. Of poses.h5 it keeps the root joint and drops the rest.

    Raises:
        InputError: a take is missing, or the detections lack one of the skeleton's joints.
    """
    roots: list[np.ndarray] = []
    with Poses(poses_path) as poses:

        def add_root(sequence: Sequence2D, camera: Camera, _: np.ndarray) -> None:
            root_world_m = poses.positions_m(sequence.subject, sequence.take)[::stride, :1]
            root_m = world_to_camera(root_world_m.astype(np.float64), camera.rotation, np.array(camera.translation_m))
            roots.append(root_m[:, 0].astype(np.float32))

        unlabelled = _load_2d(detections_path, takes, skeleton, stride, add_root)
    return UnlabelledSet(*unlabelled, roots=TrueRoots(_stack(roots, 3)))


def _load_2d(
    detections_path: Path | str,
    takes: Iterable[Take],
    skeleton: Skeleton,
    stride: int,
    add_root: Callable[[Sequence2D, Camera, np.ndarray], None],
) -> tuple[Tensor, Tensor, Tensor]:
    """keypoints_NJ2, camera_N and intrinsics_K9 of the takes; `add_root` is told each sequence and its keypoints."""
    keypoints: list[np.ndarray] = []
    camera_index: list[np.ndarray] = []
    intrinsics: list[np.ndarray] = []
    with Detections(detections_path) as detections:
        for sequence, camera in _sequences(detections, takes):
            keypoints_TJ2 = _keypoints(detections, sequence, camera, skeleton, stride)
            keypoints.append(keypoints_TJ2)
            camera_index.append(np.full(len(keypoints_TJ2), len(intrinsics)))
            intrinsics.append(camera.intrinsics_screen.astype(np.float32))
            add_root(sequence, camera, keypoints_TJ2)
    return (
        _stack(keypoints, len(skeleton.joints), 2),
        torch.from_numpy(np.concatenate([*camera_index, np.empty(0, dtype=np.int64)])),
        _stack([row[None] for row in intrinsics], 9),
    )


def takes_of(detections_path: Path | str, subjects: Iterable[str]) -> list[Take]:
    """All takes of the subjects, in a fixed order.

    Raises:
        InputError: a subject has no detections.
    """
    with Detections(detections_path) as detections:
        return [(subject, take) for subject in subjects for take in detections.takes(subject)]


def count_poses(detections_path: Path | str, takes: Iterable[Take], stride: int) -> int:
    """How many poses a set of these takes has, without loading it."""
    with Detections(detections_path) as detections:
        return sum(
            -(-detections.frames(subject, take, serial) // stride)
            for subject, take in takes
            for serial in detections.serials(subject, take)
        )


def split_takes(takes: Sequence[Take], share: float, seed: int) -> tuple[list[Take], list[Take]]:
    """Hold out a share of the takes, at least one: (kept, held out), each in the order given.

    Raises:
        InputError: fewer than two takes.
    """
    if len(takes) < 2:
        raise InputError(f"data.subjects.validation: a share of {len(takes)} labelled take cannot be held out.")
    count = min(max(1, round(share * len(takes))), len(takes) - 1)
    held_out = set(np.random.default_rng([seed, 0x7E57]).permutation(len(takes))[:count].tolist())
    return (
        [take for index, take in enumerate(takes) if index not in held_out],
        [take for index, take in enumerate(takes) if index in held_out],
    )


def camera_poses(positions_world_m: np.ndarray, camera: Camera, skeleton: Skeleton) -> np.ndarray:
    """World positions of the 17 joints (T, 17, 3) to the skeleton's joints in the camera frame (T, J, 3), float64."""
    joints = skeleton.indices_in(H36M17.joints, "poses.h5")
    positions_m = positions_world_m[:, joints].astype(np.float64)
    return world_to_camera(positions_m, camera.rotation, np.array(camera.translation_m))


def root_relative(pose_TJ3: np.ndarray) -> np.ndarray:
    """The pose minus its root, joint 0."""
    return pose_TJ3 - pose_TJ3[:, :1]


def normalised_keypoints(
    detections: Detections, sequence: Sequence2D, camera: Camera, skeleton: Skeleton
) -> np.ndarray:
    """The 2D input of the network for one sequence: (T, J, 2) float32, normalised screen units."""
    joints = skeleton.indices_in(detections.joints, str(detections.path))
    keypoints_px = sequence.keypoints_px[:, joints].astype(np.float64)
    return normalise_screen(keypoints_px, camera.width_px, camera.height_px).astype(np.float32)


def _keypoints(
    detections: Detections, sequence: Sequence2D, camera: Camera, skeleton: Skeleton, stride: int
) -> np.ndarray:
    return normalised_keypoints(detections, sequence, camera, skeleton)[::stride]


def _sequences(detections: Detections, takes: Iterable[Take]) -> Iterator[tuple[Sequence2D, Camera]]:
    for subject, take in takes:
        for serial in detections.serials(subject, take):
            yield detections.sequence(subject, take, serial), detections.camera(subject, serial)


def _stack(parts: list[np.ndarray], *shape: int) -> Tensor:
    return torch.from_numpy(np.concatenate([*parts, np.empty((0, *shape), np.float32)]))


class Shuffle:
    """An endless stream of indices: one pass over the set after another, each in its own random order.

    Batch n of the stream is a function of seed, role and n alone. So training that goes on from a checkpoint draws what
    it would have drawn, and every batch has the same size (one may span two passes).
    """

    def __init__(self, size: int, batch: int, *, seed: int, role: str) -> None:
        assert size > 0
        self._size, self._batch = size, batch
        self._entropy = [seed, *role.encode()]
        self._orders: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """The indices (batch,) of a step, on the CPU."""
        position, end = step * self._batch, (step + 1) * self._batch
        parts = []
        while position < end:
            number, offset = divmod(position, self._size)
            part = self._order(number)[offset : offset + end - position]
            parts.append(part)
            position += len(part)
        return torch.cat(parts)

    def epoch_indices(self, first_step: int, steps: int) -> Tensor:
        """The indices (steps, batch) of an epoch, to be moved to the device at once."""
        return torch.stack([self.indices(first_step + step) for step in range(steps)])

    def _order(self, number: int) -> Tensor:
        if number not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key >= number - 1}
            seed = np.random.SeedSequence([*self._entropy, number]).generate_state(1, np.uint64).item()
            self._orders[number] = torch.randperm(self._size, generator=torch.Generator().manual_seed(seed >> 1))
        return self._orders[number]
