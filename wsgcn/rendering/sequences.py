"""What pictures and the viewer show: one person's poses over time, out of the pipeline's files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.evaluation import metrics
from wsgcn.pose.skeleton import H36M17, SKELETONS, Skeleton
from wsgcn.pose.store import Detections, Predictions
from wsgcn.rendering.viewpoint import lift_to_floor, upright_from_camera


@dataclass(frozen=True, kw_only=True)
class PoseSequence:
    """T poses of one person, upright and standing on z = 0 (see `wsgcn.rendering.viewpoint`).

    A joint that is missing in a frame is NaN.
    """

    title: str
    data: str  # what captions call the data
    skeleton: Skeleton
    fps: float
    predicted_m: np.ndarray  # (T, J, 3)
    truth_m: np.ndarray | None = None  # (T, J, 3)
    predicted_title: str = "3D prediction"
    others_m: Mapping[str, np.ndarray] = field(default_factory=dict)  # (T, J, 3) by title: further predictions
    keypoints_px: np.ndarray | None = None  # (T, J, 2)
    size_px: tuple[int, int] | None = None  # of the picture that the keypoints are in
    frames: np.ndarray | None = None  # (T,), numbers of the video's frames, where there is one
    frames_fps: float | None = None  # the constant rate at which they number its time, from 0 on; None: it is counted
    warnings: tuple[str, ...] = ()  # what a reader should know before they believe it, sentences

    def __len__(self) -> int:
        return len(self.predicted_m)

    @property
    def caption(self) -> str:
        """One line for pictures, which is cut where it is full: what is wrong stands before what the data are."""
        return " ".join([*(f"WARNING: {sentence}" for sentence in self.warnings), self.data])

    @cached_property
    def mpjpe_mm(self) -> np.ndarray | None:
        """(T,), None without a truth."""
        return next(iter(self.all_mpjpe_mm), None)

    @cached_property
    def all_mpjpe_mm(self) -> list[np.ndarray]:
        """(T,) of each prediction, this one's first; none without a truth."""
        if self.truth_m is None:
            return []
        return [metrics.mpjpe_mm(pose_m, self.truth_m) for pose_m in (self.predicted_m, *self.others_m.values())]

    def resampled(self, frames: np.ndarray, fps: float | None = None) -> "PoseSequence":
        """The frames with these indices, and another rate where one is given."""
        return replace(
            self,
            fps=fps or self.fps,
            predicted_m=self.predicted_m[frames],
            truth_m=None if self.truth_m is None else self.truth_m[frames],
            others_m={title: other_m[frames] for title, other_m in self.others_m.items()},
            keypoints_px=None if self.keypoints_px is None else self.keypoints_px[frames],
            frames=None if self.frames is None else self.frames[frames],
        )

    def beside(self, others: Sequence["PoseSequence"], titles: Sequence[str]) -> "PoseSequence":
        """With the predictions of other sequences of the same frames as further ones.

        Args:
            titles: of this one's prediction, then of the others'.

        Raises:
            InputError: one of them is not of the same person, frames and joints.
        """
        for other, title in zip(others, titles[1:], strict=True):
            mine, its = ((each.title, len(each), each.skeleton.joints) for each in (self, other))
            if mine != its:
                raise InputError(
                    f"{title}: has {its[0]}, {its[1]} frames of {len(its[2])} joints; to stand beside {titles[0]} it "
                    f"should have {mine[0]}, {mine[1]} frames of {len(mine[2])} joints."
                )
        others_m = {title: other.predicted_m for other, title in zip(others, titles[1:], strict=True)}
        return replace(self, predicted_title=titles[0], others_m=others_m)


def skeleton_of(joints: Sequence[str], path: Path | str) -> Skeleton:
    """The skeleton with these joints in this order.

    Raises:
        InputError: they are not Human3.6M's, root first; `path` is named.
    """
    for skeleton in SKELETONS.values():
        if skeleton.joints == tuple(joints):
            return skeleton
    unknown = [joint for joint in joints if joint not in H36M17.joints]
    if unknown or not joints or joints[0] != H36M17.joints[0]:
        raise InputError(
            f"{path}: holds the joints {', '.join(joints) or 'none'}; expected some of {', '.join(H36M17.joints)}, "
            f"{H36M17.joints[0]} first."
        )
    return Skeleton("some of h36m17", tuple(joints))


def predicted_sequence(
    predictions: Predictions, detections: Detections | None, subject: str, take: str, serial: str
) -> PoseSequence:
    """One take seen by one camera, out of predictions.h5.

    Args:
        detections: gives the 2D input and the camera's rotation; without it the camera is taken for level.

    Raises:
        InputError: the sequence is not in one of the files, or has another length there.
    """
    skeleton = skeleton_of(predictions.joints, predictions.path)
    if serial not in predictions.serials(subject, take):
        raise InputError(
            f"{predictions.path}: {subject} {take} has no camera {serial} "
            f"(it has {', '.join(predictions.serials(subject, take))})."
        )
    rotation = keypoints_px = size_px = None
    predicted_m = predictions.predicted_m(subject, take, serial)
    if detections is not None:
        camera = detections.camera(subject, serial)
        rotation, size_px = camera.rotation, (camera.width_px, camera.height_px)
        index = skeleton.indices_in(detections.joints, str(detections.path))
        keypoints_px = detections.sequence(subject, take, serial).keypoints_px[:, index]
        if len(keypoints_px) != len(predicted_m):
            raise InputError(
                f"{detections.path}: {subject} {take} {serial} has {len(keypoints_px)} frames, but {predictions.path} "
                f"has {len(predicted_m)}; expected files of the same run."
            )
    upright = upright_from_camera(rotation)
    truth_m = predictions.truth_m(subject, take, serial) @ upright.T
    lift_m = lift_to_floor(truth_m)
    data = f"{predictions.attributes.get('data', predictions.path.name)}, camera {serial}"
    return PoseSequence(
        title=f"{subject} {take}",
        data=data if detections is not None else f"{data} taken for level",
        skeleton=skeleton,
        fps=predictions.fps(subject, take),
        predicted_m=predicted_m @ upright.T + lift_m,
        truth_m=truth_m + lift_m,
        keypoints_px=keypoints_px,
        size_px=size_px,
    )
