from pathlib import Path

import h5py
import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.names import ACTIONS, SUBJECTS, action_of
from wsgcn.captures.synthetic import capture, synthesise_take, write_capture
from wsgcn.captures.synthetic.actions import act
from wsgcn.captures.synthetic.body import (
    BODIES,
    LIMITS,
    SIDES,
    arm_angles,
    joints_from_angles,
    leg_angles,
    within_limits,
)
from wsgcn.captures.synthetic.motion import moments, passages
from wsgcn.pose.camera import project, world_to_camera
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX

FPS = 50.0


def joint(positions_m: np.ndarray, name: str) -> np.ndarray:
    return positions_m[..., H36M17.joints.index(name), :]


def forward_of(positions_m: np.ndarray) -> np.ndarray:
    """(T, 2) unit vectors on the floor, square to the line of the hips: to the left x up."""
    to_left = joint(positions_m, "LHip") - joint(positions_m, "RHip")
    forward = np.cross(to_left, [0.0, 0.0, 1.0])[..., :2]
    return forward / np.linalg.norm(forward, axis=-1, keepdims=True)


def bone_lengths_m(positions_m: np.ndarray) -> np.ndarray:
    child, parent = np.array(H36M17.bones).T
    return np.linalg.norm(positions_m[..., child, :] - positions_m[..., parent, :], axis=-1)


def standing_still(
    angles_deg: dict[str, float] | None = None, *, body_name: str = "S1", heading: float = 0.0
) -> dict[str, np.ndarray]:
    """Joints by name (3,), of a body in the neutral pose but for the named angles."""
    angles = {name: np.zeros(1) for name in LIMITS}
    angles |= {name: np.radians([angle]) for name, angle in (angles_deg or {}).items()}
    positions_m = joints_from_angles(BODIES[body_name], np.zeros((1, 3)), np.array([heading]), angles)
    return {name: joint(positions_m, name)[0] for name in H36M17.joints}


@pytest.fixture(scope="module")
def takes() -> dict[tuple[str, str], np.ndarray]:
    """The whole capture of the default parameters."""
    return {(subject, take): synthesise_take(subject, take, 6, 0) for subject in SUBJECTS for take in capture.TAKES}


# The body


@pytest.mark.parametrize(
    ("angle", "moved", "way"),
    [
        ("pelvis_pitch", "Thorax", (1, 0, 0)),
        ("lumbar_flexion", "Thorax", (1, 0, 0)),
        ("thoracic_bend", "Thorax", (0, 1, 0)),
        ("lumbar_twist", "RShoulder", (1, 0, 0)),
        ("neck_flexion", "Head", (1, 0, 0)),
        ("neck_twist", "Neck/Nose", (0, 1, 0)),
        ("head_nod", "Head", (1, 0, 0)),
        ("left_hip_flexion", "LKnee", (1, 0, 0)),
        ("right_hip_flexion", "RKnee", (1, 0, 0)),
        ("left_hip_abduction", "LKnee", (0, 1, 0)),
        ("right_hip_abduction", "RKnee", (0, -1, 0)),
        ("left_knee_flexion", "LFoot", (-1, 0, 0)),
        ("right_knee_flexion", "RFoot", (-1, 0, 0)),
        ("left_girdle_elevation", "LShoulder", (0, 0, 1)),
        ("right_girdle_elevation", "RShoulder", (0, 0, 1)),
        ("left_girdle_protraction", "LShoulder", (1, 0, 0)),
        ("right_girdle_protraction", "RShoulder", (1, 0, 0)),
        ("left_shoulder_flexion", "LElbow", (1, 0, 0)),
        ("right_shoulder_abduction", "RElbow", (0, -1, 0)),
        ("left_elbow_flexion", "LWrist", (1, 0, 0)),
        ("right_elbow_flexion", "RWrist", (1, 0, 0)),
    ],
)
def test_each_angle_moves_its_joint_the_way_it_is_named(angle: str, moved: str, way: tuple[int, int, int]) -> None:
    move_m = standing_still({angle: 30.0})[moved] - standing_still()[moved]
    assert move_m @ np.array(way) > 0.02


@pytest.mark.parametrize(("side", "outward"), [("left", 1), ("right", -1)])
def test_outward_rotation_takes_a_bent_forearm_outward(side: str, outward: int) -> None:
    wrist = f"{side[0].upper()}Wrist"
    bent = {f"{side}_elbow_flexion": 90.0}
    turned_m = standing_still(bent | {f"{side}_shoulder_rotation": 40.0})[wrist] - standing_still(bent)[wrist]
    assert turned_m[1] * outward > 0.05


def test_one_who_faces_y_has_the_left_side_at_minus_x() -> None:
    joints = standing_still(heading=np.pi / 2)
    assert joints["Neck/Nose"][1] > 0.02
    for part in ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist"):
        assert joints[f"L{part}"][0] < 0 < joints[f"R{part}"][0]


def test_statures_are_human_and_all_bodies_differ() -> None:
    lengths_m = []
    for name, body in BODIES.items():
        joints = standing_still(body_name=name)
        stature_m = joints["Head"][2] - joints["LFoot"][2] + body.ankle_height_m
        assert 1.55 < stature_m < 1.95
        lengths_m.append(bone_lengths_m(np.stack([joints[joint] for joint in H36M17.joints])))
    apart_m = np.abs(np.array(lengths_m)[:, None] - np.array(lengths_m)).max(-1)
    assert apart_m[~np.eye(7, dtype=bool)].min() > 0.01


def test_limits_leave_the_middle_alone_and_are_never_passed() -> None:
    low, high = np.degrees(LIMITS["left_knee_flexion"])
    angle_deg = np.linspace(low - 100, high + 100, 2001)
    limited_deg = np.degrees(within_limits("left_knee_flexion", np.radians(angle_deg)))
    assert limited_deg.min() >= low
    assert limited_deg.max() <= high
    middle = (angle_deg > low + 6) & (angle_deg < high - 6)
    np.testing.assert_allclose(limited_deg[middle], angle_deg[middle])
    assert np.all(np.diff(limited_deg) >= -1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_the_leg_reaches_its_target_with_the_knee_towards_the_pole(side: str) -> None:
    body = BODIES["S6"]
    rng = np.random.default_rng(0)
    target_m = rng.uniform([-0.3, -0.2, -0.75], [0.4, 0.2, -0.5], (50, 3))
    pole = np.tile([1.0, 0.0, 0.3], (50, 1))
    angles = {name: np.zeros(50) for name in LIMITS} | leg_angles(body, target_m, pole, side)
    positions_m = joints_from_angles(body, np.zeros((50, 3)), np.zeros(50), angles)
    letter = side[0].upper()
    hip_m = joint(positions_m, f"{letter}Hip")
    np.testing.assert_allclose(joint(positions_m, f"{letter}Foot") - hip_m, target_m, atol=1e-9)
    knee_off_line_m = joint(positions_m, f"{letter}Knee") - hip_m
    along = target_m / np.linalg.norm(target_m, axis=-1, keepdims=True)
    knee_off_line_m -= along * (knee_off_line_m * along).sum(-1, keepdims=True)
    assert np.all((knee_off_line_m * pole).sum(-1) > 0)


@pytest.mark.parametrize("side", SIDES)
def test_the_wrist_reaches_its_place_on_its_own_side(side: str) -> None:
    body = BODIES["S11"]
    wrist_m = np.array([[0.2, 0.1, -0.2], [0.3, 0.3, 0.1], [0.25, -0.05, -0.25]])
    angles_T4 = arm_angles(body, wrist_m, np.tile([-0.2, 0.8, -1.0], (3, 1)), side)
    names = [f"{side}_{name}" for name in ("shoulder_flexion", "shoulder_abduction", "shoulder_rotation")]
    angles = {name: np.zeros(3) for name in LIMITS}
    angles |= dict(zip([*names, f"{side}_elbow_flexion"], angles_T4.T, strict=True))
    positions_m = joints_from_angles(body, np.zeros((3, 3)), np.zeros(3), angles)
    reached_m = joint(positions_m, f"{side[0].upper()}Wrist") - joint(positions_m, "Thorax")
    np.testing.assert_allclose(reached_m, wrist_m * [1, 1 if side == "left" else -1, 1], atol=1e-9)


# Smooth motion


def test_passages_hold_each_value_and_never_jump() -> None:
    time_s = np.arange(0, 10, 0.02)
    starts_s = np.array([-1.0, 2.0, 5.0])
    path = passages(time_s, starts_s, np.array([1.0, -1.0, 3.0]), 1.0)
    assert path[0] == 1.0
    np.testing.assert_allclose(path[(time_s > 3.01) & (time_s < 5)], -1.0)
    np.testing.assert_allclose(path[time_s > 6.01], 3.0)
    assert np.abs(np.diff(path)).max() <= 4.0 * 1.875 * 0.02 + 1e-9  # the fastest of the least-jerk step


def test_moments_span_the_take_from_before_its_start() -> None:
    time_s = np.arange(-2, 62, 0.02)
    for seed in range(20):
        starts_s = moments(np.random.default_rng(seed), time_s, 1.0, 3.0)
        assert starts_s[0] <= -2
        assert np.all((np.diff(starts_s) >= 1.0) & (np.diff(starts_s) <= 3.0))
        assert time_s[-1] - starts_s[-1] <= 3.0


# The takes


def test_takes_are_named_as_in_human36m() -> None:
    assert len(capture.TAKES) == 30
    assert capture.TAKES[:3] == ("Directions", "Directions 1", "Discussion")
    assert [action_of(take) for take in capture.TAKES[::2]] == list(ACTIONS)


def test_an_unknown_take_is_refused() -> None:
    with pytest.raises(ValueError, match="no subject S2 with a take Walking"):
        synthesise_take("S2", "Walking", 1, 0)
    with pytest.raises(ValueError, match="no subject S1 with a take Dancing"):
        synthesise_take("S1", "Dancing", 1, 0)


def test_a_take_has_fifty_frames_a_second_of_17_joints() -> None:
    positions_m = synthesise_take("S1", "Walking", 2.5, 0)
    assert positions_m.shape == (125, 17, 3)
    assert positions_m.dtype == np.float64


def test_bones_keep_their_length_and_left_equals_right(takes: dict[tuple[str, str], np.ndarray]) -> None:
    mirrored_bones = [H36M17.bones.index((H36M17.mirror[c], H36M17.mirror[p])) for c, p in H36M17.bones]
    for subject in SUBJECTS:
        lengths_m = np.concatenate([bone_lengths_m(takes[subject, take]) for take in capture.TAKES])
        assert np.ptp(lengths_m, axis=0).max() < 1e-9
        np.testing.assert_allclose(lengths_m[0], lengths_m[0, mirrored_bones], atol=1e-9)


def test_joint_angles_stay_within_their_limits() -> None:
    for subject in SUBJECTS:
        for take in capture.TAKES[::2]:
            _, _, angles = act(subject, take, 100, 0).solve()
            assert set(angles) == set(LIMITS)
            for name, (low, high) in LIMITS.items():
                assert low <= angles[name].min() <= angles[name].max() <= high, (subject, take, name)


@pytest.mark.parametrize(
    ("ends", "widest_deg"), [(("Hip", "Knee", "Foot"), 150), (("Shoulder", "Elbow", "Wrist"), 150)]
)
def test_knees_and_elbows_as_seen_in_the_joints_fold_to_150_degrees_at_most(
    takes: dict[tuple[str, str], np.ndarray], ends: tuple[str, str, str], widest_deg: float
) -> None:
    widest_seen_deg = 0.0
    for positions_m in takes.values():
        for letter in "LR":
            first, hinge, last = (joint(positions_m, f"{letter}{name}") for name in ends)
            one, two = hinge - first, last - hinge
            cosine = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
            widest_seen_deg = max(widest_seen_deg, np.degrees(np.arccos(cosine.min())))
    assert 90 < widest_seen_deg <= widest_deg


def test_nothing_jumps(takes: dict[tuple[str, str], np.ndarray]) -> None:
    for key, positions_m in takes.items():
        velocity_m_s = np.diff(positions_m, axis=0) * FPS
        acceleration_m_s2 = np.diff(velocity_m_s, axis=0) * FPS
        assert np.linalg.norm(velocity_m_s, axis=-1).max() < 8, key
        assert np.linalg.norm(acceleration_m_s2, axis=-1).max() < 150, key


def test_one_foot_is_on_the_floor_and_nothing_is_below_it(takes: dict[tuple[str, str], np.ndarray]) -> None:
    for (subject, take), positions_m in takes.items():
        lower_foot_m = np.minimum(joint(positions_m, "LFoot"), joint(positions_m, "RFoot"))[:, 2]
        above_stance_m = lower_foot_m - BODIES[subject].ankle_height_m
        assert above_stance_m.min() > -0.01, (subject, take)
        assert above_stance_m.max() < 0.04, (subject, take)
        assert positions_m[..., 2].min() > -0.02, (subject, take)


def test_standing_feet_do_not_slide_while_walking() -> None:
    positions_m = synthesise_take("S7", "Walking", 6, 0)
    for foot in ("LFoot", "RFoot"):
        foot_m = joint(positions_m, foot)
        speed_m_s = np.linalg.norm(np.diff(foot_m[:, :2], axis=0), axis=-1) * FPS
        flat = foot_m[:-1, 2] < BODIES["S7"].ankle_height_m + 0.003
        assert flat.mean() > 0.25
        assert np.median(speed_m_s[flat]) < 0.05


def test_all_four_cameras_see_nearly_every_joint(takes: dict[tuple[str, str], np.ndarray]) -> None:
    cameras = human36m_cameras()
    inside = []
    for (subject, _), positions_m in takes.items():
        for camera in cameras[subject].values():
            camera_m = world_to_camera(positions_m[::3], camera.rotation, np.array(camera.translation_m))
            assert camera_m[..., 2].min() > 1.5
            pixels = project(camera_m, camera.intrinsics_px)
            inside.append(((pixels >= 0) & (pixels < [camera.width_px, camera.height_px])).all(-1).mean())
    assert np.mean(inside) > 0.999
    assert min(inside) > 0.99


def test_every_subject_shows_all_its_sides(takes: dict[tuple[str, str], np.ndarray]) -> None:
    for subject in SUBJECTS:
        forward = np.concatenate([forward_of(takes[subject, take]) for take in capture.TAKES])
        sector = np.floor(np.degrees(np.arctan2(forward[:, 1], forward[:, 0])) % 360 / 45).astype(int)
        shares = np.bincount(sector, minlength=8) / len(sector)
        assert shares.min() > 0.03


def test_walkers_go_forward_with_knees_ahead_elbows_behind_and_the_nose_in_front(
    takes: dict[tuple[str, str], np.ndarray],
) -> None:
    for subject in SUBJECTS:
        positions_m = takes[subject, "Walking"]
        forward = forward_of(positions_m)
        speed_m_s = (np.diff(joint(positions_m, "Hip")[:, :2], axis=0) * FPS * forward[1:]).sum(-1)
        assert speed_m_s.min() > 0.3
        to_nose_m = (joint(positions_m, "Neck/Nose") - joint(positions_m, "Thorax"))[:, :2]
        assert np.mean((to_nose_m * forward).sum(-1)) > 0.01
        for letter in "LR":
            mid_leg_m = (joint(positions_m, f"{letter}Hip") + joint(positions_m, f"{letter}Foot")) / 2
            assert np.mean(((joint(positions_m, f"{letter}Knee") - mid_leg_m)[:, :2] * forward).sum(-1)) > 0.02
            mid_arm_m = (joint(positions_m, f"{letter}Shoulder") + joint(positions_m, f"{letter}Wrist")) / 2
            assert np.mean(((joint(positions_m, f"{letter}Elbow") - mid_arm_m)[:, :2] * forward).sum(-1)) < -0.01


def test_arms_swing_against_the_legs(takes: dict[tuple[str, str], np.ndarray]) -> None:
    positions_m = takes["S1", "Walking 1"]
    forward = forward_of(positions_m)

    def lead_m(part: str) -> np.ndarray:
        return ((joint(positions_m, f"L{part}") - joint(positions_m, f"R{part}"))[:, :2] * forward).sum(-1)

    assert np.corrcoef(lead_m("Foot"), lead_m("Elbow"))[0, 1] < -0.5


def test_actions_look_like_their_names(takes: dict[tuple[str, str], np.ndarray]) -> None:
    def both(action: str) -> list[np.ndarray]:
        return [takes[subject, take] for subject in SUBJECTS for take in (action, f"{action} 1")]

    def hip_height_m(action: str) -> np.ndarray:
        return np.array([np.median(joint(positions_m, "Hip")[:, 2]) for positions_m in both(action)])

    def nearest_wrist_to_face_m(action: str) -> float:
        distances_m = [
            np.linalg.norm(joint(positions_m, wrist) - joint(positions_m, "Neck/Nose"), axis=-1)
            for positions_m in both(action)
            for wrist in ("LWrist", "RWrist")
        ]
        pairs_m = np.minimum(distances_m[::2], distances_m[1::2])
        return float(np.median(pairs_m))

    assert np.median(hip_height_m("Sitting")) < 0.65 < 0.8 < np.median(hip_height_m("Greeting"))
    floor_m = min(joint(positions_m, "Hip")[:, 2].min() for positions_m in both("SittingDown"))
    assert floor_m < 0.2
    assert nearest_wrist_to_face_m("Phoning") < 0.22 < 0.35 < nearest_wrist_to_face_m("Walking")
    assert nearest_wrist_to_face_m("Photo") < 0.3


def test_subjects_takes_and_seeds_move_differently() -> None:
    first = synthesise_take("S1", "Walking", 2, 0)
    for other in (
        synthesise_take("S5", "Walking", 2, 0),
        synthesise_take("S1", "Walking 1", 2, 0),
        synthesise_take("S1", "Waiting", 2, 0),
        synthesise_take("S1", "Walking", 2, 1),
    ):
        root_relative_m = (first - first[:, :1]) - (other - other[:, :1])
        assert np.linalg.norm(root_relative_m, axis=-1).mean() > 0.05


# The files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "demo"
    write_capture(folder, 1, 0)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_capture_has_the_layout_of_martinez(folder: Path) -> None:
    names = {
        f"h36m/{subject}/MyPoses/3D_positions/{take}.h5"
        for subject in ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
        for action in ACTIONS
        for take in (action, f"{action} 1")
    }
    assert set(files_in(folder)) == names | {"README.txt"}
    with h5py.File(folder / "h36m/S9/MyPoses/3D_positions/Photo 1.h5") as file:
        assert list(file) == ["3D_positions"]
        assert file["3D_positions"].shape == (96, 50)
        assert file["3D_positions"].dtype == np.float32


def test_the_files_hold_the_take_in_millimetres_and_repeat_unused_joints(folder: Path) -> None:
    with h5py.File(folder / "h36m/S9/MyPoses/3D_positions/Photo 1.h5") as file:
        raw_mm = file["3D_positions"][()].T.reshape(-1, 32, 3)
    take_m = synthesise_take("S9", "Photo 1", 1, 0)
    np.testing.assert_allclose(raw_mm[:, list(H36M32_INDEX.values())], take_m * 1000, atol=0.006)
    repeats = {3: (4, 5), 8: (9, 10), 0: (11,), 13: (16, 24), 19: (20, 21, 22, 23), 27: (28, 29, 30, 31)}
    for used, unused in repeats.items():
        for index in unused:
            np.testing.assert_array_equal(raw_mm[:, index], raw_mm[:, used])


def test_the_readme_says_that_nothing_was_recorded(folder: Path) -> None:
    text = (folder / "README.txt").read_text("utf-8")
    assert "synthetic" in text
    assert "seed 0, 1 seconds a take" in text
    assert "say nothing about Human3.6M" in " ".join(text.split())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    write_capture(tmp_path / "again", 1, 0)
    write_capture(tmp_path / "other", 1, 1)
    first, again, other = (files_in(path) for path in (folder, tmp_path / "again", tmp_path / "other"))
    assert again == first
    assert other.keys() == first.keys()
    assert all(other[name] != content for name, content in first.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "other"]


def test_a_failure_leaves_the_old_capture_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = tmp_path / "demo"
    demo.mkdir()
    (demo / "README.txt").write_text(f"{capture._TITLE}\nan older one", encoding="utf-8")
    before = files_in(demo)

    def full_disk(*_: object) -> np.ndarray:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(capture, "_raw_mm", full_disk)
    with pytest.raises(InputError, match="demo: could not be written \\(No space left on device\\)"):
        write_capture(demo, 1, 0)
    assert files_in(demo) == before
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_an_older_capture_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = tmp_path / "demo"
    (demo / "h36m" / "S2").mkdir(parents=True)
    (demo / "README.txt").write_text(f"{capture._TITLE}\nan older one", encoding="utf-8")
    monkeypatch.setattr(capture, "TAKES", ("Walking",))
    write_capture(demo, 1, 0)
    assert sorted(path.name for path in (demo / "h36m").iterdir()) == sorted(SUBJECTS)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_with_other_data_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.h5").write_bytes(b"precious")
    with pytest.raises(InputError, match="holds something else than a synthetic capture"):
        write_capture(tmp_path, 1, 0)
    assert files_in(tmp_path) == {"mine.h5": b"precious"}
