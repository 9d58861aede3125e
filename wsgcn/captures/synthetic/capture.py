"""The synthetic capture as files, in the layout of Martinez et al.'s unpacked h36m.zip."""

from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import atomic_folder
from wsgcn.base.hdf5 import hdf5_bytes
from wsgcn.base.run import Bars, no_bars, track
from wsgcn.captures.human36m.names import ACTIONS, FPS, SUBJECTS
from wsgcn.captures.synthetic.actions import act
from wsgcn.captures.synthetic.body import joints_from_angles
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX

TAKES = tuple(take for action in ACTIONS for take in (action, f"{action} 1"))

# Where Human3.6M's files repeat a joint: toes the foot, the copies of hip and neck, hands the wrist.
_REPEATED = {
    **dict.fromkeys((4, 5), "RFoot"),
    **dict.fromkeys((9, 10), "LFoot"),
    11: "Hip",
    **dict.fromkeys((16, 24), "Thorax"),
    **dict.fromkeys((20, 21, 22, 23), "LWrist"),
    **dict.fromkeys((28, 29, 30, 31), "RWrist"),
}

_README_NAME = "README.txt"
_TITLE = "A synthetic motion capture in the file layout of Human3.6M"
_README = """{title}

Nothing in this folder was recorded, and nothing is taken from Human3.6M: the people, their bodies and their motions
are made up by stage demo of WS-GCN (seed {seed}, {seconds:g} seconds a take). It exists so that the whole pipeline runs
without the licensed data. Errors measured on it are those of a synthetic capture: they say nothing about Human3.6M, and
must not be compared with published figures.

How it is made: seven bodies of constant bone lengths; smooth joint angles within anatomical limits, put together from
tables of arm poses and scenes for each of the fifteen actions, a gait with footsteps along a path, seats, glances and
small movements, with habits of each subject's own; forward kinematics.

h36m/<subject>/MyPoses/3D_positions/<take>.h5: dataset 3D_positions (96, frames), float32: x, y, z of Human3.6M's 32
joints in turn, in millimetres, world frame with z up and the floor at 0, {fps:g} frames a second. Joints that Human3.6M
does not use repeat a neighbour. The cameras are the published ones of Human3.6M.
"""


def synthesise_take(subject: str, take: str, seconds: float, seed: int) -> np.ndarray:
    """One take of the synthetic capture.

    Args:
        subject: one of `wsgcn.captures.human36m.names.SUBJECTS`.
        take: one of `TAKES`.
        seconds: its length.
        seed: integer >= 0; the same seed gives the same take.

    Returns:
        (T, 17, 3) float64, metres, world (z up, floor at 0), Human3.6M-17, 50 frames a second.

    Raises:
        ValueError: there is no such subject or take.
    """
    if subject not in SUBJECTS or take not in TAKES:
        raise ValueError(f"no subject {subject} with a take {take} in the synthetic capture")
    performance = act(subject, take, round(seconds * FPS), seed)
    pelvis_m, heading, angles = performance.solve()
    return joints_from_angles(performance.body, pelvis_m, heading, angles)


def write_capture(folder: Path, seconds: float, seed: int, bars: Bars = no_bars) -> None:
    """Write the whole capture, every subject and take; the folder appears, or is replaced, when all is written.

    The same seed gives the same bytes.

    Raises:
        InputError: the folder could not be written, or holds something else than a synthetic capture.
    """
    if folder.exists() and not _may_be_replaced(folder):
        raise InputError(f"{folder}: holds something else than a synthetic capture, and is left as it is.")
    with atomic_folder(folder) as new:
        _write(new, seconds, seed, bars)


def _may_be_replaced(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    readme = folder / _README_NAME
    return not any(folder.iterdir()) or (readme.is_file() and readme.read_text("utf-8").startswith(_TITLE))


def _write(folder: Path, seconds: float, seed: int, bars: Bars) -> None:
    readme = _README.format(title=_TITLE, seed=seed, seconds=seconds, fps=FPS)
    (folder / _README_NAME).write_text(readme, encoding="utf-8")
    names = [(subject, take) for subject in SUBJECTS for take in TAKES]
    for subject, take in track(names, bars, "synthetic capture", len(names), "takes"):
        path = folder / "h36m" / subject / "MyPoses" / "3D_positions" / f"{take}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        positions_mm = _raw_mm(synthesise_take(subject, take, seconds, seed))
        path.write_bytes(hdf5_bytes({"3D_positions": positions_mm}))


def _raw_mm(positions_m: np.ndarray) -> np.ndarray:
    """(T, 17, 3) metres to (96, T) float32 millimetres of the 32 joints.

    Rounded to hundredths, so that another processor's last bits in a sine do not make other files.
    """
    source = {index: joint for joint, index in H36M32_INDEX.items()} | _REPEATED
    order = [H36M17.joints.index(source[index]) for index in range(32)]
    raw_mm = np.round(positions_m[:, order] * 1000, 2)
    return np.ascontiguousarray(raw_mm.reshape(len(raw_mm), 96).T, dtype=np.float32)
