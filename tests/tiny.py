"""A tiny capture for tests: a few subjects and takes of a person who bends, sways and turns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS, action_of
from wsgcn.evaluation.evaluate import EvaluationPaths
from wsgcn.pose.camera import project, world_to_camera
from wsgcn.pose.skeleton import H36M17
from wsgcn.pose.store import Sequence2D, create_detections, create_poses
from wsgcn.running.params import Params, parse_params

ROOT = Path(__file__).resolve().parents[1]

# A standing person in metres: x to its left, y backwards, z up.
_STANDING_M = {
    "Hip": (0, 0, 0.95),
    "RHip": (-0.13, 0, 0.94),
    "RKnee": (-0.14, -0.02, 0.5),
    "RFoot": (-0.14, 0.03, 0.08),
    "LHip": (0.13, 0, 0.94),
    "LKnee": (0.14, -0.02, 0.5),
    "LFoot": (0.14, 0.03, 0.08),
    "Spine": (0, 0.01, 1.18),
    "Thorax": (0, 0.02, 1.43),
    "Neck/Nose": (0, -0.06, 1.54),
    "Head": (0, -0.03, 1.65),
    "LShoulder": (0.15, 0.02, 1.4),
    "LElbow": (0.25, 0.02, 1.15),
    "LWrist": (0.28, -0.1, 0.95),
    "RShoulder": (-0.15, 0.02, 1.4),
    "RElbow": (-0.25, 0.02, 1.15),
    "RWrist": (-0.28, -0.1, 0.95),
}


def tiny_positions_m(subject: str, take: str, frames: int) -> np.ndarray:
    """(T, 17, 3) float32, world, metres; another motion and body for every subject and take."""
    rng = np.random.default_rng([*subject.encode(), *take.encode()])
    standing_J3 = np.array([_STANDING_M[joint] for joint in H36M17.joints]) * rng.uniform(0.9, 1.1)
    phase = rng.uniform(0, 2 * np.pi, (17, 3)) + np.arange(frames)[:, None, None] * rng.uniform(0.02, 0.2, (17, 3))
    positions = standing_J3 + 0.08 * np.sin(phase)
    turn = rng.uniform(0, 2 * np.pi) + np.arange(frames) * 0.02
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y, z = positions[..., 0], positions[..., 1], positions[..., 2]
    return np.stack((cos * x - sin * y, sin * x + cos * y, z), axis=-1).astype(np.float32)


def write_tiny_capture(
    folder: Path,
    subjects: Sequence[str] = ("S1", "S5", "S9"),
    takes: Sequence[str] = ("Eating", "Walking 1"),
    frames: int = 20,
) -> tuple[Path, Path]:
    """Write poses.h5 and detections.h5 (exact projections); returns their paths."""
    cameras = {subject: by_serial for subject, by_serial in human36m_cameras().items() if subject in subjects}
    poses_path, detections_path = folder / "poses.h5", folder / "detections.h5"
    with (
        create_poses(poses_path, ACTIONS) as poses,
        create_detections(detections_path, "gt", "exact projections", H36M17.joints) as detections,
    ):
        poses.add_cameras(cameras)
        detections.add_cameras(cameras)
        for subject in subjects:
            for take in takes:
                positions_m = tiny_positions_m(subject, take, frames)
                poses.add(subject, take, positions_m, action_of(take), 50.0)
                for serial, camera in cameras[subject].items():
                    points_m = world_to_camera(
                        positions_m.astype(float), camera.rotation, np.array(camera.translation_m)
                    )
                    keypoints_px = project(points_m, camera.intrinsics_px)
                    detections.add(Sequence2D(subject, take, serial, keypoints_px))
    return poses_path, detections_path


def published_tree() -> dict[str, Any]:
    """params.yaml with the published recipe."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for line in (ROOT / "recipes/published").read_text(encoding="utf-8").splitlines():
        name, value = line.removeprefix("-S ").split("=")
        *sections, key = name.split(".")
        section = tree
        for part in sections:
            section = section[part]
        assert key in section
        section[key] = yaml.safe_load(value)
    return tree


# All that our recipe draws anew.
AUGMENTED = {
    "augmentation__mirror": True,
    "augmentation__turn": True,
    "augmentation__place": True,
    "augmentation__size": 0.06,
    "augmentation__bones": 0.05,
    "augmentation__tilt_rad": 0.01,
    "augmentation__distance": 0.02,
}


def evaluation_paths(trained: Path, out: Path) -> EvaluationPaths:
    """A checkpoint and a capture in one folder, what is written in another."""
    return EvaluationPaths(
        checkpoint=trained / "weak.pt",
        poses=trained / "poses.h5",
        detections=trained / "detections.h5",
        predictions=out / "predictions.h5",
        metrics=out / "evaluation.json",
        protocol=out / "protocol.json",
        actions=out / "actions.csv",
        joints=out / "joints.csv",
    )


def tiny_params(**changes: Any) -> Params:
    """The published recipe on a tiny network and the tiny capture's subjects, with changes such as `weak__epochs=0`."""
    tree = published_tree()
    defaults = {
        "data__subjects": {
            "labelled": ["S1"],
            "labelled_takes": 1.0,
            "unlabelled": ["S5"],
            "validation": [],
            "test": ["S9"],
        },
        "data__stride": 1,
        "model__semgcn__channels": 8,
        "model__semgcn__blocks": 1,
        "model__temporal__frames": 9,
        "model__temporal__channels": 8,
        "model__temporal__blocks": 1,
        "training__batch_labelled": 16,
        "training__batch_unlabelled": 16,
        "warmup__epochs": 1,
        "weak__epochs": 1,
        "tracking__mlflow": False,
        "runtime__device": "cpu",
    }
    for name, value in (defaults | changes).items():
        *sections, key = name.split("__")
        section = tree
        for part in sections:
            section = section[part]
        section[key] = value
    return parse_params(tree, "tiny")
