"""Matrix products for `wsgcn.model.cpu.kernels`: the single-precision product of the library that is chosen.

numba's own `np.dot` calls scipy's OpenBLAS, whose products of this size are slower than those of the libraries that
`wsgcn.model.cpu.products` chooses from. Where there is none, `IS_AVAILABLE` is False and nothing here may be called.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from wsgcn.model.cpu import products
from wsgcn.model.cpu.compiled import compiled

IS_AVAILABLE = bool(products.at_hand())

# What is compiled calls the product at the address that lies here, so that another library needs no other code.
_sgemm_at = ctypes.c_uint64(next((library.sgemm for library in products.at_hand().values()), 0))
# By name, so that what numba caches holds for the next process, where the libraries lie elsewhere in memory.
llvmlite.binding.add_symbol("wsgcn_sgemm_at", ctypes.addressof(_sgemm_at))

if "mkl" in products.at_hand():
    _set_threads_at = ctypes.cast(products.at_hand()["mkl"].set_threads, ctypes.c_void_p).value  # type: ignore[arg-type]
else:
    _same = numba.cfunc("int32(int32)")(lambda threads: threads)
    _set_threads_at = _same.address
llvmlite.binding.add_symbol("wsgcn_set_threads", _set_threads_at)
# In how many threads MKL computes a product that this thread asks for; returns what was set before. Nothing elsewhere.
set_threads: Any = types.ExternalFunction("wsgcn_set_threads", types.int32(types.int32))


@contextmanager
def one_thread(name: products.Product | None = None) -> Iterator[None]:
    """Inside, `product` is that of a library, the chosen one by default, and computed in the thread that calls it.

    OpenBLAS knows the number of threads of the whole process alone, so numpy's products elsewhere use one too. A kernel
    that may run on MKL sets MKL's by `set_threads`.
    """
    library = products.library() if name is None else products.at_hand()[name]
    _sgemm_at.value = library.sgemm
    threads = library.set_threads(1)
    try:
        yield
    finally:
        library.set_threads(threads)


@intrinsic
def _sgemm(_: Any, flags: Any, sizes: Any, factors: Any, b: Any, a: Any, out: Any) -> Any:
    """Fortran's sgemm; arrays, which so live as long as it takes: the flags, m to ldc, alpha and beta."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = ir.IntType(64)
        starts = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args, arguments, strict=True)
        ]

        def place(array: int, index: int = 0) -> Any:
            return builder.ptrtoint(builder.gep(starts[array], [ir.Constant(address, index)]), address)

        given = [
            *(place(0, 0), place(0, 1), place(1, 0), place(1, 1), place(1, 2)),
            *(place(2, 0), place(3), place(1, 3), place(4), place(1, 4), place(2, 1), place(5), place(1, 5)),
        ]
        kind = ir.FunctionType(ir.VoidType(), [address] * len(given))
        cell = cgutils.add_global_variable(builder.module, address, "wsgcn_sgemm_at")
        builder.call(builder.inttoptr(builder.load(cell), kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(flags, sizes, factors, b, a, out), generate


@compiled()
def product(a, b, out, is_a_transposed, is_b_transposed, is_added=False):  # type: ignore[no-untyped-def]
    """out = a b, or out += a b, with a, b or both transposed first; all are C-contiguous."""
    # BLAS counts columns first, so it sees every matrix transposed: it is asked for out^T = b^T a^T.
    rows, columns = out.shape
    flags = np.empty(2, np.uint8)
    flags[0] = 84 if is_b_transposed else 78  # T or N
    flags[1] = 84 if is_a_transposed else 78
    sizes = np.empty(6, np.int64)
    sizes[0], sizes[1] = columns, rows
    sizes[2] = a.shape[0] if is_a_transposed else a.shape[1]
    sizes[3], sizes[4], sizes[5] = b.shape[1], a.shape[1], columns  # the lengths of rows
    factors = np.empty(2, np.float32)
    factors[0], factors[1] = 1, 1 if is_added else 0
    _sgemm(flags, sizes, factors, b, a, out)
