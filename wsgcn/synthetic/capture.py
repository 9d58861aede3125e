"""The synthetic capture as files, in the layout of Martinez et al.'s unpacked h36m.zip."""

import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np

from wsgcn.errors import InputError
from wsgcn.human36m import ACTIONS, FPS, SUBJECTS
from wsgcn.skeleton import H36M17, H36M32_INDEX
from wsgcn.synthetic.actions import act
from wsgcn.synthetic.body import joints_from_angles

TAKES = tuple(take for action in ACTIONS for take in (action, f"{action} 1"))


def synthesise_take(subject: str, take: str, seconds: float, seed: int) -> np.ndarray:
    performance = act(subject, take, round(seconds * FPS), seed)
    pelvis_m, heading, angles = performance.solve()
    return joints_from_angles(performance.body, pelvis_m, heading, angles)
