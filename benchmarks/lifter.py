"""How well checkpoints lift people, motion and cameras that none saw: `python -m benchmarks.lifter CHECKPOINT ...`

The motion is that of `../shared/data/mocap`, read as any BVH capture. A frame counts when the body, turned to face one
way, has changed by 6 cm a joint since the last that counted, so that people who idle do not outweigh the others. Each
pose is seen by a random camera of a fixed seed, and its 2D has the errors of a detector: those of
`../shared/data/human36m`'s CPN files (detection minus exact projection), in metres at the person's distance, a pose's
errors together, of a random frame.

Skeletons differ in where they put the trunk's joints (CMU's `Hips` lies a hand above the hip joints); here Hip is the
middle of the hips, as Human3.6M has it, and Spine is halfway from it to Thorax.

Two kinds of 2D: Human3.6M's joints; and those that follow from COCO's, where Hip, Spine and Thorax are means of hips
and shoulders and Head is the middle of the eyes. A mocap skeleton has no eyes: they are put where they sit in a head.

Beside the checkpoints stand two constants: the mean pose of all frames, and for each take its own mean pose. Both are
told which way is up and which way each frame's person faces, which no checkpoint is.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.capture import CACHE, ROOT, made_once
from wsgcn.captures.capture import Hints
from wsgcn.captures.layouts import find_capture
from wsgcn.captures.params import PreprocessParams
from wsgcn.captures.preprocessing import preprocess
from wsgcn.detections.importing import import_detections
from wsgcn.evaluation.metrics import mpjpe_mm, p_mpjpe_mm
from wsgcn.model.checkpoint import Checkpoint, load_checkpoint
from wsgcn.model.predict import predict
from wsgcn.pose.camera import project, world_to_camera
from wsgcn.pose.sequences import normalised_keypoints, sequences_of, takes_of
from wsgcn.pose.skeleton import H36M17, Skeleton
from wsgcn.pose.store import Detections, Poses
from wsgcn.running.params import read_params

SHARED = ROOT.parent / "shared" / "data"
ARCHIVES = ("cmu.zip", "reactidle.zip")
KINDS = ("h36m", "coco")

_SEED = 20_000
_MOVED_M = 0.06
_LEAN_DEG = 20.0
_PITCH_DEG, _ROLL_DEG = (-15.0, 30.0), 4.0
_FOCAL, _APPARENT = (1.1, 3.2), (0.4, 1.5)  # half picture widths: focal length, the person's extent
_CENTRE = 0.5  # half picture widths: the root's largest distance from the centre
_MIN_DISTANCE = 1.3  # of the person's extent, so that no hand reaches the camera

_J = {joint: index for index, joint in enumerate(H36M17.joints)}


@dataclass(frozen=True)
class Test:
    """N poses as cameras see them."""

    pose_NJ3: np.ndarray  # m, camera axes, relative to the root, Human3.6M-17
    keypoints: dict[str, np.ndarray]  # by kind: (N, 17, 2), screen units
    constant_NJ3: np.ndarray  # m, camera axes: the mean pose of all
    own_constant_NJ3: np.ndarray  # m, camera axes: the mean pose of the take
    archive_N: np.ndarray  # which archive


@dataclass(frozen=True)
class Errors:
    mpjpe_mm: float
    p_mpjpe_mm: float
    leaning: float  # the share of poses whose trunk leans more than 20 degrees off


def make_test(mocap: Path, residual_RJ2_m: np.ndarray, archives: Sequence[str] = ARCHIVES) -> Test:
    """The test; a function of the files alone.

    Args:
        residual_RJ2_m: what to draw the errors of the 2D from, as `residuals_m` gives them.
    """
    rng = np.random.default_rng(_SEED)
    parts: list[tuple[np.ndarray, ...]] = []
    for number, archive in enumerate(archives):
        for recording in find_capture(mocap / archive, hints=Hints()).recordings():
            world_NJ3 = with_trunk_of_human36m(recording.read())
            turned_NJ3 = (world_NJ3 - world_NJ3[:, :1]) @ facing(world_NJ3)
            kept = moving(turned_NJ3)
            own_mean_NJ3 = np.repeat(turned_NJ3.mean(0, keepdims=True), len(kept), axis=0)
            parts.append((world_NJ3[kept], turned_NJ3[kept], own_mean_NJ3, np.full(len(kept), number)))
    world_NJ3, turned_NJ3, own_mean_NJ3, archive_N = (np.concatenate(part) for part in zip(*parts, strict=True))
    rotation_N33, root_N3, focal_N = cameras(world_NJ3, rng)
    from_turned_N33 = facing(world_NJ3).swapaxes(1, 2) @ rotation_N33.swapaxes(1, 2)
    pose_NJ3 = turned_NJ3 @ from_turned_N33
    eyes_N13 = eyes_of(world_NJ3, rng) @ rotation_N33.swapaxes(1, 2)
    points_NJ3 = np.concatenate([pose_NJ3, eyes_N13], axis=1) + root_N3[:, None]
    exact_NJ2 = project(points_NJ3, intrinsics(focal_N))
    error_NJ2 = residual_RJ2_m[rng.integers(len(residual_RJ2_m), size=len(pose_NJ3))]
    error_NJ2 = error_NJ2 * (focal_N / root_N3[:, 2])[:, None, None]
    return Test(
        pose_NJ3,
        detected(exact_NJ2, error_NJ2),
        turned_NJ3.mean(0) @ from_turned_N33,
        own_mean_NJ3 @ from_turned_N33,
        archive_N,
    )


def with_trunk_of_human36m(world_TJ3: np.ndarray) -> np.ndarray:
    """The same body with Hip in the middle of the hips, and Spine in the middle of Hip and Thorax."""
    changed_TJ3 = world_TJ3.copy()
    changed_TJ3[:, _J["Hip"]] = world_TJ3[:, [_J["LHip"], _J["RHip"]]].mean(1)
    changed_TJ3[:, _J["Spine"]] = changed_TJ3[:, [_J["Hip"], _J["Thorax"]]].mean(1)
    return changed_TJ3


def moving(turned_TJ3: np.ndarray) -> list[int]:
    """The frames in which the body has changed since the last of them, the first among them."""
    kept = [0]
    for frame, pose_J3 in enumerate(turned_TJ3):
        if np.linalg.norm(pose_J3 - turned_TJ3[kept[-1]], axis=-1).mean() > _MOVED_M:
            kept.append(frame)
    return kept


def facing(world_NJ3: np.ndarray) -> np.ndarray:
    """(N, 3, 3) rotations about the vertical from a person's axes (x to the left hip) to the world's."""
    left_N2 = (world_NJ3[:, _J["LHip"]] - world_NJ3[:, _J["RHip"]])[:, :2]
    cos_N, sin_N = (left_N2 / np.linalg.norm(left_N2, axis=-1, keepdims=True).clip(1e-9)).T
    zero_N, one_N = np.zeros_like(cos_N), np.ones_like(cos_N)
    rows = ((cos_N, -sin_N, zero_N), (sin_N, cos_N, zero_N), (zero_N, zero_N, one_N))
    return np.stack([np.stack(row, -1) for row in rows], axis=1)


def cameras(world_NJ3: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A camera for each pose: rotation (N, 3, 3) from the world, where the root stands (N, 3), focal length (N,)."""
    count = len(world_NJ3)
    turn_N = rng.uniform(0, 2 * np.pi, count)
    pitch_N, roll_N = np.radians(rng.uniform(*_PITCH_DEG, count)), np.radians(rng.uniform(-_ROLL_DEG, _ROLL_DEG, count))
    focal_N, apparent_N = (low * (high / low) ** rng.uniform(size=count) for low, high in (_FOCAL, _APPARENT))
    forward_N3 = np.stack([np.cos(turn_N) * np.cos(pitch_N), np.sin(turn_N) * np.cos(pitch_N), -np.sin(pitch_N)], -1)
    right_N3 = np.stack([np.sin(turn_N), -np.cos(turn_N), np.zeros(count)], -1)
    down_N3 = np.cross(forward_N3, right_N3)
    cos_N, sin_N = np.cos(roll_N)[:, None], np.sin(roll_N)[:, None]
    rolled = (cos_N * right_N3 + sin_N * down_N3, cos_N * down_N3 - sin_N * right_N3, forward_N3)
    rotation_N33 = np.stack(rolled, axis=1)
    extent_N = np.linalg.norm(np.ptp(world_NJ3, axis=1), axis=-1)
    depth_N = np.maximum(focal_N * extent_N / apparent_N, _MIN_DISTANCE * extent_N)
    xy_N2 = rng.uniform(-_CENTRE, _CENTRE, (count, 2)) / focal_N[:, None]
    return rotation_N33, np.concatenate([xy_N2, np.ones((count, 1))], axis=-1) * depth_N[:, None], focal_N


def eyes_of(world_NJ3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, 1, 3) the middle of the eyes, from the root: below the top of the skull and before it, the head turned."""
    up_N3 = world_NJ3[:, _J["Head"]] - world_NJ3[:, _J["Neck/Nose"]]
    up_N3 = up_N3 / np.linalg.norm(up_N3, axis=-1, keepdims=True)
    left_N3 = world_NJ3[:, _J["LShoulder"]] - world_NJ3[:, _J["RShoulder"]]
    left_N3 = left_N3 - (left_N3 * up_N3).sum(-1, keepdims=True) * up_N3
    left_N3 = left_N3 / np.linalg.norm(left_N3, axis=-1, keepdims=True)
    turn_N1 = np.radians(rng.normal(0, 20, (len(up_N3), 1)))
    ahead_N3 = np.cos(turn_N1) * np.cross(left_N3, up_N3) + np.sin(turn_N1) * left_N3
    eyes_N3 = world_NJ3[:, _J["Head"]] - 0.11 * up_N3 + 0.09 * ahead_N3
    return (eyes_N3 - world_NJ3[:, 0])[:, None]


def detected(exact_NJ2: np.ndarray, error_NJ2: np.ndarray) -> dict[str, np.ndarray]:
    """By kind (N, 17, 2), from exact projections (N, 18, 2) of the joints and the eyes, and the joints' errors."""
    h36m_NJ2 = exact_NJ2[:, :-1] + error_NJ2
    coco_NJ2 = h36m_NJ2.copy()
    coco_NJ2[:, _J["Head"]] = exact_NJ2[:, -1] + error_NJ2[:, _J["Head"]]
    return {"h36m": h36m_NJ2, "coco": as_coco(coco_NJ2)}


def as_coco(keypoints_NJ2: np.ndarray) -> np.ndarray:
    """Hip, Spine and Thorax as `wsgcn.detections.joint_orders` derives them from COCO's joints."""
    derived_NJ2 = keypoints_NJ2.copy()
    hips, shoulders = [_J["LHip"], _J["RHip"]], [_J["LShoulder"], _J["RShoulder"]]
    for joint, parts in (("Hip", hips), ("Thorax", shoulders), ("Spine", hips + shoulders)):
        derived_NJ2[:, _J[joint]] = keypoints_NJ2[:, parts].mean(1)
    return derived_NJ2


def intrinsics(focal_N: np.ndarray) -> np.ndarray:
    """(N, 9) of cameras with this focal length, half picture widths, without distortion."""
    return np.concatenate([np.repeat(focal_N[:, None], 2, axis=1), np.zeros((len(focal_N), 7))], axis=-1)


def residuals_m(human36m: Path, cache: Path = CACHE) -> np.ndarray:
    """(R, 17, 2): those of every 10th frame of all sequences."""
    return np.concatenate([residual_TJ2[::10] for residual_TJ2 in residual_sequences_m(human36m, cache)])


def residual_sequences_m(human36m: Path, cache: Path = CACHE) -> list[np.ndarray]:
    """(T, 17, 2) of each sequence: detection minus exact projection of CPN, metres at the person's distance."""

    def prepare(folder: Path) -> None:
        params = read_params(ROOT / "params.yaml").model_dump()
        raw = PreprocessParams.model_validate(
            {
                "data": {
                    **{key: params["data"][key] for key in ("layout", "unit", "up", "drop_bad_frames", "subjects")},
                    "raw": str(human36m / "h36m.zip"),
                }
            }
        ).data
        preprocess(raw, folder / "poses.h5", folder / "preprocess.json")
        settings = read_params(ROOT / "params.yaml").detections.model_copy(
            update={"source": "cpn", "path": str(human36m / "data_2d_h36m_cpn_ft_h36m_dbb.npz")}
        )
        import_detections(settings, folder / "poses.h5", folder / "detections.h5", folder / "detections.json")

    folder = made_once(cache / "lifter-cpn", prepare)
    parts = []
    with Poses(folder / "poses.h5") as poses, Detections(folder / "detections.h5") as detections:
        for sequence, camera in sequences_of(detections, takes_of(detections, detections.subjects)):
            found_TJ2 = normalised_keypoints(detections, sequence, camera, H36M17)
            world_TJ3 = poses.positions_m(sequence.subject, sequence.take)[: len(sequence.keypoints_px)]
            seen_TJ3 = world_to_camera(world_TJ3.astype(float), camera.rotation, np.array(camera.translation_m))
            scale_T = camera.intrinsics_screen[0] / seen_TJ3[:, 0, 2]
            parts.append((found_TJ2 - project(seen_TJ3, camera.intrinsics_screen)) / scale_T[:, None, None])
    return parts


def errors(predicted_NJ3: np.ndarray, truth_NJ3: np.ndarray, skeleton: Skeleton) -> Errors:
    hip, thorax = skeleton.joints.index("Hip"), skeleton.joints.index("Thorax")
    trunks = [pose_NJ3[:, thorax] - pose_NJ3[:, hip] for pose_NJ3 in (predicted_NJ3, truth_NJ3)]
    first_N3, second_N3 = (trunk_N3 / np.linalg.norm(trunk_N3, axis=-1, keepdims=True) for trunk_N3 in trunks)
    cosine_N = (first_N3 * second_N3).sum(-1)
    return Errors(
        float(mpjpe_mm(predicted_NJ3, truth_NJ3).mean()),
        float(p_mpjpe_mm(predicted_NJ3, truth_NJ3).mean()),
        float((cosine_N < np.cos(np.radians(_LEAN_DEG))).mean()),
    )


def lifted(checkpoint: Checkpoint, keypoints_NJ2: np.ndarray, flip: bool) -> np.ndarray:
    """(N, J, 3) what a checkpoint makes of 2D in the order of Human3.6M-17."""
    joints = checkpoint.skeleton.indices_in(H36M17.joints, "the test")
    keypoints_NJ2 = keypoints_NJ2[:, joints].astype(np.float32)
    return predict(checkpoint.network(), keypoints_NJ2, checkpoint.skeleton, flip=flip, batch=256)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row a checkpoint and kind of 2D; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lifter", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--shared", type=Path, default=SHARED, metavar="FOLDER", help="holds mocap/ and human36m/")
    parser.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored input")
    parser.add_argument("--archives", action="store_true", help="also each archive of motion by itself")
    given = parser.parse_args(arguments)
    test = make_test(given.shared / "mocap", residuals_m(given.shared / "human36m"))
    parts = [("all", np.ones(len(test.pose_NJ3), bool))]
    if given.archives:
        parts += [(name, test.archive_N == number) for number, name in enumerate(ARCHIVES)]
    print(f"{len(test.pose_NJ3)} poses of {', '.join(ARCHIVES)}, seen by as many cameras")
    print("| what | 2D | motion | MPJPE mm | P-MPJPE mm | leaning > 20 deg off |\n|---|---|---|---|---|---|")
    for name, is_part_N in parts:
        for what, constant_NJ3 in (
            ("mean pose of all", test.constant_NJ3),
            ("mean of the take", test.own_constant_NJ3),
        ):
            _row(what, "", name, errors(constant_NJ3[is_part_N], test.pose_NJ3[is_part_N], H36M17))
    for path in given.checkpoints:
        checkpoint = load_checkpoint(path)
        joints = checkpoint.skeleton.indices_in(H36M17.joints, "the test")
        for kind in KINDS:
            lifted_NJ3 = lifted(checkpoint, test.keypoints[kind], given.flip)
            for name, is_part_N in parts:
                truth_NJ3 = test.pose_NJ3[is_part_N][:, joints]
                _row(str(path), kind, name, errors(lifted_NJ3[is_part_N], truth_NJ3, checkpoint.skeleton))
    return 0


def _row(what: str, kind: str, motion: str, found: Errors) -> None:
    print(
        f"| {what} | {kind} | {motion} | {found.mpjpe_mm:.1f} | {found.p_mpjpe_mm:.1f} | {100 * found.leaning:.1f} % |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
