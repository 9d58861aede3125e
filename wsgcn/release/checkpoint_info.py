"""What a checkpoint is, in words."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

from wsgcn.base.files import file_sha256
from wsgcn.base.section import flat
from wsgcn.model.checkpoint import NORMALISATION, Checkpoint, load_checkpoint
from wsgcn.model.networks import count_parameters, describe_network

CHOSEN_BY = {"last": "the last epoch", "validation": "the best of the validation set"}

_WIDTH = 110


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
            **({} if checkpoint.fps is None else {"rate": f"{checkpoint.fps:g} frames a second"}),
            "2D source": f"{checkpoint.source} ({checkpoint.source_words})",
            "normalisation": NORMALISATION,
            "epoch": describe_epoch(checkpoint),
            "step": f"{checkpoint.step:,}",
            "recipe": describe_recipe(checkpoint),
            "cameras": checkpoint.caveat or "any",
            **({"products by": checkpoint.product} if checkpoint.product else {}),
            "size": f"{Path(path).stat().st_size:,} bytes",
            "SHA-256": file_sha256(path),
        }
    )
    lines += ["", "trained with"]
    lines += _aligned({name: _shown(value) for name, value in flat(checkpoint.params).items()})
    return "\n".join(lines)


def describe_epoch(checkpoint: Checkpoint) -> str:
    """The epoch whose weights are used, out of how many, and what chose it."""
    chosen = checkpoint.chosen
    text = f"{chosen.epoch} of {checkpoint.epoch}, {CHOSEN_BY[chosen.by]}"
    if chosen.validation_mpjpe_mm is not None:
        text += f" (MPJPE {chosen.validation_mpjpe_mm:.2f} mm there)"
    return text


def describe_recipe(checkpoint: Checkpoint) -> str:
    """Loss, schedule of the rate, averaging, augmentation and weak supervision, in words."""
    recipe = checkpoint.recipe
    words = [f"{name} {_shown(recipe[name])}" for name in ("loss", "schedule") if name in recipe]
    words.append(
        f"weights averaged, {_shown(recipe['average'])} a step" if recipe.get("average") else "weights not averaged"
    )
    drawn = [name if value is True else f"{name} {_shown(value)}" for name, value in recipe["augmentation"].items()]
    words.append(f"augmentation: {', '.join(drawn)}" if drawn else "no augmentation")
    weak = [f"{name} {_shown(value)}" for name, value in recipe["weak"].items()]
    words.append(f"unlabelled: {', '.join(weak)}" if weak else "nothing of the unlabelled")
    return "; ".join(words)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _aligned(rows: Mapping[str, str]) -> list[str]:
    width = max(map(len, rows), default=0) + 2
    return [
        line
        for name, value in rows.items()
        for line in textwrap.wrap(
            value or "-", _WIDTH, initial_indent=f"  {name:{width}}", subsequent_indent=" " * (width + 2)
        )
    ]
