"""Where numba's results are kept: see `wsgcn.model.cpu.compiled`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wsgcn.model.cpu import blas, compiled, kernels

pytestmark = pytest.mark.skipif(not blas.IS_AVAILABLE, reason="has no library of products")

ROOT = Path(__file__).parents[3]
# Calls one kernel; prints how often it was compiled and how often found.
CALL = """
import numpy as np, sys
sys.path.insert(0, sys.argv[1])
from wsgcn.model.cpu import kernels
assert kernels.__file__.startswith(sys.argv[1])
kernels.attention(np.ones(2, np.float32), np.array([0, 2]), np.empty(2, np.float32))
print(sum(kernels.attention.stats.cache_misses.values()), sum(kernels.attention.stats.cache_hits.values()))
"""


@pytest.fixture
def checkouts(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in ("first", "second")]
    for checkout in found:
        shutil.copytree(ROOT / "wsgcn", checkout / "wsgcn", ignore=shutil.ignore_patterns("__pycache__"))
    return found


def compiled_and_found(checkout: Path, cache: Path) -> tuple[int, int]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", CALL, str(checkout)]
    out = subprocess.run(command, env=environment, cwd=checkout, check=True, capture_output=True, text=True).stdout
    misses, hits = map(int, out.split())
    return misses, hits


def test_another_checkout_of_the_same_source_finds_what_was_compiled(checkouts, tmp_path):
    first, second = checkouts
    assert compiled_and_found(first, tmp_path / "cache") == (1, 0)
    assert compiled_and_found(second, tmp_path / "cache") == (0, 1)
    assert not list(first.rglob("*.nbi")), "beside the source"


def test_a_change_in_a_file_that_is_called_compiles_again(checkouts, tmp_path):
    first, second = checkouts
    assert compiled_and_found(first, tmp_path / "cache") == (1, 0)
    with (second / "wsgcn" / "model" / "cpu" / "blas.py").open("a") as file:
        file.write("# changed\n")
    assert compiled_and_found(second, tmp_path / "cache") == (1, 0)


def test_without_a_cache_folder_of_the_user_it_is_beside_the_source(checkouts, tmp_path):
    first, _ = checkouts
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert compiled_and_found(first, tmp_path / "cache") == (1, 0)
    assert list(first.rglob("*.nbi"))
    assert compiled_and_found(first, tmp_path / "cache") == (0, 1)


def test_every_file_that_takes_part_is_known():
    folder = Path(kernels.__file__).parent
    reached, begun = set(), ["kernels.py", "crew.py", "adam.py", "prediction.py"]
    while begun:
        name = begun.pop()
        reached.add(name)
        imported = re.findall(r"^from wsgcn\.model\.cpu\.(\w+) import", (folder / name).read_text(), re.MULTILINE)
        begun += {f"{module}.py" for module in imported} - reached
    assert reached == set(compiled.SOURCES)
