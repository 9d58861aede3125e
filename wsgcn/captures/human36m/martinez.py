"""Martinez et al.'s files, unpacked: S1/MyPoses/3D_positions/Directions 1.h5, `3D_positions` (96, T), mm, world."""

import numpy as np

from wsgcn.base.hdf5 import ForeignHdf5
from wsgcn.captures.human36m.checks import checked_array
from wsgcn.captures.human36m.take_files import TakeFiles, Tree


def decode_h5(content: bytes, origin: str) -> np.ndarray:
    """The positions in one of Martinez et al.'s HDF5 files, (T, 32, 3) float64, mm.

    Raises:
        InputError: it is empty, truncated, damaged or no HDF5; its dataset is missing, misshapen or empty; or it wants
            what is refused, see `wsgcn.base.hdf5`.
    """
    with ForeignHdf5(content, origin) as file:
        found = file.read("3D_positions")
    return checked_array(found, (96, "T"), origin).T.reshape(-1, 32, 3)


TAKE_FILES = TakeFiles("MyPoses/3D_positions", ".h5", decode_h5)

MARTINEZ = Tree(name="martinez", files=str(TAKE_FILES), endings=(".h5",), take_files=TAKE_FILES)
