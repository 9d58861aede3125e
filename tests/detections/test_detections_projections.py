from pathlib import Path

import numpy as np

from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS, action_of
from wsgcn.detections.projections import Projections
from wsgcn.pose.camera import Camera
from wsgcn.pose.skeleton import H36M17
from wsgcn.pose.store import Poses, create_poses


def _literal_projection_px(camera: Camera, point_world_m: np.ndarray) -> tuple[float, float]:
    """One point, number by number, with the formula of Human3.6M's own toolbox."""
    x, y, z = camera.rotation @ (point_world_m - np.array(camera.translation_m))
    u, v = x / z, y / z
    r2 = u * u + v * v
    k1, k2, k3 = camera.radial
    p1, p2 = camera.tangential
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * u + p2 * v
    (fx, fy), (cx, cy) = camera.focal_px, camera.centre_px
    return fx * (u * factor + p1 * r2) + cx, fy * (v * factor + p2 * r2) + cy


def _write_poses(path: Path) -> dict[tuple[str, str], np.ndarray]:
    rng = np.random.default_rng(0)
    takes = {
        ("S11", "Walking"): rng.uniform(-1, 1, size=(3, 17, 3)).astype(np.float32),
        ("S9", "Photo 1"): rng.uniform(-1, 1, size=(2, 17, 3)).astype(np.float32),
        ("S9", "Photo"): rng.uniform(-1, 1, size=(1, 17, 3)).astype(np.float32),
    }
    cameras = human36m_cameras()
    with create_poses(path, ACTIONS) as writer:
        writer.add_cameras({subject: cameras[subject] for subject in ("S9", "S11")})
        for (subject, take), positions_m in takes.items():
            writer.add(subject, take, positions_m, action_of(take), 50.0)
    return takes


def test_every_joint_is_projected_exactly_with_distortion(tmp_path: Path) -> None:
    takes = _write_poses(tmp_path / "poses.h5")
    cameras = human36m_cameras()
    with Poses(tmp_path / "poses.h5") as poses:
        assert Projections(poses).joints == H36M17.joints
        sequences = list(Projections(poses).sequences(lambda _subject, _take: True))
    for found in sequences:
        camera = cameras[found.subject][found.serial]
        expected = [
            [_literal_projection_px(camera, point_m) for point_m in pose_m.astype(np.float64)]
            for pose_m in takes[found.subject, found.take]
        ]
        assert found.keypoints_px.dtype == np.float32
        np.testing.assert_allclose(found.keypoints_px, expected, rtol=0, atol=1e-4)  # float32 near 1000 pixels


def test_sequences_come_by_subject_take_and_camera_and_only_wanted_ones(tmp_path: Path) -> None:
    _write_poses(tmp_path / "poses.h5")
    with Poses(tmp_path / "poses.h5") as poses:
        found = [
            (one.subject, one.take, one.serial)
            for one in Projections(poses).sequences(lambda _, take: take != "Photo 1")
        ]
    assert found == [
        (subject, take, serial)
        for subject, take in (("S9", "Photo"), ("S11", "Walking"))
        for serial in ("54138969", "55011271", "58860488", "60457274")
    ]
