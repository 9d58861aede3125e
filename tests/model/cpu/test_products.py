"""Whose matrix products the compiled step takes: see `wsgcn.model.cpu.products`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.cpu import products
from wsgcn.running.params import Params
from wsgcn.running.provenance import environment_tags
from wsgcn.training.params import WarmupParams
from wsgcn.training.stages import warm_up

BOTH = pytest.mark.skipif(len(products.at_hand()) < 2, reason="has no two libraries")
PINS = [pytest.param(name, marks=BOTH) for name in ("mkl", "openblas")]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    products.want("auto")


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of OpenBLAS's products, one a measurement; those of MKL's are 1."""
    seconds: list[float] = []
    monkeypatch.setattr(products, "measured_s", lambda: {"mkl": 1.0, "openblas": seconds.pop(0)})
    return seconds


def chosen() -> str:
    products.want("auto")
    assert products.in_use() == ""
    products.library()
    return products.in_use()


def kept(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache" / "wsgcn").glob("product-*.json")
    return path


@BOTH
@pytest.mark.parametrize(("seconds", "expected"), [(0.5, "openblas"), (0.89, "openblas"), (0.95, "mkl"), (2.0, "mkl")])
def test_mkl_is_left_for_what_is_a_tenth_faster(measures, seconds, expected):
    measures.append(seconds)
    assert chosen() == expected


@BOTH
def test_the_choice_is_made_once_a_machine(measures, tmp_path):
    measures += [0.5, 2.0]
    assert chosen() == "openblas"
    assert chosen() == "openblas"
    assert measures == [2.0]
    assert json.loads(kept(tmp_path).read_text()) == {
        "product": "openblas",
        "seconds": {"mkl": 1.0, "openblas": 0.5},
    }


@BOTH
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"product": 3}', b'{"product": "fast"}', b"[" * 9999])
def test_a_damaged_choice_is_made_again(measures, tmp_path, content):
    measures += [2.0, 0.5]
    assert chosen() == "mkl"
    kept(tmp_path).write_bytes(content)
    assert chosen() == "openblas"
    assert json.loads(kept(tmp_path).read_text())["product"] == "openblas"


@BOTH
def test_another_processor_or_version_chooses_anew(measures, monkeypatch, tmp_path):
    measures += [2.0, 0.5]
    assert chosen() == "mkl"
    monkeypatch.setattr(products, "processor", lambda: "another")
    assert chosen() == "openblas"
    assert len(list((tmp_path / "cache" / "wsgcn").glob("*.json"))) == 2


@BOTH
def test_where_nothing_can_be_kept_nothing_is_measured_into_the_choice(measures, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder would be")
    measures += [0.5, 0.5]
    assert chosen() == "mkl"


@BOTH
def test_kernels_that_the_machine_asks_for_are_another_library():
    """OPENBLAS_CORETYPE is read when the library is loaded."""
    code = "from wsgcn.model.cpu import products as p; print(p._key(), p.at_hand()['openblas'].version)"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    keys = set()
    for setting in ({}, {"OPENBLAS_CORETYPE": "Sandybridge"}):
        out = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[3],
            env=environment | setting,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        keys.add(out.split()[0])
        assert not setting or "Sandybridge" in out
    assert len(keys) == 2


@BOTH
def test_measuring_is_of_both_and_a_matter_of_milliseconds():
    seconds = products.measured_s()
    assert list(seconds) == ["mkl", "openblas"]
    assert all(1e-5 < value < 0.1 for value in seconds.values())


@pytest.mark.parametrize("name", PINS)
def test_a_pinned_library_is_the_one_and_nothing_is_measured(measures, name):
    products.want(name)
    assert products.library() is products.at_hand()[name]
    assert products.in_use() == name


def test_a_pinned_library_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(products, "at_hand", lambda: {})
    with pytest.raises(InputError, match=r"^runtime\.product: is openblas, which neither torch nor numpy brings"):
        products.want("openblas")
    products.want("auto")


@pytest.mark.parametrize("name", PINS)
@pytest.mark.parametrize("is_added", [False, True])
@pytest.mark.parametrize("a_is_transposed", [False, True])
@pytest.mark.parametrize("b_is_transposed", [False, True])
def test_the_product_is_numpys(name, is_added, a_is_transposed, b_is_transposed):
    from wsgcn.model.cpu import blas

    generator = torch.Generator().manual_seed(0)
    a = torch.randn((7, 5) if a_is_transposed else (5, 7), generator=generator).numpy()
    b = torch.randn((3, 7) if b_is_transposed else (7, 3), generator=generator).numpy()
    out = torch.ones(5, 3).numpy()
    products.want(name)
    with blas.one_thread():
        blas.product(a, b, out, a_is_transposed, b_is_transposed, is_added)
    expected = (a.T if a_is_transposed else a) @ (b.T if b_is_transposed else b) + is_added
    torch.testing.assert_close(torch.from_numpy(out), torch.from_numpy(expected))


@BOTH
def test_the_threads_of_numpys_own_products_are_one_inside_and_as_before_outside():
    from wsgcn.model.cpu import blas

    set_threads = products.at_hand()["openblas"].set_threads
    before = set_threads(2)
    products.want("openblas")
    try:
        with blas.one_thread():
            assert set_threads(1) == 1
        assert set_threads(2) == 2
    finally:
        set_threads(before)


@pytest.mark.parametrize("name", PINS)
def test_the_choice_is_in_the_checkpoint_and_among_the_tags(name, tmp_path):
    poses, detections = write_tiny_capture(tmp_path)
    params: Params = tiny_params(runtime__product=name, warmup__epochs=1)
    warm_up(WarmupParams.of(params), poses, detections, tmp_path / "warmup.pt", tmp_path / "warmup.csv")
    assert load_checkpoint(tmp_path / "warmup.pt").product == name
    assert environment_tags(params)["product"] == name


def test_a_network_without_a_compiled_step_has_none(tmp_path):
    poses, detections = write_tiny_capture(tmp_path)
    params = tiny_params(model__name="linear", warmup__epochs=1)
    warm_up(WarmupParams.of(params), poses, detections, tmp_path / "warmup.pt", tmp_path / "warmup.csv")
    assert load_checkpoint(tmp_path / "warmup.pt").product == ""
    assert "product" not in environment_tags(params)
