"""numba's compiler as the training step on the CPU uses it, and where it keeps what it compiled.

Compiling takes some dozen seconds. numba would keep the result beside the source, and so compile again in each
temporary checkout of `dvc exp run --queue` or `--temp`; and it looks at a function's own file alone, so that it would
not notice a change in another file that the function calls. Here the results lie in the user's cache folder, by the
content of all files that take part, and are as trusted as the bytecode that Python keeps.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import UserProvidedCacheLocator

from wsgcn.model.cpu.cache import cache_folder

SOURCES = ("compiled.py", "cache.py", "blas.py", "crew.py", "vectors.py", "kernels.py", "adam.py", "prediction.py")


def compiled(**settings: Any) -> Callable[[Any], Any]:
    """`numba.njit` with the cache of this package, for functions of `SOURCES` that hold no interpreter lock."""

    def decorate(function: Any) -> Any:
        of_others = config.CACHE_LOCATOR_CLASSES
        in_order = (f"{__name__}.{Locator.__name__}", "UserProvidedCacheLocator", "InTreeCacheLocator")
        config.CACHE_LOCATOR_CLASSES = ",".join((*in_order, "UserWideCacheLocator"))
        try:
            return numba.njit(nogil=True, cache=True, error_model="numpy", **settings)(function)
        finally:
            config.CACHE_LOCATOR_CLASSES = of_others

    return decorate


class Locator(UserProvidedCacheLocator):
    """The folder of what the sources, as they are, are compiled to."""

    def __init__(self, function: Any, path: str) -> None:
        self._py_file, self._lineno = path, function.__code__.co_firstlineno
        sources = (Path(path).with_name(name).read_bytes() for name in SOURCES)
        self._stamp = hashlib.sha256(b"\0".join(sources)).hexdigest()
        self._cache_path = str(cache_folder() / self._stamp[:16])

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "Locator | None":
        """None, and so numba's own choice of a folder, where nothing can be written."""
        try:
            locator = cls(py_func, py_file)
            locator.ensure_cache_path()
        except (OSError, RuntimeError):  # the latter where the user has no home
            return None
        return locator

    def get_source_stamp(self) -> str:
        return self._stamp
