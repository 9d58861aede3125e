"""Damage to files, drawn from a seeded generator: to their bytes, and to what a format's own library sees in them.

`damaged` looks at the first bytes for the format. Containers are opened, a member is damaged by the same function, and
the whole is put together again with right lengths and checksums, so that the damage gets as far as the reader inside.
"""

import copy
import gzip
import io
import json
import pickle
import pickletools
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from tests.fuzz import hdf5, tables

T = TypeVar("T")

_LARGEST = 4 * 2**20  # bytes of a damaged text
_BOMB = 700 * 2**20  # bytes of zeros
_INTEGERS = (0, 1, -1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**63 - 1, -(2**63))


@dataclass(frozen=True)
class Draw:
    """The generator of one case, and what damage may draw on.

    Attributes:
        pool: the contents of the target's sound files.
        canary: a folder of files that nobody may open, see `child`.
    """

    rng: np.random.Generator
    pool: Sequence[bytes]
    canary: Path

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def below(self, end: int) -> int:
        """A number from 0 to `end` - 1; 0 where there is none."""
        return int(self.rng.integers(end)) if end > 0 else 0

    def few(self) -> int:
        """1, often; seldom more than 8."""
        return int(self.rng.geometric(0.4))

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def bytes(self, count: int) -> bytes:
        return self.rng.bytes(count)


Damage = Callable[[Draw, bytes], bytes]


def damaged(draw: Draw, content: bytes) -> bytes:
    """The content with some damage."""
    structured = _structured(content)
    if structured is None or draw.chance(0.3):
        return _damaged_bytes(draw, content)
    try:
        return structured(draw, content)
    except Exception:  # the format's own library refuses to write some of this
        return _damaged_bytes(draw, content)


def _structured(content: bytes) -> Damage | None:
    for damage, matches in _FORMATS.items():
        if matches(content):
            return damage
    return None


# bytes and text


def _damaged_bytes(draw: Draw, content: bytes) -> bytes:
    is_text = content.isascii()
    for _ in range(draw.few()):
        edit = draw.pick(_TEXT_EDITS if is_text and draw.chance(0.5) else _EDITS)
        content = edit(draw, content)
    return content


def _flip(draw: Draw, content: bytes) -> bytes:
    edited = bytearray(content)
    for _ in range(draw.few()):
        if edited:
            edited[draw.below(len(edited))] ^= 1 << draw.below(8)
    return bytes(edited)


def _overwrite(draw: Draw, content: bytes) -> bytes:
    start = draw.below(len(content))
    new = draw.pick([draw.bytes(draw.few()), bytes(draw.below(64)), b"\xff" * draw.below(64)])
    return content[:start] + new + content[start + len(new) :]


def _insert(draw: Draw, content: bytes) -> bytes:
    start = draw.below(len(content))
    return content[:start] + draw.pick([draw.bytes(draw.below(40)), bytes(draw.below(600))]) + content[start:]


def _delete(draw: Draw, content: bytes) -> bytes:
    start = draw.below(len(content))
    return content[:start] + content[start + 1 + draw.below(draw.pick([4, 64, 1024])) :]


def _truncate(draw: Draw, content: bytes) -> bytes:
    return content[: draw.below(len(content))]


def _repeat(draw: Draw, content: bytes) -> bytes:
    start = draw.below(len(content))
    block = content[start : start + 1 + draw.below(512)]
    return content[:start] + block * (1 + draw.few()) + content[start + len(block) :]


def _splice(draw: Draw, content: bytes) -> bytes:
    other = draw.pick(draw.pool)
    return content[: draw.below(len(content))] + other[draw.below(len(other)) :]


def _number(draw: Draw, content: bytes) -> bytes:
    """A number that is often too much, in 1 to 8 bytes, at an offset that is a multiple of its size."""
    size = draw.pick([1, 2, 4, 8])
    start = draw.below(len(content) // size) * size
    number = draw.pick([*_INTEGERS, len(content), len(content) + 1]) % 2 ** (8 * size)
    return content[:start] + number.to_bytes(size, draw.pick(["little", "big"])) + content[start + size :]


_EDITS: tuple[Damage, ...] = (_flip, _overwrite, _insert, _delete, _truncate, _repeat, _splice, _number, _number)

_TOKEN = re.compile(rb"-?\d+\.?\d*(?:[eE][-+]?\d+)?|\w+|[^\w\s]")
_WORDS = (
    *(
        b"0 -1 1e400 -1e400 1e-400 NaN nan -Infinity inf 99999999999999999999999 0x7f 1_000 null true [] {} '' \"\""
    ).split(),
    b"1" * 5000,
    b"9" * 400,
    b"[" * 20_000,
    b"{" * 200,
    b"(" * 300,
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "é\u2028".encode(),
    b"\\ud800",
    b"x" * 100_000,
    b"\x1b[31m",
    b"\n",
)


def _token(draw: Draw, content: bytes) -> bytes:
    """One word, number or sign replaced by another one of the text, or by an odd one."""
    found = list(_TOKEN.finditer(content))
    if not found:
        return content
    replaced = draw.pick(found)
    new = draw.pick(_WORDS) if draw.chance(0.6) else draw.pick(found)[0]
    return content[: replaced.start()] + new + content[replaced.end() :]


def _line(draw: Draw, content: bytes) -> bytes:
    """A line left out, doubled or moved."""
    lines = content.splitlines(keepends=True)
    line = draw.pick(lines) if lines else b""
    if lines and draw.chance(0.5):
        del lines[draw.below(len(lines))]
    if draw.chance(0.6):
        lines.insert(draw.below(len(lines)), line)
    return b"".join(lines)


_TEXT_EDITS: tuple[Damage, ...] = (_token, _token, _line)


# trees of plain values: JSON, YAML, and what is pickled


class Raw(str):
    """Text that stands in the file as it is, where a value would."""


_ODD = (
    *(None, True, False, 0, -1, 1, 2.5, -0.0, 2**31, 2**63, -(2**63), 10**400, 1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf"), "", "x", "0", "NaN", "\x1b[31m\nred", "\ud800", "a/b/../c", "\x00"),
    *([], {}, [[]], [[[[[]]]]], {"": None}, {"a": {"a": {}}}, [None], ["x"], [0] * 51, [1e30] * 51),
)
_LONG = ("x" * 100_000, list(range(5000)), [[0, 0, 0]] * 5000, {str(number): number for number in range(5000)})


def changed(draw: Draw, tree: Any, odd: Sequence[Any] = _ODD) -> Any:
    """A copy of a tree of lists and dictionaries in which something is of another kind, gone, doubled or moved."""
    holder = [copy.deepcopy(tree)]
    for _ in range(draw.few()):
        container, key = draw.pick(_places(holder))
        old = container[key]
        match draw.below(12):
            case 0 | 1 | 2 | 3:
                container[key] = copy.deepcopy(draw.pick(odd))
            case 4:
                container[key] = copy.deepcopy(draw.pick(_LONG)) if draw.chance(0.3) else {"x": old}
            case 5:
                container[key] = [old] * draw.pick([1, 2, 3])
            case 6 if container is not holder:
                del container[key]
            case 7 if isinstance(container, dict):
                container[draw.pick(["", "x", "0", "keypoints", "S1\n", "a/b", "\ud800"])] = container.pop(key)
            case 8 if isinstance(container, list) and container is not holder:
                container[key:key] = [copy.deepcopy(old)] * draw.pick([1, 2, 16])
            case 9:
                other_container, other_key = draw.pick(_places(holder))
                container[key] = copy.deepcopy(other_container[other_key])
            case 10 if isinstance(old, int | float):
                container[key] = draw.pick([-old, old + 1, old * 1e6, int(old), float(old), str(old), old + 0.5, [old]])
            case 11 if isinstance(old, list) and old and isinstance(old[0], dict) and draw.chance(0.3):
                container[key] = _multiplied(draw, old[0])
            case _:
                container[key] = copy.deepcopy(draw.pick(odd))
    return holder[0]


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree: in what, and under which index or key."""
    found: list[tuple[Any, Any]] = []
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        found.append((tree, key))
        if isinstance(value, dict | list):
            found += _places(value)
    return found


def _multiplied(draw: Draw, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Many like this one: in as many frames, or as many people, or both."""
    numbers = [key for key, value in entry.items() if isinstance(value, int)] + ["track_id", "idx"]
    counting = {key for key in numbers if draw.chance(0.7)}
    step = draw.pick([1, 1, 3, 10**6])
    return [entry | dict.fromkeys(counting, step * number) for number in range(2000)]


def _as_json(tree: Any) -> bytes:
    text = json.dumps(tree)
    return re.sub(r'"%%(.*?)%%"', r"\1", text).encode()[:_LARGEST]


_JSON_ODD = (*_ODD, *(f"%%{raw}%%" for raw in ("1e400", "-1e400", "1" * 5000, "[" * 5000, "[" * 900 + "]" * 900, "")))


def _damaged_json(draw: Draw, content: bytes) -> bytes:
    return _as_json(changed(draw, json.loads(content), _JSON_ODD))


_YAML_ODD = (
    *("*x", "&x [*x]", "&x {a: *x}", "!!python/object/apply:os.system ['true']", "!!python/name:os.system"),
    *("2001-14-45", "2001-12-14", "2001-12-14t21:59:43.10-99:99", "1:60:60", "190:20:30.15", "0b2", "0o9", "1__0"),
    *("!!binary x", "!!int ''", "!!float x", "!!timestamp x", "!!set {a, b}", "!!omap [a]", "!!pairs [a: 1]", "!x y"),
    *(
        "<<: 1",
        "{<<: [1]}",
        "{? [a]: b}",
        "{[1]: 2}",
        "{{a: 1}: 2}",
        "%TAG",
        "@x",
        "`x",
        "|\n",
        "'",
        "[" * 3000,
        "=",
        "~",
    ),
    *(
        "!!null x",
        "!!bool x",
        "!!str",
        "!!seq x",
        "!!map x",
        "!!merge x",
        "!!value =",
        "- - - x",
        "\t",
        ".inf",
        "-.NaN",
    ),
    *("&a [x, x, x, x, x, x, x, x, x]", "1e99999", "9" * 5000, "1" + ":59" * 2000),
)


def _damaged_yaml(draw: Draw, content: bytes) -> bytes:
    if draw.chance(0.4):
        tree = changed(draw, yaml.safe_load(content))
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=draw.chance(0.5)).encode("utf-8", "surrogatepass")
    if draw.chance(0.1):
        return _aliases(draw) + content
    text = content.decode()
    for _ in range(draw.few()):
        found = list(re.finditer(r"(?m)^(\s*[\w-]+:) +(\S[^\n#]*)", text))
        if found:
            value = draw.pick(found)
            text = text[: value.start(2)] + draw.pick(_YAML_ODD) + text[value.end(2) :]
    return text.encode()


def _aliases(draw: Draw) -> bytes:
    """Aliases of aliases: 9 lines, 10^9 values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        before = ", ".join([f"*a{level - 1}"] * 10)
        is_map = draw.chance(0.3)
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [*a{level - 1}], k: 1}}" if is_map else f"[{before}]"))
    lines.append(draw.pick(["seed: *a8", "data: {raw: *a8}", "*a8 : 1", "? *a8\n: 1", "x: 1"]))
    return "\n".join(lines).encode() + b"\n"


# pickles


_PICKLE_BITS = (
    b"cos\nsystem\n(X\x04\x00\x00\x00truetR",
    b"cbuiltins\neval\n(X\x01\x00\x00\x001tR",
    b"cnumpy\nndarray\n(J\xff\xff\xff\x7f\x85tR",
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8tR",
    b"\x8e" + struct.pack("<Q", 2**62),
    b"\x8b" + struct.pack("<i", 2**30),
    b"r\xff\xff\xff\x7f",
    b"h\xff",
    b"]q\x01h\x01a",
    b"(",
    b"0",
    b"2",
    b"}",
    b")",
    b"t",
    b"N",
    b"a",
    b"s",
    b"b",
    b"R",
    b"\x81",
    b"\x85" * 20_000,
    b"I" + b"1" * 5000 + b"\n",
    b"F1e400\n",
    b"Vx\\ud800\n",
    b".",
)


def _damaged_pickle(draw: Draw, content: bytes) -> bytes:
    """An instruction more, less or elsewhere."""
    starts = [start for _, _, start in pickletools.genops(content) if start is not None]
    for _ in range(draw.few()):
        index = draw.below(len(starts) - 1)
        start, end = starts[index], starts[index + 1]
        new = draw.pick(
            [b"", content[start:end] * 2, draw.pick(_PICKLE_BITS) + content[start:end], draw.pick(_PICKLE_BITS)]
        )
        content = content[:start] + new + content[end:]
        starts = [place if place <= start else place + len(new) - (end - start) for place in starts]
    return content


# npy


_DESCRIPTIONS = (
    *(
        "'|O'",
        "'<U1000000'",
        "[('a', '<f8')]",
        "[('a', '<f8', (2, 3))]",
        "'>i2'",
        "'<M8[ns]'",
        "'<c16'",
        "'V8'",
        "'|S0'",
    ),
    *(
        "'<f8",
        "('<f8')",
        "'|b1'",
        "'<f2'",
        "'<g'",
        "None",
        "8",
        "'object'",
        "'<U'",
        "[]",
        "{}",
        "'f8,f8'",
        "'(9999999,)f8'",
    ),
    *(
        "[('a', '|O')]",
        "('<f8', (2,))",
        "'<f8' * 9999",
        "'\\x00'",
        "[" * 500,
        "(" * 99,
        "'<m8[Y]'",
        "'<u8'",
        "__import__('os')",
    ),
)
_SHAPES = (
    *(
        "(10**9,)",
        f"({2**62}, {2**62})",
        f"({2**31}, 17, 3)",
        "(-1,)",
        "(0, 17, 3)",
        "()",
        "('a',)",
        "(1e3,)",
        "(True,)",
    ),
    *("((1,),)", "None", "3", "(1000000000,)", "(4, 17, 3, 1)", "(99999999999999999999999,)", "(" + "1," * 70 + ")"),
    *("(4, 17, 2)", "(4, -17, 3)", "(4L,)", "(" + "9" * 5000 + ",)", "(65536, 65536)", "(0, 99999999999)"),
)


def _damaged_npy(draw: Draw, content: bytes) -> bytes:
    start, header, data = _npy_parts(content)
    if b"|O" in header and draw.chance(0.6):
        return _repickled(draw, data) if draw.chance(0.6) else start + header + _damaged_pickle(draw, data)
    if draw.chance(0.15):
        return start + header + _damaged_bytes(draw, data)
    for key, values in ((rb"'descr': [^{}]+?(?=, 'fort)", _DESCRIPTIONS), (rb"'shape': \([^)]*\)", _SHAPES)):
        if draw.chance(0.6):
            name, value = key[: key.index(b":")], draw.pick(values).encode()
            header = re.sub(key, lambda _, new=name + b": " + value: new, header)  # type: ignore[misc]
    if draw.chance(0.2):
        header = draw.pick(_TEXT_EDITS)(draw, header)
    length = len(header) if draw.chance(0.9) else draw.pick([0, 1, 65535, 10])
    size = start[6] == 1
    if size and length > 65535:
        start, size = start[:6] + b"\x02\x00" + start[8:], False
    return start[:8] + struct.pack("<H" if size else "<I", length) + header + data


def _npy_parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """What comes before the header, the header, and what comes after it."""
    width = 2 if content[6] == 1 else 4
    begin = 8 + width
    end = begin + int.from_bytes(content[8:begin], "little")
    return content[:begin], content[begin:end], content[end:]


def _repickled(draw: Draw, pickled: bytes) -> bytes:
    """What is pickled in a sound file, changed as a tree."""
    arrays = [
        np.zeros((4, 17, 2)),
        np.zeros((0, 17, 2)),
        np.zeros((3, 32, 3), np.float32),
        np.full((4, 17, 2), 1e300),
        np.full((5, 17, 3), np.nan),
        np.array(["x"]),
        np.array([b"x"]),
        np.array(7),
        np.array([None, {}], dtype=object),
        np.zeros((2, 2), complex),
        np.zeros(3, [("a", "f4")]),
        np.zeros((4, 17, 2), np.float16),
        np.array("2001-01-01", "M8[D]"),
        np.float64(3),
        np.ma.masked_array([1.0], [True]),
        (1, 2),
        {1: 2},
        {None: 1},
        {(1,): 1},
        {1, 2},
        b"x",
        1j,
        object,
        range(3),
    ]
    tree = pickle.loads(pickled)
    item = tree.item() if isinstance(tree, np.ndarray) and tree.shape == () else tree.tolist()
    new = np.empty((), dtype=object)
    new[()] = changed(draw, item, [*_ODD, *arrays])
    buffer = io.BytesIO()
    np.save(buffer, new, allow_pickle=True)
    return buffer.getvalue()


# zip, and checkpoints, which are such


@cache
def _zeros(prefix: bytes) -> tuple[bytes, int]:
    """The prefix and a bomb of zeros, deflated, and the checksum of both. Blocks after a full flush can be repeated."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = deflate.compress(prefix) + deflate.flush(zlib.Z_FULL_FLUSH)
    step = bytes(2**20)
    block = deflate.compress(step) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(prefix)
    for _ in range(_BOMB // len(step)):
        checksum = zlib.crc32(step, checksum)
    return start + block * (_BOMB // len(step)) + deflate.flush(), checksum


@dataclass
class _Member:
    name: str
    content: bytes
    mode: int = 0o644
    compressed: bytes | None = None  # with `size` and `checksum`, to say more than is true
    size: int = 0
    checksum: int = 0


def _damaged_zip(draw: Draw, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [_Member(info.filename, archive.read(info)) for info in archive.infolist()]
    if any(member.name.endswith("data.pkl") for member in members) and draw.chance(0.6):
        return tables.damaged_checkpoint(draw, content)
    for _ in range(draw.few()):
        _damage_member(draw, members)
    if draw.chance(0.03):
        _inflate_member(draw, members)
    return _zip_of(draw, members)


def _damage_member(draw: Draw, members: list[_Member]) -> None:
    if not members:
        return
    index = draw.below(len(members))
    member = members[index]
    match draw.below(20):
        case 0:
            member.name = _odd_name(draw, member.name, [each.name for each in members])
        case 1:
            members.insert(index, copy.copy(member))
        case 2:
            del members[index]
        case 3:
            member.mode, member.content = 0o120777, str(draw.canary / "secret").encode()
        case _:
            member.content = damaged(draw, member.content)


def _inflate_member(draw: Draw, members: list[_Member]) -> None:
    member = draw.pick(members) if members else _Member("x", b"")
    prefix = member.content
    if prefix.startswith(b"\x93NUMPY"):
        header = {"descr": "<f4", "fortran_order": False, "shape": (_BOMB // 4,)}
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        prefix = buffer.getvalue()
    member.compressed, member.checksum = _zeros(prefix)
    member.size = len(prefix) + _BOMB


def _odd_name(draw: Draw, name: str, others: Sequence[str]) -> str:
    folder, _, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return draw.pick(
        [
            *(f"../{name}", f"/{name}", "", "/", f"{name}/", f"a\x00{name}", f"{folder}/{stem}\x1b[31m\n.{suffix}"),
            *(f"{folder}/é\u2028.{suffix}", f"{folder}/{'x' * 3000}.{suffix}", f"{folder}\\{last}", f"C:{name}"),
            *(name.replace("S1", "S5"), name.replace("S1", "S99999999999"), f"{folder}/.{suffix}", draw.pick(others)),
        ]
    )


def _zip_of(draw: Draw, members: Sequence[_Member]) -> bytes:
    """By hand: zipfile would neither write a bomb without inflating it, nor a wrong size."""
    body, directory = bytearray(), bytearray()
    for member in members:
        name = member.name.encode("utf-8", "surrogatepass")
        method, data, size, checksum = 8, member.compressed, member.size, member.checksum
        if data is None:
            size, checksum = len(member.content), zlib.crc32(member.content)
            method = draw.pick([0, 8]) if draw.chance(0.95) else draw.pick([1, 9, 12, 14, 93, 99])
            data = zlib.compress(member.content, 6, -15) if method == 8 else member.content
        if draw.chance(0.02):
            size = draw.pick([0, 1, size + 1, 2**31, 2**32 - 1])
        flags = 0x800 if draw.chance(0.98) else draw.pick([0, 1, 8, 0x40, 0x2000])
        common = struct.pack("<HHHHIIIHH", flags, method, 0, 33, checksum, len(data), size % 2**32, len(name), 0)
        directory += struct.pack("<IHH", 0x02014B50, 0x314, 20) + common
        directory += struct.pack("<HHHII", 0, 0, 0, member.mode << 16, len(body)) + name
        body += struct.pack("<IH", 0x04034B50, 20) + common + name + data
    count = len(members) if draw.chance(0.98) else draw.pick([0, len(members) + 1, 65535])
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


# gzip and tar


def _damaged_gzip(draw: Draw, content: bytes) -> bytes:
    if draw.chance(0.02):
        data, checksum = _zeros(gzip.decompress(content)[: 512 * draw.below(8)])
        return content[:10] + data + struct.pack("<II", checksum, _BOMB % 2**32)
    return gzip.compress(damaged(draw, gzip.decompress(content)), 6, mtime=0)


def _damaged_tar(draw: Draw, content: bytes) -> bytes:
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for info in archive:
            file = archive.extractfile(info)
            members.append((info, file.read() if file else b""))
    for _ in range(draw.few()):
        if members:
            index = draw.below(len(members))
            members[index : index + 1] = _damaged_tar_member(draw, *members[index], [info.name for info, _ in members])
    packed = b"".join(_tar_member(draw, info, data) for info, data in members)
    return packed + bytes(draw.pick([1024, 1024, 1024, 1024, 512, 0, 10240]))


_PAX = (
    *({"size": "x"}, {"size": "-1"}, {"size": "9" * 30}, {"mtime": "nan"}, {"mtime": "x"}, {"uid": "1e9"}),
    *(
        {"path": "\x00"},
        {"path": "../x"},
        {"path": ""},
        {"linkpath": "x"},
        {"GNU.sparse.major": "1"},
        {"hdrcharset": "x"},
    ),
    *(
        {"GNU.sparse.map": "0,x"},
        {"GNU.sparse.size": "99999999999", "GNU.sparse.map": "0,1"},
        {"GNU.sparse.realsize": "x"},
    ),
    {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"},
)


def _damaged_tar_member(
    draw: Draw, info: tarfile.TarInfo, data: bytes, names: Sequence[str]
) -> list[tuple[tarfile.TarInfo, bytes]]:
    info = copy.copy(info)
    match draw.below(16):
        case 0:
            info.name = _odd_name(draw, info.name, names).replace("\x00", "")
        case 1:
            return [(info, data), (info, data)]
        case 2:
            return []
        case 3:
            info.type, info.linkname = draw.pick([b"1", b"2"]), draw.pick([str(draw.canary / "secret"), *names])
            data = b""
        case 4:
            info.type = draw.pick([b"3", b"4", b"6", b"7", b"S", b"L", b"K", b"x", b"g", b"X", b"Z", b"\x00"])
        case 5 | 6:
            info.pax_headers = draw.pick(_PAX)
        case _:
            data = damaged(draw, data)
    return [(info, data)]


def _tar_member(draw: Draw, info: tarfile.TarInfo, data: bytes) -> bytes:
    """Header and padded content; now and then a field of the header is odd, under a right checksum."""
    info.size = len(data)
    headers = info.pax_headers
    info.pax_headers = {}
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    if draw.chance(0.1):
        start, length = draw.pick([(100, 8), (108, 8), (124, 12), (124, 12), (136, 12), (156, 1), (257, 8), (329, 8)])
        new = draw.pick([b"\xff" * length, b"\x80" + b"\xff" * (length - 1), b"7" * length, b"-1", b"x", bytes(length)])
        field = len(header) - 512 + start
        header[field : field + length] = new[:length].ljust(length, b"\x00")
        block = header[-512:]
        block[148:156] = b" " * 8
        header[-512:] = block[:148] + f"{sum(block):06o}\0 ".encode() + block[156:]
    extended = b""
    if headers:
        records = b"".join(_pax_record(key, value) for key, value in headers.items())
        if draw.chance(0.2):
            records = _damaged_bytes(draw, records)
        pax = tarfile.TarInfo("pax")
        pax.type, pax.size = b"x", len(records)
        extended = pax.tobuf(tarfile.GNU_FORMAT) + records + bytes(-len(records) % 512)
    return extended + bytes(header) + data + bytes(-len(data) % 512)


def _pax_record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n".encode("utf-8", "surrogateescape")
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


# MATLAB 5 and CDF: what is deflated in them is damaged and deflated again


def _damaged_mat(draw: Draw, content: bytes) -> bytes:
    size = int.from_bytes(content[132:136], "little")
    inner = damaged(draw, zlib.decompress(content[136 : 136 + size]))
    packed = zlib.compress(inner)
    return content[:132] + len(packed).to_bytes(4, "little") + packed + content[136 + size :]


_CDF = bytes.fromhex("cdf30001")
_CDF_DEFLATED = _CDF + bytes.fromhex("cccc0001")


def _damaged_cdf(draw: Draw, content: bytes) -> bytes:
    """Version 3; see `wsgcn.captures.human36m.cdf_file` for the records of one that is deflated as a whole."""
    if content.startswith(_CDF_DEFLATED):
        size = int.from_bytes(content[8:16], "big")
        parameters = content[int.from_bytes(content[20:28], "big") :]
        whole = _CDF + bytes.fromhex("0000ffff") + gzip.decompress(content[40 : 8 + size])
        inner = _damaged_cdf(draw, whole) if draw.chance(0.9) else _damaged_bytes(draw, whole)
        packed = gzip.compress(inner[8:], 6, mtime=0)
        size = 32 + len(packed)
        numbers = size.to_bytes(8, "big") + content[16:20] + (8 + size).to_bytes(8, "big")
        return _CDF_DEFLATED + numbers + (len(inner) - 8).to_bytes(8, "big") + content[36:40] + packed + parameters
    for _ in range(draw.few()):
        start, size = draw.pick(_cdf_records(content))
        width = draw.pick([4, 4, 8])
        place = start + 4 * draw.below(min(size, 400) // 4)
        near = int.from_bytes(content[place : place + width], "big") + draw.pick([-1, 1, 8, -8])
        number = near if draw.chance(0.3) else draw.pick([*_INTEGERS, start, 8, len(content), 5, 13, 45, 51])
        content = content[:place] + (number % 2 ** (8 * width)).to_bytes(width, "big") + content[place + width :]
    return content


def _cdf_records(content: bytes) -> list[tuple[int, int]]:
    """(offset, size) of each record; they follow each other from byte 8 on."""
    records, start = [(0, 8)], 8
    while start + 12 <= len(content) and (size := int.from_bytes(content[start : start + 8], "big")) > 8:
        records.append((start, min(size, len(content) - start)))
        start += size
    return records


_FORMATS: dict[Damage, Callable[[bytes], bool]] = {
    _damaged_zip: lambda content: content.startswith(b"PK\x03\x04"),
    _damaged_gzip: lambda content: content.startswith(b"\x1f\x8b"),
    _damaged_tar: lambda content: content[257:262] == b"ustar",
    hdf5.damaged_hdf5: lambda content: b"\x89HDF\r\n\x1a\n" in (content[:8], content[512:520]),
    tables.damaged_parquet: lambda content: content.startswith(b"PAR1"),
    _damaged_npy: lambda content: content.startswith(b"\x93NUMPY"),
    _damaged_pickle: lambda content: content[:1] == b"\x80" and content[-1:] == b".",
    _damaged_cdf: lambda content: content.startswith(_CDF),
    _damaged_mat: lambda content: content.startswith(b"MATLAB 5.0"),
    _damaged_json: lambda content: content[:1] in (b"[", b"{"),
    _damaged_yaml: lambda content: b"\nruntime:" in content,
}
