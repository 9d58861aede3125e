"""Joint angles out of positions, in degrees, with the signs that clinics use.

Seventeen points know where a bone lies and not how it is turned about itself, so there are fewer angles than a marker
set gives. Three frames carry them, each with its up exact and its left made perpendicular to that: the pelvis (up: from
Hip to Thorax, left: from RHip to LHip), the thorax (the same up, left: from RShoulder to LShoulder), and the room (its
own up, the pelvis's left).

- `*Knee_flexion`, `*Elbow_flexion`: 0 straight, + bent. Never negative: three points do not tell overextension from a
  slight bend.
- `*Hip_flexion`: of the thigh in the pelvis's sagittal plane; 0 in line with the trunk, + forwards, - backwards.
- `*Hip_abduction`: of the thigh out of that plane; + away from the other leg, - across it.
- `*Shoulder_elevation`: of the upper arm from the trunk; 0 hanging, 90 level, 180 overhead. Never negative.
- `*Shoulder_plane`: in which plane the arm is raised (the plane of elevation of Wu et al. 2005); 0 sideways,
  + forwards, 90 straight ahead, - backwards. NaN where the arm is within 20 degrees of hanging or of overhead, and has
  no plane.
- `Trunk_flexion`: of the trunk against the room's up; 0 upright, + leaning forwards, - backwards.
- `Trunk_lateral`: + leaning to the person's right, - left.
- `Trunk_rotation`: of the shoulders against the hips, about the trunk; + turned to the left, - right.

Source of frames and signs of trunk and shoulder: Wu et al., J. Biomech. 38 (2005) 981-992, with flexion made positive.
"""

import numpy as np

from wsgcn.pose.skeleton import H36M17, Skeleton

ANGLES = (
    *("RKnee_flexion", "LKnee_flexion"),
    *("RHip_flexion", "LHip_flexion", "RHip_abduction", "LHip_abduction"),
    *("RElbow_flexion", "LElbow_flexion"),
    *("RShoulder_elevation", "LShoulder_elevation", "RShoulder_plane", "LShoulder_plane"),
    *("Trunk_flexion", "Trunk_lateral", "Trunk_rotation"),
)

# For the metadata of outputs.
SIGNS = (
    "degrees; flexion: 0 straight and + bent, of a hip or the trunk + forwards; abduction: + away from the other leg; "
    "elevation: 0 arm hanging, 180 overhead; plane: 0 arm sideways and + forwards; lateral: + to the person's right; "
    "rotation: shoulders against hips, to the left +; trunk flexion and lateral take the camera for level"
)

CAMERA_UP = (0.0, -1.0, 0.0)  # of a camera that is held level

_SMALLEST_SINE = np.sin(np.radians(20))  # of the elevation of an arm that has a plane


def joint_angles_deg(pose_TJ3: np.ndarray, skeleton: Skeleton, up: tuple[float, float, float]) -> np.ndarray:
    """The angles of each pose.

    Args:
        pose_TJ3: (T, J, 3), any unit, origin and right-handed axes; NaN where a joint is missing.
        up: where up is in these axes; `Trunk_flexion` and `Trunk_lateral` alone depend on it.

    Returns:
        (T, A) float64, degrees, in the order of `ANGLES`. NaN where a joint that an angle needs is missing, is not in
        the skeleton, or lies where its neighbour does.
    """
    pose_TJ3 = pose_TJ3.astype(np.float64)
    nowhere_T3 = np.full((len(pose_TJ3), 3), np.nan)
    at = {
        joint: pose_TJ3[:, skeleton.joints.index(joint)] if joint in skeleton.joints else nowhere_T3
        for joint in H36M17.joints
    }
    trunk_T3 = _unit(at["Thorax"] - at["Hip"])
    up_T3 = np.broadcast_to(_unit(np.array(up, dtype=np.float64)), trunk_T3.shape)
    hips_T3 = at["LHip"] - at["RHip"]
    forward_T3, left_T3 = _forward_and_left(trunk_T3, hips_T3)
    thorax_forward_T3, thorax_left_T3 = _forward_and_left(trunk_T3, at["LShoulder"] - at["RShoulder"])
    room_forward_T3, room_left_T3 = _forward_and_left(up_T3, hips_T3)
    angles = {
        "Trunk_flexion": np.arctan2(_dot(trunk_T3, room_forward_T3), _dot(trunk_T3, up_T3)),
        "Trunk_lateral": -_arcsin(_dot(trunk_T3, room_left_T3)),
        "Trunk_rotation": np.arctan2(-_dot(thorax_left_T3, forward_T3), _dot(thorax_left_T3, left_T3)),
    }
    for side, outward in (("L", 1.0), ("R", -1.0)):
        thigh_T3 = _unit(at[f"{side}Knee"] - at[f"{side}Hip"])
        arm_T3 = _unit(at[f"{side}Elbow"] - at[f"{side}Shoulder"])
        arm_outward_T, arm_forward_T = outward * _dot(arm_T3, thorax_left_T3), _dot(arm_T3, thorax_forward_T3)
        has_plane_T = np.hypot(arm_outward_T, arm_forward_T) >= _SMALLEST_SINE
        angles |= {
            f"{side}Knee_flexion": _between(thigh_T3, at[f"{side}Foot"] - at[f"{side}Knee"]),
            f"{side}Elbow_flexion": _between(arm_T3, at[f"{side}Wrist"] - at[f"{side}Elbow"]),
            f"{side}Hip_flexion": np.arctan2(_dot(thigh_T3, forward_T3), -_dot(thigh_T3, trunk_T3)),
            f"{side}Hip_abduction": _arcsin(outward * _dot(thigh_T3, left_T3)),
            f"{side}Shoulder_elevation": _between(arm_T3, -trunk_T3),
            f"{side}Shoulder_plane": np.where(has_plane_T, np.arctan2(arm_forward_T, arm_outward_T), np.nan),
        }
    return np.degrees(np.stack([angles[name] for name in ANGLES], axis=1))


def _forward_and_left(up_T3: np.ndarray, left_T3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors perpendicular to `up_T3`, of unit length, and to each other."""
    forward_T3 = _unit(np.cross(left_T3, up_T3))
    return forward_T3, np.cross(up_T3, forward_T3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _dot(a_T3: np.ndarray, b_T3: np.ndarray) -> np.ndarray:
    return (a_T3 * b_T3).sum(-1)


def _between(a_T3: np.ndarray, b_T3: np.ndarray) -> np.ndarray:
    """The angle between vectors, 0 to pi; the arc cosine would lose half the digits of small ones."""
    a_T3, b_T3 = _unit(a_T3), _unit(b_T3)
    return np.arctan2(np.linalg.norm(np.cross(a_T3, b_T3), axis=-1), _dot(a_T3, b_T3))


def _arcsin(sine_T: np.ndarray) -> np.ndarray:
    return np.arcsin(sine_T.clip(-1, 1))
