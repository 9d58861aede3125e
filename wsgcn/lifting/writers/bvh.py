"""BVH: a hierarchy with rotations, for animation tools.

Axes: x right, y up, z towards the camera; centimetres; rotations in degrees, Rz Rx Ry. The rest pose is a T-pose with
each bone at its median length over the clip, so that bones keep their length: positions come back up to how much the
lifted bones change theirs. Where several bones meet, at the hips and the chest, each gets a joint of its own at the
same place (RightHipJoint, LowerBack, ...), as in the CMU files, because lifted hips and shoulders are not rigid.
A bone's roll about itself is not known from positions; it is the least that follows from its parent.

BVH has no room for comments, so the metadata lie beside it, in <name>.bvh.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.lifting.lifted import Lifted
from wsgcn.pose.skeleton import Skeleton

# Name, parent, the Human3.6M joint at which it stands, and the direction from its parent's place in the rest pose.
# A joint at its parent's place is there to turn one of several bones that meet.
_JOINTS = (
    ("Hips", None, "Hip", (0, 0, 0)),
    ("RightHipJoint", "Hips", "Hip", (0, 0, 0)),
    ("RightUpLeg", "RightHipJoint", "RHip", (-1, 0, 0)),
    ("RightLeg", "RightUpLeg", "RKnee", (0, -1, 0)),
    ("RightFoot", "RightLeg", "RFoot", (0, -1, 0)),
    ("LeftHipJoint", "Hips", "Hip", (0, 0, 0)),
    ("LeftUpLeg", "LeftHipJoint", "LHip", (1, 0, 0)),
    ("LeftLeg", "LeftUpLeg", "LKnee", (0, -1, 0)),
    ("LeftFoot", "LeftLeg", "LFoot", (0, -1, 0)),
    ("LowerBack", "Hips", "Hip", (0, 0, 0)),
    ("Spine", "LowerBack", "Spine", (0, 1, 0)),
    ("Chest", "Spine", "Thorax", (0, 1, 0)),
    ("Neck", "Chest", "Thorax", (0, 0, 0)),
    ("Neck1", "Neck", "Neck/Nose", (0, 1, 0)),
    ("Head", "Neck1", "Head", (0, 1, 0)),
    ("LeftShoulder", "Chest", "Thorax", (0, 0, 0)),
    ("LeftArm", "LeftShoulder", "LShoulder", (1, 0, 0)),
    ("LeftForeArm", "LeftArm", "LElbow", (1, 0, 0)),
    ("LeftHand", "LeftForeArm", "LWrist", (1, 0, 0)),
    ("RightShoulder", "Chest", "Thorax", (0, 0, 0)),
    ("RightArm", "RightShoulder", "RShoulder", (-1, 0, 0)),
    ("RightForeArm", "RightArm", "RElbow", (-1, 0, 0)),
    ("RightHand", "RightForeArm", "RWrist", (-1, 0, 0)),
)
_TO_Y_UP_CM = np.array([100.0, -100.0, -100.0])
_ROTATIONS = "Zrotation Xrotation Yrotation"


def write(lifted: Lifted, path: Path) -> None:
    """Write the clip and, beside it, its metadata. Missing frames at either end are left out.

    Raises:
        InputError: the frame rate is not known, a frame within the clip is missing or absent, or a file cannot be
            written.
    """
    fps = lifted.about.get("fps")
    if not fps:
        raise InputError(f"{path}: a BVH file needs the frame rate; give fps.")
    there = np.flatnonzero(~lifted.missing)
    first, last = int(there[0]), int(there[-1])
    frames = lifted.frames[first : last + 1]
    gaps = frames[lifted.missing[first : last + 1]].tolist() or frames[1:][np.diff(frames) != 1].tolist()
    if gaps:
        raise InputError(
            f"{path}: BVH cannot say that a frame is missing, and {len(gaps)} are, the first at {gaps[0]}; fill longer "
            "gaps by max_gap, or write another format."
        )
    pose_m = lifted.pose_m[first : last + 1].astype(np.float64)
    root_m = np.zeros((len(pose_m), 3)) if lifted.root_m is None else lifted.root_m[first : last + 1]
    if np.isnan(root_m).any():
        frame = frames[np.isnan(root_m).any(-1)][0]
        raise InputError(f"{path}: the root's place is not known in frame {frame}; lift without intrinsics for BVH.")
    hierarchy = _Hierarchy.of(lifted.skeleton)
    positions_cm = pose_m * _TO_Y_UP_CM
    lengths = hierarchy.median_lengths(positions_cm)
    offsets = {joint.name: np.array(joint.direction) * lengths[joint.name] for joint in hierarchy.joints}
    euler_deg = hierarchy.euler_deg(positions_cm, offsets)
    metadata = lifted.metadata | {
        "unit": "centimetre",
        "frame": "x right, y up, z towards the camera",
        "first_frame": int(frames[0]),
        "frames": len(frames),
        "joint_of": {joint.name: joint.place for joint in hierarchy.joints},
    }
    write_atomically(path, _text(hierarchy, offsets, root_m * _TO_Y_UP_CM, euler_deg, 1 / fps))
    write_atomically(path.with_name(f"{path.name}.json"), json.dumps(metadata, indent=2) + "\n")


@dataclass(frozen=True)
class _Joint:
    name: str
    parent: str | None
    place: str  # the Human3.6M joint
    direction: tuple[int, int, int]


@dataclass(frozen=True)
class _Hierarchy:
    """The joints for a skeleton, parents before children."""

    joints: tuple[_Joint, ...]
    skeleton: Skeleton

    @classmethod
    def of(cls, skeleton: Skeleton) -> "_Hierarchy":
        """Without joints whose place the skeleton lacks; their children hang from their parents."""
        parent_of: dict[str, str | None] = {}
        joints = []
        for name, parent, place, direction in _JOINTS:
            while parent in parent_of:
                parent = parent_of[parent]
            if place in skeleton.joints:
                joints.append(_Joint(name, parent, place, direction))
            else:
                parent_of[name] = parent
        return cls(tuple(joints), skeleton)

    @cached_property
    def by_name(self) -> dict[str, _Joint]:
        return {joint.name: joint for joint in self.joints}

    def children(self, name: str) -> list[_Joint]:
        return [joint for joint in self.joints if joint.parent == name]

    def bone(self, joint: _Joint, positions_TJ3: np.ndarray) -> np.ndarray:
        """(T, 3) from the place of its parent to its own."""
        if joint.parent is None:
            return np.zeros((len(positions_TJ3), 3))
        places = self.skeleton.joints
        start, end = places.index(self.by_name[joint.parent].place), places.index(joint.place)
        return positions_TJ3[:, end] - positions_TJ3[:, start]

    def median_lengths(self, positions_TJ3: np.ndarray) -> dict[str, float]:
        return {
            joint.name: float(np.median(np.linalg.norm(self.bone(joint, positions_TJ3), axis=-1)))
            for joint in self.joints
        }

    def euler_deg(self, positions_TJ3: np.ndarray, offsets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """For each joint (T, 3): the angles about z, x, y that turn its bones from the rest pose into place."""
        turned_T33: dict[str, np.ndarray] = {}
        euler = {}
        for joint in self.joints:
            parent_T33 = turned_T33.get(str(joint.parent), np.broadcast_to(np.eye(3), (len(positions_TJ3), 3, 3)))
            children = self.children(joint.name)
            if len(children) > 1:
                # The bones that leave from here start at joints at the same place; they are one step further.
                ends = [end for child in children for end in self.children(child.name)]
                local_T33 = parent_T33.mT @ _best_rotation(
                    np.stack([offsets[end.name] for end in ends]),
                    np.stack([self.bone(end, positions_TJ3) for end in ends], axis=1),
                )
            elif children:
                bone_T3 = (parent_T33.mT @ self.bone(children[0], positions_TJ3)[..., None])[..., 0]
                local_T33 = _least_rotation(offsets[children[0].name], bone_T3)
            else:
                local_T33 = np.broadcast_to(np.eye(3), parent_T33.shape)
            turned_T33[joint.name] = parent_T33 @ local_T33
            euler[joint.name] = _euler_zxy_deg(local_T33)
        return euler


def _best_rotation(rest_N3: np.ndarray, turned_TN3: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations that bring the vectors closest to where they are (Kabsch 1976)."""
    u_T33, _, vt_T33 = np.linalg.svd(np.einsum("tni,nj->tij", turned_TN3, rest_N3))
    u_T33[..., 2] *= np.sign(np.linalg.det(u_T33 @ vt_T33))[:, None]
    return u_T33 @ vt_T33


def _least_rotation(rest_3: np.ndarray, turned_T3: np.ndarray) -> np.ndarray:
    """(T, 3, 3) the smallest rotations from one direction to others."""
    from scipy.spatial.transform import Rotation

    a_3 = rest_3 / max(np.linalg.norm(rest_3), 1e-12)
    b_T3 = turned_T3 / np.linalg.norm(turned_T3, axis=-1, keepdims=True).clip(1e-12)
    across_T3, cos_T = np.cross(a_3, b_T3), b_T3 @ a_3
    # Straight back, the axis is any that is square to the bone.
    opposite = cos_T < -1 + 1e-9
    across_T3[opposite] = np.cross(a_3, np.eye(3)[np.argmin(np.abs(a_3))])
    return Rotation.from_quat(np.concatenate([across_T3, np.where(opposite, 0, 1 + cos_T)[:, None]], -1)).as_matrix()


def _euler_zxy_deg(rotation_T33: np.ndarray) -> np.ndarray:
    """(T, 3) with R = Rz Rx Ry, continuous in time."""
    m = rotation_T33
    x = np.arcsin(m[:, 2, 1].clip(-1, 1))
    z = np.arctan2(-m[:, 0, 1], m[:, 1, 1])
    y = np.arctan2(-m[:, 2, 0], m[:, 2, 2])
    locked = np.abs(m[:, 2, 1]) > 1 - 1e-12  # x is a right angle, and z and y turn about the same axis
    z[locked], y[locked] = np.arctan2(m[locked, 1, 0], m[locked, 0, 0]), 0
    return np.degrees(np.unwrap(np.stack([z, x, y], axis=-1), axis=0))


def _text(
    hierarchy: _Hierarchy,
    offsets: Mapping[str, np.ndarray],
    root_cm_T3: np.ndarray,
    euler_deg: Mapping[str, np.ndarray],
    seconds_per_frame: float,
) -> str:
    lines = ["HIERARCHY", *_branch(hierarchy, hierarchy.joints[0], offsets, "")]
    lines += ["MOTION", f"Frames: {len(root_cm_T3)}", f"Frame Time: {seconds_per_frame:.7f}"]
    values_TC = np.concatenate([root_cm_T3, *(euler_deg[joint.name] for joint in hierarchy.joints)], axis=1)
    lines += [" ".join(f"{value:.5f}" for value in row) for row in values_TC.tolist()]
    return "\n".join(lines) + "\n"


def _branch(hierarchy: _Hierarchy, joint: _Joint, offsets: Mapping[str, np.ndarray], indent: str) -> list[str]:
    is_root = joint.parent is None
    channels = f"6 Xposition Yposition Zposition {_ROTATIONS}" if is_root else f"3 {_ROTATIONS}"
    body = [f"OFFSET {_numbers(offsets[joint.name])}", f"CHANNELS {channels}"]
    children = hierarchy.children(joint.name)
    for child in children:
        body += _branch(hierarchy, child, offsets, "")
    if not children:
        body += ["End Site", "{", f"\tOFFSET {_numbers(np.zeros(3))}", "}"]
    lines = [f"{'ROOT' if is_root else 'JOINT'} {joint.name}", "{", *(f"\t{line}" for line in body), "}"]
    return [indent + line for line in lines]


def _numbers(values_3: np.ndarray) -> str:
    return " ".join(f"{value + 0:.5f}" for value in values_3.tolist())
