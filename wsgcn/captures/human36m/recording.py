"""What every layout of Human3.6M's 3D files gives: takes as they lie in the files, and the capture made of them."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.captures.capture import Capture, Hints, Layout, Recording
from wsgcn.captures.checks import bad_frames
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.captures.human36m.checks import to_metres
from wsgcn.captures.human36m.names import ACTIONS, FPS, SUBJECTS, TAKES_PER_ACTION, action_of
from wsgcn.captures.human36m.quirks import canonical_take, rule_against
from wsgcn.pose.camera import Camera
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX


@dataclass(frozen=True)
class RawTake:
    """A take as it lies in a file, not decoded yet."""

    subject: str
    name: str  # as the file spells it
    origin: str  # the file, and the place in it, for messages
    unit: Literal["mm", "m"]
    decode: Callable[[], np.ndarray]  # (T, 32, 3) float64, world, in `unit`; raises InputError


@dataclass(frozen=True, kw_only=True)
class FileLayout(Layout):
    """One layout of the files."""

    @abstractmethod
    def raw_takes(self, paths: Sequence[Path], subjects: Collection[str]) -> Iterator[RawTake]:
        """The takes of these subjects in these files.

        Raises:
            InputError: a file cannot be read, or does not say whose take it is.
        """

    def capture(self, root: Path, paths: Sequence[Path], hints: Hints) -> Capture:
        return Human36M(
            layout=self.name,
            root=root,
            paths=tuple(paths),
            subjects=SUBJECTS,
            actions=ACTIONS,
            takes_per_action=TAKES_PER_ACTION,
            files=self,
            hints=hints,
        )


@dataclass(frozen=True, kw_only=True)
class Human36M(Capture):
    """Human3.6M's 3D in one layout at one place."""

    files: FileLayout
    hints: Hints

    def recordings(self) -> Iterator[Recording]:
        if self.hints != Hints():
            raise InputError(
                f"data.unit, data.up: are {self.hints.unit} and {self.hints.up}, but the layout {self.layout} has its "
                "own; expected auto."
            )
        for raw in self.files.raw_takes(self.paths, SUBJECTS):
            rule = rule_against(raw.subject, raw.name)
            take = raw.name if rule else canonical_take(raw.name, raw.origin)
            yield Recording(
                subject=raw.subject,
                take=take,
                action=action_of(take),
                fps=FPS,
                origin=raw.origin,
                read=partial(_read, raw),
                left_out_by=rule,
            )

    @property
    def expected_takes(self) -> int:
        return len(SUBJECTS) * len(ACTIONS) * TAKES_PER_ACTION

    def cameras(self, subject: str) -> dict[str, Camera]:
        return self._cameras[subject]

    @cached_property
    def _cameras(self) -> dict[str, dict[str, Camera]]:
        return human36m_cameras()


def _read(raw: RawTake) -> np.ndarray:
    """In metres, the 17 joints in use; a frame with a coordinate of any of the 32 that is not finite is all NaN."""
    positions_TJ3 = raw.decode()
    is_bad_T = bad_frames(positions_TJ3)
    positions_m = np.full((len(positions_TJ3), len(H36M17.joints), 3), np.nan)
    used_joints = [H36M32_INDEX[joint] for joint in H36M17.joints]
    if not is_bad_T.all():
        positions_m[~is_bad_T] = to_metres(positions_TJ3[~is_bad_T], raw.unit, raw.origin)[:, used_joints]
    return positions_m
