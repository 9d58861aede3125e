"""Seven bodies, the degrees of freedom of a body with their limits, and the way from joint angles to joints and back.

Body axes of every segment in the standing pose: x forward, y left, z up; at heading 0 they are the world's. All angles
are in radians, and grow in the direction of their name: flexion forward (knee and elbow: closing), abduction and
girdle elevation away from the body, rotation outward, bend and twist to the left.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from wsgcn.pose.skeleton import H36M17

SIDES = ("left", "right")
OUTWARD = {"left": 1.0, "right": -1.0}  # the sign of y

_SPINE_DEG = {
    "pelvis_pitch": (-40, 60),
    "pelvis_roll": (-20, 20),
    "lumbar_flexion": (-20, 45),
    "lumbar_bend": (-25, 25),
    "lumbar_twist": (-20, 20),
    "thoracic_flexion": (-15, 40),
    "thoracic_bend": (-20, 20),
    "thoracic_twist": (-30, 30),
    "neck_flexion": (-40, 50),
    "neck_bend": (-35, 35),
    "neck_twist": (-75, 75),
    "head_nod": (-25, 25),
}
_LIMB_DEG = {
    "hip_flexion": (-30, 135),
    "hip_abduction": (-30, 55),
    "hip_rotation": (-50, 60),
    "knee_flexion": (0, 150),
    "girdle_elevation": (-15, 35),
    "girdle_protraction": (-20, 30),
    "shoulder_flexion": (-60, 175),
    "shoulder_abduction": (-45, 120),
    "shoulder_rotation": (-95, 100),
    "elbow_flexion": (0, 150),
}
LIMITS = {
    name: (float(np.radians(low)), float(np.radians(high)))
    for name, (low, high) in (_SPINE_DEG | {f"{side}_{k}": v for side in SIDES for k, v in _LIMB_DEG.items()}).items()
}
LEG = ("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion")
ARM = ("shoulder_flexion", "shoulder_abduction", "shoulder_rotation", "elbow_flexion")

_SOFT_MARGIN = float(np.radians(6))


@dataclass(frozen=True, kw_only=True)
class Body:
    """Lengths of the bones in metres, the same on the left and on the right."""

    ankle_height_m: float
    half_pelvis_m: float
    thigh_m: float
    shin_m: float
    lumbar_m: float
    thoracic_m: float
    neck_m: float
    head_m: float
    half_shoulders_m: float
    upper_arm_m: float
    forearm_m: float

    @property
    def leg_m(self) -> float:
        return self.thigh_m + self.shin_m

    @property
    def trunk_m(self) -> float:
        return self.lumbar_m + self.thoracic_m


def _body(
    *,
    stature_m: float,
    legs: float,
    thigh: float,
    lumbar: float,
    half_pelvis: float,
    half_shoulders: float,
    arms: float,
    upper_arm: float,
) -> Body:
    """A body from shares: of the stature, but thigh of the leg, lumbar of the trunk, upper arm of the arm."""
    ankle_height_m, neck_m, head_m = 0.043 * stature_m, 0.074 * stature_m, 0.067 * stature_m
    leg_m, arm_m = legs * stature_m, arms * stature_m
    trunk_m = stature_m - ankle_height_m - leg_m - 0.9 * neck_m - head_m  # the neck leans forward
    return Body(
        ankle_height_m=ankle_height_m,
        half_pelvis_m=half_pelvis * stature_m,
        thigh_m=thigh * leg_m,
        shin_m=(1 - thigh) * leg_m,
        lumbar_m=lumbar * trunk_m,
        thoracic_m=(1 - lumbar) * trunk_m,
        neck_m=neck_m,
        head_m=head_m,
        half_shoulders_m=half_shoulders * stature_m,
        upper_arm_m=upper_arm * arm_m,
        forearm_m=(1 - upper_arm) * arm_m,
    )


def _bodies() -> dict[str, Body]:
    columns = ("stature_m", "legs", "thigh", "lumbar", "half_pelvis", "half_shoulders", "arms", "upper_arm")
    shares = {
        "S1": (1.70, 0.520, 0.495, 0.48, 0.074, 0.088, 0.315, 0.525),
        "S5": (1.60, 0.510, 0.485, 0.50, 0.078, 0.083, 0.305, 0.520),
        "S6": (1.86, 0.530, 0.500, 0.47, 0.070, 0.092, 0.325, 0.535),
        "S7": (1.75, 0.505, 0.490, 0.51, 0.073, 0.096, 0.318, 0.515),
        "S8": (1.80, 0.515, 0.505, 0.49, 0.068, 0.094, 0.310, 0.530),
        "S9": (1.90, 0.525, 0.488, 0.46, 0.072, 0.090, 0.328, 0.520),
        "S11": (1.66, 0.500, 0.500, 0.50, 0.076, 0.086, 0.308, 0.540),
    }
    return {subject: _body(**dict(zip(columns, row, strict=True))) for subject, row in shares.items()}


BODIES = _bodies()


def within_limits(name: str, angle_T: np.ndarray) -> np.ndarray:
    """The angle (T,), pressed smoothly into its limits: unchanged but for the last few degrees before each."""
    low, high = LIMITS[name]
    return -_capped(-_capped(angle_T, high, _SOFT_MARGIN), -low, _SOFT_MARGIN)


def _capped(values: np.ndarray, cap: float, margin: float) -> np.ndarray:
    """Values below `cap`, which those within the margin approach smoothly (twice differentiable)."""
    over = np.maximum((values - cap) / margin + 1, 0)
    return np.where(over > 0, cap + margin * (np.tanh(over) - 1), values)


def pelvis_rotation(heading_T: np.ndarray, angles: Mapping[str, np.ndarray]) -> Rotation:
    """T rotations from the pelvis's axes to the world's."""
    return Rotation.from_euler("ZYX", np.stack([heading_T, angles["pelvis_pitch"], angles["pelvis_roll"]], -1))


def hip_joint(body: Body, pelvis: Rotation, side: str) -> np.ndarray:
    """(T, 3) metres, from the middle of the pelvis to a hip joint, world axes."""
    return pelvis.apply([0.0, OUTWARD[side] * body.half_pelvis_m, 0.0])


def joints_from_angles(
    body: Body, pelvis_m: np.ndarray, heading_T: np.ndarray, angles: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Forward kinematics.

    Args:
        pelvis_m: (T, 3) world, the middle of the hips.
        heading_T: (T,) the pelvis's heading.
        angles: (T,) for every name in `LIMITS`.

    Returns:
        (T, 17, 3) metres, world, Human3.6M-17.
    """
    joints = {"Hip": pelvis_m}
    pelvis = pelvis_rotation(heading_T, angles)
    lumbar = pelvis * _spine_turn("lumbar", angles)
    thoracic = lumbar * _spine_turn("thoracic", angles)
    neck = thoracic * _spine_turn("neck", angles)
    joints["Spine"] = pelvis_m + lumbar.apply([0, 0, body.lumbar_m])
    joints["Thorax"] = joints["Spine"] + thoracic.apply([0, 0, body.thoracic_m])
    # The nose lies in front of the thorax: in the neutral pose the neck leans by 27 degrees, the head not at all.
    joints["Neck/Nose"] = joints["Thorax"] + neck.apply([0.454 * body.neck_m, 0, 0.891 * body.neck_m])
    # Named axes: a nod turns about the head's own y.
    nod = Rotation.from_euler("Y", angles["head_nod"][:, None])
    joints["Head"] = joints["Neck/Nose"] + (neck * nod).apply([0, 0, body.head_m])
    for side in SIDES:
        letter = side[0].upper()
        out = OUTWARD[side]
        thigh, knee_turn = _limb_turns(side, LEG, angles)
        thigh = pelvis * thigh
        joints[f"{letter}Hip"] = pelvis_m + hip_joint(body, pelvis, side)
        joints[f"{letter}Knee"] = joints[f"{letter}Hip"] + thigh.apply([0, 0, -body.thigh_m])
        joints[f"{letter}Foot"] = joints[f"{letter}Knee"] + (thigh * knee_turn).apply([0, 0, -body.shin_m])
        girdle = thoracic * Rotation.from_euler(
            "ZX", np.stack([-out * angles[f"{side}_girdle_protraction"], out * angles[f"{side}_girdle_elevation"]], -1)
        )
        upper_arm, elbow_turn = _limb_turns(side, ARM, angles)
        upper_arm = thoracic * upper_arm
        joints[f"{letter}Shoulder"] = joints["Thorax"] + girdle.apply([0, out * body.half_shoulders_m, 0])
        joints[f"{letter}Elbow"] = joints[f"{letter}Shoulder"] + upper_arm.apply([0, 0, -body.upper_arm_m])
        joints[f"{letter}Wrist"] = joints[f"{letter}Elbow"] + (upper_arm * elbow_turn).apply([0, 0, -body.forearm_m])
    return np.stack([joints[name] for name in H36M17.joints], axis=1)


def _spine_turn(segment: str, angles: Mapping[str, np.ndarray]) -> Rotation:
    flexion, bend, twist = (angles[f"{segment}_{way}"] for way in ("flexion", "bend", "twist"))
    return Rotation.from_euler("YXZ", np.stack([flexion, -bend, twist], -1))


def _limb_turns(side: str, names: tuple[str, ...], angles: Mapping[str, np.ndarray]) -> tuple[Rotation, Rotation]:
    """The turns of a limb's first segment against the trunk and of its second against the first."""
    flexion, abduction, rotation, hinge = (angles[f"{side}_{name}"] for name in names)
    out = OUTWARD[side]
    first = Rotation.from_euler("YXZ", np.stack([-flexion, out * abduction, out * rotation], -1))
    closing = 1.0 if names is LEG else -1.0  # a knee closes backward, an elbow forward
    return first, Rotation.from_euler("Y", closing * hinge[:, None])


def leg_angles(body: Body, target_m: np.ndarray, pole: np.ndarray, side: str) -> dict[str, np.ndarray]:
    """The angles, by name, that bring the ankle to a target; the knee points to the pole.

    Args:
        target_m: (T, 3) from the hip joint, pelvis axes; a target out of reach is approached as far as the leg goes.
        pole: (T, 3) a direction, pelvis axes.
    """
    angles_T4 = _two_bones(body.thigh_m, body.shin_m, target_m, pole, 1.0, side)
    return {f"{side}_{name}": angles_T4[:, index] for index, name in enumerate(LEG)}


def arm_angles(body: Body, wrist_m: np.ndarray, pole: np.ndarray, side: str) -> np.ndarray:
    """The four angles of `ARM` (T, 4) that bring the wrist to a place; the elbow points to the pole.

    Args:
        wrist_m: (T, 3) from the thorax, the trunk's axes but y outward; the shoulder girdle is taken as neutral.
        pole: (T, 3) a direction in the same axes.
    """
    mirror = np.array([1.0, OUTWARD[side], 1.0])
    target_m = (wrist_m - np.array([0.0, body.half_shoulders_m, 0.0])) * mirror
    return _two_bones(body.upper_arm_m, body.forearm_m, target_m, pole * mirror, -1.0, side)


def _two_bones(
    first_m: float, second_m: float, target_m: np.ndarray, pole: np.ndarray, closing: float, side: str
) -> np.ndarray:
    """(T, 4) angles of a limb of two bones by the law of cosines; the signs as in `_limb_turns`."""
    reach_m = np.linalg.norm(target_m, axis=-1)
    widest_fold = LIMITS["left_knee_flexion"][1] - _SOFT_MARGIN
    shortest_m = np.sqrt(first_m**2 + second_m**2 + 2 * first_m * second_m * np.cos(widest_fold))
    longest_m = first_m + second_m
    distance_m = _capped(reach_m, 0.9998 * longest_m, 0.02 * longest_m)
    distance_m = -_capped(-distance_m, -shortest_m, 0.01 * longest_m)
    direction = target_m / reach_m[:, None]
    sideways = _unit(pole - direction * (pole * direction).sum(-1, keepdims=True))
    cosine = (first_m**2 + distance_m**2 - second_m**2) / (2 * first_m * distance_m)
    sine = np.sqrt(1 - cosine**2)
    middle = direction * cosine[:, None] + sideways * sine[:, None]
    # The first segment's x axis lies in the limb's plane, on the side away from which the hinge closes.
    x_axis = closing * (sideways * cosine[:, None] - direction * sine[:, None])
    axes = np.stack([x_axis, np.cross(-middle, x_axis), -middle], axis=-1)
    turn = Rotation.from_matrix(axes).as_euler("YXZ") * np.array([-1.0, OUTWARD[side], OUTWARD[side]])
    turn[:, 0] = np.where(turn[:, 0] < -np.pi / 2, turn[:, 0] + 2 * np.pi, turn[:, 0])  # forward, past straight up
    hinge = np.pi - np.arccos((first_m**2 + second_m**2 - distance_m**2) / (2 * first_m * second_m))
    return np.concatenate([turn, hinge[:, None]], axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
