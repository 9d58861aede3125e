"""The official files converted by MATLAB: S1/MyPoseFeatures/D3_Positions/Directions 1.cdf.mat.

`data` is a 1x1 cell that holds (T, 96), mm, world. Files of MATLAB 7.3 are HDF5 with the axes in reverse order and a
reference for what is in the cell; the older ones are MATLAB 5.
"""

import io

import h5py
import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.h36m.checks import checked_array
from wsgcn.readers.h36m.take_files import TakeFiles, Tree

_VERSION_7_3 = b"MATLAB 7.3"


def decode_mat(content: bytes, origin: str) -> np.ndarray:
    """The positions in the cell `data` of a MATLAB file, (T, 32, 3) float64, mm.

    Raises:
        InputError: it is empty, truncated, damaged or no MATLAB file; or its cell is missing, misshapen or empty.
    """
    try:
        cell = _cell_7_3(content) if content.startswith(_VERSION_7_3) else _cell_5(content)
    except Exception as error:  # a damaged file can fail in any way inside scipy
        raise InputError(
            f"{origin}: is not a readable MATLAB file, truncated or damaged ({type(error).__name__}: {error})."
        ) from error
    if cell is None:
        raise InputError(f"{origin}: has no 1x1 cell named data.")
    return checked_array(cell, ("T", 96), origin).reshape(-1, 32, 3)


def _cell_5(content: bytes) -> object:
    import scipy.io  # here, since no other layout needs it: it takes longer to import than NumPy

    data = scipy.io.loadmat(io.BytesIO(content), variable_names=["data"]).get("data")
    return data[0, 0] if data is not None and data.dtype == object and data.shape == (1, 1) else None


def _cell_7_3(content: bytes) -> object:
    with h5py.File(io.BytesIO(content), "r") as file:
        data = file.get("data")
        if data is None or data.dtype != h5py.ref_dtype or data.shape != (1, 1):
            return None
        return np.transpose(file[data[0, 0]][()])


TAKE_FILES = TakeFiles("MyPoseFeatures/D3_Positions", ".cdf.mat", decode_mat)

MAT = Tree(name="mat", files=str(TAKE_FILES), endings=(".mat",), take_files=TAKE_FILES)
