"""Exact 2D: the captured joints, projected with the cameras' full distortion."""

from collections.abc import Iterator

import numpy as np

from wsgcn.detections.base import Wanted
from wsgcn.pose.camera import project, world_to_camera
from wsgcn.pose.skeleton import H36M17
from wsgcn.pose.store import Poses, Sequence2D


class Projections:
    """poses.h5 seen by its own cameras; one take in memory at a time."""

    joints = H36M17.joints

    def __init__(self, poses: Poses) -> None:
        self.origin = poses.path
        self._poses = poses

    def sequences(self, wanted: Wanted) -> Iterator[Sequence2D]:
        """See `DetectionReader`; ordered by subject, take and camera."""
        cameras = self._poses.cameras()
        for subject in self._poses.subjects:
            for take in self._poses.takes(subject):
                if not wanted(subject, take):
                    continue
                positions_m = self._poses.positions_m(subject, take).astype(np.float64)
                # as one long list of points: one matrix product a camera instead of one a frame
                points_m = positions_m.reshape(-1, 3)
                for serial, camera in cameras[subject].items():
                    points_camera_m = world_to_camera(points_m, camera.rotation, np.array(camera.translation_m))
                    keypoints_px = project(points_camera_m, camera.intrinsics_px).reshape(*positions_m.shape[:2], 2)
                    yield Sequence2D(subject, take, serial, keypoints_px.astype(np.float32))
