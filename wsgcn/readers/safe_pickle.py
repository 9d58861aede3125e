"""npz files with pickled arrays, read without running what the pickle asks for.

A pickle may name any function and have it called. This reader knows the few names that numpy writes to rebuild arrays,
and refuses a file at the first other one.
"""

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from wsgcn.errors import InputError


def load_npz(path: Path | str) -> dict[str, object]:
    """Read every member of an npz file, pickled ones included.

    Pickles of Python 2 are read with their strings as latin-1.

    Returns:
        name -> array, or the Python object (dicts, lists, strings, numbers, arrays) that a 0-d object array holds.

    Raises:
        InputError: the file is missing, no npz, truncated or damaged, or would run code on loading.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {_array_name(path, info): _read_member(path, archive, info) for info in archive.infolist()}
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: not found.") from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"{path}: is not a readable npz file, truncated or damaged ({_reason(error)}).") from error


def _array_name(path: Path | str, info: zipfile.ZipInfo) -> str:
    if not info.filename.endswith(".npy"):
        raise InputError(f"{path}: is not an npz file; it holds {info.filename}, expected .npy members only.")
    return info.filename.removesuffix(".npy")


def _read_member(path: Path | str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> object:
    with archive.open(info) as stream:
        if _is_pickled(stream):
            array = _ArraysOnly(stream, path).load()
            stream.read(1)  # at the end of the member zipfile compares the checksum
            if not isinstance(array, np.ndarray):
                raise InputError(f"{path}: {info.filename} is a pickled {type(array).__name__}, expected an array.")
            return array.item() if array.ndim == 0 else array
    with archive.open(info) as stream:
        return npy_format.read_array(stream, allow_pickle=False)


def _is_pickled(stream: IO[bytes]) -> bool:
    """Whether the array that starts here is one of objects; the stream is left behind its header."""
    match npy_format.read_magic(stream):
        case (1, 0):
            _, _, dtype = npy_format.read_array_header_1_0(stream)
        case (2, 0):
            _, _, dtype = npy_format.read_array_header_2_0(stream)
        case _:  # (3, 0) is for structured arrays with field names beyond latin-1; numpy refuses objects in them
            return False
    return dtype.hasobject


def _encode_latin1(text: str, encoding: str) -> bytes:
    """How protocol 2 of Python 3 writes bytes; other codecs, some of which inflate, are not admitted."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}, expected 'latin1'")
    return text.encode("latin1")


def _numpy_names() -> dict[tuple[str, str], Any]:
    # numpy's own reconstruction functions, under the module names of numpy 1 and numpy 2
    multiarray, numeric = np._core.multiarray, np._core.numeric  # type: ignore[attr-defined]
    admitted: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for core in ("numpy.core", "numpy._core"):
        admitted[f"{core}.multiarray", "_reconstruct"] = multiarray._reconstruct
        admitted[f"{core}.multiarray", "scalar"] = multiarray.scalar
        admitted[f"{core}.numeric", "_frombuffer"] = numeric._frombuffer
    return admitted


_ADMITTED: dict[tuple[str, str], Any] = {
    **_numpy_names(),
    ("_codecs", "encode"): _encode_latin1,
    ("builtins", "bytes"): bytes,
    ("__builtin__", "bytes"): bytes,
}


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds arrays and the containers that have opcodes of their own; looks up no other name."""

    def __init__(self, stream: IO[bytes], path: Path | str) -> None:
        super().__init__(stream, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise InputError(
                f"{self._path}: would run code on loading (found {module}.{name}); "
                "only arrays, dicts, lists, strings and numbers are read."
            )
        return _ADMITTED[module, name]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip(": ").rstrip(".")
