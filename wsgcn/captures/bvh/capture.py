"""A folder or zip archive of BVH files, <subject>/<take>.bvh, as a capture.

A BVH file says neither its unit nor its axes: both are recognised from the bodies in it, or named by the user
(`data.unit`, `data.up`).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.captures.bvh import files, skeletons
from wsgcn.captures.capture import UNITS_M, Capture, Hints, Layout, Recording
from wsgcn.containers.archives import has_member, iter_zip
from wsgcn.pose.skeleton import H36M17

_ENDING = ".bvh"
_LOOKED_AT = 100  # frames of each take, for the unit and the axes

# Which way is up, and the rotation that makes it z. Rows are the world's axes.
UPS = {
    "x": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "-x": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    "y": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "z": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "-z": np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
}
_AUTO = "auto"

_THIGH_M = (0.25, 0.60)  # from a child of six to a very tall adult; the same length fits one unit, seldom two
_CLEARLY_UP, _AHEAD = 0.5, 0.2  # cosines: of the body and the axis, and by how much more than any other axis
_AGREEING = 0.8  # of the takes that stand clearly
_BENT_M, _FEWEST_BENT = 0.08, 10  # both knees together; frames
_FLOOR_M = (-0.05, 0.30)  # where the lower ankle may be lowest if the floor is at zero
_ANKLE_M = 0.08  # above the floor

_J = {joint: index for index, joint in enumerate(H36M17.joints)}


@dataclass(frozen=True, kw_only=True)
class BvhLayout(Layout):
    """One file a take. The last folder names the subject, whatever lies above it; what lies at the top of an archive
    is of the subject that the archive is named for."""

    def root_of(self, path: Path) -> Path | None:
        is_take = _is_take(PurePosixPath(path.name))
        return path.absolute().parent.parent if is_take else None

    def recognises(self, path: Path) -> bool:
        is_file = path.suffix.lower() == _ENDING
        return is_file or has_member(path, iter_zip, lambda name: _is_take(_inside(name)))

    def capture(self, root: Path, paths: Sequence[Path], hints: Hints) -> Capture:
        return BvhCapture(layout=self.name, root=root, paths=tuple(paths), hints=hints)


@dataclass(frozen=True, kw_only=True)
class BvhCapture(Capture):
    """BVH files, in folders or in one archive. They have no cameras."""

    hints: Hints

    def recordings(self) -> Iterator[Recording]:
        """See `Capture`. Before the first take comes, some frames of every file are read: the unit is recognised for
        each take, which way is up for all of them together.

        Positions stay where the file has them; only the axes are turned, and a take whose floor cannot be at zero is
        moved vertically (`on_the_floor`).

        Raises:
            InputError: a file is not readable or its skeleton not known, unit or axes cannot be told, or the capture is
                mirrored.
        """
        looks = [_look(member, self.hints.unit) for member in self._members()]
        where = str(self.paths[0] if len(self.paths) == 1 else self.root)
        if not looks:
            raise InputError(f"{where}: holds no BVH files; expected <subject>/<take>{_ENDING}.")
        up = self.hints.up
        if up == _AUTO:
            up = recognised_up([look.up_votes for look in looks], where)
        _refuse_mirrored(where, looks)
        for member, look in zip(self._members(), looks, strict=True):
            yield Recording(
                subject=member.subject,
                take=member.take,
                action=action_of(member.take),
                fps=look.fps,
                origin=member.origin,
                read=partial(_positions, member, look.unit, up),
            )

    @property
    def expected_takes(self) -> int:
        return len(self.paths)

    def _members(self) -> Iterator["_Member"]:
        for path in self.paths:
            if path.suffix.lower() == _ENDING:
                subject = path.absolute().parent.name or "subject"
                yield _Member(subject, path.stem, str(path), partial(limits.read_file, path, limits.TAKE_BYTES))
                continue
            for name, content in iter_zip(path, lambda name: _is_take(_inside(name))):
                inside = _inside(name)
                yield _Member(inside.parent.name or path.stem, inside.stem, f"{path}: {name}", partial(bytes, content))


BVH = BvhLayout(name="bvh", files=f"*/*{_ENDING}", endings=(_ENDING, ".zip"))


def action_of(take: str) -> str:
    """The take's name without the numbers at its ends: 'walking' of 'walking_12', 'acted' of '001_acted'."""
    return re.sub(r"^[\d\W_]+|[\d\W_]+$", "", take) or take


@dataclass(frozen=True)
class _Member:
    """A file, in a folder or an archive."""

    subject: str
    take: str
    origin: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class _Look:
    """What some frames of a take tell."""

    fps: float
    unit: str
    up_votes: dict[str, float]
    bends_backwards: bool | None


def _inside(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _is_take(inside: PurePosixPath) -> bool:
    """Without hidden files and macOS's notes."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in inside.parts)
    return inside.suffix.lower() == _ENDING and not hidden


def _look(member: _Member, unit: str) -> _Look:
    bvh = files.parse(member.read(), member.origin, _LOOKED_AT)
    body = skeletons.recognise(bvh.joints, member.origin)
    positions_TW3 = files.positions(bvh, body.joints)
    if unit == _AUTO:
        unit = recognised_unit(body.pose(positions_TW3), member.origin)
    pose_TJ3_m = body.pose(positions_TW3 * UNITS_M[unit])
    return _Look(bvh.fps, unit, up_votes(pose_TJ3_m), bends_backwards(pose_TJ3_m))


def _positions(member: _Member, unit: str, up: str) -> np.ndarray:
    """(T, 17, 3) float64, metres, world (z up)."""
    bvh = files.parse(member.read(), member.origin)
    body = skeletons.recognise(bvh.joints, member.origin)
    pose_TJ3_m = body.pose(files.positions(bvh, body.joints) * UNITS_M[unit])
    return on_the_floor(pose_TJ3_m @ UPS[up].T)


def _refuse_mirrored(where: str, looks: list[_Look]) -> None:
    """Where most takes with bent knees say so. One take may be odd."""
    backwards = [look.bends_backwards for look in looks if look.bends_backwards is not None]
    if sum(backwards) > len(backwards) / 2:
        raise InputError(
            f"{where}: knees bend backwards in {sum(backwards)} of {len(backwards)} takes with bent knees, so that "
            "left and right are exchanged or the axes left-handed; expected right-handed axes."
        )


def recognised_unit(pose_TJ3: np.ndarray, origin: str) -> str:
    """The unit in which the thighs are as long as people's, the median over frames and both legs.

    Args:
        pose_TJ3: (T, 17, 3) in the file's unit.

    Raises:
        InputError: no unit makes them so, or more than one.
    """
    thighs_T2 = np.linalg.norm(pose_TJ3[:, [_J["RKnee"], _J["LKnee"]]] - pose_TJ3[:, [_J["RHip"], _J["LHip"]]], axis=-1)
    thigh = float(np.median(thighs_T2))
    shortest, longest = _THIGH_M
    fitting = [unit for unit, metres in UNITS_M.items() if shortest <= thigh * metres <= longest]
    if len(fitting) != 1:
        fits = " and ".join(fitting) if fitting else f"none of {', '.join(UNITS_M)}"
        raise InputError(
            f"{origin}: a thigh is {thigh:.4g} long, and {fits} would make that {shortest} to {longest} m, which is a "
            "person's; name it by data.unit."
        )
    return fitting[0]


def up_votes(pose_TJ3: np.ndarray) -> dict[str, float]:
    """For each way up how well the body stands so, 1 at best: the smaller of two median cosines with the axis, that of
    Hip to Thorax and that of the ankles' middle to Hip.

    Args:
        pose_TJ3: (T, 17, 3) in the file's axes.
    """
    feet_T3 = pose_TJ3[:, [_J["RFoot"], _J["LFoot"]]].mean(axis=1)
    upwards = (pose_TJ3[:, _J["Thorax"]] - pose_TJ3[:, _J["Hip"]], pose_TJ3[:, _J["Hip"]] - feet_T3)
    cosines_2T3 = np.stack([_unit(vectors_T3) for vectors_T3 in upwards])
    return {up: float(np.median(cosines_2T3 @ rotation_33[2], axis=1).min()) for up, rotation_33 in UPS.items()}


def recognised_up(votes: Sequence[dict[str, float]], origin: str) -> str:
    """The way up of a capture: that of the takes in which people clearly stand or sit upright, if four in five agree.

    A take of somebody who lies says nothing or something else; so the takes are asked together.

    Args:
        votes: of each take, from `up_votes`.

    Raises:
        InputError: in no take anybody stands clearly, or the takes do not agree.
    """
    counts = dict.fromkeys(UPS, 0)
    for vote in votes:
        first, second = sorted(vote, key=lambda up: -vote[up])[:2]
        counts[first] += vote[first] >= _CLEARLY_UP and vote[first] >= vote[second] + _AHEAD
    up = max(counts, key=lambda up: counts[up])
    if counts[up] == 0:
        means = {up: float(np.mean([vote[up] for vote in votes])) for up in UPS}
        likely = sorted(means, key=lambda up: -means[up])[:2]
        raise InputError(
            f"{origin}: nobody stands clearly enough to see which axis is up; {likely[0]} and {likely[1]} are the "
            "likeliest; name it by data.up."
        )
    if counts[up] < _AGREEING * sum(counts.values()):
        found = ", ".join(f"{up} in {count} takes" for up, count in counts.items() if count)
        raise InputError(f"{origin}: the takes do not agree on which axis is up ({found}); name it by data.up.")
    return up


def bends_backwards(pose_TJ3_m: np.ndarray) -> bool | None:
    """Whether the knees bend backwards, which says that left and right are exchanged or the axes left-handed.

    Args:
        pose_TJ3_m: (T, 17, 3) metres; any axes.

    Returns:
        None where too few frames have bent knees.
    """
    forward_T3 = np.zeros((len(pose_TJ3_m), 3))
    for side in "RL":
        hip_T3, knee_T3, foot_T3 = (pose_TJ3_m[:, _J[side + joint]] for joint in ("Hip", "Knee", "Foot"))
        leg_T3 = _unit(foot_T3 - hip_T3)
        thigh_T3 = knee_T3 - hip_T3
        forward_T3 += thigh_T3 - (thigh_T3 * leg_T3).sum(-1, keepdims=True) * leg_T3
    is_bent_T = np.linalg.norm(forward_T3, axis=-1) >= _BENT_M
    if is_bent_T.sum() < _FEWEST_BENT:
        return None
    up_T3 = pose_TJ3_m[:, _J["Thorax"]] - pose_TJ3_m[:, _J["Hip"]]
    left_T3 = pose_TJ3_m[:, _J["LHip"]] - pose_TJ3_m[:, _J["RHip"]]
    cosine_T = (_unit(np.cross(up_T3, forward_T3)) * _unit(left_T3)).sum(-1)
    return bool(np.median(cosine_T[is_bent_T]) < -_CLEARLY_UP)


def on_the_floor(pose_TJ3_m: np.ndarray) -> np.ndarray:
    """Move a whole take up or down, only where its own floor cannot be at zero.

    The lower ankle is lowest, to the hundredth frame, at 5 to 10 cm if people walk on a floor at z = 0. From -5 to
    30 cm is taken as it is. Otherwise the take is moved so that this becomes 8 cm: captures whose origin is the
    pelvis, or a corner of the room.

    Args:
        pose_TJ3_m: (T, 17, 3) metres, z up.
    """
    lowest_m = float(np.percentile(pose_TJ3_m[:, [_J["RFoot"], _J["LFoot"]], 2].min(axis=1), 1))
    if _FLOOR_M[0] <= lowest_m <= _FLOOR_M[1]:
        return pose_TJ3_m
    return pose_TJ3_m + np.array([0, 0, _ANKLE_M - lowest_m])


def _unit(vectors_T3: np.ndarray) -> np.ndarray:
    return vectors_T3 / np.linalg.norm(vectors_T3, axis=-1, keepdims=True).clip(1e-12)
