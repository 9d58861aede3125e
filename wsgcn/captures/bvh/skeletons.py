"""How the usual skeletons of BVH files name the joints of Human3.6M: one table.

Names are compared in small letters, with `_` for whatever is no letter or digit, and after a prefix that all of them
share: 'mixamorig:LeftUpLeg', 'Bip01 L Thigh', 'thigh.L'. Human3.6M's Spine is the middle of the trunk, its Thorax the
root of the neck, its Neck/Nose the base of the skull, its Head the top of the skull, its Foot the ankle. Where a
skeleton has several joints in the trunk, the one nearest the middle is the Spine.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.captures.bvh.files import Joint
from wsgcn.pose.skeleton import H36M17

_HEAD_M = 0.115  # the top of the head above Neck/Nose, for skeletons that do not reach so far
_SHORTEST_END = 0.1  # of the thigh: an end site nearer to its joint than that says nothing about a bone's length


@dataclass(frozen=True)
class End:
    """The end site of a joint."""

    of: str


@dataclass(frozen=True)
class Middle:
    """Half-way between two joints."""

    first: str
    second: str


@dataclass(frozen=True)
class Beyond:
    """A point beyond Neck/Nose in the direction from Thorax to Neck/Nose, `_HEAD_M` from Neck/Nose."""


Spot = str | End | Middle | Beyond


@dataclass(frozen=True, kw_only=True)
class Family:
    """The names of one kind of skeleton; {} in a limb's name is the side. Of several spots the first found counts."""

    name: str
    trunk: tuple[Spot, str, str, str]  # Hip, Spine, Thorax, Neck/Nose
    head: tuple[Spot, ...]
    leg: tuple[str, str, str]  # hip, knee, ankle
    arm: tuple[str, str, str]  # shoulder, elbow, wrist
    sides: tuple[str, str] = ("Left", "Right")
    also: tuple[str, ...] = ()  # names that tell it from a later one in the table
    without: tuple[str, ...] = ()  # names that it never has
    wrist_is_end: bool = False  # the wrist is the end site of arm's third name

    def spots(self) -> dict[str, tuple[Spot, ...]]:
        """By the joint of Human3.6M."""
        spots: dict[str, tuple[Spot, ...]] = dict(
            zip(("Hip", "Spine", "Thorax", "Neck/Nose"), ((spot,) for spot in self.trunk), strict=True)
        )
        spots["Head"] = self.head
        for letter, side in zip("LR", self.sides, strict=True):
            limbs = zip(("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist"), self.leg + self.arm, strict=True)
            for joint, name in limbs:
                named = name.format(side)
                is_end = self.wrist_is_end and joint == "Wrist"
                spots[letter + joint] = (End(named) if is_end else named,)
        return spots


_UP_LEG = ("{}UpLeg", "{}Leg", "{}Foot")
_ARM = ("{}Arm", "{}ForeArm", "{}Hand")

# A family that names more joints stands before one that would also fit.
FAMILIES = (
    Family(  # wsgcn.lifting.writers.bvh, whose joint Head is the top of the head
        name="WS-GCN's",
        trunk=("Hips", "Spine", "Chest", "Neck1"),
        head=("Head",),
        leg=_UP_LEG,
        arm=_ARM,
        also=("RightHipJoint", "LeftHipJoint", "LowerBack"),
    ),
    Family(
        name="Perception Neuron",
        trunk=("Hips", "Spine2", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=_UP_LEG,
        arm=_ARM,
        also=("Spine3",),
    ),
    Family(  # and LAFAN1, and others that keep MotionBuilder's names
        name="Mixamo/MotionBuilder",
        trunk=("Hips", "Spine1", "Neck", "Head"),
        head=("HeadTop_End", End("Head"), Beyond()),
        leg=_UP_LEG,
        arm=_ARM,
        also=("Spine2",),
    ),
    Family(  # B. Hahne's conversions of the database of Carnegie Mellon University
        name="CMU",
        trunk=("Hips", "Spine", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=_UP_LEG,
        arm=_ARM,
        without=("RightHipJoint",),  # WS-GCN's clips of 16 joints, which have no Neck/Nose
    ),
    Family(
        name="Bandai-Namco",
        trunk=("Hips", "Spine", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=("UpperLeg_{}", "LowerLeg_{}", "Foot_{}"),
        arm=("UpperArm_{}", "LowerArm_{}", "Hand_{}"),
        sides=("L", "R"),
    ),
    Family(
        name="Xsens MVN",
        trunk=("Hips", "Chest3", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=("{}Hip", "{}Knee", "{}Ankle"),
        arm=("{}Shoulder", "{}Elbow", "{}Wrist"),
        also=("Chest4",),
    ),
    Family(
        name="Biovision",
        trunk=("Hips", "Chest", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=("{}Hip", "{}Knee", "{}Ankle"),
        arm=("{}Shoulder", "{}Elbow", "{}Wrist"),
    ),
    Family(
        name="Biovision's example",
        trunk=("Hips", "Chest", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=("{}UpLeg", "{}LowLeg", "{}Foot"),
        arm=("{}UpArm", "{}LowArm", "{}Hand"),
    ),
    Family(
        name="Unity/VRM",
        trunk=("Hips", "Spine", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=("{}UpperLeg", "{}LowerLeg", "{}Foot"),
        arm=("{}UpperArm", "{}LowerArm", "{}Hand"),
    ),
    Family(
        name="Blender's Rigify",
        trunk=(Middle("thigh.L", "thigh.R"), "spine.002", "spine.004", "spine.006"),
        head=(End("spine.006"), Beyond()),
        leg=("thigh.{}", "shin.{}", "foot.{}"),
        arm=("upper_arm.{}", "forearm.{}", "hand.{}"),
        sides=("L", "R"),
    ),
    Family(  # Rigify's names on fewer bones; the hands are end sites
        name="ReActIdle",
        trunk=(Middle("thigh.L", "thigh.R"), "spine.001", "neck", "face"),
        head=(Beyond(),),
        leg=("thigh.{}", "shin.{}", "foot.{}"),
        arm=("upper_arm.{}", "forearm.{}", "forearm.{}"),
        sides=("L", "R"),
        wrist_is_end=True,
    ),
    Family(
        name="Unreal",
        trunk=("pelvis", "spine_02", "neck_01", "head"),
        head=(End("head"), Beyond()),
        leg=("thigh_{}", "calf_{}", "foot_{}"),
        arm=("upperarm_{}", "lowerarm_{}", "hand_{}"),
        sides=("l", "r"),
    ),
    Family(
        name="3ds Max Biped",
        trunk=("Pelvis", "Spine1", "Neck", "Head"),
        head=("HeadNub", End("Head"), Beyond()),
        leg=("{} Thigh", "{} Calf", "{} Foot"),
        arm=("{} UpperArm", "{} Forearm", "{} Hand"),
        sides=("L", "R"),
    ),
    Family(
        name="SMPL",
        trunk=("Pelvis", "Spine2", "Neck", "Head"),
        head=(End("Head"), Beyond()),
        leg=("{}_Hip", "{}_Knee", "{}_Ankle"),
        arm=("{}_Shoulder", "{}_Elbow", "{}_Wrist"),
        sides=("L", "R"),
    ),
    Family(
        name="SMPL-X",
        trunk=("pelvis", "spine2", "neck", "head"),
        head=(End("head"), Beyond()),
        leg=("{}_hip", "{}_knee", "{}_ankle"),
        arm=("{}_shoulder", "{}_elbow", "{}_wrist"),
        sides=("left", "right"),
    ),
    Family(
        name="Poser/DAZ",
        trunk=("hip", "chest", "neck", "head"),
        head=(End("head"), Beyond()),
        leg=("{}Thigh", "{}Shin", "{}Foot"),
        arm=("{}Shldr", "{}ForeArm", "{}Hand"),
        sides=("l", "r"),
    ),
)


@dataclass(frozen=True)
class Body:
    """Where Human3.6M's 17 joints are among those of a file."""

    family: str
    joints: tuple[int, ...]  # W joints of the file that are needed
    places_J2: np.ndarray  # (17, 2) int: the two of these W between which each lies, mostly twice the same
    has_beyond: bool  # the Head's place is not among them

    def pose(self, positions_TW3_m: np.ndarray) -> np.ndarray:
        """(T, 17, 3) float64 in the order of H36M17, from the places of `joints` in metres."""
        pose_TJ3_m = positions_TW3_m[:, self.places_J2].mean(axis=2)
        if self.has_beyond:
            thorax, nose, head = (H36M17.joints.index(joint) for joint in ("Thorax", "Neck/Nose", "Head"))
            neck_T3 = pose_TJ3_m[:, nose] - pose_TJ3_m[:, thorax]
            length_T1 = np.linalg.norm(neck_T3, axis=-1, keepdims=True).clip(1e-9)
            pose_TJ3_m[:, head] = pose_TJ3_m[:, nose] + _HEAD_M * neck_T3 / length_T1
        return pose_TJ3_m


def recognise(joints: Sequence[Joint], origin: str) -> Body:
    """Find the family of a file's joints.

    Raises:
        InputError: the joints are of none in the table, or one of those needed is there twice.
    """
    places: dict[str, list[int]] = {}
    for index, joint in enumerate(joints):
        if not joint.is_end:
            places.setdefault(_plain(joint.name), []).append(index)
    for family in FAMILIES:
        for prefix in _prefixes(family, places):
            chosen = _choose(family, prefix, places, joints)
            if chosen is not None:
                return _body(family, chosen, joints, origin)
    names = enumerated((joint.name for joint in joints if not joint.is_end), most=5)
    families = ", ".join(family.name for family in FAMILIES)
    raise InputError(f"{origin}: its joints ({names}) are of no skeleton known here, which are {families}.")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold())


def _prefixes(family: Family, places: dict[str, list[int]]) -> list[str]:
    """What stands before the name of the left thigh, the shortest first."""
    thigh = _plain(family.leg[0].format(family.sides[0]))
    return sorted((name.removesuffix(thigh) for name in places if name.endswith(thigh)), key=len)


def _choose(
    family: Family, prefix: str, places: dict[str, list[int]], joints: Sequence[Joint]
) -> dict[str, tuple[list[int], list[int]] | None] | None:
    """For each joint of Human3.6M the two of the file between which it lies, each once or, ambiguously, more often;
    None for the one beyond Neck/Nose. None if the file has not all of the family."""

    def named(name: str) -> list[int]:
        return places.get(prefix + _plain(name), [])

    def ends_of(name: str) -> list[int]:
        parents = named(name)
        return [index for index, joint in enumerate(joints) if joint.is_end and joint.parent in parents][:1]

    def thigh() -> float:
        return float(np.linalg.norm(joints[named(family.leg[1].format(family.sides[0]))[0]].offset_3))

    limbs = [name.format(side) for name in family.leg + family.arm for side in family.sides]
    if not all(map(named, [*limbs, *family.also])) or any(map(named, family.without)):
        return None
    chosen: dict[str, tuple[list[int], list[int]] | None] = {}
    for joint, spots in family.spots().items():
        for spot in spots:
            match spot:
                case Beyond():
                    found = None
                case Middle(first, second):
                    found = (named(first), named(second))
                case End(of):
                    ends = ends_of(of)
                    is_there = ends and np.linalg.norm(joints[ends[0]].offset_3) >= _SHORTEST_END * thigh()
                    found = (ends, ends) if is_there else ([], [])
                case name:
                    found = (named(name), named(name))
            if found is None or all(found):
                chosen[joint] = found
                break
        else:
            return None
    return chosen


def _body(
    family: Family, chosen: dict[str, tuple[list[int], list[int]] | None], joints: Sequence[Joint], origin: str
) -> Body:
    places_J2 = np.zeros((len(H36M17.joints), 2), dtype=int)
    for place, joint in enumerate(H36M17.joints):
        found = chosen[joint] or chosen["Neck/Nose"]
        assert found is not None
        for column, indices in enumerate(found):
            if len(indices) > 1:
                raise InputError(
                    f"{origin}: has {len(indices)} joints called {brief(joints[indices[0]].name, 40)!r}; "
                    f"Human3.6M's {joint} needs one."
                )
            places_J2[place, column] = indices[0]
    needed, places_J2 = np.unique(places_J2, return_inverse=True)
    return Body(family.name, tuple(needed.tolist()), places_J2, chosen["Head"] is None)
