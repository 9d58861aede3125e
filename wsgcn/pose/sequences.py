"""Arrays for networks out of the pipeline's files: takes, poses in a camera's frame, normalised 2D."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import enumerated
from wsgcn.pose.camera import Camera, normalise_screen, world_to_camera
from wsgcn.pose.skeleton import H36M17, Skeleton
from wsgcn.pose.store import Detections, Poses, Sequence2D

Take = tuple[str, str]  # subject, take


def takes_of(detections: Detections, subjects: Iterable[str]) -> list[Take]:
    """All takes of the subjects, in a fixed order.

    Raises:
        InputError: a subject has no detections.
    """
    return [(subject, take) for subject in subjects for take in detections.takes(subject)]


def count_poses(detections: Detections, takes: Iterable[Take], stride: int) -> int:
    """How many poses a set of these takes has, without loading it."""
    return sum(
        -(-detections.frames(subject, take, serial) // stride)
        for subject, take in takes
        for serial in detections.serials(subject, take)
    )


def chosen_takes(poses: Poses, takes: Sequence[Take], choice: float | Sequence[str]) -> list[Take]:
    """Some of the takes of each subject, in the order given.

    Args:
        choice: a share in (0, 1] of each subject's takes, at least one, evenly spread over them; or the actions whose
            takes are meant.

    Raises:
        InputError: none of the takes is of one of these actions.
    """
    if isinstance(choice, float | int):
        chosen = []
        for subject in dict.fromkeys(subject for subject, _ in takes):
            own = [take for take in takes if take[0] == subject]
            count = max(1, round(choice * len(own)))
            chosen += [own[number * len(own) // count] for number in range(count)]
        return chosen
    actions = {take: poses.action(*take) for take in takes}
    if missing := [action for action in choice if action not in actions.values()]:
        raise InputError(
            f"data.subjects.labelled_takes: {enumerated(missing)} is no action of the labelled subjects; "
            f"they have {enumerated(sorted(set(actions.values())))}."
        )
    return [take for take in takes if actions[take] in choice]


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


def sequences_of(detections: Detections, takes: Iterable[Take]) -> Iterator[tuple[Sequence2D, Camera]]:
    """Each take as each of its cameras sees it, with the camera."""
    for subject, take in takes:
        for serial in detections.serials(subject, take):
            yield detections.sequence(subject, take, serial), detections.camera(subject, serial)


def camera_poses(positions_world_m: np.ndarray, camera: Camera, skeleton: Skeleton) -> np.ndarray:
    """World positions of the 17 joints (T, 17, 3) to the skeleton's joints in the camera frame (T, J, 3), float64."""
    joints = skeleton.indices_in(H36M17.joints, "poses.h5")
    positions_m = positions_world_m[:, joints].astype(np.float64)
    return world_to_camera(positions_m, camera.rotation, np.array(camera.translation_m))


def root_relative(pose_TJ3: np.ndarray) -> np.ndarray:
    """The pose minus its root, joint 0."""
    return pose_TJ3 - pose_TJ3[:, :1]


def relative_truth(positions_world_m: np.ndarray, camera: Camera, skeleton: Skeleton) -> np.ndarray:
    """What a network is to predict for world positions (T, 17, 3): (T, J, 3) float32, camera axes, root-relative."""
    return root_relative(camera_poses(positions_world_m, camera, skeleton)).astype(np.float32)


def normalised_keypoints(
    detections: Detections, sequence: Sequence2D, camera: Camera, skeleton: Skeleton
) -> np.ndarray:
    """The 2D input of the network for one sequence: (T, J, 2) float32, normalised screen units."""
    joints = skeleton.indices_in(detections.joints, str(detections.path))
    keypoints_px = sequence.keypoints_px[:, joints].astype(np.float64)
    return normalise_screen(keypoints_px, camera.width_px, camera.height_px).astype(np.float32)


def run_ends(frames: int, dropped_frames: Sequence[int] = ()) -> np.ndarray:
    """Where the runs of a sequence begin, and its number of frames.

    Args:
        frames: of the sequence.
        dropped_frames: the numbers of frames that were left out of it, counted with them.
    """
    dropped = np.unique(np.asarray(dropped_frames, dtype=np.int64))
    # Before the n-th dropped frame, n frames fewer were kept than its number says.
    breaks = np.unique(dropped - np.arange(len(dropped)))
    return np.concatenate([[0], breaks[(breaks > 0) & (breaks < frames)], [frames]]).astype(np.int64)
