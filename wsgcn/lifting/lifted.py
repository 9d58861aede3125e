"""What lifting gives: the 3D pose of one person over time, with everything needed to know what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsgcn.base.foreign import brief
from wsgcn.pose.skeleton import Skeleton

FORMAT = "wsgcn lifted pose 1"

FRAME = "camera axes: x right, y down, z forward"
ROOT_RELATIVE = "relative to the root joint; where the person stands is not known"
ABSOLUTE = "pose_m is relative to the root joint, root_m is the root joint's place in the camera's frame"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """T frames of one person, J joints.

    Attributes:
        frames: (T,) int64, the source's frame numbers.
        pose_m: (T, J, 3) float32, metres, camera axes, relative to the root joint; NaN in missing frames.
        root_m: (T, 3) float32, the root joint in the camera's frame; None without intrinsics. NaN in missing frames and
            in those whose pose fits its 2D only behind the camera.
        missing: (T,) bool, frames without a pose: the person or a needed joint is not there, for longer than is filled.
        interpolated: (T, J) bool, joints whose 2D was interpolated in time.
        substituted: (T, J) bool, joints whose 2D was taken from others, see `JointOrder.substitutes`.
        keypoints_px: (T, J, 2) float32, the 2D that was lifted; NaN where there is none. In a frame that is not missing
            such a joint's place in 3D is what the network makes of the others.
    """

    frames: np.ndarray
    pose_m: np.ndarray
    root_m: np.ndarray | None
    missing: np.ndarray
    interpolated: np.ndarray
    substituted: np.ndarray
    keypoints_px: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> "Rows":
        return Rows(
            frames=self.frames[rows],
            pose_m=self.pose_m[rows],
            root_m=None if self.root_m is None else self.root_m[rows],
            missing=self.missing[rows],
            interpolated=self.interpolated[rows],
            substituted=self.substituted[rows],
            keypoints_px=self.keypoints_px[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Lifted(Rows):
    """A whole track, and what it is.

    Attributes:
        person: as the source calls them.
        skeleton: its joints are the J joints.
        names: of the frames' pictures, where the source knows them.
        about: source, settings and checkpoint, plain values by name; the same for all frames. Under `warnings`,
            where there are any, stands what may be wrong with the whole, see `wsgcn.lifting.plausibility`.
    """

    person: str
    skeleton: Skeleton
    names: tuple[str, ...] | None
    about: Mapping[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be wrong with the clip, sentences; empty if nothing."""
        found = self.about.get("warnings")
        return tuple(map(str, found)) if isinstance(found, list | tuple) else ()

    @property
    def metadata(self) -> dict[str, Any]:
        """What stands in every output beside the numbers; plain values."""
        return metadata(self.skeleton, self.about, is_absolute=self._root_known() > 0) | {"person": self.person}

    def summary(self) -> str:
        """A line that says what was lifted and how much of it is missing."""
        parts = [f"{len(self)} frames of person {brief(self.person, 40)}"]
        for label, frames in (
            ("with interpolated joints", self.interpolated.any(-1) & ~self.missing),
            ("with substituted joints", self.substituted.any(-1) & ~self.missing),
            ("without 2D of some joints", np.isnan(self.keypoints_px).any((1, 2)) & ~self.missing),
            ("missing", self.missing),
        ):
            parts += [f"{int(frames.sum())} {label}"] if frames.any() else []
        known, there = self._root_known(), int((~self.missing).sum())
        root = "with the root in the camera's frame" if known else "root-relative"
        parts.append(root if known in (0, there) else f"{root} in {known} of {there} frames")
        return ", ".join(parts)

    def _root_known(self) -> int:
        """In how many frames the root's place is known."""
        return 0 if self.root_m is None else int(np.isfinite(self.root_m).all(-1).sum())


def metadata(skeleton: Skeleton, about: Mapping[str, Any], *, is_absolute: bool) -> dict[str, Any]:
    """What stands in every output beside the numbers; plain values."""
    return {
        "format": FORMAT,
        "unit": "metre",
        "frame": FRAME,
        "origin": ABSOLUTE if is_absolute else ROOT_RELATIVE,
        "skeleton": skeleton.name,
        "joints": list(skeleton.joints),
        "parents": list(skeleton.parents),
        **about,
    }


def about_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What `Lifted.about` was, from the metadata of a file."""
    fixed = ("format", "unit", "frame", "origin", "skeleton", "joints", "parents", "person")
    return {name: value for name, value in metadata.items() if name not in fixed}
