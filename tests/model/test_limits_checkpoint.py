"""Checkpoints that describe more than they have: each is one sentence, in a child process that has little memory."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bombs import deflated_zeros, read_in_little_memory, zip_of
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.model.checkpoint import load_checkpoint

Tree = dict[str, Any]


class Call:
    """What a pickle calls when it is loaded."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def pickled(content: object) -> bytes:
    """An archive as torch writes it, of a pickle of our own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "archive/data.pkl", content if isinstance(content, bytes) else pickle.dumps(content, protocol=2)
        )
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def repacked(whole: bytes, change: Callable[[bytes], bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with its pickle changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename.endswith("data.pkl") else content)
    return buffer.getvalue()


def changed(whole: bytes, change: Callable[[Tree], object]) -> bytes:
    tree = torch.load(io.BytesIO(whole), weights_only=True)
    change(tree)
    buffer = io.BytesIO()
    torch.save(tree, buffer)
    return buffer.getvalue()


def as_large_as(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.zeros(1).expand(shape)


def widen(tree: Tree) -> None:
    """A network of 4,096 channels whose weights are one number each."""
    from wsgcn.model.networks import build_network
    from wsgcn.model.params import Model
    from wsgcn.pose.skeleton import SKELETONS

    tree["model"]["semgcn"] |= {"channels": 4096, "blocks": 4}
    with torch.device("meta"):
        expected = build_network(SKELETONS[tree["skeleton"]], Model(**tree["model"])).state_dict()
    weights = {name: torch.zeros((), dtype=weight.dtype).expand(weight.shape) for name, weight in expected.items()}
    tree |= {"weights": weights, "chosen_weights": weights}


def nested(depth: int) -> Tree:
    tree: Tree = {}
    for _ in range(depth):
        tree = {"a": tree}
    return tree


def doubled(times: int) -> list[Any]:
    tree: list[Any] = []
    for _ in range(times):
        tree = [tree, tree]
    return tree


def with_state(moment: object) -> Callable[[Tree], object]:
    """An optimiser's state with one moment."""
    settings = {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}

    def change(tree: Tree) -> None:
        from wsgcn.model.networks import build_network
        from wsgcn.model.params import Model
        from wsgcn.pose.skeleton import SKELETONS

        count = len(list(build_network(SKELETONS[tree["skeleton"]], Model(**tree["model"])).parameters()))
        groups = [{"params": list(range(count)), **settings}]
        tree["optimiser"] = {"state": {0: {"exp_avg": moment}}, "param_groups": groups}

    return change


def first(tree: Tree) -> str:
    return next(iter(tree["weights"]))


def storage_of_a_terabyte(content: bytes) -> bytes:
    """The first storage declares 2^38 numbers."""
    start = content.index(b"cpu")
    end = content.index(b"t", start + 3)
    before = content[start + 3 : end]
    memo = before[: 2 if before[:1] in (b"q", b"h") else 5]
    return content[: start + 3] + memo + b"\x8a\x05\x00\x00\x00\x00\x40" + content[end:]


CHECKPOINTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "10^9 blocks": (lambda w: changed(w, lambda t: t["model"]["semgcn"].update(blocks=10**9)), "model.semgcn.blocks: "),
    "10^9 channels": (
        lambda w: changed(w, lambda t: t["model"]["semgcn"].update(channels=10**9)),
        "model.semgcn.channels: ",
    ),
    "weights that are views of one number": (lambda w: changed(w, widen), "but describes tensors of"),
    "a moment that is a view of one number": (
        lambda w: changed(w, with_state(as_large_as((10**6, 10**6)))),
        "not Adam's",
    ),
    "a moment that is text": (lambda w: changed(w, with_state("x")), "not Adam's"),
    "an optimiser of a list": (lambda w: changed(w, lambda t: t.update(optimiser={"state": []})), "not Adam's"),
    "a weight that is a list": (lambda w: changed(w, lambda t: t["weights"].update({first(t): [1.0]})), "weights."),
    "a weight of whole numbers": (
        lambda w: changed(w, lambda t: t["weights"].update({first(t): t["weights"][first(t)].long()})),
        "is of torch.int64",
    ),
    "a weight of 64 axes": (
        lambda w: changed(w, lambda t: t["weights"].update({first(t): torch.zeros((1,) * 64)})),
        "has shape (1, 1,",
    ),
    "an epoch that is text": (lambda w: changed(w, lambda t: t.update(epoch="1")), "epoch: "),
    "a chooser that nobody knows": (lambda w: changed(w, lambda t: t["chosen"].update(by="x" * 9999)), "chosen.by: "),
    "joints that are a number": (lambda w: changed(w, lambda t: t.update(joints=3)), "joints: "),
    "10^5 joints": (lambda w: changed(w, lambda t: t.update(joints=["x" * 99] * 10**5)), "more, but h36m16 has"),
    "a skeleton that is a list": (lambda w: changed(w, lambda t: t.update(skeleton=[])), "skeleton: "),
    "a format of a megabyte": (
        lambda w: changed(w, lambda t: t.update(format="x" * 2**20)),
        "not a checkpoint of this",
    ),
    "parameters that double forty times": (
        lambda w: changed(w, lambda t: t["params"].update(a=doubled(40))),
        "grow with",
    ),
    "parameters 300 deep": (lambda w: changed(w, lambda t: t["params"].update(nested(300))), "more than 100 deep"),
    "a call for 100 GB": (lambda w: pickled({"format": Call(bytearray, 10**11)}), "could run code on loading"),
    "a call of a tensor's class": (lambda w: pickled({"format": Call(torch.Tensor, 10**6, 10**6)}), "could run code"),
    "a storage of a terabyte": (lambda w: repacked(w, storage_of_a_terabyte), "is not a readable checkpoint"),
    "a compressed pickle": (lambda w: repacked(w, bytes, zipfile.ZIP_DEFLATED), "is compressed"),
    "a pickle of 4 GB": (lambda w: zip_of("archive/data.pkl", deflated_zeros(), 2**32 - 1), "is compressed"),
    "nothing but instructions": (lambda w: pickled(b"\x80\x02" + b"]0" * 600_000 + b"]."), "more than 1,000,000 instr"),
    "a pickle alone": (lambda w: pickle.dumps({"format": "wsgcn checkpoint 1"}), "is a pickle, which could run code"),
    "two pickles": (
        lambda w: zip_of("archive/data.pkl", b"\x03\x00", 0, 2),
        "expected one data.pkl",
    ),
    "a list": (lambda w: pickled([]), "found 'list'"),
}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    write_tiny_checkpoint(folder / "whole.pt")
    whole = (folder / "whole.pt").read_bytes()
    paths = [folder / "whole.pt"]
    for number, (make, _) in enumerate(CHECKPOINTS.values()):
        paths.append(folder / f"{number}.pt")
        paths[-1].write_bytes(make(whole))
    found = read_in_little_memory(
        "from wsgcn.model.checkpoint import load_checkpoint; import torch; torch.zeros(2, 2) @ torch.zeros(2, 2)",
        "load_checkpoint(path).network()",
        *paths,
        mebibytes=700,
        seconds=120,
    )
    assert found[0] == "read"
    return dict(zip(CHECKPOINTS, found[1:], strict=True))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_describes_more_than_it_has_is_one_sentence(sentences: dict[str, str], name: str) -> None:
    assert CHECKPOINTS[name][1] in sentences[name]


def test_a_checkpoint_after_some_steps_is_read(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    weight = next(iter(load_checkpoint(tmp_path / "whole.pt").network().parameters()))
    (tmp_path / "trained.pt").write_bytes(changed(whole, with_state(torch.zeros(weight.shape))))
    assert load_checkpoint(tmp_path / "trained.pt").optimiser["state"][0]["exp_avg"].shape == weight.shape
