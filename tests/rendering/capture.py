"""A tiny capture and predictions of it, for tests of pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.tiny import tiny_positions_m, write_tiny_capture
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS, action_of
from wsgcn.pose.camera import world_to_camera
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import create_predictions


def write_predictions(
    folder: Path,
    subjects: Sequence[str] = ("S9", "S11"),
    takes: Sequence[str] = ("Eating", "Walking"),
    frames: int = 20,
    error_m: float = 0.05,
) -> Path:
    """Write the three files, and return predictions.h5; in it every joint but the root is `error_m` off."""
    write_tiny_capture(folder, subjects, takes, frames)
    path = folder / "predictions.h5"
    index = H36M16.indices_in(H36M17.joints, "H36M17")
    rng = np.random.default_rng(0)
    with create_predictions(path, H36M16.joints, ACTIONS, {"data": "a tiny capture", "epoch": "3"}) as predictions:
        for subject in subjects:
            for take in takes:
                predictions.add_take(subject, take, action_of(take), 50.0)
                for serial, camera in human36m_cameras()[subject].items():
                    positions_m = tiny_positions_m(subject, take, frames)[:, index]
                    truth_m = world_to_camera(positions_m, camera.rotation, np.array(camera.translation_m))
                    truth_m = truth_m - truth_m[:, :1]
                    direction = rng.normal(size=truth_m.shape)
                    direction[:, 0] = 0
                    length = np.linalg.norm(direction, axis=-1, keepdims=True)
                    error = error_m * direction / np.where(length > 0, length, 1)
                    predictions.add(subject, take, serial, truth_m + error, truth_m)
    return path
