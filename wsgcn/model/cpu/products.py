"""Which library's matrix products the compiled step on the CPU takes: chosen once a machine, by measuring.

MKL comes inside torch, OpenBLAS inside numpy (or scipy). Which one is faster depends on the processor, and each rounds
in its own way, so the choice decides the last bits of a training. It is kept in the user's cache folder by the
processor and the libraries' versions, and `runtime.product` overrides it.
"""

import ctypes
import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.model.cpu.cache import cache_folder, processor
from wsgcn.model.params import Product

_MARGIN = 0.9  # of the time of the library that is asked first, below which the next one is taken
_ROUNDS = 9
_SECONDS_FOR_ANOTHER_TO_MEASURE = 60.0


@dataclass(frozen=True)
class Library:
    """A library's single-precision product, by the Fortran interface.

    Attributes:
        version: with the kernels that it takes on this processor, where it says so.
        sgemm: its address. Its integers are of 32 or of 64 bits; given as the latter they suit both, as long as the
            machine is little-endian.
        set_threads: sets in how many threads the products of the whole process, or (MKL) of the calling thread, are
            computed; returns what was set before.
    """

    version: str
    sgemm: int
    set_threads: Callable[[int], int]


def _mkl() -> Library | None:
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        version = ctypes.create_string_buffer(256)
        library.MKL_Get_Version_String(version, len(version))
        return Library(version.value.decode().strip(), _address(library.sgemm_), library.MKL_Set_Num_Threads_Local)
    except (OSError, AttributeError):
        return None


def _openblas() -> Library | None:
    packages = Path(np.__file__).parents[1]
    for pattern in ("numpy.libs/*openblas*", "numpy/.dylibs/*openblas*", "scipy.libs/*openblas*"):
        for path in sorted(packages.glob(pattern)):
            with suppress(OSError):
                library = ctypes.CDLL(str(path))
                for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
                    with suppress(AttributeError):
                        return _openblas_of(library, prefix, suffix)
    return None


def _openblas_of(library: ctypes.CDLL, prefix: str, suffix: str) -> Library:
    """Raises AttributeError where its functions have other names."""
    sgemm = getattr(library, f"{prefix}sgemm_{suffix}")
    get_config, get_threads, set_threads = (
        getattr(library, f"{prefix}openblas_{name}{suffix}")
        for name in ("get_config", "get_num_threads", "set_num_threads")
    )
    get_config.restype = ctypes.c_char_p

    def exchange_threads(threads: int) -> int:
        before = get_threads()
        if before != threads:
            set_threads(threads)
        return before

    return Library(get_config().decode().strip(), _address(sgemm), exchange_threads)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@functools.cache
def at_hand() -> Mapping[Product, Library]:
    """The libraries that are there; of two equally fast ones the first is taken."""
    found: dict[Product, Library | None] = {"mkl": _mkl(), "openblas": _openblas()}
    return {name: library for name, library in found.items() if library is not None}


_wanted: Product = "auto"
_in_use: Product | None = None


def want(product: Product) -> None:
    """From now on take this library's products; with auto those of the library that is chosen at their first use.

    Raises:
        InputError: the library is not there.
    """
    global _wanted, _in_use
    if product != "auto" and product not in at_hand():
        raise InputError(
            f"runtime.product: is {product}, which neither torch nor numpy brings on this machine "
            f"(found {', '.join(at_hand()) or 'none'}); use auto."
        )
    _wanted, _in_use = product, None


def in_use() -> str:
    """The name of the library whose products were used since `want`; empty where none were."""
    return _in_use or ""


def library() -> Library:
    """The one to use; there has to be one `at_hand`."""
    global _in_use
    if _in_use is None:
        _in_use = _wanted if _wanted != "auto" else _chosen()
    return at_hand()[_in_use]


def _chosen() -> Product:
    names = list(at_hand())
    if len(names) == 1:
        return names[0]
    try:
        path = cache_folder() / f"product-{_key()}.json"
        if (kept := _kept(path)) is not None:
            return kept
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_SECONDS_FOR_ANOTHER_TO_MEASURE):
            if (kept := _kept(path)) is None:
                seconds = measured_s()
                kept = _fastest(seconds)
                write_atomically(path, json.dumps({"product": kept, "seconds": seconds}).encode())
            return kept
    except (OSError, RuntimeError, InputError):  # it took too long, or the user has no home
        return names[0]  # what cannot be kept might be another one the next time


def _kept(path: Path) -> Product | None:
    """What was chosen; None where that is not known, or the file is damaged."""
    try:
        product = json.loads(path.read_bytes())["product"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return next((name for name in at_hand() if name == product), None)


def _fastest(seconds: Mapping[Product, float]) -> Product:
    first = next(iter(seconds))
    fastest = min(seconds, key=lambda name: seconds[name])
    return fastest if seconds[fastest] < _MARGIN * seconds[first] else first


def _key() -> str:
    parts = [processor(), torch.__version__, np.__version__, *(library.version for library in at_hand().values())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# rows, inner, columns, and whether the first and the second factor come transposed: a block of a graph convolution of
# 128 and of 64 channels, forth and back, and of the non-local layer
_SHAPES = [
    shape
    for channels in (128, 64)
    for shape in (
        (256, 2 * channels, channels, False, False),
        (2 * channels, 256, channels, True, False),
        (256, channels, 2 * channels, False, True),
        (256, channels, channels, False, True),
    )
]
OPERATIONS = sum(2 * rows * inner * columns for rows, inner, columns, _, _ in _SHAPES)


def measured_s() -> dict[Product, float]:
    """Seconds of the step's products in one thread by library: of each the least of several, taken by turns."""
    generator = np.random.default_rng(0)
    names = list(at_hand())
    total = dict.fromkeys(names, 0.0)
    for rows, inner, columns, is_a_transposed, is_b_transposed in _SHAPES:
        a, b = (
            generator.random(shape[::-1] if is_transposed else shape, np.float32)
            for shape, is_transposed in (((rows, inner), is_a_transposed), ((inner, columns), is_b_transposed))
        )
        out = np.empty((rows, columns), np.float32)
        calls = {name: _call(at_hand()[name], a, b, out, is_a_transposed, is_b_transposed) for name in names}
        found: dict[Product, list[float]] = {name: [] for name in names}
        for _ in range(_ROUNDS):
            for name, call in calls.items():
                found[name].append(call())
        for name in names:
            total[name] += min(found[name])
    return total


def _call(
    library: Library, a: np.ndarray, b: np.ndarray, out: np.ndarray, is_a_transposed: bool, is_b_transposed: bool
) -> Callable[[], float]:
    """out = a b by a library, as `wsgcn.model.cpu.blas.product` asks for it; returns the seconds that it took."""
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(library.sgemm)
    inner = a.shape[0] if is_a_transposed else a.shape[1]
    flags = [ctypes.c_char(b"T" if is_transposed else b"N") for is_transposed in (is_b_transposed, is_a_transposed)]
    sizes = [ctypes.c_int64(n) for n in (out.shape[1], out.shape[0], inner, b.shape[1], a.shape[1], out.shape[1])]
    one, none = ctypes.c_float(1), ctypes.c_float(0)
    given: list[Any] = [*flags, *sizes[:3], one, b.ctypes, sizes[3], a.ctypes, sizes[4], none, out.ctypes, sizes[5]]
    arguments = [item.data if hasattr(item, "data_as") else ctypes.addressof(item) for item in given]

    def seconds() -> float:
        threads = library.set_threads(1)
        started = time.perf_counter()
        function(*arguments)
        elapsed = time.perf_counter() - started
        library.set_threads(threads)
        return elapsed if given else 0.0  # which keeps alive what the addresses are of

    return seconds
