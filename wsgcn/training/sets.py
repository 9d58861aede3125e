"""The sets that training draws from, and the order in which it draws.

A set is a handful of tensors that move to the device once; a batch is a selection of indices. What does not change from
step to step (camera frames, normalised 2D, undistorted 2D, the roots' normal matrices) is computed once.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.model.context import ALONE, Context
from wsgcn.model.networks import context_of_model
from wsgcn.model.trajectory import Trajectory, build_trajectory
from wsgcn.pose.camera import Camera, root_normal_inverse, undistort, world_to_camera
from wsgcn.pose.params import validation_subjects
from wsgcn.pose.sequences import (
    Take,
    camera_poses,
    chosen_takes,
    count_poses,
    normalised_keypoints,
    root_relative,
    run_ends,
    sequences_of,
    split_takes,
    takes_of,
)
from wsgcn.pose.skeleton import H36M17, SKELETONS, Skeleton
from wsgcn.pose.store import Detections, Poses
from wsgcn.training.augmentation import Drawer, PoseSet, pose_set
from wsgcn.training.batch import Batch, Unlabelled
from wsgcn.training.losses import bone_ends
from wsgcn.training.params import Training, WarmupParams, Weak, WeakParams
from wsgcn.training.teacher import PseudoSource, Teacher, Views
from wsgcn.training.tensors import Tensors
from wsgcn.training.unlabelled import ModelRootSource, RootSource, SolvedRootSource, TrueRootSource, UnlabelledSet
from wsgcn.training.windows import Windows, seen, windows_of


@dataclass(frozen=True)
class LabelledSet(Tensors):
    """N poses with their 3D labels."""

    keypoints_NJ2: Tensor  # normalised screen units
    pose_NJ3: Tensor  # m, camera axes, relative to the root
    world: PoseSet | None = None  # the same as augmentation takes them, then those that a teacher labels; None: no such
    windows: Windows | None = None  # which of them are trained on, for a network over time; None: each by itself
    root_N3: Tensor | None = None  # m, camera frame: where they stand; None: not known

    def __len__(self) -> int:
        return len(self.keypoints_NJ2) if self.windows is None else len(self.windows)

    def seen(self, index_B: Tensor) -> Tensor:
        """The 2D (B, J, 2), or of windows (B, T, J, 2), of the poses of a batch."""
        return seen(self.keypoints_NJ2, self.windows, index_B)

    def truth(self, index_B: Tensor) -> Tensor:
        """The 3D (B, J, 3) of the poses of a batch."""
        return self.pose_NJ3.index_select(0, self._lifted(index_B))

    def root(self, index_B: Tensor) -> Tensor | None:
        """Where the poses of a batch stand (B, 3), m, camera frame."""
        return None if self.root_N3 is None else self.root_N3.index_select(0, self._lifted(index_B))

    def _lifted(self, index_B: Tensor) -> Tensor:
        return index_B if self.windows is None else self.windows.lifted_M.index_select(0, index_B)


@dataclass(frozen=True)
class Sets:
    """What a stage trains on and is validated with, on the device."""

    labelled: LabelledSet
    unlabelled: UnlabelledSet | None
    validation: LabelledSet | None
    bone_ends_2EJ: Tensor
    steps_per_epoch: int
    drawer: Drawer | None = None  # draws the labelled poses anew; None leaves them as they are
    teacher: Teacher | None = None  # has pseudo-labelled ones behind them; None: there are none
    context: Context = ALONE  # of the network
    fps: float | None = None  # frames a second of the labelled, for a network over time
    trajectory: nn.Module | None = None  # says where the unlabelled stand, and is trained along; None: nothing needs it

    @property
    def device(self) -> torch.device:
        return self.bone_ends_2EJ.device

    def batch(self, labelled_index_B: Tensor, unlabelled_index_B: Tensor, step: int | Tensor = 0) -> Batch:
        """The poses with these indices; the second is not looked at where there is no unlabelled set.

        With augmentation the labelled ones are drawn anew, as a function of the seed and the step. With a teacher
        indices from `teacher.first` on are pseudo-labelled poses.
        """
        root_L3: Tensor | None
        if self.drawer is not None and self.labelled.world is not None:
            windows = self.labelled.windows if self.teacher is None else self.teacher.windows
            drawn = self.drawer.draw(self.labelled.world, labelled_index_B, step, windows)
            keypoints, truth_BJ3, root_L3 = drawn.keypoints_BJ2, drawn.pose_BJ3, drawn.root_B3
        else:
            keypoints = self.labelled.seen(labelled_index_B)
            truth_BJ3, root_L3 = self.labelled.truth(labelled_index_B), self.labelled.root(labelled_index_B)
        lifted = self.context.before if self.context else None
        unlabelled: Unlabelled | None = None
        if self.unlabelled is not None:
            # One pass for both: they share the statistics of the batch norms.
            keypoints = torch.cat((keypoints, self.unlabelled.seen(unlabelled_index_B)))
            unlabelled = self.unlabelled.select(unlabelled_index_B)
        return Batch(keypoints, truth_BJ3, unlabelled, self.bone_ends_2EJ, lifted, root_L3, self.trajectory)


def epoch_steps(labelled: int, unlabelled: int, settings: Training) -> int:
    """Steps of an epoch: as the settings say, or one pass over the larger of the two sets."""
    if settings.epoch_steps:
        return settings.epoch_steps
    if unlabelled > labelled:
        return math.ceil(unlabelled / settings.batch_unlabelled)
    return math.ceil(labelled / settings.batch_labelled)


def load_sets(
    params: WarmupParams | WeakParams,
    weak: Weak | None,
    poses_path: Path,
    detections_path: Path,
    device: torch.device,
) -> Sets:
    """Load the sets of a training stage, each file opened once.

    The warm-up only counts the unlabelled poses, for the length of an epoch. Unless `weak.root` is `ground_truth`, the
    unlabelled set is made from detections.h5 alone. With `model` there is a trajectory network, with its initial
    weights, in both stages.

    Args:
        weak: the section of that name; None is the warm-up.

    Raises:
        InputError: a subject is missing, or there is nothing to train on.
    """
    data, subjects = params.data, params.data.subjects
    skeleton, stride = SKELETONS[data.skeleton], data.stride
    with Poses(poses_path) as poses, Detections(detections_path) as detections:
        labelled_takes = chosen_takes(poses, takes_of(detections, subjects.labelled), subjects.labelled_takes)
        validation_takes = takes_of(detections, validation_subjects(subjects.validation))
        if isinstance(subjects.validation, float):
            labelled_takes, validation_takes = split_takes(labelled_takes, subjects.validation, params.seed)
        if weak is not None and not (weak.epochs and subjects.unlabelled):
            weak = None  # it goes on with labels alone
        has_teacher = weak is not None and weak.pseudo_labels.share > 0
        is_drawn = params.augmentation.is_on or has_teacher
        context = context_of_model(params.model)
        trajectory: Trajectory | None = None
        if params.weak.root == "model" and params.weak.epochs and subjects.unlabelled:
            trajectory = build_trajectory(skeleton, context, params.seed).to(device)
        fps = common_fps(poses, [*labelled_takes, *validation_takes]) if context else None
        labelled = load_labelled(poses, detections, labelled_takes, skeleton, stride, context, with_world=is_drawn)
        if not len(labelled):
            raise InputError(f"{detections_path}: holds no frame of the labelled {', '.join(subjects.labelled)}.")
        unlabelled_takes = takes_of(detections, subjects.unlabelled)
        unlabelled: UnlabelledSet | None = None
        source: PseudoSource | None = None
        if weak is not None and (weak.uses_2d or has_teacher):
            with_roots = poses if weak.root == "ground_truth" else None
            loaded = load_unlabelled(
                detections, unlabelled_takes, skeleton, stride, with_roots, context, poses.dropped_frames, trajectory
            )
            unlabelled = loaded.to(device) if len(loaded) else None
            if unlabelled is not None and has_teacher:
                every = 1 if context else stride
                source = pseudo_source(detections, unlabelled, unlabelled_takes, labelled_takes, weak, every)
        validation = load_labelled(poses, detections, validation_takes, skeleton, stride, context)
        unlabelled_poses = count_poses(detections, unlabelled_takes, stride)
    labelled = labelled.to(device)
    teacher: Teacher | None = None
    if source is not None and labelled.world is not None and weak is not None:
        teacher = Teacher(
            source.to(device), labelled.world, skeleton, weak.pseudo_labels, params.seed, labelled.windows
        )
        labelled = replace(labelled, world=teacher.poses)
    return Sets(
        labelled=labelled,
        unlabelled=unlabelled if weak is not None and weak.uses_2d else None,
        validation=validation.to(device) if len(validation) else None,
        bone_ends_2EJ=bone_ends(torch.tensor(skeleton.bones, device=device), len(skeleton.joints)),
        steps_per_epoch=epoch_steps(len(labelled), unlabelled_poses, params.training),
        drawer=Drawer(skeleton, params.augmentation, params.seed, device, context) if is_drawn else None,
        teacher=teacher,
        context=context,
        fps=fps,
        trajectory=trajectory,
    )


def common_fps(poses: Poses, takes: Iterable[Take]) -> float:
    """Frames a second of the takes.

    Raises:
        InputError: they differ, and a network over time learns one rate.
    """
    rates = {poses.fps(*take): take for take in takes}
    if len(rates) > 1:
        (fps, take), (other_fps, other_take) = list(rates.items())[:2]
        raise InputError(
            f"{poses.path}: {' '.join(take)} has {fps:g} frames a second and {' '.join(other_take)} {other_fps:g}; "
            "model.name: temporal learns from takes of one rate."
        )
    return next(iter(rates), 0.0)


def load_labelled(
    poses: Poses,
    detections: Detections,
    takes: Iterable[Take],
    skeleton: Skeleton,
    stride: int = 1,
    context: Context = ALONE,
    *,
    with_world: bool = False,
) -> LabelledSet:
    """Every `stride`-th frame of the takes, seen by every camera that has detections of them.

    Args:
        context: of the network. One that sees more than a frame gets every frame, and windows for every `stride`-th.
        with_world: also what augmentation draws from.

    Raises:
        InputError: a take is missing, or the detections lack one of the skeleton's joints.
    """
    keypoints, pose, root = [], [], []
    world: list[np.ndarray] = []
    cameras: list[Camera] = []
    runs: list[np.ndarray] = []
    step = 1 if context else stride
    for sequence, camera in sequences_of(detections, takes):
        keypoints.append(normalised_keypoints(detections, sequence, camera, skeleton)[::step])
        positions_m = poses.positions_m(sequence.subject, sequence.take)[::step]
        if context:
            runs.append(run_ends(len(positions_m), poses.dropped_frames(sequence.subject, sequence.take)))
        placed_m = camera_poses(positions_m, camera, skeleton)
        pose.append(root_relative(placed_m).astype(np.float32))
        root.append(placed_m[:, 0].astype(np.float32))
        world.append(positions_m[:, skeleton.indices_in(H36M17.joints, "poses.h5")])
        cameras.append(camera)
    joints = len(skeleton.joints)
    labelled = LabelledSet(_stack(keypoints, joints, 2), _stack(pose, joints, 3), root_N3=_stack(root, 3))
    if context:
        labelled = replace(labelled, windows=windows_of(runs, context, stride))
    if not with_world or not len(labelled):
        return labelled
    return replace(
        labelled,
        world=pose_set(
            _stack(world, joints, 3),
            torch.from_numpy(np.repeat(np.arange(len(world)), [len(part) for part in world])),
            _of_cameras([camera.rotation for camera in cameras]),
            _of_cameras([np.array(camera.translation_m) for camera in cameras]),
            _of_cameras([camera.intrinsics_screen for camera in cameras]),
            skeleton,
            None if detections.source == "gt" else labelled.keypoints_NJ2,
        ),
    )


def pseudo_source(
    detections: Detections,
    unlabelled: UnlabelledSet,
    unlabelled_takes: Sequence[Take],
    labelled_takes: Sequence[Take],
    weak: Weak,
    stride: int = 1,
) -> PseudoSource:
    """What a teacher needs beside the unlabelled set, which holds every `stride`-th frame of the same takes.

    Raises:
        InputError: a camera's serial number is not among those of the labelled; or views are to be synchronised, and an
            unlabelled take has fewer than two.
    """
    serials = [serial for subject, take in labelled_takes for serial in detections.serials(subject, take)]
    persons = list(dict.fromkeys(subject for subject, _ in unlabelled_takes))
    person, standing, instants = [], [], []
    rotation, translation = [], []
    position = 0
    for subject, take in unlabelled_takes:
        views = detections.serials(subject, take)
        lengths = [-(-detections.frames(subject, take, serial) // stride) for serial in views]
        for serial in views:
            if serial not in serials:
                raise InputError(
                    f"{detections.path}: the unlabelled {subject} is seen by camera {brief(serial, 40)}, which no "
                    "labelled subject has (weak.pseudo_labels takes it to stand as a labelled one of the same serial)."
                )
            camera = detections.camera(subject, serial)
            person.append(persons.index(subject))
            standing.append(serials.index(serial))
            rotation.append(camera.rotation)
            translation.append(np.array(camera.translation_m))
        if weak.views == "synchronised":
            if len(views) < 2:
                raise InputError(
                    f"{detections.path}: {subject} {take} has {len(views)} view; weak.views: synchronised needs two."
                )
            starts = position + np.cumsum([0, *lengths[:-1]])
            instants.append(starts[None] + np.arange(min(lengths))[:, None])
        position += sum(lengths)
    found = None
    if weak.views == "synchronised":
        most = max(part.shape[1] for part in instants)
        # A take with fewer views than another shows its first ones again.
        filled = [part[:, np.arange(most) % part.shape[1]] for part in instants]
        found = Views(torch.from_numpy(np.concatenate(filled)), _of_cameras(rotation), _of_cameras(translation))
    return PseudoSource(unlabelled, torch.tensor(person), torch.tensor(standing), found)


def _of_cameras(values: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(values).astype(np.float32))


def load_unlabelled(
    detections: Detections,
    takes: Iterable[Take],
    skeleton: Skeleton,
    stride: int = 1,
    poses: Poses | None = None,
    context: Context = ALONE,
    dropped_frames: Callable[[str, str], Sequence[int]] = lambda subject, take: (),
    trajectory: Trajectory | None = None,
) -> UnlabelledSet:
    """The unlabelled set.

    Args:
        poses: for the published protocol, with true roots; the root joint is read of it and nothing else. With None
            the set is made of detections.h5 alone, which holds no 3D of anybody.
        context: of the network, as of `load_labelled`.
        dropped_frames: of a take; windows do not reach across them. Not looked at without windows.
        trajectory: gives the roots where `poses` does not; with None they are solved for.

    Raises:
        InputError: a take is missing, or the detections lack a joint of the skeleton, or leave a root undetermined.
    """
    joints = len(skeleton.joints)
    keypoints: list[np.ndarray] = []
    camera_index: list[np.ndarray] = []
    intrinsics: list[np.ndarray] = []
    roots: list[np.ndarray] = []
    uv: list[np.ndarray] = []
    normal_inverse: list[np.ndarray] = []
    runs: list[np.ndarray] = []
    step = 1 if context else stride
    for sequence, camera in sequences_of(detections, takes):
        keypoints_TJ2 = normalised_keypoints(detections, sequence, camera, skeleton)[::step]
        if context:
            runs.append(run_ends(len(keypoints_TJ2), dropped_frames(sequence.subject, sequence.take)))
        keypoints.append(keypoints_TJ2)
        camera_index.append(np.full(len(keypoints_TJ2), len(intrinsics)))
        intrinsics.append(camera.intrinsics_screen.astype(np.float32))
        if poses is not None:
            root_world_m = poses.positions_m(sequence.subject, sequence.take)[::step, :1].astype(np.float64)
            root_m = world_to_camera(root_world_m, camera.rotation, np.array(camera.translation_m))
            roots.append(root_m[:, 0].astype(np.float32))
            continue
        if trajectory is not None:
            continue
        uv_TJ2 = undistort(keypoints_TJ2.astype(np.float64), camera.intrinsics_screen)
        normal_inverse_T33 = root_normal_inverse(uv_TJ2)
        is_degenerate = ~np.isfinite(normal_inverse_T33).all((1, 2))
        if is_degenerate.any():
            raise InputError(
                f"{detections.path}: {sequence.subject} {sequence.take}, camera {sequence.serial}, has all joints at "
                f"one point in {is_degenerate.sum()} frames, the first is {is_degenerate.argmax() * step}; "
                "weak.root: solved cannot place them."
            )
        uv.append(uv_TJ2.astype(np.float32))
        normal_inverse.append(normal_inverse_T33.astype(np.float32))
    keypoints_NJ2 = _stack(keypoints, joints, 2)
    source: RootSource
    if poses is not None:
        source = TrueRootSource(_stack(roots, 3))
    elif trajectory is not None:
        source = ModelRootSource(trajectory, keypoints_NJ2, windows_of(runs, context) if context else None)
    else:
        source = SolvedRootSource(_stack(uv, joints, 2), _stack(normal_inverse, 3, 3))
    return UnlabelledSet(
        keypoints_NJ2,
        torch.from_numpy(np.concatenate([*camera_index, np.empty(0, dtype=np.int64)])),
        _stack([row[None] for row in intrinsics], 9),
        source,
        windows_of(runs, context, stride) if context else None,
    )


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
