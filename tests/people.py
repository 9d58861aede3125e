"""A person in front of a camera for tests: true 3D, and the 2D in any joint order, as detectors would write it."""

import numpy as np

from tests.tiny import tiny_positions_m
from wsgcn.detections.joint_orders import JOINT_ORDERS
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import H36M17

SIZE = (1000, 1000)
INTRINSICS = np.array([1145.0, 1145.0, 500.0, 500.0, 0, 0, 0, 0, 0])

# What a detector's joint is the mean of, in Human3.6M's joints; what is not here and not one of those lies at the nose.
_AS_HUMAN36M = {
    "LAnkle": ("LFoot",),
    "RAnkle": ("RFoot",),
    "MidHip": ("LHip", "RHip"),
    "Pelvis": ("LHip", "RHip"),
    "Neck": ("LShoulder", "RShoulder"),
    "UpperNeck": ("Neck/Nose",),
    "HeadTop": ("Head",),
    "LEye": ("Head",),
    "REye": ("Head",),
    "LEar": ("Head",),
    "REar": ("Head",),
}


def person_camera_m(frames: int, seed: str = "a") -> np.ndarray:
    """(T, 17, 3) float64, camera axes, metres: somebody upright, 5 m away."""
    world_m = tiny_positions_m("S1", seed, frames).astype(np.float64)
    camera_m = np.stack([world_m[..., 0], 1.0 - world_m[..., 2], 5.0 + world_m[..., 1]], axis=-1)
    return camera_m


def person_px(frames: int, order: str = "h36m17", seed: str = "a") -> np.ndarray:
    """(T, K, 2) float64 pixels in a picture of SIZE, in a joint order."""
    keypoints_px = project(person_camera_m(frames, seed), INTRINSICS)
    parts = [
        _AS_HUMAN36M.get(joint, (joint,) if joint in H36M17.joints else ("Neck/Nose",))
        for joint in JOINT_ORDERS[order].joints
    ]
    indices = [[H36M17.joints.index(part) for part in each] for each in parts]
    return np.stack([keypoints_px[:, each].mean(1) for each in indices], axis=1)


def triples(frames: int, order: str = "coco", seed: str = "a", score: float = 0.9) -> np.ndarray:
    """(T, K, 3) of x, y, score, rounded as in a file."""
    points = person_px(frames, order, seed)
    return np.round(np.concatenate([points, np.full_like(points[..., :1], score)], axis=-1), 3)
