"""Named joints and what follows from their names: bones, mirror images, adjacency and joint groups.

Indices are derived here and nowhere else; the rest of the code asks a `Skeleton`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wsgcn.base.errors import InputError

# Human3.6M's 32 joints repeat points (hands, toes and the three copies of the neck); these 17 are in use.
H36M32_INDEX = {
    "Hip": 0,
    "RHip": 1,
    "RKnee": 2,
    "RFoot": 3,
    "LHip": 6,
    "LKnee": 7,
    "LFoot": 8,
    "Spine": 12,
    "Thorax": 13,
    "Neck/Nose": 14,
    "Head": 15,
    "LShoulder": 17,
    "LElbow": 18,
    "LWrist": 19,
    "RShoulder": 25,
    "RElbow": 26,
    "RWrist": 27,
}

_PARENT = {
    "Hip": None,
    "RHip": "Hip",
    "RKnee": "RHip",
    "RFoot": "RKnee",
    "LHip": "Hip",
    "LKnee": "LHip",
    "LFoot": "LKnee",
    "Spine": "Hip",
    "Thorax": "Spine",
    "Neck/Nose": "Thorax",
    "Head": "Neck/Nose",
    "LShoulder": "Thorax",
    "LElbow": "LShoulder",
    "LWrist": "LElbow",
    "RShoulder": "Thorax",
    "RElbow": "RShoulder",
    "RWrist": "RElbow",
}

# The joint groups of the non-local layer. Neck/Nose joins the head's group, so that 16 and 17 joints have 8 groups.
_GROUPS = (
    ("RKnee", "RFoot"),
    ("LKnee", "LFoot"),
    ("RHip", "LHip"),
    ("Hip", "Spine"),
    ("Thorax", "Neck/Nose", "Head"),
    ("RElbow", "RWrist"),
    ("LElbow", "LWrist"),
    ("LShoulder", "RShoulder"),
)


@dataclass(frozen=True)
class Skeleton:
    """An ordered set of Human3.6M's joints; joint 0 is the root (Hip).

    A joint whose parent is not in the set hangs from the nearest ancestor that is.
    """

    name: str
    joints: tuple[str, ...]

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """The parent's index of each joint, -1 for the root."""

        def nearest_present_ancestor(joint: str) -> int:
            parent = _PARENT[joint]
            while parent is not None and parent not in self.joints:
                parent = _PARENT[parent]
            return -1 if parent is None else self.joints.index(parent)

        return tuple(nearest_present_ancestor(joint) for joint in self.joints)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(child, parent) of each of the J - 1 bones, in the order of the children."""
        return tuple((child, parent) for child, parent in enumerate(self.parents) if parent >= 0)

    @cached_property
    def bone_names(self) -> tuple[str, ...]:
        return tuple(f"{self.joints[parent]}-{self.joints[child]}" for child, parent in self.bones)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its mirror image (itself on the body's midline)."""

        def other_side(joint: str) -> str:
            swapped = {"L": "R", "R": "L"}.get(joint[0], "") + joint[1:]
            return swapped if swapped in self.joints else joint

        return tuple(self.joints.index(other_side(joint)) for joint in self.joints)

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """'left', 'right' or 'middle' for each joint."""
        return tuple(
            "middle" if self.mirror[index] == index else {"L": "left", "R": "right"}[joint[0]]
            for index, joint in enumerate(self.joints)
        )

    @cached_property
    def adjacency_JJ(self) -> np.ndarray:
        """(J, J) bool, symmetric: joints joined by a bone, and each joint with itself."""
        adjacency_JJ = np.eye(len(self.joints), dtype=bool)
        for child, parent in self.bones:
            adjacency_JJ[child, parent] = adjacency_JJ[parent, child] = True
        return adjacency_JJ

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The G joint groups of the non-local layer; together they hold every joint once."""
        return tuple(tuple(self.joints.index(joint) for joint in group if joint in self.joints) for group in _GROUPS)

    def indices_in(self, joints: Sequence[str], of: str) -> list[int]:
        """Where this skeleton's joints stand in another order of named joints.

        Args:
            joints: the other order.
            of: what has that order, for the error message.

        Raises:
            InputError: one of this skeleton's joints is not among them.
        """
        missing = [joint for joint in self.joints if joint not in joints]
        if missing:
            raise InputError(
                f"{of}: has no {', '.join(missing)}, which the skeleton {self.name} needs (it has {', '.join(joints)})."
            )
        return [list(joints).index(joint) for joint in self.joints]


H36M17 = Skeleton("h36m17", tuple(H36M32_INDEX))
H36M16 = Skeleton("h36m16", tuple(joint for joint in H36M17.joints if joint != "Neck/Nose"))
SKELETONS = {skeleton.name: skeleton for skeleton in (H36M16, H36M17)}
