"""Martinez et al.'s files, unpacked: S1/MyPoses/3D_positions/Directions 1.h5, `3D_positions` (96, T), mm, world."""

import io

import h5py
import numpy as np

from wsgcn.errors import InputError
from wsgcn.readers.h36m.checks import checked_array
from wsgcn.readers.h36m.take_files import TakeFiles, Tree

_DATASET = "3D_positions"


def decode_h5(content: bytes, origin: str) -> np.ndarray:
    """The positions in one of Martinez et al.'s HDF5 files, (T, 32, 3) float64, mm.

    Raises:
        InputError: it is empty, truncated, damaged or no HDF5; or its dataset is missing, misshapen or empty.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            names = list(file)
            found = file[_DATASET][()] if isinstance(file.get(_DATASET), h5py.Dataset) else None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{origin}: is not a readable HDF5 file, truncated or damaged ({error}).") from error
    if found is None:
        raise InputError(f"{origin}: has no dataset {_DATASET} (it has {', '.join(names) or 'none'}).")
    return checked_array(found, (96, "T"), origin).T.reshape(-1, 32, 3)


TAKE_FILES = TakeFiles("MyPoses/3D_positions", ".h5", decode_h5)

MARTINEZ = Tree(name="martinez", files=str(TAKE_FILES), endings=(".h5",), take_files=TAKE_FILES)
