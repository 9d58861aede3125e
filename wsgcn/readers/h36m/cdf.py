"""The official files, unpacked: S1/MyPoseFeatures/D3_Positions/Directions 1.cdf, `Pose` (1, T, 96), mm, world."""

import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.h36m.checks import checked_array
from wsgcn.readers.h36m.take_files import TakeFiles, Tree


def decode_cdf(content: bytes, origin: str) -> np.ndarray:
    """The variable `Pose` of a CDF file, (T, 32, 3) float64, mm.

    Raises:
        InputError: it is empty, truncated, damaged or no CDF; has no Pose; or Pose has another shape or no frames.
    """
    from wsgcn.readers.h36m.cdf_file import open_cdf  # imports cdflib, which no other layout needs

    try:
        cdf = open_cdf(content)
        info = cdf.cdf_info()
        variables = [*info.rVariables, *info.zVariables]
        pose = cdf.varget("Pose") if "Pose" in variables else None
    except Exception as error:  # cdflib trusts the file: a damaged one can fail in any way
        raise InputError(
            f"{origin}: is not a readable CDF file, truncated or damaged ({type(error).__name__}: {error})."
        ) from error
    if pose is None:
        raise InputError(f"{origin}: has no variable Pose (it has {', '.join(variables) or 'none'}).")
    return checked_array(pose, (1, "T", 96), origin).reshape(-1, 32, 3)


TAKE_FILES = TakeFiles("MyPoseFeatures/D3_Positions", ".cdf", decode_cdf)

CDF = Tree(name="cdf", files=str(TAKE_FILES), endings=(".cdf",), take_files=TAKE_FILES)
