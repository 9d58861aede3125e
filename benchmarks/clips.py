"""How well checkpoints lift clips of people whom none saw: `python -m benchmarks.clips CHECKPOINT ...`

The motion, cameras and joints of `benchmarks.lifter`, but whole takes, each seen by two cameras that stand still, far
enough away for all of the take. The 2D has the errors of a sequence of detections, frame after frame; as these are
simulated, they know nothing of the frame before. A network over time gets the clip at the rate that it has learnt, as
`wsgcn lift` does it. Beside each lift stands the same one smoothed (`wsgcn lift --smooth 9`).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.lifter import (
    ARCHIVES,
    KINDS,
    SHARED,
    cameras,
    detected,
    eyes_of,
    intrinsics,
    residual_sequences_m,
    with_trunk_of_human36m,
)
from wsgcn.captures.capture import Hints
from wsgcn.captures.layouts import find_capture
from wsgcn.evaluation.metrics import p_mpjpe_mm, velocity_errors_mm
from wsgcn.lifting.gaps import smooth
from wsgcn.lifting.rates import lift_at_rate
from wsgcn.model.checkpoint import Checkpoint, load_checkpoint
from wsgcn.model.predict import predict
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import H36M17

_SEED = 20_001
_VIEWS = 2
_MIN_DISTANCE = 1.3  # of the person's extent
_MOST_FRAMES = 600  # of a take
_EVERY = 3  # frames whose poses are compared
_DETECTIONS_FPS = 50.0
_SMOOTH = 9


@dataclass(frozen=True)
class Clip:
    pose_TJ3: np.ndarray  # m, camera axes, relative to the root, Human3.6M-17
    keypoints: dict[str, np.ndarray]  # by kind: (T, 17, 2), screen units
    fps: float


def make_clips(mocap: Path, residuals: Sequence[np.ndarray]) -> Iterator[Clip]:
    """The clips; a function of the files alone."""
    rng = np.random.default_rng(_SEED)
    for archive in ARCHIVES:
        for recording in find_capture(mocap / archive, hints=Hints()).recordings():
            world_TJ3 = with_trunk_of_human36m(recording.read()[:_MOST_FRAMES])
            frames, middle = len(world_TJ3), len(world_TJ3) // 2
            for _ in range(_VIEWS):
                rotation_N33, root_N3, focal_N = cameras(world_TJ3[middle : middle + 1], rng)
                to_camera_33 = rotation_N33[0].T
                seen_TJ3 = (world_TJ3 - world_TJ3[middle, 0]) @ to_camera_33 + root_N3[0]
                nearest = _MIN_DISTANCE * np.linalg.norm(np.ptp(world_TJ3, axis=1), axis=-1).max()
                seen_TJ3[..., 2] += max(0.0, nearest - seen_TJ3[..., 2].min())
                eyes_T13 = eyes_of(world_TJ3, rng) @ to_camera_33 + seen_TJ3[:, :1]
                exact_TJ2 = project(
                    np.concatenate([seen_TJ3, eyes_T13], axis=1), intrinsics(np.repeat(focal_N, frames))
                )
                error_TJ2 = (
                    _errors(residuals, frames, recording.fps, rng) * (focal_N[0] / seen_TJ3[:, 0, 2])[:, None, None]
                )
                yield Clip(seen_TJ3 - seen_TJ3[:, :1], detected(exact_TJ2, error_TJ2), recording.fps)


def _errors(residuals: Sequence[np.ndarray], frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Those of one sequence from some frame on, m at the person's distance; its last frame's beyond its end."""
    sequence_TJ2 = residuals[int(rng.integers(len(residuals)))]
    passed_T = np.arange(frames) * _DETECTIONS_FPS / fps
    start = rng.integers(max(1, len(sequence_TJ2) - int(passed_T[-1])))
    return sequence_TJ2[np.minimum(start + passed_T.astype(int), len(sequence_TJ2) - 1)]


def lifted(checkpoint: Checkpoint, keypoints_TJ2: np.ndarray, fps: float) -> np.ndarray:
    """(T, J, 3) what a checkpoint makes of a clip's 2D in the order of Human3.6M-17."""
    network, skeleton = checkpoint.network(), checkpoint.skeleton
    joints = skeleton.indices_in(H36M17.joints, "the test")

    def lift(keypoints_NJ2: np.ndarray, breaks: Sequence[int]) -> np.ndarray:
        return predict(network, keypoints_NJ2, skeleton, batch=1024, breaks=breaks)

    frames_T = np.arange(len(keypoints_TJ2))
    return lift_at_rate(lift, keypoints_TJ2[:, joints].astype(np.float32), frames_T, fps, checkpoint.fps)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row a checkpoint and kind of 2D; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clips", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--shared", type=Path, default=SHARED, metavar="FOLDER", help="holds mocap/ and human36m/")
    given = parser.parse_args(arguments)
    clips = list(make_clips(given.shared / "mocap", residual_sequences_m(given.shared / "human36m")))
    print(f"{len(clips)} clips of {', '.join(ARCHIVES)}; means over clips, in brackets of steps between frames")
    print(f"| what | 2D | P-MPJPE mm (velocity mm) | smoothed over {_SMOOTH} frames |\n|---|---|---|---|")
    for path in given.checkpoints:
        checkpoint = load_checkpoint(path)
        joints = checkpoint.skeleton.indices_in(H36M17.joints, "the test")
        for kind in KINDS:
            found = []
            for clip in clips:
                pose_TJ3 = lifted(checkpoint, clip.keypoints[kind], clip.fps)
                truth_TJ3 = clip.pose_TJ3[:, joints]
                found.append([_errors_of(each, truth_TJ3, clip.fps) for each in (pose_TJ3, smoothed(pose_TJ3))])
            cells = [f"{error:.1f} ({velocity:.1f})" for error, velocity in np.mean(found, axis=0)]
            print(f"| {path} | {kind} | {' | '.join(cells)} |", flush=True)
    return 0


def smoothed(pose_TJ3: np.ndarray) -> np.ndarray:
    return smooth(np.arange(len(pose_TJ3)), pose_TJ3, _SMOOTH)


def _errors_of(pose_TJ3: np.ndarray, truth_TJ3: np.ndarray, fps: float) -> tuple[float, float]:
    """P-MPJPE, mm, and the mean error of the way from frame to frame, mm in 1/50 s."""
    error_mm = p_mpjpe_mm(pose_TJ3[::_EVERY], truth_TJ3[::_EVERY]).mean()
    return float(error_mm), float(velocity_errors_mm(pose_TJ3, truth_TJ3).mean() * fps / 50)


if __name__ == "__main__":
    sys.exit(main())
