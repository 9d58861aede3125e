"""Small files that would cost gigabytes to read, and a child process that reads them in little memory."""

import struct
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

from tests.tiny import ROOT

_CHILD = """
import resource, sys
from wsgcn.base.errors import InputError
{imports}
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + {mebibytes} * 2**20,) * 2)
for path in sys.argv[1:]:
    try:
        {call}
    except InputError as error:
        print(error)
    else:
        print("read")
"""


def read_in_little_memory(
    imports: str, call: str, *paths: Path, mebibytes: int = 400, seconds: float = 60
) -> list[str]:
    """The one sentence that each of the files ends in, or 'read'; fails if the child takes more memory or time.

    Args:
        call: an expression in `path`.
        mebibytes: what the child may take beyond the imports.
    """
    code = _CHILD.format(imports=imports, call=call, mebibytes=mebibytes)
    child = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    sentences = child.stdout.splitlines()
    assert len(sentences) == len(paths), child.stdout
    for path, sentence in zip(paths, sentences, strict=True):
        assert "MemoryError" not in sentence, sentence  # it did not fit, where it should not have been tried
        assert sentence == "read" or (len(sentence) < 500 + len(str(path)) and sentence.endswith(".")), sentence
    return sentences


_BLOCK = 64 * 2**20


@cache
def deflated_zeros(size: int = 2**32, before: bytes = b"", after: bytes = b"") -> bytes:
    """A raw deflate stream of `before`, zeros and `after`, made of one flushed block of zeros that is repeated."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    first = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * (size // _BLOCK) + packer.compress(after) + packer.flush()


def gzip_of(deflated: bytes) -> bytes:
    """With a checksum that is wrong: nobody should come that far."""
    return b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff" + deflated + struct.pack("<II", 0, 0)


def zip_of(name: str, deflated: bytes, declared: int, times: int = 1) -> bytes:
    """A zip archive with one stored stream, which the directory lists so many times."""
    encoded = name.encode()
    sizes = struct.pack("<III", 0, len(deflated), declared)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0x21) + sizes + struct.pack("<HH", len(encoded), 0)
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0x21) + sizes
    entry += struct.pack("<HHHHHII", len(encoded), 0, 0, 0, 0, 0, 0) + encoded
    data = local + encoded + deflated
    directory = entry * times
    counts = struct.pack("<HHHHIIH", 0, 0, min(times, 0xFFFF), min(times, 0xFFFF), len(directory), len(data), 0)
    return data + directory + b"PK\x05\x06" + counts
