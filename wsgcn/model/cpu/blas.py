"""Matrix products for `wsgcn.model.cpu.kernels`: the single-precision product of the BLAS that torch brings with it.

numba's own `np.dot` calls scipy's OpenBLAS, whose products of this size were measured 25 % slower than MKL's. Where
torch was built without MKL, `IS_AVAILABLE` is False and nothing here may be called.
"""

import ctypes
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import torch
from numba import types

from wsgcn.model.cpu.compiled import compiled


def _addresses() -> tuple[int, ...]:
    """Of the product, and of what sets the number of threads that it uses when the calling thread calls it."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        functions = (library.sgemm_, library.MKL_Set_Num_Threads_Local)
    except (OSError, AttributeError):
        return ()
    return tuple(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions)


_ADDRESSES = _addresses()
IS_AVAILABLE = bool(_ADDRESSES)
# By name, so that what numba caches holds for the next process, where the library lies elsewhere in memory.
for _name, _address in zip(("wsgcn_sgemm", "wsgcn_set_threads"), _ADDRESSES, strict=False):
    llvmlite.binding.add_symbol(_name, _address)

_flags, _sizes, _floats = (types.CPointer(kind) for kind in (types.uint8, types.int32, types.float32))
_sgemm: Any = types.ExternalFunction(
    "wsgcn_sgemm",
    types.void(
        *(_flags, _flags, _sizes, _sizes, _sizes),
        *(_floats, _floats, _sizes, _floats, _sizes, _floats, _floats, _sizes),
    ),
)
set_threads: Any = types.ExternalFunction("wsgcn_set_threads", types.int32(types.int32))  # returns what was set before


@compiled()
def product(a, b, out, is_a_transposed, is_b_transposed, is_added=False):  # type: ignore[no-untyped-def]
    """out = a b, or out += a b, with a, b or both transposed first; all are C-contiguous."""
    # BLAS counts columns first, so it sees every matrix transposed: it is asked for out^T = b^T a^T.
    rows, columns = out.shape
    flags = np.empty(2, np.uint8)
    flags[0] = 84 if is_b_transposed else 78  # T or N
    flags[1] = 84 if is_a_transposed else 78
    sizes = np.empty(6, np.int32)
    sizes[0], sizes[1] = columns, rows
    sizes[2] = a.shape[0] if is_a_transposed else a.shape[1]
    sizes[3], sizes[4], sizes[5] = b.shape[1], a.shape[1], columns  # the lengths of rows
    factors = np.empty(2, np.float32)
    factors[0], factors[1] = 1, 1 if is_added else 0
    _sgemm(
        *(flags.ctypes, flags[1:].ctypes, sizes.ctypes, sizes[1:].ctypes, sizes[2:].ctypes),
        *(factors.ctypes, b.ctypes, sizes[3:].ctypes, a.ctypes, sizes[4:].ctypes),
        *(factors[1:].ctypes, out.ctypes, sizes[5:].ctypes),
    )
