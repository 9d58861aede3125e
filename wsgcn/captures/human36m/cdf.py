"""The official files, unpacked: S1/MyPoseFeatures/D3_Positions/Directions 1.cdf, `Pose` (1, T, 96), mm, world.

The usual download script unpacks them into S1/Poses_D3_Positions instead.
"""

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.foreign import enumerated, reading
from wsgcn.captures.human36m.checks import checked_array
from wsgcn.captures.human36m.take_files import TakeFiles, Tree


def decode_cdf(content: bytes, origin: str) -> np.ndarray:
    """The variable `Pose` of a CDF file, (T, 32, 3) float64, mm.

    Raises:
        InputError: it is empty, truncated, damaged or no CDF; has no Pose; Pose has another shape or no frames; or it
            exceeds a limit of `wsgcn.base.limits`.
    """
    from wsgcn.captures.human36m.cdf_file import declared_bytes, open_cdf  # imports cdflib, which no other layout needs

    with reading(origin, "CDF file"):
        cdf = open_cdf(content)
        info = cdf.cdf_info()
        variables = [*info.rVariables, *info.zVariables]
        if "Pose" not in variables:
            raise InputError(
                f"{origin}: has no variable Pose (it has {enumerated(variables) if variables else 'none'})."
            )
        limits.check_unpacked(origin, "Pose", len(content), declared_bytes(cdf, "Pose"), limits.TAKE_BYTES)
        pose = cdf.varget("Pose")
    return checked_array(pose, (1, "T", 96), origin).reshape(-1, 32, 3)


TAKE_FILES = TakeFiles("MyPoseFeatures/D3_Positions", ".cdf", decode_cdf, also="Poses_D3_Positions")

CDF = Tree(name="cdf", files=str(TAKE_FILES), endings=(".cdf",), take_files=TAKE_FILES)
