"""BVH texts for tests: from joints given one by one, and a standing figure with the names of a family."""

from dataclasses import dataclass

import numpy as np

from wsgcn.captures.bvh.skeletons import FAMILIES, Beyond, End, Family, Middle
from wsgcn.pose.skeleton import H36M17

ROTATIONS = ("Zrotation", "Yrotation", "Xrotation")
SIX = ("Xposition", "Yposition", "Zposition", *ROTATIONS)


@dataclass(frozen=True)
class J:
    """A joint; an end site without a name."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...] = ROTATIONS


def bvh_text(joints, motion_TC, frame_time="0.04", frames=None):
    """Joints in the order of the hierarchy, whose text follows them depth first, as their order must."""
    motion_TC = np.atleast_2d(motion_TC)
    lines, open_joints = ["HIERARCHY"], []
    for index, joint in enumerate(joints):
        while open_joints and open_joints[-1] != joint.parent:
            open_joints.pop()
            lines.append("}")
        head = "End Site" if not joint.name else f"{'ROOT' if joint.parent < 0 else 'JOINT'} {joint.name}"
        lines += [head, "{", "OFFSET " + " ".join(f"{value:.6f}" for value in joint.offset)]
        if joint.name:
            lines.append(" ".join(["CHANNELS", str(len(joint.channels)), *joint.channels]))
        open_joints.append(index)
    lines += ["}"] * len(open_joints)
    lines += ["MOTION", f"Frames: {len(motion_TC) if frames is None else frames}", f"Frame Time: {frame_time}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in motion_TC]
    return "\n".join(lines) + "\n"


# A person who stands, metres, z up, facing -y (so that left is at +x); one bends the knees a little.
STANDING_M = {
    "Hip": (0, 0, 0.95),
    "RHip": (-0.12, 0, 0.95),
    "RKnee": (-0.12, -0.08, 0.52),
    "RFoot": (-0.12, 0, 0.08),
    "LHip": (0.12, 0, 0.95),
    "LKnee": (0.12, -0.08, 0.52),
    "LFoot": (0.12, 0, 0.08),
    "Spine": (0, 0, 1.2),
    "Thorax": (0, 0, 1.45),
    "Neck/Nose": (0, 0, 1.55),
    "Head": (0, 0, 1.55 + 0.115),
    "LShoulder": (0.17, 0, 1.42),
    "LElbow": (0.45, 0, 1.42),
    "LWrist": (0.7, 0, 1.42),
    "RShoulder": (-0.17, 0, 1.42),
    "RElbow": (-0.45, 0, 1.42),
    "RWrist": (-0.7, 0, 1.42),
}
STANDING_J3_M = np.array([STANDING_M[joint] for joint in H36M17.joints])
CMU = next(family for family in FAMILIES if family.name == "CMU")
_Z_UP_TO_Y_UP = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])


def figure(family: Family = CMU, prefix: str = "", unit_m: float = 0.01, turn_33=_Z_UP_TO_Y_UP):
    """The joints of `STANDING_M` in a family's names, in its unit and axes."""
    places_J3 = STANDING_J3_M @ np.asarray(turn_33).T / unit_m
    spots = family.spots()
    order = [*H36M17.joints]
    joints: list[J] = []
    index_of = {}

    def add(name, parent, place, above, channels=ROTATIONS):
        joints.append(J(name and prefix + name, parent, tuple(place - above), channels))
        return len(joints) - 1

    for joint, parent in zip(order, H36M17.parents, strict=True):
        place = places_J3[order.index(joint)]
        if parent < 0:
            spot = spots[joint][0]
            index_of[joint] = add("root" if isinstance(spot, Middle) else spot, -1, place, 0 * place, SIX)
            for name in family.also:
                if name not in (spot for tuples in spots.values() for spot in tuples):
                    add(name, 0, place, place)
            continue
        above, above_name = index_of.get(order[parent]), order[parent]
        spot = spots[joint][0]
        if isinstance(spot, Beyond):
            continue
        name = "" if isinstance(spot, End) else spot
        index_of[joint] = add(name, above, place, places_J3[order.index(above_name)])
        has_children = any(order[p] == joint for p in H36M17.parents if p >= 0)
        if name and not has_children and joint != "Head":
            add("", index_of[joint], place, place)  # an end site in place, which says nothing
    return joints


def still(joints, frames=20, place=None):
    """(T, C): the figure stands, and its root is where its OFFSET has it, or at a place."""
    root = joints[0].offset if place is None else place
    row = np.zeros(sum(len(joint.channels) for joint in joints if joint.name))
    row[:3] = root
    return np.repeat(row[None], frames, axis=0)


def standing_text(frames=20, **options):
    joints = figure(**options)
    return bvh_text(joints, still(joints, frames))
