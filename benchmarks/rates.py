"""What a network over time makes of clips of other rates: `python -m benchmarks.rates CHECKPOINT DATA`

DATA is the folder with the poses.h5 and detections.h5 of a run. Of the test subjects' sequences every fourth is lifted
at its full rate, and again from every n-th frame alone: resampled to the rate that the network has learnt, as `wsgcn
lift` does it, and taken as they are. All are compared on those n-th frames.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.evaluation.metrics import mpjpe_mm, velocity_errors_mm
from wsgcn.lifting.rates import lift_at_rate
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.predict import predict
from wsgcn.pose.sequences import normalised_keypoints, relative_truth, sequences_of, takes_of
from wsgcn.pose.store import Detections, Poses

_EVERY_SEQUENCE = 4
_EVERY_FRAME = (2, 4, 5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row a rate and way; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("data", type=Path, metavar="DATA", help="holds poses.h5 and detections.h5")
    parser.add_argument("--subjects", nargs="+", default=["S9", "S11"], metavar="NAME", help="(default: S9 S11)")
    given = parser.parse_args(arguments)
    checkpoint = load_checkpoint(given.checkpoint)
    fps = checkpoint.fps
    if fps is None:
        raise InputError(f"{given.checkpoint}: lifts each frame by itself, at any rate; expected model.name: temporal.")
    network, skeleton = checkpoint.network(), checkpoint.skeleton

    def lift(keypoints_NJ2: np.ndarray, breaks: Sequence[int]) -> np.ndarray:
        return predict(network, keypoints_NJ2, skeleton, flip=True, batch=1024, breaks=breaks)

    found: dict[tuple[int, str], list[tuple[float, ...]]] = {}  # error and velocity error of each sequence
    frames: dict[int, list[int]] = {every: [] for every in _EVERY_FRAME}
    with Poses(given.data / "poses.h5") as poses, Detections(given.data / "detections.h5") as detections:
        for number, (sequence, camera) in enumerate(sequences_of(detections, takes_of(detections, given.subjects))):
            if number % _EVERY_SEQUENCE:
                continue
            keypoints_TJ2 = normalised_keypoints(detections, sequence, camera, skeleton).astype(np.float32)
            positions_m = poses.positions_m(sequence.subject, sequence.take)[: len(keypoints_TJ2)]
            truth_TJ3 = relative_truth(positions_m, camera, skeleton)
            whole_TJ3 = lift(keypoints_TJ2, [])
            for every in _EVERY_FRAME:
                seen, truth = keypoints_TJ2[::every], truth_TJ3[::every]
                ways = {
                    "lifted at the full rate": whole_TJ3[::every],
                    "resampled": lift_at_rate(lift, seen, np.arange(len(seen)), fps / every, fps),
                    "taken as they are": lift(seen, []),
                }
                frames[every].append(len(seen))
                for way, pose in ways.items():
                    errors_mm = (metric(pose, truth).mean() for metric in (mpjpe_mm, velocity_errors_mm))
                    found.setdefault((every, way), []).append(tuple(map(float, errors_mm)))
    print("| frames a second | way | MPJPE mm | velocity mm |\n|---|---|---|---|")
    for (every, way), errors in found.items():
        error, velocity = np.average(errors, axis=0, weights=frames[every])
        print(f"| {fps / every:g} | {way} | {error:.1f} | {velocity:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
