"""What a checkpoint is, in words."""

import hashlib
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wsgcn.model.checkpoint import NORMALISATION, Checkpoint, load_checkpoint
from wsgcn.model.network import count_parameters
from wsgcn.running.params import Model

SOURCES = {
    "gt": "exact projections of the motion capture",
    "hourglass_pretrained": "Stacked Hourglass, pre-trained",
    "hourglass_finetuned": "Stacked Hourglass, fine-tuned on Human3.6M",
    "cpn": "CPN, fine-tuned on Human3.6M",
    "detectron": "Detectron",
    "hrnet": "HRNet",
}
CHOSEN_BY = {"last": "the last epoch", "validation": "the best of the validation set"}

_WIDTH = 110


def file_sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path | str) -> str:
    """A checkpoint as aligned lines of text: network, joints, 2D, the chosen epoch, its parameters, size and hash.

    Raises:
        InputError: the file is missing or is no checkpoint of this project.
    """
    checkpoint = load_checkpoint(path)
    lines = [str(path)]
    lines += _aligned(
        {
            "skeleton": f"{checkpoint.skeleton.name} ({len(checkpoint.skeleton.joints)} joints)",
            "joints": ", ".join(checkpoint.skeleton.joints),
            "network": describe_network(checkpoint.model),
            "parameters": f"{count_parameters(checkpoint.network()):,}",
            "2D source": f"{checkpoint.source} ({SOURCES.get(checkpoint.source, 'unknown')})",
            "normalisation": NORMALISATION,
            "epoch": describe_epoch(checkpoint),
            "step": f"{checkpoint.step:,}",
            "size": f"{Path(path).stat().st_size:,} bytes",
            "SHA-256": file_sha256(path),
        }
    )
    lines += ["", "trained with"]
    lines += _aligned(dict(_dotted(checkpoint.params)))
    return "\n".join(lines)


def describe_network(model: Model) -> str:
    """The network in one line."""
    if model.name == "linear":
        linear = model.linear
        return f"linear, {linear.width} wide, {counted(linear.blocks, 'residual block')}, dropout {linear.dropout:g}"
    parts = ["semgcn", f"{model.channels} channels", counted(model.blocks, "residual block")]
    parts += ["non-local layers"] if model.non_local else []
    parts += ["channel-wise edge weights"] if model.channelwise else []
    parts += [f"dropout {model.dropout:g}"] if model.dropout else []
    return ", ".join(parts)


def describe_epoch(checkpoint: Checkpoint) -> str:
    """The epoch whose weights are used, out of how many, and what chose it."""
    chosen = checkpoint.chosen
    text = f"{chosen.epoch} of {checkpoint.epoch}, {CHOSEN_BY[chosen.by]}"
    if chosen.validation_mpjpe_mm is not None:
        text += f" (MPJPE {chosen.validation_mpjpe_mm:.2f} mm there)"
    return text


def counted(number: int, noun: str) -> str:
    """ "1 epoch", "2 epochs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every value under its dotted name, as params.yaml would be addressed."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _aligned(rows: Mapping[str, str]) -> list[str]:
    width = max(map(len, rows), default=0) + 2
    return [
        line
        for name, value in rows.items()
        for line in textwrap.wrap(
            value or "-", _WIDTH, initial_indent=f"  {name:{width}}", subsequent_indent=" " * (width + 2)
        )
    ]
