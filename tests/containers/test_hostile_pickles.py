"""Pickles that aim at numpy's own functions. Each is read in a child process, since what it once did was to end it."""

import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_CHILD = """
import sys
from wsgcn.base.errors import InputError
from wsgcn.containers.npz import load_npz
try:
    load_npz(sys.argv[1])
except InputError as error:
    print(error)
    sys.exit(3)
"""
_ADDRESS = struct.pack("<Q", 0x414141414141)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def raw(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def call(name: str, *arguments: bytes) -> bytes:
    module, _, function = name.rpartition(".")
    return b"c" + f"{module}\n{function}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def named(name: str) -> bytes:
    module, _, function = name.rpartition(".")
    return b"c" + f"{module}\n{function}\n".encode()


def state(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"tb"


def dtype(code: str, flags: int = 0, *, order: str = "|", size: int = -1, names: bytes = b"N", fields: bytes = b"N"):
    sizes = number(size) + number(1 if size > 0 else -1)
    return call("numpy.dtype", text(code), number(0), number(1)) + state(
        number(3), text(order), b"N", names, fields, sizes, number(flags)
    )


ZERO, ONE, EMPTY = number(0), number(1), b"("
CORE = "numpy._core"
ARRAY = call(f"{CORE}.multiarray._reconstruct", named("numpy.ndarray"), ZERO + b"\x85", raw(b"b"))
NOTHING = b")"  # the empty tuple
FAR = (
    b"}" + text("a") + b"(" + dtype("f8") + number(2**28) + b"ts"  # {'a': (dtype('f8'), 2**28)}
)

HOSTILE = {
    "ndarray of an address": call("numpy.ndarray", NOTHING, text("O"), raw(_ADDRESS)),
    "ndarray new": named("numpy.ndarray") + b"(" + NOTHING + text("O") + raw(_ADDRESS) + b"t\x81",
    "ndarray with strides": call(
        "numpy.ndarray", ONE + b"\x85", text("f8"), raw(_ADDRESS), ZERO, number(2**30) + b"\x85"
    ),
    "ndarray of a size": call("numpy.ndarray", number(2**31 - 1) + b"\x85"),
    "dtype without the object flag, frombuffer": call(
        f"{CORE}.numeric._frombuffer", raw(_ADDRESS), dtype("O8"), ONE + b"\x85", text("C")
    ),
    "dtype without the object flag, state": ARRAY + state(ONE, NOTHING, dtype("O8"), b"\x89", raw(_ADDRESS)),
    "dtype without the object flag, list of bytes": ARRAY
    + state(ONE, ONE + b"\x85", dtype("O8"), b"\x89", b"]" + raw(_ADDRESS) + b"a" + raw(_ADDRESS) + b"a"),
    "dtype without the object flag, scalar": call(f"{CORE}.multiarray.scalar", dtype("O8"), raw(_ADDRESS)),
    "object scalar": call(f"{CORE}.multiarray.scalar", dtype("O8", 63), raw(_ADDRESS)),
    "a field far outside": ARRAY
    + state(ONE, NOTHING, dtype("V8", size=8, names=text("a") + b"\x85", fields=FAR), b"\x89", raw(_ADDRESS)),
    "a field far outside, scalar": call(
        f"{CORE}.multiarray.scalar", dtype("V8", size=8, names=text("a") + b"\x85", fields=FAR), raw(_ADDRESS)
    ),
    "a dtype whose size is not its own": ARRAY + state(ONE, NOTHING, dtype("U1", size=2**20), b"\x89", raw(_ADDRESS)),
    "a text dtype of a gigabyte": ARRAY + state(ONE, ZERO + b"\x85", dtype("U268435456"), b"\x89", raw(b"")),
    "more shape than bytes": ARRAY + state(ONE, number(2**20) + b"\x85", dtype("f8"), b"\x89", raw(_ADDRESS)),
    "less shape than bytes": ARRAY + state(ONE, NOTHING, dtype("f4"), b"\x89", raw(_ADDRESS)),
    "a negative shape": ARRAY + state(ONE, number(-1) + b"\x85", dtype("f8"), b"\x89", raw(_ADDRESS)),
    "a product that wraps around": ARRAY
    + state(ONE, b"(" + (number(2**30) * 3 + b"t"), dtype("f8"), b"\x89", raw(_ADDRESS)),
    "an array without a state": ARRAY,
    "an array within itself": call(f"{CORE}.multiarray._reconstruct", named("numpy.ndarray"), ZERO + b"\x85", raw(b"b"))
    + b"q\x07"
    + state(ONE, ONE + b"\x85", dtype("O8", 63), b"\x89", b"]h\x07a"),
    "a state for a dtype that is built": dtype("f8") + state(ONE, NOTHING, b"N", b"\x89", raw(b"")),
    "a subarray dtype": call("numpy.dtype", text("(1000000,1000000)f8"), ZERO, ONE)
    + state(number(3), text("<"), b"N", b"N", b"N", number(-1), number(-1), ZERO),
    "bytes of a size": call("builtins.bytes", number(2**31 - 1)),
    "a place far away in the memo": b"]r\xff\xff\xff\x7f" + call("numpy.dtype", text("f8")),
    "a number of a megabyte": b"\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20,
    "a list that holds itself": b"]q\x01h\x01a",
    "lists that double thirty times": b"]" + b"".join(b"q\x01]h\x01ah\x01a" for _ in range(30)),
    "a nested key": b"}" + b")" + b"\x85" * 100_000 + ONE + b"s",
    "a nested tuple": b")" + b"\x85" * 100_000,
    "an attribute": named("numpy.ndarray") + b"}" + text("__module__") + text("x") + b"s" + b"b",
    "a name through numpy": named("numpy.dtype.__base__"),
    "persistent id": text("x") + b"Q",
    "an extension": b"\x82\x01",
    "an instance": b"(inumpy\nndarray\n",
    "an object": b"(" + named("numpy.ndarray") + NOTHING + b"o",
    "a buffer from elsewhere": b"\x97",
    "nothing": b"",
    "an empty stack": b"a",
}


def npz(path: Path, pickled: bytes) -> Path:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickled)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_ends_in_one_sentence(name: str, tmp_path: Path) -> None:
    path = npz(tmp_path / "hostile.npz", b"\x80\x05" + HOSTILE[name] + b".")
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 3, child.stderr[-2000:]
    assert child.stdout.startswith(str(path))
    assert len(child.stdout.splitlines()) == 1
    assert len(child.stdout) < 500 + len(str(path))


def test_what_is_put_together_here_is_what_numpy_writes(tmp_path: Path) -> None:
    """So that the files above fail for the reason that they are named for."""
    import numpy as np

    sound = ARRAY + state(ONE, ONE + b"\x85", dtype("f8", order="<"), b"\x89", raw(struct.pack("<d", 2.5)))
    assert pickle.loads(b"\x80\x05" + sound + b".") == np.array([2.5])
    objects = ARRAY + state(ONE, ONE + b"\x85", dtype("O8", 63), b"\x89", b"]" + text("x") + b"a")
    assert pickle.loads(b"\x80\x05" + objects + b".").tolist() == ["x"]
    scalar = call(f"{CORE}.multiarray.scalar", dtype("f8", order="<"), raw(struct.pack("<d", 2.5)))
    assert pickle.loads(b"\x80\x05" + scalar + b".") == 2.5
