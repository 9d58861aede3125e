"""Whether what leaves lifting can be true: one check of the 2D, the camera and the poses, whatever the format.

`check_places` looks at the 2D before it is lifted. `tally` counts what speaks against a track, frame by frame; tallies
add up, so that pieces of a track are judged by the same numbers as the whole. `judge` turns them into a refusal, where
the input cannot be what it is taken for, and into warnings, where a part of the body may be wrong. Each is one sentence
with the likeliest cause.

The thresholds stand below, all of them shares of the frames, points or steps that could be judged. They are far from
what detectors give for people who are seen whole, and err towards silence: who bends or
is cut off is no error, and who lies is a question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.base import Size
from wsgcn.lifting.lifted import Rows
from wsgcn.pose.skeleton import Skeleton

# How far outside the picture a point counts, in widths and heights of the picture. Detectors give the
# joints of who is cut off by the picture's edge at that edge, or a little beyond.
_CLEARLY_OUTSIDE, _JUST_OUTSIDE = 0.05, 0.02
# Of the best score in a frame: what lies outside the picture with less is a guess, and the detector knows it.
_SCORE_OF_GUESSES = 0.5
_FARTHEST_GUESS = 4.0  # widths and heights: legs below the picture of a desk
_SMALLEST_EXTENT_PX = 4.0
_MOST_OUTSIDE = 0.15  # of the points: refused
_MANY_OUTSIDE = 0.05  # warned of; refused where they fit the picture with its sides exchanged
_FEW_OUTSIDE = 0.02
_HIP_AT_ORIGIN = 0.05  # of the body's extent, in
_MOST_FRAMES = 0.9  # of the frames: nobody's hip stays in the picture's corner
_MOST_NEGATIVE = 0.4  # of the points
# A landscape picture taken for a portrait has its middle at the right edge: the mean hip, in widths.
_AT_THE_EDGE, _IN_THE_MIDDLE = 0.8, (0.3, 0.7)
# A portrait picture taken for a landscape one makes bodies wide, and parts of the picture never lie outside it. In 298
# clips of real motion width over height of bodies with an upright trunk reached 0.74, and hips over trunk, as lifted,
# 0.57; spread arms widen the first alone. The other way round bodies become as narrow as they are from the side, and
# nothing tells; nor does anything of less than an exchange of 16:9.
_WIDE, _WIDE_HIPS, _UPRIGHT = 0.8, 0.6, 0.5  # the last: of the frames
_TALL = 0.25  # of the picture's height: who stays in its upper left quarter is seldom as tall
_GUESSED_LEGS_SCORE = 0.35  # of the shoulders' score, in
_GUESSED_LEGS = 0.5  # of the frames
_TURNED = 0.8  # of the frames
_TURNED_WITHIN_DEG = 30.0  # trunk and legs, from where they point
_SCORE_OF_A_FACE = 0.75  # of the shoulders' score: what is seen from in front
_CLEARLY_TURNED = 0.25  # shoulders across the trunk, in trunks; from the side they are on it
_MIRRORED = 0.5  # of the frames
_LEANS_DEG = 60.0  # the lifted trunk, from the picture's vertical, in
_LEANS = 0.8  # of the frames that stand in the picture
# Quotients of mean lengths. What a network gives for real people in cameras that it does not know reaches 1.9 for legs
# left to right, 2.3 for arms and 1.8 for thigh to shin.
_LEGS_LEFT_TO_RIGHT, _ARMS_LEFT_TO_RIGHT, _THIGH_TO_SHIN = 2.2, 3.0, 2.2
_JUMP = 0.5  # of the body's extent between two frames, in
_JUMPS = 0.02  # of the steps
_ROOT_JUMP_M = 1.0  # between two frames, in
_ROOT_JUMPS = 0.1  # of the steps
# Focal length in longer sides of the picture: fields of view of 157, 127 and 2.9 degrees; and of no camera at all.
_LEAST_FOCAL, _SHORT_FOCAL, _LONG_FOCAL, _MOST_FOCAL = 0.1, 0.25, 20.0, 200.0
_ASPECT = 1.5  # quotient of the two focal lengths; pixels of old video formats have 1.42
_OFF_CENTRE = 0.2  # of a side: the principal point from the middle of the picture

_UPPER, _LEGS = ("Thorax", "LShoulder", "RShoulder"), ("LKnee", "RKnee", "LFoot", "RFoot")
_BONES = {
    "thigh": ("Hip", "Knee"),
    "shin": ("Knee", "Foot"),
    "upper arm": ("Shoulder", "Elbow"),
    "forearm": ("Elbow", "Wrist"),
}


class PlausibilityWarning(UserWarning):
    """Something in a lifted clip may be wrong."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts over frames of one size of picture; `a + b` are those of both.

    Attributes:
        points: points in pixels, those that were interpolated left out.
        outside, just_outside: of these, confident ones clearly outside the picture, and outside at all.
        exchanged_outside: confident ones outside a picture with the sides exchanged.
        negative: left of the picture or above it.
        frames: frames with a pose.
        hips_px: (2,) sum of the hip's places in them.
        hip_at_origin: of these, with the hip in the picture's upper left corner.
        lying, head_down: with trunk and legs in one line across the picture; with the head at the bottom.
        mirrored: lying with the shoulders as from behind, and the face as from in front.
        tall: with a body of a good part of the picture's height.
        upright_px: (2,) sum of widths and heights of bodies with an upright trunk, in a file of parts of the picture.
        hips_trunk_m: (2,) sum of the lengths of hips and trunk in these frames, as lifted.
        standing, leaning: with the trunk upright in the picture; of these, with the lifted trunk far from it.
        guessed_legs, legs_outside: with legs of a score far below that of the shoulders; and outside the picture.
        bones_m: (4, 2) sum of the lengths of thigh, shin, upper arm and forearm, left and right.
        steps, jumps: between one frame and the next; and those in which the hip jumps in the picture.
        root_frames, root_known: frames with a pose where the root was asked for; and those where it is known.
        root_steps, root_jumps: as steps, of the root in space.
        reach_px: (2,) largest x and y of a confident point.
    """

    points: int
    outside: int
    just_outside: int
    exchanged_outside: int
    negative: int
    frames: int
    hips_px: np.ndarray
    hip_at_origin: int
    lying: int
    mirrored: int
    head_down: int
    tall: int
    upright_px: np.ndarray
    hips_trunk_m: np.ndarray
    standing: int
    leaning: int
    guessed_legs: int
    legs_outside: int
    bones_m: np.ndarray
    steps: int
    jumps: int
    root_frames: int
    root_known: int
    root_steps: int
    root_jumps: int
    reach_px: np.ndarray

    def __add__(self, other: "Tally") -> "Tally":
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Tally(**sums | {"reach_px": np.maximum(self.reach_px, other.reach_px)})


@dataclass(frozen=True)
class Verdict:
    """What speaks against a track: why it cannot be lifted, and what may be wrong with it; no full stops."""

    refusal: str | None
    warnings: tuple[str, ...]


def tally(
    rows: Rows,
    scores_TJ: np.ndarray,
    skeleton: Skeleton,
    size: Size,
    *,
    face_scores_T: np.ndarray | None = None,
    is_share: bool = False,
    has_own_size: bool = False,
) -> Tally:
    """Count over T frames of one person.

    Args:
        scores_TJ: the detector's score of each joint, on any scale from 0 up.
        size: width and height of the picture, px.
        face_scores_T: of nose and eyes, where the detector scores them lower from behind.
        is_share: the file holds parts of the picture, so that the size cannot be the reason for what lies outside.
        has_own_size: the file says itself how large its pictures are, so that nobody is to be asked about it.
    """
    points_TJ2 = rows.keypoints_px.astype(np.float64)
    known_TJ = np.isfinite(points_TJ2).all(-1) & ~rows.interpolated
    sure_TJ = known_TJ & _is_sure(scores_TJ, is_share=is_share)
    there = ~rows.missing
    seen_NJ2, pose_NJ3 = points_TJ2[there], rows.pose_m[there].astype(np.float64)
    index = {joint: number for number, joint in enumerate(skeleton.joints)}
    legs, upper = ([index[joint] for joint in joints] for joints in (_LEGS, _UPPER))
    sides_N2 = np.ptp(seen_NJ2, axis=1)
    extent_N = np.linalg.norm(sides_N2, axis=-1)
    hip_N2 = seen_NJ2[:, index["Hip"]]
    trunk_N2 = seen_NJ2[:, index["Thorax"]] - hip_N2
    leg_N2 = hip_N2 - seen_NJ2[:, [index["LFoot"], index["RFoot"]]].mean(1)
    trunk_N3 = pose_NJ3[:, index["Thorax"]] - pose_NJ3[:, index["Hip"]]
    standing_N = _within(trunk_N2, (0, -1), 45)
    # Where a joint is missing the extent is not known.
    upright_N = standing_N & np.isfinite(sides_N2).all(-1) & (is_share and not has_own_size)
    hips_N3 = pose_NJ3[:, index["LHip"]] - pose_NJ3[:, index["RHip"]]
    leg_scores_N, upper_scores_N = (scores_TJ[there][:, joints].mean(-1) for joints in (legs, upper))
    outside_TJ = _outside(points_TJ2, size, _JUST_OUTSIDE)
    lying_N = np.zeros(len(extent_N), dtype=bool)
    for side in ((-1, 0), (1, 0)):
        lying_N |= _within(trunk_N2, side, _TURNED_WITHIN_DEG) & _within(leg_N2, side, _TURNED_WITHIN_DEG)
    mirrored_N = np.zeros(len(extent_N), dtype=bool)
    if face_scores_T is not None:
        # From in front the left shoulder is to the right of the trunk, from behind to the left of it.
        across_N2 = seen_NJ2[:, index["LShoulder"]] - seen_NJ2[:, index["RShoulder"]]
        side_N = trunk_N2[:, 0] * across_N2[:, 1] - trunk_N2[:, 1] * across_N2[:, 0]
        from_behind_N = side_N < -_CLEARLY_TURNED * (trunk_N2**2).sum(-1)
        mirrored_N = from_behind_N & (face_scores_T[there] > _SCORE_OF_A_FACE * upper_scores_N)
    next_N = np.diff(rows.frames[there]) == 1
    jumps_N = np.linalg.norm(np.diff(hip_N2, axis=0), axis=-1) > _JUMP * np.maximum(extent_N[1:], extent_N[:-1])
    root_N3 = np.zeros((0, 3)) if rows.root_m is None else rows.root_m[there].astype(np.float64)
    root_steps_N = np.linalg.norm(np.diff(root_N3, axis=0), axis=-1)
    root_next_N = next_N[: len(root_steps_N)] & np.isfinite(root_steps_N)
    return Tally(
        points=int(known_TJ.sum()),
        outside=int((sure_TJ & _outside(points_TJ2, size, _CLEARLY_OUTSIDE)).sum()),
        just_outside=int((sure_TJ & outside_TJ).sum()),
        exchanged_outside=int((sure_TJ & _outside(points_TJ2, size[::-1], _JUST_OUTSIDE)).sum()),
        negative=int((known_TJ & (points_TJ2 < -_JUST_OUTSIDE * np.array(size)).any(-1)).sum()),
        frames=len(seen_NJ2),
        hips_px=np.zeros(2) if has_own_size else hip_N2.sum(0),
        hip_at_origin=int((np.linalg.norm(hip_N2, axis=-1) < _HIP_AT_ORIGIN * extent_N).sum()),
        lying=int(lying_N.sum()),
        mirrored=int((lying_N & mirrored_N).sum()),
        head_down=int((_within(trunk_N2, (0, 1), 45) & _within(leg_N2, (0, 1), 45)).sum()),
        tall=0 if has_own_size else int((sides_N2[:, 1] > _TALL * size[1]).sum()),
        upright_px=sides_N2[upright_N].sum(0),
        hips_trunk_m=np.array([np.linalg.norm(bone_N3[upright_N], axis=-1).sum() for bone_N3 in (hips_N3, trunk_N3)]),
        standing=int(standing_N.sum()),
        leaning=int((standing_N & ~_within(trunk_N3, (0, -1, 0), _LEANS_DEG)).sum()),
        guessed_legs=int((leg_scores_N < _GUESSED_LEGS_SCORE * upper_scores_N).sum()),
        legs_outside=int(
            ((outside_TJ & ~sure_TJ)[there][:, legs].all(-1) & ~outside_TJ[there][:, upper].any(-1)).sum()
        ),
        bones_m=_bones_m(pose_NJ3, index),
        steps=int(next_N.sum()),
        jumps=int((next_N & jumps_N).sum()),
        root_frames=len(root_N3),
        root_known=int(np.isfinite(root_N3).all(-1).sum()),
        root_steps=int(root_next_N.sum()),
        root_jumps=int((root_next_N & (root_steps_N > _ROOT_JUMP_M)).sum()),
        reach_px=np.max(points_TJ2[sure_TJ], axis=0, initial=0),
    )


def check_places(
    origin: Path,
    frames_T: np.ndarray,
    points_TJ2: np.ndarray,
    scores_TJ: np.ndarray,
    skeleton: Skeleton,
    size: Size,
    *,
    is_share: bool = False,
) -> None:
    """Refuse points that no picture of this size has, before they are lifted; see `tally` for the arguments.

    A detector may guess a joint somewhat outside; more than a picture's width or height is something else, but for legs
    that it looks for below the picture.

    Raises:
        InputError: a point lies far outside, or all of them in one corner.
    """
    is_far_TJ = _outside(points_TJ2, size, 1.0)
    legs = [skeleton.joints.index(joint) for joint in _LEGS]
    is_guess_TJ = ~_is_sure(scores_TJ, is_share=is_share) & ~_outside(points_TJ2, size, _FARTHEST_GUESS)
    is_far_TJ[:, legs] &= ~is_guess_TJ[:, legs]
    known = ~np.isnan(points_TJ2).all()
    is_in_corner = known and np.nanmax(np.abs(points_TJ2), initial=0) <= _SMALLEST_EXTENT_PX
    if is_far_TJ.any() or is_in_corner:
        known_TJ2 = np.where(np.isfinite(points_TJ2), points_TJ2, np.nan)
        refusal = judge(_tally_of_points(frames_T, known_TJ2, scores_TJ, skeleton, size, is_share), size).refusal
        if refusal:
            raise InputError(sentence(origin, refusal))
    if is_far_TJ.any():
        row, joint = np.argwhere(is_far_TJ)[0]
        x, y = points_TJ2[row, joint].tolist()
        raise InputError(
            f"{origin}: in frame {frames_T[row]} {skeleton.joints[joint]} lies at ({x:.6g}, {y:.6g}) px, far outside "
            f"the picture of {size[0]}x{size[1]}; is the size right?"
        )
    if is_in_corner:
        raise InputError(
            f"{origin}: all its keypoints lie within {_SMALLEST_EXTENT_PX:g} px of the picture's corner, expected "
            "pixels; if they are shares of the picture, say so by unit, as share."
        )


def _tally_of_points(
    frames_T: np.ndarray,
    points_TJ2: np.ndarray,
    scores_TJ: np.ndarray,
    skeleton: Skeleton,
    size: Size,
    is_share: bool,
) -> Tally:
    """The tally of what was not lifted."""
    none_TJ = np.zeros(points_TJ2.shape[:2], dtype=bool)
    rows = Rows(
        frames=frames_T,
        pose_m=np.full((*points_TJ2.shape[:2], 3), np.nan, dtype=np.float32),
        root_m=None,
        missing=np.isnan(points_TJ2).any((1, 2)),
        interpolated=none_TJ,
        substituted=none_TJ,
        keypoints_px=points_TJ2,
    )
    return tally(rows, scores_TJ, skeleton, size, is_share=is_share)


def judge(found: Tally, size: Size) -> Verdict:
    """What a tally says of a track in pictures of this size."""
    return Verdict(_refusal(found, size), tuple(_warnings(found, size)))


def sentence(origin: object, said: str) -> str:
    """A refusal or a warning with what it is about."""
    return f"{origin}: {said}" if said.endswith("?") else f"{origin}: {said}."


def camera_warnings(camera_9: np.ndarray, size: Size) -> tuple[str, ...]:
    """What may be wrong with intrinsics in pixels (see `wsgcn.pose.camera`) for pictures of this size.

    Raises:
        InputError: the focal length is none of a camera that took such pictures.
    """
    (fx, fy, cx, cy), (width, height) = camera_9[:4].tolist(), size
    longer = max(size)
    shown = f"the focal length is {fx:.4g} px for pictures of {width}x{height}"
    if min(fx, fy) < _LEAST_FOCAL * longer or max(fx, fy) > _MOST_FOCAL * longer:
        likely = f"as a part of the picture's width it would be {fx * width:.0f}px" if fx < 10 else "is it in pixels?"
        raise InputError(
            sentence("intrinsics", f"{shown}, a field of view of {_field_deg(fx, width):.3g} degrees; {likely}")
        )
    found = []
    if min(fx, fy) < _SHORT_FOCAL * longer or max(fx, fy) > _LONG_FOCAL * longer:
        found.append(f"{shown}, an unusual field of view of {_field_deg(fx, width):.3g} degrees")
    if not 1 / _ASPECT < fx / fy < _ASPECT:
        found.append(f"the focal lengths {fx:.4g} and {fy:.4g} px differ by more than pixels do")
    if abs(cx / width - 0.5) > _OFF_CENTRE or abs(cy / height - 0.5) > _OFF_CENTRE:
        found.append(
            f"the principal point ({cx:.4g}, {cy:.4g}) is far from the middle of pictures of {width}x{height}; were "
            "the intrinsics measured at another resolution?"
        )
    return tuple(found)


def _refusal(found: Tally, size: Size) -> str | None:
    if not found.points:
        return None
    width, height = size
    if found.frames and found.hip_at_origin >= _MOST_FRAMES * found.frames:
        return (
            "the hip is the origin in every frame, so the keypoints are relative to it and no places in a picture; "
            "MediaPipe's world landmarks are like that, expected its pose_landmarks"
        )
    if found.negative > _MOST_NEGATIVE * found.points:
        return (
            f"{_percent(found.negative, found.points)} of the keypoints are negative, expected pixels from the "
            "picture's upper left corner"
        )
    fits_exchanged = found.exchanged_outside < 0.1 * found.just_outside
    reach = f"size {width}x{height}, but keypoints reach {found.reach_px[0]:.0f}x{found.reach_px[1]:.0f}"
    if _is_lying(found) and found.mirrored >= _MIRRORED * found.frames:
        return (
            "the body lies across the picture, and left and right are where a mirror shows them; does y stand before x "
            "in the file?"
        )
    if fits_exchanged and found.just_outside > _FEW_OUTSIDE * found.points and _is_lying(found):
        return f"{reach}, and the body lies across the picture; does y stand before x in the file?"
    if fits_exchanged and found.outside > _MANY_OUTSIDE * found.points:
        return f"{reach}, which fits {height}x{width}; are width and height exchanged?"
    if found.outside > _MOST_OUTSIDE * found.points:
        return f"{reach}, with {_percent(found.outside, found.points)} of them outside; is the size right?"
    return None


def _warnings(found: Tally, size: Size) -> list[str]:
    said, frames = [], found.frames
    if found.points and found.outside > _MANY_OUTSIDE * found.points:
        said.append(
            f"{_percent(found.outside, found.points)} of the keypoints lie outside the picture of {size[0]}x{size[1]} "
            f"and reach {found.reach_px[0]:.0f}x{found.reach_px[1]:.0f}; is the size right?"
        )
    if _is_landscape(found, size):
        said.append(
            f"the body stands at the right edge of {size[0]}x{size[1]}, but in the middle of {size[1]}x{size[0]}; are "
            "width and height exchanged?"
        )
    if _is_portrait(found, size):
        shape = float(found.upright_px[0] / found.upright_px[1])
        said.append(
            f"the body is {shape:.1f} times as wide as high in pictures of {size[0]}x{size[1]}, and "
            f"{shape * (size[1] / size[0]) ** 2:.1f} times in {size[1]}x{size[0]}; are width and height exchanged?"
        )
    reaches_half = bool(((found.reach_px > 0) & (2 * found.reach_px < size)).all())
    if frames and found.tall >= _MOST_FRAMES * frames and reaches_half:
        said.append(
            f"the keypoints reach only {found.reach_px[0]:.0f}x{found.reach_px[1]:.0f} of {size[0]}x{size[1]}; is the "
            "size right?"
        )
    guessed = max(found.guessed_legs, found.legs_outside)
    if frames and guessed > _GUESSED_LEGS * frames:
        why = "lie outside the picture" if guessed == found.legs_outside else "have scores far below the shoulders'"
        said.append(f"the legs are guesses: their joints {why} in {_percent(guessed, frames)} of the frames")
    if _is_lying(found):
        said.append(
            f"the body lies across the picture in {_percent(found.lying, frames)} of the frames; if nobody lies there, "
            "the picture is turned or y stands before x in the file"
        )
    if frames and found.head_down >= _TURNED * frames:
        said.append(
            f"the head is below the feet in {_percent(found.head_down, frames)} of the frames; if nobody stands on "
            "their hands, the picture is turned or y points up in the file"
        )
    if found.standing >= _TURNED * max(frames, 1) and found.leaning >= _LEANS * found.standing:
        said.append(
            f"the body stands in the picture, but the lifted one leans by more than {_LEANS_DEG:.0f} degrees in "
            f"{_percent(found.leaning, found.standing)} of the frames"
        )
    said += _bone_warnings(found)
    if found.jumps > max(_JUMPS * found.steps, 0):
        said.append(
            f"the hip jumps by more than half the body's extent in {found.jumps} of {found.steps} steps from frame to "
            "frame; are there several people in one track?"
        )
    if found.root_frames and not found.root_known:
        said.append(
            "the root is not known in any frame, since the lifted body fits its keypoints only behind the camera"
        )
    if found.root_jumps > _ROOT_JUMPS * found.root_steps:
        said.append(
            f"the root jumps by more than {_ROOT_JUMP_M:g} m in {_percent(found.root_jumps, found.root_steps)} of the "
            "steps from frame to frame"
        )
    return said


def _bone_warnings(found: Tally) -> list[str]:
    if not found.frames or not (found.bones_m > 0).all():
        return []
    said, mean_m = [], found.bones_m / found.frames
    limits = (_LEGS_LEFT_TO_RIGHT, _LEGS_LEFT_TO_RIGHT, _ARMS_LEFT_TO_RIGHT, _ARMS_LEFT_TO_RIGHT)
    for name, limit, (left_m, right_m) in zip(_BONES, limits, mean_m.tolist(), strict=True):
        if not 1 / limit < left_m / right_m < limit:
            said.append(f"{name} {left_m:.2f} m on the left and {right_m:.2f} m on the right")
    thigh_m, shin_m = mean_m[:2].mean(-1).tolist()
    if not 1 / _THIGH_TO_SHIN < thigh_m / shin_m < _THIGH_TO_SHIN:
        said.append(f"thigh {thigh_m:.2f} m, shin {shin_m:.2f} m")
    return [f"the lifted body has no human shape ({'; '.join(said)})"] if said else []


def _is_lying(found: Tally) -> bool:
    return bool(found.frames and found.lying >= _TURNED * found.frames)


def _is_landscape(found: Tally, size: Size) -> bool:
    """Whether portrait pictures seem to be landscape ones with their sides exchanged."""
    (width, height), (x, _) = size, (found.hips_px / max(found.frames, 1)).tolist()
    fits = found.reach_px.max() > 0 and found.exchanged_outside <= 0.001 * found.points
    low, high = _IN_THE_MIDDLE
    return bool(width < height and fits and x > _AT_THE_EDGE * width and low * height < x < high * height)


def _is_portrait(found: Tally, size: Size) -> bool:
    """Whether landscape pictures seem to be portrait ones with their sides exchanged, in a file of parts of them."""
    (width, height), (wide_px, high_px) = size, found.upright_px.tolist()
    hips_m, trunk_m = found.hips_trunk_m.tolist()
    is_wide = wide_px > _WIDE * high_px and hips_m > _WIDE_HIPS * trunk_m
    fits = wide_px / width**2 < _WIDE * high_px / height**2
    return bool(width > height and found.standing >= _UPRIGHT * found.frames and is_wide and fits)


def _bones_m(pose_NJ3: np.ndarray, index: dict[str, int]) -> np.ndarray:
    """(4, 2) sum of the lengths of `_BONES`, left and right."""
    return np.array(
        [
            [
                np.linalg.norm(pose_NJ3[:, index[side + a]] - pose_NJ3[:, index[side + b]], axis=-1).sum()
                for side in "LR"
            ]
            for a, b in _BONES.values()
        ]
    )


def _is_sure(scores_TJ: np.ndarray, *, is_share: bool) -> np.ndarray:
    """(T, J) bool; nothing is where the size cannot be at fault."""
    if is_share:
        return np.zeros(scores_TJ.shape, dtype=bool)
    return np.asarray(scores_TJ >= _SCORE_OF_GUESSES * scores_TJ.max(-1, keepdims=True), dtype=bool)


def _outside(points_TJ2: np.ndarray, size: Size, margin: float) -> np.ndarray:
    """(T, J) bool, by more than `margin` widths or heights."""
    sides = np.array(size)
    with np.errstate(invalid="ignore"):
        return np.any((points_TJ2 < -margin * sides) | (points_TJ2 > (1 + margin) * sides), axis=-1)


def _within(vectors_NC: np.ndarray, direction: Sequence[float], degrees: float) -> np.ndarray:
    """(N,) bool, whether a vector points in a direction, give or take so many degrees."""
    along_N = vectors_NC @ np.array(direction, dtype=np.float64)
    return np.asarray(along_N > np.cos(np.radians(degrees)) * np.linalg.norm(vectors_NC, axis=-1), dtype=bool)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _field_deg(focal_px: float, width_px: float) -> float:
    return float(np.degrees(2 * np.arctan(width_px / 2 / focal_px)))
