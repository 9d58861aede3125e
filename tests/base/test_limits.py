"""Sizes and kinds of files, and the files of the user's that are text."""

import os
import re
from pathlib import Path

import pytest

from tests.bombs import read_in_little_memory
from tests.tiny import ROOT
from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import regular_file
from wsgcn.lifting.intrinsics import intrinsics_px
from wsgcn.running.params import read_params

DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_what_is_small_may_compress_in_any_way_and_what_is_large_may_not() -> None:
    most = limits.UNPACKED_BYTES_OF_ANY_RATIO
    assert limits.most_unpacked(1, 2**40) == most
    assert limits.most_unpacked(1, 1000) == 1000
    assert limits.most_unpacked(most, 2**40) == limits.UNPACKED_RATIO * most
    limits.check_unpacked("x.zip", "a", 1, most, 2**40)
    with pytest.raises(InputError, match=r"^x\.zip: a unpacks from 1 bytes to 268 MB; the limit is 50 times that for"):
        limits.check_unpacked("x.zip", "a", 1, most + 1, 2**40)
    with pytest.raises(InputError, match=r"^x\.zip: a unpacks from 900 bytes to 1 KB; the limit is 999 bytes\.$"):
        limits.check_unpacked("x.zip", "a", 900, 1000, 999)


def test_human36m_is_far_below_the_limits() -> None:
    """An hour at 50 frames a second, four cameras, in float64."""
    frames = 3600 * 50
    assert frames * 32 * 3 * 8 * 7 < limits.TAKE_BYTES
    assert frames * 4 * 17 * 3 * 8 * 7 < limits.ARRAYS_BYTES
    assert limits.ARCHIVE_MEMBERS > 7 * 30 * (1 + 4 + 4) * 16


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (138_240_000, "138 MB"), (2**32, "4.29 GB")]
)
def test_sizes_are_written_in_units(size: int, text: str) -> None:
    assert limits.in_units(size) == text


def test_the_documentation_states_every_limit_and_its_value() -> None:
    units = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}
    stated = {}
    for row in (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in row.split("|")]
        if len(cells) > 4 and (number := re.match(r"([\d,]+) ?(\w*)", cells[2])):
            value = int(number[1].replace(",", "")) * units.get(number[2], 1)
            stated |= dict.fromkeys(re.findall(r"`([A-Z_]+)`", cells[3]), value)
    expected = {name: value for name, value in vars(limits).items() if name.isupper() and isinstance(value, int)}
    expected = {name: value for name, value in expected.items() if not name.startswith("_")}
    expected["UNPACKED_BYTES_OF_ANY_RATIO"] = limits.UNPACKED_RATIO  # they share a row
    assert {name: stated.get(name) for name in expected} == expected


IMPORTS = """
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.lifting.intrinsics import intrinsics_px
from wsgcn.running.params import read_params
from wsgcn.containers.archives import iter_tar, iter_zip
from wsgcn.containers.npy import load_npy
from wsgcn.containers.npz import load_npz
from wsgcn.lifting.writers import npz
READ = {
    "tar": lambda path: list(iter_tar(path)), "zip": lambda path: list(iter_zip(path)),
    "npz": load_npz, "npy": load_npy, "lifted": npz.read, "params": read_params, "checkpoint": load_checkpoint,
    "intrinsics": lambda path: intrinsics_px(path, (4, 4)),
}
"""


def test_a_pipe_and_a_device_are_refused_by_every_reader_and_nobody_waits(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.npy"
    os.mkfifo(pipe)
    readers = ("tar", "zip", "npz", "npy", "lifted", "params", "checkpoint", "intrinsics")
    tasks = [Path(f"{reader}:{path}") for reader in readers for path in (pipe, "/dev/zero")]
    call = "reader, name = path.split(':'); READ[reader](name)"
    for sentence in read_in_little_memory(IMPORTS, call, *tasks):
        assert "is a pipe, socket or device, expected a file" in sentence, sentence


def test_regular_files_are_told_from_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert regular_file(tmp_path / "a") == tmp_path / "a"
    (tmp_path / "link").symlink_to(tmp_path / "a")
    regular_file(tmp_path / "link")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("absent", ".", "loop", "x" * 5000, "nul\0"):
        with pytest.raises(InputError) as caught:
            regular_file(tmp_path / name)
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


# params.yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join([f'*{chr(97 + level)}'] * 9)}]\n" for level in range(12)
)
YAMLS = {
    "aliases that double": (LAUGHS, "has the alias *a; write the value itself"),
    "an alias of one word": (DEFAULT.replace("seed: 0", "seed: &s 0\nagain: *s"), "has the alias *s"),
    "an alias that holds itself": ("a: &a [*a]", "has the alias *a"),
    "a merge": ("a: &a {b: 1}\nc:\n  <<: *a", "has the alias *a"),
    "a key twice": (DEFAULT + "\nseed: 1\n", "has seed more than once in a section"),
    "a key twice in a section": (
        DEFAULT.replace("    blocks: 4", "    blocks: 3\n    blocks: 4"),
        "has blocks more than once",
    ),
    "a month that no year has": (DEFAULT.replace("seed: 0", "seed: 2020-13-45"), "is not a readable YAML file"),
    "a day": (DEFAULT.replace("seed: 0", "seed: 2020-12-24"), "seed: input should be a valid integer"),
    "a number of 20,000 bits": (DEFAULT.replace("seed: 0", "seed: 0x1" + "0" * 5000), "a number of 20001 bits"),
    "a number of 9,000 digits": (DEFAULT.replace("seed: 0", "seed: 1" + "0" * 9000), "params.yaml: is not a readable"),
    "a number in sixties": (DEFAULT.replace("seed: 0", "seed: 1" + ":59" * 2000), "seed: input should be"),
    "brackets in brackets": ("a: " + "[" * 50_000, "RecursionError"),
    "a thousand wrong values": (DEFAULT.replace("[S5, S6, S7, S8]", f"[{', '.join('12' * 10_000)}]"), "unlabelled.0: "),
    "a long text": (DEFAULT.replace("seed: 0", f"seed: {'x' * 50_000}"), "found 'xxxx"),
    "a long key": (DEFAULT + f"\n{'x' * 1000}: 1\n", "is not a known key"),
    "a key that is a list": (DEFAULT + "\n? [a, b]\n: 1\n", "is not YAML"),
    "control characters": (DEFAULT.replace("seed: 0", 'seed: "\\e[31m\\n\\0"'), "seed: input should be"),
    "a megabyte": (DEFAULT + "#" * 2**20, "the limit is 131 KB"),
    "10^9 blocks": (DEFAULT.replace("blocks: 4 ", "blocks: 1000000000 "), "model.semgcn.blocks: input should be"),
}


@pytest.mark.parametrize("name", YAMLS)
def test_odd_yaml_is_one_short_sentence(tmp_path: Path, name: str) -> None:
    text, message = YAMLS[name]
    assert text != DEFAULT
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_params(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert message in sentence
    assert sentence.isprintable()
    assert len(sentence) - len(str(path)) < 450


def test_aliases_that_double_take_no_time_and_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(LAUGHS, encoding="utf-8")
    [sentence] = read_in_little_memory(
        "from wsgcn.running.params import read_params", "read_params(path)", path, mebibytes=50, seconds=20
    )
    assert "alias" in sentence


# Intrinsics


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        f"[[1{'0' * 400}, 0, 0], [0, 1, 0], [0, 0, 1]]",
        "1e400 0 0\n0 1 0\n0 0 1",
        "[[1, 2], [3]]",
        "x" * 2**20,
    ],
    ids=["nested", "huge", "infinite", "ragged", "a megabyte"],
)
def test_an_odd_matrix_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "K.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"^[^\n]*K\.json: ") as caught:
        intrinsics_px(tmp_path / "K.json", (1920, 1080))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("given", ["1" * 5000 + ".." + "px", "x" * 5000, "nul\0", "1" * 400])
def test_odd_intrinsics_are_one_short_sentence(given: str) -> None:
    with pytest.raises(InputError, match="intrinsics: ") as caught:
        intrinsics_px(given, (1920, 1080))
    assert len(str(caught.value)) < 500
