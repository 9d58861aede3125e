"""Lifting one's own 2D keypoints to 3D with a trained checkpoint.

    lifted = Lifter.load().lift("alphapose-results.json", (1920, 1080))

Keypoints are normalised by the longer side of the picture, which for square and landscape pictures is the training's
own `normalise_screen`, and does not change when a picture is cropped to portrait. With known intrinsics they are put as
the mean camera of the training would see them. The general lifter, which comes with the package, was trained with any
camera and with missing joints (lifter/ in the repository). A network that saw Human3.6M's cameras only (square pictures
with a focal length of 1.15 times their width) errs with the distance from that: other focal lengths, odd heights of the
camera; and it lifts no frame in which a joint is missing.
"""

import math
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from wsgcn.base.errors import InputError
from wsgcn.base.files import file_sha256
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import BLAZEPOSE_33, JointOrder, confidence_to_human36m, substitute, to_human36m
from wsgcn.lifting.gaps import fill_gaps, smooth
from wsgcn.lifting.intrinsics import Intrinsics, intrinsics_px
from wsgcn.lifting.keypoints.arrays import read_array
from wsgcn.lifting.keypoints.base import (
    LARGEST_SIDE,
    InUnit,
    KeypointFile,
    Size,
    Track,
    Unit,
    choose_person,
    named_order,
)
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.lifted import Lifted, Rows
from wsgcn.lifting.plausibility import PlausibilityWarning, Tally, camera_warnings, check_places, judge, sentence, tally
from wsgcn.lifting.rates import lift_at_rate
from wsgcn.model.checkpoint import Checkpoint, load_checkpoint
from wsgcn.model.context import context_of
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.missing import fill_missing
from wsgcn.model.params import Runtime
from wsgcn.model.predict import predict
from wsgcn.model.runtime import prepare
from wsgcn.pose.camera import project, root_normal_inverse, screen_units, solve_root, undistort
from wsgcn.pose.skeleton import Skeleton

DEFAULT_CHECKPOINT = Path(__file__).parent / "general_lifter.pt"  # see general_lifter.md

_BATCH = 256  # the fastest on CPUs: larger activations leave the cache
_FEW = 8192  # frames that the plain layers have lifted sooner than numba is loaded
_FARTHEST_RATE = 10.0  # times as many frames a second as a network over time has learnt, or as few
_LONG_BATCH = 1024  # of networks over time, whose batches overlap


@dataclass(frozen=True, kw_only=True)
class Options:
    """How holes and noise are dealt with.

    Attributes:
        max_gap: the most frames in a row over which a missing joint is interpolated; 0 fills nothing.
        min_score: joints with this score or less are missing.
        smooth: frames in the window of the Savitzky-Golay filter over the 3D, odd; 0 does not smooth.
        flip: average with the mirrored prediction for the mirrored input.

    Raises:
        InputError: a value is out of range.
    """

    max_gap: int = 10
    min_score: float = 0.0
    smooth: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.max_gap < 0:
            raise InputError(f"max_gap: is {self.max_gap}, expected 0 or more frames.")
        if self.smooth and (self.smooth < 3 or self.smooth % 2 == 0):
            raise InputError(f"smooth: is {self.smooth}, expected 0 or an odd number of frames from 3.")

    @property
    def context(self) -> int:
        """How many frames on either side a frame's result depends on."""
        return self.max_gap + self.smooth + 1


@dataclass(frozen=True)
class Lifter:
    """A checkpoint, ready to lift."""

    checkpoint: Checkpoint
    path: Path
    sha256: str
    network: nn.Module
    device: torch.device

    @classmethod
    def load(cls, path: Path | str = DEFAULT_CHECKPOINT, device: Literal["auto", "cpu", "cuda"] = "auto") -> "Lifter":
        """Load a checkpoint.

        Args:
            device: auto, cpu or cuda.

        Raises:
            InputError: the file is missing or is no checkpoint of this project, or there is no such device.
        """
        checkpoint = load_checkpoint(path)
        torch_device = prepare(Runtime(device=device, threads=0, precision="float32", product="auto"))
        return cls(checkpoint, Path(path), file_sha256(path), checkpoint.network().to(torch_device), torch_device)

    @property
    def skeleton(self) -> Skeleton:
        return self.checkpoint.skeleton

    @property
    def most_missing(self) -> int:
        """How many joints a frame may lack: half of them if the network has learnt to do without."""
        has_learnt = self.checkpoint.params.get("augmentation", {}).get("missing", 0) > 0
        return len(self.skeleton.joints) // 2 if has_learnt else 0

    def lift(
        self,
        keypoints: Path | str | np.ndarray | KeypointFile,
        size: Size | None = None,
        *,
        joints: str | None = None,
        format: str | None = None,
        unit: Unit | None = None,
        person: str | None = None,
        intrinsics: Intrinsics | None = None,
        fps: float | None = None,
        pixel_aspect: float = 1.0,
        options: Options | None = None,
    ) -> Lifted:
        """Lift one person.

        Args:
            keypoints: a file or folder in one of `readers.keypoints.formats.FORMATS`, one that is open, or an array
                (T, K, 2) in pixels or (T, K, 3) with a score; NaN or a score of 0 marks what is missing.
            size: width and height of the picture, px; needed unless the file knows it.
            joints: the joint order's name; needed unless the format tells it, and always for arrays.
            format: of the file; None sees it from the content.
            unit: of its values, or the array's: pixels or parts of the picture; None sees it, an array is in pixels.
            person: whom; needed if there are several.
            intrinsics: of the camera, see `wsgcn.lifting.intrinsics.intrinsics_px`; gives the root's place.
            fps: frames a second, positive, passed on to the output. A network over time lifts them at the rate that it
                has learnt, see `rate_note`.
            pixel_aspect: width over height of a pixel. `size`, the keypoints and a calibration are in such pixels; what
                is lifted, and stands in the result, is in square ones, as wide as these are high.
            options: holes and smoothing, see `Options`.

        Raises:
            InputError: the file cannot be read, the person, the size or the joint order is not known, the keypoints
                are not what they are taken for (see `wsgcn.lifting.plausibility`), or no frame has the joints that are
                needed (all, or see `most_missing`).

        Warns:
            PlausibilityWarning: a part of the result may be wrong; it also stands in `Lifted.warnings`.
        """
        options = options or Options()
        check_fps(fps)
        file = self._open(keypoints, format, joints, unit)
        track = file.track(choose_person(file, person))
        size = picture_size(file.origin, track.size, size)
        camera = None if intrinsics is None else intrinsics_px(intrinsics, size, pixel_aspect)
        track, size = _in_square_pixels(track, size, pixel_aspect)
        doubts = () if camera is None else camera_warnings(camera, size)
        rows = self.lift_rows(file.origin, track, file.order, size, camera, options, fps)
        verdict = judge(self.tally(track, file.order, rows, size), size)
        if verdict.refusal:
            raise InputError(sentence(file.origin, verdict.refusal))
        if rows.missing.all():
            raise InputError(_nothing_to_lift(file.origin, rows, self.skeleton, self.most_missing))
        about = (
            self.about(file.origin.name, file.format, file.order, options)
            | {
                "size_px": list(size),
                "intrinsics_px": None if camera is None else camera.tolist(),
                "fps": fps,
            }
            | self.about_rate(fps)
        )
        if sentences := [*doubts, *verdict.warnings]:
            about["warnings"] = sentences
        lifted = Lifted(person=track.person, skeleton=self.skeleton, names=track.names, about=about, **vars(rows))
        for warning in lifted.warnings:
            warnings.warn(sentence(file.origin, warning), PlausibilityWarning, stacklevel=2)
        return lifted

    def _open(
        self,
        keypoints: Path | str | np.ndarray | KeypointFile,
        format: str | None,
        joints: str | None,
        unit: Unit | None,
    ) -> KeypointFile:
        if isinstance(keypoints, Path | str):
            return open_keypoints(keypoints, format, joints, unit)
        if isinstance(keypoints, np.ndarray):
            keypoints = read_array(Path("array"), keypoints, named_order(joints))
        return keypoints if unit is None else InUnit(keypoints, unit)

    def about(self, source: str, format: str, order: JointOrder, options: Options) -> dict[str, Any]:
        """What an output says of its making, whatever the track."""
        return {
            "source": source,
            "source_format": format,
            "source_joints": order.name,
            "source_bias": order.bias,
            "checkpoint": self.path.name,
            "checkpoint_sha256": self.sha256,
            "checkpoint_trained_with": self.checkpoint.source,
            "checkpoint_caveat": self.checkpoint.caveat,
            **asdict(options),
        }

    def context(self, options: Options, fps: float | None) -> int:
        """How many frames on either side a frame's result depends on."""
        of_network = context_of(self.network)
        most = max(of_network.before, of_network.after)
        if self._resamples(fps):
            assert fps is not None
            assert self.checkpoint.fps is not None
            most = math.ceil(most * fps / self.checkpoint.fps) + 2  # and the ends of the interpolation
        return options.context + most

    def rate_note(self, fps: float | None) -> str:
        """What whoever lifts a clip with so many frames a second should know, a sentence; empty if nothing."""
        learnt = self.checkpoint.fps
        if learnt is None:
            return ""
        if fps is None:
            return f"The clip is taken to have the {learnt:g} frames a second that the network has learnt (--fps)."
        if self._resamples(fps):
            return f"The clip's {fps:g} frames a second are lifted at the {learnt:g} that the network has learnt."
        return ""

    def about_rate(self, fps: float | None) -> dict[str, Any]:
        """What an output says of the rates of the clip and of the network, if that sees more than a frame."""
        if self.checkpoint.fps is None:
            return {}
        return {"checkpoint_fps": self.checkpoint.fps, "resampled": self._resamples(fps)}

    def _resamples(self, fps: float | None) -> bool:
        if fps is None or self.checkpoint.is_of_rate(fps):
            return False
        learnt = self.checkpoint.fps or fps
        if not learnt / _FARTHEST_RATE <= fps <= learnt * _FARTHEST_RATE:
            raise InputError(
                f"fps: is {fps:g}, but {self.path} has learnt {learnt:g} frames a second; a clip may have a "
                f"{_FARTHEST_RATE:g}th of that to {_FARTHEST_RATE:g} times as many."
            )
        return True

    def lift_rows(
        self,
        origin: Path,
        track: Track,
        order: JointOrder,
        size: Size,
        camera_9: np.ndarray | None,
        options: Options,
        fps: float | None = None,
    ) -> Rows:
        """Lift a track or a piece of one; frames that cannot be lifted are missing in the result.

        Args:
            camera_9: intrinsics in pixels, see `wsgcn.pose.camera`; None leaves the root out.
            fps: frames a second, for a network over time.

        Raises:
            InputError: the order lacks a joint, a keypoint lies far outside the picture, or the joints of a frame whose
                root is asked for all lie at one point.
        """
        known_px = _known_px(track, size, options.min_score)
        joints = self.skeleton.indices_in(order.human36m_joints, f"{origin}: the joint order {order.name}")
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite lies far outside
            converted = to_human36m(order, known_px)
        scores_TJ = self._scores(track, order)
        check_places(
            origin, track.frames, converted[:, joints], scores_TJ, self.skeleton, size, is_share=track.normalised
        )
        filled, interpolated = fill_gaps(track.frames, converted, options.max_gap)
        substituted = substitute(order, known_px, filled)
        keypoints_TJ2, interpolated, substituted = filled[:, joints], interpolated[:, joints], substituted[:, joints]
        absent_TJ = np.isnan(keypoints_TJ2).any(-1)
        missing_T = absent_TJ.sum(-1) > self.most_missing
        there = ~missing_T
        lifted_NJ2, absent_NJ = keypoints_TJ2[there].astype(np.float64), absent_TJ[there]
        pose_m = np.full((*keypoints_TJ2.shape[:2], 3), np.nan, dtype=np.float32)
        root_m = None
        if camera_9 is None:
            screen_NJ2 = screen_units(lifted_NJ2, size)
        else:
            uv_NJ2 = undistort(lifted_NJ2, camera_9, iterations=20 if camera_9[4:].any() else 0)
            screen_NJ2 = self._seen_in_training(uv_NJ2)
        pose_m[there] = self._predict(screen_NJ2, absent_NJ, track.frames[there], fps, options.flip)
        if camera_9 is not None:
            root_m = np.full((len(pose_m), 3), np.nan, dtype=np.float32)
            root_m[there] = _roots(origin, track.frames[there], pose_m[there], uv_NJ2)
        if options.smooth:
            pose_m = smooth(track.frames, pose_m, options.smooth)
            root_m = None if root_m is None else smooth(track.frames, root_m, options.smooth)
        return Rows(
            frames=track.frames,
            pose_m=pose_m,
            root_m=root_m,
            missing=missing_T,
            interpolated=interpolated,
            substituted=substituted,
            keypoints_px=keypoints_TJ2,
        )

    def tally(self, track: Track, order: JointOrder, rows: Rows, size: Size) -> Tally:
        """What speaks against the rows that a track was lifted to, see `wsgcn.lifting.plausibility`."""
        return tally(
            rows,
            self._scores(track, order),
            self.skeleton,
            size,
            face_scores_T=_face_scores(track, order),
            is_share=track.normalised,
            has_own_size=track.size is not None,
        )

    def _scores(self, track: Track, order: JointOrder) -> np.ndarray:
        """(T, J) of the skeleton's joints."""
        joints = [order.human36m_joints.index(joint) for joint in self.skeleton.joints]
        return confidence_to_human36m(order, track.scores)[:, joints]

    def _predict(
        self, screen_NJ2: np.ndarray, absent_NJ: np.ndarray, frames_N: np.ndarray, fps: float | None, flip: bool
    ) -> np.ndarray:
        """Few frames go through the plain layers, so that a short clip does not wait for a compiler.

        Both ways agree to 1e-5 m, a thousandth of what the best lifter errs, and it is the number of frames alone that
        decides, so the same clip gives the same bits. (Stages that others repeat always predict by the one way.)
        """
        screen_NJ2 = screen_NJ2.astype(np.float32)
        if absent_NJ.any():
            filled = fill_missing(torch.from_numpy(screen_NJ2), torch.from_numpy(absent_NJ), self.skeleton)
            screen_NJ2 = filled.numpy()
        network, skeleton, device = self.network, self.skeleton, self.device
        if not context_of(network):
            with plain_layers() if len(screen_NJ2) < _FEW else nullcontext():
                return predict(network, screen_NJ2, skeleton, flip=flip, batch=_BATCH, device=device)

        def lift(keypoints_TJ2: np.ndarray, breaks: Sequence[int]) -> np.ndarray:
            return predict(network, keypoints_TJ2, skeleton, flip=flip, batch=_LONG_BATCH, device=device, breaks=breaks)

        learnt = self.checkpoint.fps if self._resamples(fps) else None
        return lift_at_rate(lift, screen_NJ2, frames_N, fps, learnt)

    def _seen_in_training(self, uv_NJ2: np.ndarray) -> np.ndarray:
        """What the mean camera of the training would have seen: screen units."""
        rays_NJ3 = np.concatenate([uv_NJ2, np.ones_like(uv_NJ2[..., :1])], axis=-1)
        return project(rays_NJ3, np.array(self.checkpoint.camera_9))


def picture_size(origin: Path, known: Size | None, given: Size | None) -> Size:
    """The picture's size from the file and the user.

    Raises:
        InputError: neither knows it, they differ, or it is not positive.
    """
    if known is not None and given is not None and tuple(known) != tuple(given):
        raise InputError(
            f"{origin}: says that its pictures have {known[0]}x{known[1]} px, but size is {given[0]}x{given[1]}."
        )
    size = known or given
    if size is None:
        raise InputError(f"{origin}: does not say how large its pictures are; give the size, such as 1920x1080.")
    if len(size) != 2 or not all(1 <= side <= LARGEST_SIDE for side in size):
        raise InputError(f"{origin}: the size is {brief(size, 60)}, expected a positive width and height.")
    return size[0], size[1]


def _in_square_pixels(track: Track, size: Size, aspect: float) -> tuple[Track, Size]:
    """Raises InputError: pixels have no such shape."""
    if aspect == 1:
        return track, size
    if not 0.2 <= aspect <= 5:
        raise InputError(f"pixel_aspect: is {aspect:g}, expected width over height of a pixel, 0.2 to 5.")
    if not track.normalised:
        track = replace(track, keypoints=track.keypoints * np.array([aspect, 1], dtype=np.float32))
    return track, (max(1, round(size[0] * aspect)), size[1])


def check_fps(fps: float | None) -> None:
    """Raises InputError: it is no number of frames a second."""
    if fps is not None and not 0 < fps < math.inf:
        raise InputError(f"fps: is {fps}, expected a positive number of frames a second.")


def _face_scores(track: Track, order: JointOrder) -> np.ndarray | None:
    """(T,) of nose and eyes; None where the scores do not tell a face from the back of a head.

    BlazePose calls what is behind a head as visible as what is before it.
    """
    face = [order.joints.index(joint) for joint in ("Nose", "LEye", "REye") if joint in order.joints]
    if len(face) < 3 or order.name == BLAZEPOSE_33.name or not np.ptp(track.scores):
        return None
    return np.asarray(track.scores[:, face].min(-1))


def _known_px(track: Track, size: Size, min_score: float) -> np.ndarray:
    """(T, K, 2) pixels, NaN where missing."""
    with np.errstate(over="ignore"):
        known_px = track.keypoints * np.array(size, dtype=np.float32) if track.normalised else track.keypoints.copy()
    known_px[track.scores <= min_score] = np.nan
    return known_px


def _roots(origin: Path, frames_N: np.ndarray, pose_NJ3: np.ndarray, uv_NJ2: np.ndarray) -> np.ndarray:
    """(N, 3) where the root joints stand, by the joints that have 2D; NaN where only a place behind the camera fits."""
    root_N3 = np.empty((len(pose_NJ3), 3))
    seen_NJ = ~np.isnan(uv_NJ2).any(-1)
    for seen_J in np.unique(seen_NJ, axis=0):  # frames that have the same joints, together
        rows = np.flatnonzero((seen_NJ == seen_J).all(-1))
        uv_MK2 = uv_NJ2[rows][:, seen_J]
        normal_inverse_M33 = root_normal_inverse(uv_MK2)
        is_point_M = ~np.isfinite(normal_inverse_M33).all((1, 2))
        if is_point_M.any():
            raise InputError(f"{origin}: in frame {frames_N[rows][is_point_M][0]} all joints lie at one point.")
        root_N3[rows] = solve_root(pose_NJ3[rows][:, seen_J].astype(np.float64), uv_MK2, normal_inverse_M33)
    root_N3[root_N3[:, 2] <= 0] = np.nan
    return root_N3


def _nothing_to_lift(origin: Path, rows: Rows, skeleton: Skeleton, most_missing: int) -> str:
    absent_J = np.isnan(rows.keypoints_px).any(-1).sum(0)
    counts = ", ".join(f"{skeleton.joints[j]} {absent_J[j]}" for j in np.argsort(-absent_J)[:4] if absent_J[j])
    needed = f"{len(skeleton.joints) - most_missing} of the" if most_missing else "all the"
    return (
        f"{origin}: none of its {len(rows.frames)} frames has {needed} joints that the skeleton {skeleton.name} needs "
        f"(missing most often: {counts})."
    )
