"""BVH files: a hierarchy of joints, a row of channel values for each frame, and where they put the joints.

The format is Biovision's; M. Meredith and S. Maddock, "Motion Capture File Formats Explained" (2001), describes it. The
hierarchy is read here and the rows by numpy.loadtxt: of the packages for BVH, pybvh refuses position channels on joints
other than the root and bvhio takes some ten seconds for 30,000 frames.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, reading

CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")

_SHORTEST_S, _LONGEST_S = 1e-4, 1.0  # of a frame
_LARGEST = 1e9  # of a length or angle; nothing real comes near
_ROWS_OFF = 1  # by which writers miscount their frames
_BOM_UTF8, _BOMS_UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")

_COMMENT = re.compile(r"(?:^|(?<=[ \t\n]))(?:#|//)[^\n]*")
# Quantifiers are possessive, so that no text takes more than one pass. That of the channels need not be, and Python
# 3.11.2 would end such a group where it broke off, and not where it last fitted.
_MOTION = re.compile(r"^[ \t]*+MOTION\b", re.IGNORECASE | re.MULTILINE)
_FRAMES = re.compile(
    r"\s*+Frames?+[ \t]*+:?+[ \t]*+(?P<count>\S++)[ \t]*+\n"
    r"\s*+Frame[ \t_]*+Time[ \t]*+:?+[ \t]*+(?P<time>\S++)[ \t]*+(?:\n|\Z)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\s*+HIERARCHY\b", re.IGNORECASE)
_PART = re.compile(
    r"\s*+(?:(?P<kind>ROOT|JOINT|End[ \t]*+Site)\b(?P<name>[^{}\n]*+)\s*+\{"
    r"|OFFSET\b(?P<offset>(?:[ \t]++[^\s{}]++){3})"
    r"|CHANNELS\b[ \t]*+(?P<count>[0-9]++)(?P<channels>(?:[ \t]++[XYZ](?:position|rotation)\b)*)"
    r"|(?P<close>\}))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Joint:
    """A joint, or an end site, which has no channels."""

    name: str  # as the file spells it; that of an end site is '<parent> End'
    parent: int  # its index, -1 for the root; parents stand before children
    offset_3: tuple[float, float, float]  # from the parent in the parent's axes, in the file's unit
    channels: tuple[str, ...]  # of CHANNELS, in the order in which they are applied
    first_channel: int  # its column in the motion
    is_end: bool


@dataclass(frozen=True)
class Bvh:
    """What a BVH file says, in its own axes and unit; angles in degrees."""

    joints: tuple[Joint, ...]
    motion_TC: np.ndarray  # (T, C) float64
    frame_time_s: float

    @property
    def fps(self) -> float:
        """Frames a second. Writers round the frame time: within 1e-4 of a whole number it is that number."""
        fps = 1 / self.frame_time_s
        return float(round(fps)) if abs(fps - round(fps)) < 1e-4 * fps else fps


def parse(content: bytes, origin: str, most_frames: int | None = None) -> Bvh:
    """Read a BVH file.

    A joint may have any channels, each at most once, in any order. A line is one frame. As many frames are there as
    there are rows, if the declared number is no more than one off. Comments begin with # or // after a blank or at the
    beginning of a line.

    Args:
        content: the file; ASCII or UTF-8, other bytes are taken for Latin-1.
        origin: the file, for messages.
        most_frames: read only so many, spread evenly; the others are counted and not looked at.

    Raises:
        InputError: it is no BVH file, truncated or damaged.
    """
    text = _text(content, origin)
    motion = _MOTION.search(text)
    joints = _hierarchy(text[: motion.start() if motion else None], origin)
    if motion is None:
        raise InputError(f"{origin}: has a hierarchy of {len(joints)} joints and no MOTION; the file seems truncated.")
    frames = _FRAMES.match(text, motion.end())
    if frames is None:
        found = brief(text[motion.end() : motion.end() + 200], 60) or "the end of the file"
        raise InputError(f"{origin}: after MOTION come 'Frames: N' and 'Frame Time: S'; found {found!r}.")
    frame_time_s = _frame_time_s(frames["time"], origin)
    first_line = text.count("\n", 0, frames.end()) + 1
    rows = [(number, row) for number, row in enumerate(text[frames.end() :].split("\n"), first_line) if row.strip()]
    _check_count(frames["count"], len(rows), origin)
    if most_frames is not None and len(rows) > most_frames:
        rows = [rows[index] for index in np.linspace(0, len(rows) - 1, most_frames).astype(int)]
    return Bvh(joints, _motion(rows, sum(len(joint.channels) for joint in joints), origin), frame_time_s)


def _text(content: bytes, origin: str) -> str:
    """With Unix's ends of lines, and without comments."""
    if not content.strip():
        raise InputError(f"{origin}: is empty; a BVH file begins with HIERARCHY.")
    if content.startswith(_BOMS_UTF16):
        raise InputError(f"{origin}: is UTF-16 text; BVH files are ASCII or UTF-8.")
    if b"\0" in content:
        raise InputError(f"{origin}: is a binary file or UTF-16 text; BVH files are ASCII or UTF-8.")
    content = content.removeprefix(_BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _COMMENT.sub("", text) if "#" in text or "//" in text else text


def _hierarchy(text: str, origin: str) -> tuple[Joint, ...]:
    """The joints in the file's order. Nesting may be of any depth: there is no recursion."""
    heading = _HEADING.match(text)
    if heading is None:
        raise InputError(f"{origin}: is no BVH file: it begins with {brief(text, 40)!r} and not with HIERARCHY.")
    drafts: list[_Draft] = []
    open_joints: list[int] = []
    place = heading.end()
    while part := _PART.match(text, place):
        if part["kind"]:
            drafts.append(_opened(part, drafts, open_joints, origin))
            open_joints.append(len(drafts) - 1)
        elif not open_joints:
            raise InputError(f"{origin}: {brief(part[0], 40)!r} stands outside the braces of a joint.")
        elif part["close"]:
            drafts[open_joints.pop()].check(origin)
        else:
            drafts[open_joints[-1]].take(part, origin)
        place = part.end()
    rest = text[place : place + 200]
    if rest.strip():
        line = text.count("\n", 0, len(text) - len(text[place:].lstrip())) + 1
        raise InputError(
            f"{origin}: line {line}: {brief(rest.strip().splitlines()[0], 60)!r} is not what a hierarchy has there "
            "(ROOT, JOINT or End Site and a brace, OFFSET x y z, CHANNELS n names)."
        )
    if open_joints or not drafts:
        at = f"within joint {brief(drafts[open_joints[-1]].name, 40)!r}" if drafts else "before its ROOT"
        raise InputError(f"{origin}: its hierarchy ends {at}; the file is truncated.")
    first_channels = np.cumsum([0, *(len(draft.channels or ()) for draft in drafts)]).tolist()
    return tuple(draft.joint(first) for draft, first in zip(drafts, first_channels, strict=False))


@dataclass
class _Draft:
    """A joint whose braces are open."""

    name: str
    parent: int
    is_end: bool
    offset_3: tuple[float, float, float] | None = None
    channels: tuple[str, ...] | None = None

    def take(self, part: re.Match[str], origin: str) -> None:
        """An OFFSET or CHANNELS."""
        if part["offset"] is not None:
            x, y, z = map(_number, part["offset"].split())
            if self.offset_3 is not None or not all(abs(value) <= _LARGEST for value in (x, y, z)):
                raise InputError(
                    f"{origin}: joint {brief(self.name, 40)!r}: {brief(part[0], 60)!r} is not its one OFFSET of three "
                    "numbers."
                )
            self.offset_3 = (x, y, z)
        else:
            channels = tuple(word.capitalize() for word in part["channels"].split())
            has_one_each = len(set(channels)) == len(channels) == int(part["count"][:9])
            if self.channels is not None or self.is_end or not has_one_each:
                raise InputError(
                    f"{origin}: joint {brief(self.name, 40)!r}: {brief(part[0], 100)!r} is not its one list of as many "
                    f"different channels as it says ({', '.join(CHANNELS)}; an end site has none)."
                )
            self.channels = channels

    def check(self, origin: str) -> None:
        if self.offset_3 is None or (self.channels is None and not self.is_end):
            missing = "OFFSET" if self.offset_3 is None else "CHANNELS"
            raise InputError(f"{origin}: joint {brief(self.name, 40)!r} has no {missing}.")

    def joint(self, first_channel: int) -> Joint:
        assert self.offset_3 is not None
        return Joint(self.name, self.parent, self.offset_3, self.channels or (), first_channel, self.is_end)


def _opened(part: re.Match[str], drafts: list[_Draft], open_joints: list[int], origin: str) -> _Draft:
    kind, name = part["kind"].upper(), part["name"].strip()
    if kind == "ROOT" and drafts:
        raise InputError(
            f"{origin}: has a second ROOT, {brief(name, 40)!r} after {brief(drafts[0].name, 40)!r}; "
            "a file should hold one person."
        )
    parent = open_joints[-1] if open_joints else -1
    if kind not in ("ROOT", "JOINT"):
        kind, name = "End Site", f"{drafts[parent].name} End" if open_joints else ""
    if (kind == "ROOT") != (parent < 0) or (open_joints and drafts[parent].is_end):
        raise InputError(f"{origin}: {kind} {brief(name, 40)!r} stands where none can; joints hang from one ROOT.")
    if not name:
        raise InputError(f"{origin}: a {kind} has no name.")
    return _Draft(name, parent, kind == "End Site")


def _frame_time_s(text: str, origin: str) -> float:
    frame_time_s = _number(text)
    if not _SHORTEST_S <= frame_time_s <= _LONGEST_S:
        raise InputError(
            f"{origin}: its frame time is {brief(text, 40)!r}; expected {_SHORTEST_S:g} to {_LONGEST_S:g} seconds."
        )
    return frame_time_s


def _check_count(declared: str, rows: int, origin: str) -> None:
    """The rows are what counts: a file that declares too many cannot make us ask for memory."""
    if not re.fullmatch(r"[0-9]{1,18}", declared):
        raise InputError(f"{origin}: declares {brief(declared, 40)!r} frames, which is no number.")
    if rows == 0 or abs(int(declared) - rows) > _ROWS_OFF:
        raise InputError(
            f"{origin}: declares {int(declared)} frames and has {rows}; a file that is whole has at least one, and at "
            f"most {_ROWS_OFF} more or fewer than declared."
        )


def _motion(rows: list[tuple[int, str]], channels: int, origin: str) -> np.ndarray:
    """(T, C) float64 from numbered lines."""
    found = len(rows[0][1].split())
    if found == channels:
        try:
            with reading(origin, "table of numbers"):
                motion_TC = np.loadtxt((row for _, row in rows), dtype=np.float64, comments=None, ndmin=2)
            if (np.abs(motion_TC) <= _LARGEST).all():
                return motion_TC
        except InputError:
            pass  # the search below says what it is
    for number, row in rows:
        words = row.split()
        if len(words) != channels:
            raise InputError(
                f"{origin}: line {number} has {len(words)} values where the hierarchy has {channels} channels; the "
                "file is damaged or truncated."
            )
        for word in words:
            if not abs(_number(word)) <= _LARGEST:
                raise InputError(f"{origin}: line {number} holds {brief(word, 40)!r}, which is no length or angle.")
    raise AssertionError("numpy refused rows in which nothing is wrong")


def _number(word: str) -> float:
    """NaN for what is none, so that a comparison refuses it."""
    try:
        return float(word) if "_" not in word else float("nan")
    except ValueError:
        return float("nan")


def positions(bvh: Bvh, wanted: Sequence[int] | None = None) -> np.ndarray:
    """Forward kinematics over all frames at once.

    A joint's rotations multiply from left to right in the order of its channels, Rz Ry Rx for Zrotation Yrotation
    Xrotation, and turn what hangs from it. A position channel stands for that coordinate of the joint's OFFSET; it does
    not add to it: files with positions on every joint repeat the offsets there.

    Args:
        bvh: the file.
        wanted: indices of W joints; nothing is worked out that they do not hang from. All joints without it.

    Returns:
        (T, W, 3) float64, in the file's axes and unit.
    """
    wanted = range(len(bvh.joints)) if wanted is None else wanted
    needed = _with_ancestors(bvh.joints, wanted)
    children_left = Counter(bvh.joints[index].parent for index in needed)
    frames = len(bvh.motion_TC)
    positions_TW3 = np.empty((frames, len(wanted), 3))
    columns = {index: column for column, index in enumerate(wanted)}
    # Place and axes of the joints whose children are still to come; frames last, which is several times faster.
    above: dict[int, tuple[np.ndarray, np.ndarray]] = {-1: (np.zeros((3, 1)), np.eye(3)[..., None])}
    for index in needed:
        joint = bvh.joints[index]
        start_3T, axes_33T = above[joint.parent]
        place_3T = start_3T + (axes_33T * _bone(bvh, joint)).sum(axis=1)
        if index in columns:
            positions_TW3[:, columns[index]] = place_3T.T
        if children_left[index]:
            above[index] = place_3T, _turned(bvh, joint, axes_33T)
        children_left[joint.parent] -= 1
        if not children_left[joint.parent]:
            del above[joint.parent]
    return positions_TW3


def _with_ancestors(joints: tuple[Joint, ...], wanted: Sequence[int]) -> list[int]:
    """Sorted, so that parents come first."""
    needed: set[int] = set()
    for index in wanted:
        while index >= 0 and index not in needed:
            needed.add(index)
            index = joints[index].parent
    return sorted(needed)


def _bone(bvh: Bvh, joint: Joint) -> np.ndarray:
    """(3, T) from the parent, in the parent's axes."""
    bone_3T = np.repeat(np.array(joint.offset_3)[:, None], len(bvh.motion_TC), axis=1)
    for column, channel in enumerate(joint.channels, joint.first_channel):
        if channel.endswith("position"):
            bone_3T["XYZ".index(channel[0])] = bvh.motion_TC[:, column]
    return bone_3T


def _turned(bvh: Bvh, joint: Joint, axes_33T: np.ndarray) -> np.ndarray:
    """(3, 3, T) or, where nothing turns, what came in."""
    for column, channel in enumerate(joint.channels, joint.first_channel):
        if channel.endswith("rotation"):
            angle_T = np.radians(bvh.motion_TC[:, column])
            cos_T, sin_T = np.cos(angle_T), np.sin(angle_T)
            axis = "XYZ".index(channel[0])
            after, last = (axis + 1) % 3, (axis + 2) % 3  # the two axes that turn, the first towards the second
            columns = [axes_33T[:, column] for column in range(3)]
            columns[axis] = np.broadcast_to(columns[axis], (3, len(angle_T)))
            columns[after], columns[last] = (
                columns[after] * cos_T + columns[last] * sin_T,
                columns[last] * cos_T - columns[after] * sin_T,
            )
            axes_33T = np.stack(columns, axis=1)
    return axes_33T
