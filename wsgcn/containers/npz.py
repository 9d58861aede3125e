"""npz files with pickled arrays, read without running what the pickle asks for.

A pickle is a program for a small stack machine, and some of its instructions call whatever function the file names.
The machine here has the instructions that containers, numbers, strings and arrays need and no others. Nothing is ever
looked up or called by name: the few names that numpy writes stand for forms of our own, which record what numpy would
have been told, check it, and then build the array from its bytes. numpy's own functions are no safe substitute: told
to, they take eight bytes of the file for the address of an object.
"""

import io
import math
import pickletools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, reading
from wsgcn.containers.archives import ZipArchive
from wsgcn.containers.npy import read_header, read_numbers


def load_npz(path: Path | str) -> dict[str, object]:
    """Read every member of an npz file, pickled ones included.

    Pickles of Python 2 are read with their strings as latin-1.

    Returns:
        name -> array, or the Python object (dicts, lists, strings, numbers, arrays) that a 0-d object array holds.

    Raises:
        InputError: the file is missing, no npz, truncated or damaged, would run code on loading, or exceeds a limit of
            `wsgcn.base.limits`.
    """
    return {name: _read_array(path, name, content) for name, content in _members(path)}


def load_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read every member of an npz file in which nothing is pickled.

    Raises:
        InputError: the file is missing, no npz, truncated or damaged, holds objects, or exceeds a limit.
    """
    arrays = {}
    for name, content in _members(path):
        with reading(path, "npz file"):
            arrays[name] = read_numbers(content, read_header(content))
    return arrays


def load_pickled_npy(path: Path | str) -> object:
    """What an npy file holds, pickled or not: an array, or the object in a 0-d array of objects.

    Raises:
        InputError: see `load_npz`.
    """
    return _read_array(path, "it", io.BytesIO(limits.read_file(path, limits.ARRAYS_BYTES)), "npy file")


def _members(path: Path | str) -> Iterator[tuple[str, io.BytesIO]]:
    with ZipArchive(path, "npz file") as archive:
        archive.check_sizes(archive.members, limits.ARRAYS_BYTES, limits.ARRAYS_BYTES)
        for info in archive.members:
            if not info.filename.endswith(".npy"):
                raise InputError(
                    f"{path}: is not an npz file; it holds {brief(info.filename)}, expected .npy members only."
                )
            yield info.filename.removesuffix(".npy"), archive.read(info)


def _read_array(path: Path | str, name: str, content: io.BytesIO, kind: str = "npz file") -> object:
    with reading(path, kind):
        header = read_header(content)
        array = unpickle(content, path) if header.dtype.hasobject else read_numbers(content, header)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: {brief(name)} is a pickled {type(array).__name__}, expected an array.")
    return array.item() if array.ndim == 0 and array.dtype.hasobject else array


class _Malformed(ValueError):
    """The pickle asks for something that a sound one does not."""


def unpickle(buffer: io.BytesIO, origin: Path | str) -> object:
    """The containers, numbers, strings and arrays in a pickle.

    Args:
        buffer: positioned at the pickle.
        origin: the file, for the message.

    Raises:
        InputError: it names anything but numpy's forms of an array.
        ValueError: it is truncated, damaged, says of an array what its bytes are not, or exceeds a limit.
    """
    size = buffer.getbuffer().nbytes
    machine = _Machine(origin, size)
    for steps, (opcode, argument, _) in enumerate(pickletools.genops(buffer)):
        if steps > limits.PICKLE_STEPS:
            raise _Malformed(f"more than {limits.PICKLE_STEPS:,} instructions, which is the limit")
        machine.do(opcode.name, argument)
    result = machine.pop()
    refuse_unfolding(result, size)
    return result


# What a pickle says by name. numpy 1 and 2 differ in the name of the package that numpy's core lies in.
_NDARRAY, _DTYPE = ("numpy", "ndarray"), ("numpy", "dtype")
_MODULES = {
    f"{core}.{module}": module for core in ("numpy.core", "numpy._core") for module in ("multiarray", "numeric")
}
_FUNCTIONS = {("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer")}
_NAMES = {_NDARRAY, _DTYPE, ("_codecs", "encode"), ("builtins", "bytes"), ("__builtin__", "bytes"), *_FUNCTIONS}


class _Name:
    """A function or class that the pickle names; it is never that function."""

    def __init__(self, module: str, name: str) -> None:
        self.key = (_MODULES.get(module, module), name)


class _Pending:
    """An array or a dtype whose state comes later; it may not be used before."""

    def __init__(self, build: Callable[[object], object]) -> None:
        self.build = build
        self.places: list[int] = []  # in the memo


class _Mark:
    """Where a run of items begins on the stack."""


class _Machine:
    """The stack, the memo, and the instructions that are carried out."""

    def __init__(self, origin: Path | str, size: int) -> None:
        self._origin = origin
        self._left = _most(size)
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _LITERALS:
            if isinstance(argument, int) and argument.bit_length() > limits.PICKLE_BITS:
                raise _Malformed(f"a number of {argument.bit_length()} bits")
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif (instruction := _INSTRUCTIONS.get(name)) is not None:
            instruction(self, argument)
        else:
            raise _Malformed(f"the instruction {name}, which no file of arrays needs")

    def pop(self) -> Any:
        if not self._stack:
            raise _Malformed("takes from an empty stack")
        item = self._stack.pop()
        if isinstance(item, _Pending | _Mark):
            raise _Malformed("an array without content")
        return item

    def _top(self) -> Any:
        if not self._stack:
            raise _Malformed("looks at an empty stack")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while not (self._stack and isinstance(self._stack[-1], _Mark)):
            items.append(self.pop())
        self._stack.pop()
        return items[::-1]

    def _paid(self, built: object) -> object:
        """What was copied out of the file's bytes, of which the memo could make any number of copies."""
        self._left -= built.nbytes if isinstance(built, np.ndarray) else len(built) if isinstance(built, bytes) else 0
        if self._left < 0:
            raise _Malformed("the same bytes again and again, for arrays that grow without bound")
        return built

    def _drop(self, _: object) -> None:
        self._stack.pop()

    def _drop_to_mark(self, _: object) -> None:
        self._pop_to_mark()

    def _mark(self, _: object) -> None:
        self._stack.append(_Mark())

    def _put(self, place: int | None) -> None:
        item = self._top()
        place = len(self._memo) if place is None else place
        if isinstance(item, _Mark):
            raise _Malformed("keeps what is nothing")
        if isinstance(item, _Pending):
            item.places.append(place)
        self._memo[place] = item

    def _get(self, place: int) -> None:
        if place not in self._memo:
            raise _Malformed(f"refers to {place}, which it has not kept")
        item = self._memo[place]
        if isinstance(item, _Pending):
            raise _Malformed("an array inside itself")
        self._stack.append(item)

    def _tuple(self, length: int) -> None:
        self._stack.append(tuple([self.pop() for _ in range(length)][::-1]))

    def _collect(self, kind: type) -> None:
        items = self._pop_to_mark()
        self._stack.append(_dict_of(items) if kind is dict else kind(items))

    def _append(self, items: list[Any]) -> None:
        if type(target := self._top()) is not list:
            raise _Malformed(f"appends to a {type(target).__name__}")
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        if type(target := self._top()) is not dict:
            raise _Malformed(f"sets an item of a {type(target).__name__}")
        target.update(_dict_of(items))

    def _global(self, module: str, name: str) -> None:
        named = _Name(module, name)
        if named.key not in _NAMES or (named.key in _FUNCTIONS and module not in _MODULES):
            raise InputError(
                f"{self._origin}: would run code on loading (found {brief(module, 60)}.{brief(name, 60)}); "
                "only arrays, dicts, lists, strings and numbers are read."
            )
        self._stack.append(named)

    def _global_in_text(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._global(module, name)

    def _global_from_stack(self, _: object) -> None:
        name, module = self.pop(), self.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise _Malformed("a name that is no text")
        self._global(module, name)

    def _reduce(self, _: object) -> None:
        arguments, named = self.pop(), self.pop()
        if not (isinstance(named, _Name) and isinstance(arguments, tuple)):
            raise _Malformed("calls what is no function")
        self._stack.append(self._paid(_form(named, arguments)))

    def _build(self, _: object) -> None:
        state, pending = self.pop(), self._top()
        if not isinstance(pending, _Pending):
            raise _Malformed(f"gives a state to a {type(pending).__name__}")
        built = self._paid(pending.build(state))
        self._stack[-1] = built
        for place in pending.places:
            self._memo[place] = built


_IGNORED = {"PROTO", "FRAME", "STOP"}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], object]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "POP": _Machine._drop,
    "POP_MARK": _Machine._drop_to_mark,
    "TUPLE": lambda machine, _: machine._collect(tuple),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "LIST": lambda machine, _: machine._collect(list),
    "DICT": lambda machine, _: machine._collect(dict),
    "APPEND": lambda machine, _: machine._append([machine.pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._pop_to_mark()),
    "SETITEM": lambda machine, _: machine._set([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set(machine._pop_to_mark()),
    "PUT": _Machine._put,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._put,
    "GET": _Machine._get,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "GLOBAL": _Machine._global_in_text,
    "STACK_GLOBAL": _Machine._global_from_stack,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}


def _dict_of(items: list[Any]) -> dict[Any, Any]:
    keys = items[::2]
    if len(items) % 2 or not all(_is_key(key) for key in keys):
        raise _Malformed("a dict whose keys are no names")
    return dict(zip(keys, items[1::2], strict=True))


def _is_key(key: object) -> bool:
    """A name or a number, or a few of them together."""
    return all(
        isinstance(part, str | int | float | bytes | np.integer) for part in (key if isinstance(key, tuple) else (key,))
    )


def _form(named: _Name, arguments: tuple[Any, ...]) -> object:
    """What numpy would have made of these arguments, or what waits for its state."""
    match named.key, arguments:
        case ("numpy", "dtype"), (str(code), *_):
            return _Pending(lambda state: _dtype(code, state))
        case ("multiarray", "_reconstruct"), (_Name(key=("numpy", "ndarray")), *_):
            return _Pending(_array_of_state)
        case ("multiarray", "scalar"), (np.dtype() as dtype, bytes() | str() as data):
            return _array(dtype, (), _bytes(data), "C")[()]
        case ("numeric", "_frombuffer"), (bytes() | bytearray() as data, np.dtype() as dtype, tuple(shape), order, *_):
            return _array(dtype, shape, data, order)
        case ("_codecs", "encode"), (str(text), "latin1"):
            return text.encode("latin1")  # how protocol 2 of Python 3 writes bytes
        case ("_codecs", "encode"), (str(), encoding):
            raise _Malformed(f"bytes in the encoding {encoding!r:.40}, expected 'latin1'")
        case (("builtins" | "__builtin__"), "bytes"), ():
            return b""
    raise _Malformed(f"arguments of {'.'.join(named.key)} that numpy does not write")


def _dtype(code: str, state: object) -> np.dtype:
    """A dtype of plain numbers, texts or objects, from what numpy writes: its code, and (version, byte order, ...)."""
    match state:
        case (int(), ("<" | ">" | "=" | "|") as order, None, None, (None | ()), int(size), int(), int(), *_):
            dtype = np.dtype(code if re.fullmatch(r"b1|[fiu][1248]|[SU]\d{1,6}|O8?", code) else "V1")
            if dtype.kind != "V" and size in (-1, dtype.itemsize):
                return dtype if order in "=|" else dtype.newbyteorder(order)
    raise _Malformed(f"an array of {code!r:.40}, expected plain numbers, texts or objects")


def _array_of_state(state: object) -> np.ndarray:
    match state:
        case (int(), tuple(shape), np.dtype() as dtype, bool() | int() as is_fortran, data):
            return _array(dtype, shape, _bytes(data) if isinstance(data, str) else data, "F" if is_fortran else "C")
    raise _Malformed("an array whose state is not numpy's")


def _array(dtype: np.dtype, shape: tuple[Any, ...], data: object, order: object) -> np.ndarray:
    """The array, if what it says of itself is what is there."""
    if not all(type(length) is int and length >= 0 for length in shape) or order not in ("C", "F"):
        raise _Malformed("an array whose shape is none")
    count = math.prod(shape)
    if dtype.kind == "O":
        if type(data) is not list or len(data) != count:
            raise _Malformed(f"an array of {count:.3g} objects without them")
        array = np.empty(count, dtype=object)
        for index, item in enumerate(data):  # all at once numpy would look into the items
            array[index] = item
    else:
        if not isinstance(data, bytes | bytearray) or len(data) != count * dtype.itemsize:
            raise _Malformed(f"an array of {brief(count, 30)} numbers whose bytes are of another length")
        array = np.frombuffer(data, dtype).copy() if count and dtype.itemsize else np.zeros(count, dtype)
    return array.reshape(shape, order=order)


def _bytes(text: bytes | str) -> bytes:
    return text.encode("latin1") if isinstance(text, str) else text  # Python 2 has one type for both


def _most(size: int) -> int:
    """Bytes and items in what a pickle of so many bytes makes, if no part of it is used again and again."""
    return 2**20 + 4 * size


def refuse_unfolding(tree: object, size: int) -> None:
    """Refuse what holds itself, or holds the same part so often that going through it would have no end.

    Sizes are counted once for each object and added up along all the ways to it; whoever goes through the tree takes as
    long as that. Without parts in common the sum is at most that of the bytes.

    Args:
        size: of the pickle that it comes from, in bytes.

    Raises:
        ValueError: it is such a tree, or too deep.
    """
    most = _most(size)
    unfolded: dict[int, int] = {}
    open_ones: set[int] = set()
    waiting: list[tuple[object, bool]] = [(tree, False)]
    while waiting:
        item, is_done = waiting.pop()
        parts = _parts(item)
        if is_done:
            open_ones.discard(id(item))
            total = 1 + sum(unfolded.get(id(part), _own_size(part)) for part in parts)
            if total > most:
                raise _Malformed("the same parts again and again, which grow without bound")
            unfolded[id(item)] = total
        elif id(item) in open_ones:
            raise _Malformed("something that holds itself")
        elif id(item) not in unfolded and parts:
            open_ones.add(id(item))
            if len(open_ones) > limits.NESTED:
                raise _Malformed(f"containers in each other, more than {limits.NESTED} deep")
            waiting.append((item, True))
            waiting += [(part, False) for part in parts if _parts(part)]


def _parts(item: object) -> Any:
    match item:
        case dict():
            return (*item.keys(), *item.values())
        case list() | tuple():
            return item
        case np.ndarray() if item.dtype.kind == "O":
            return item.ravel().tolist()
    return ()


def _own_size(item: object) -> int:
    return 1 + (item.nbytes if isinstance(item, np.ndarray) else 0)
