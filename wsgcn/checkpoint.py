"""Checkpoints: everything that evaluation, lifting and further training need, in one file.

A checkpoint is a dictionary of tensors and plain values in torch's zip format. It is read with torch's restricted
unpickler, which builds nothing but those, and its weights load strictly or not at all.
"""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from wsgcn.errors import InputError
from wsgcn.files import write_atomically
from wsgcn.model.network import build_network
from wsgcn.params import Model
from wsgcn.skeleton import SKELETONS, Skeleton

FORMAT = "wsgcn checkpoint 1"
NORMALISATION = "screen: x / w * 2 - 1, y / w * 2 - h / w"


@dataclass(frozen=True)
class Chosen:
    """The epoch whose weights are evaluated."""

    epoch: int  # counted from 1 over both training stages; 0 is the initial network
    by: str  # "last" or "validation"
    validation_mpjpe_mm: float | None  # of that epoch


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after `epoch` epochs, and the weights chosen for evaluation.

    `weights` and `optimiser` go on training; `chosen_weights` are evaluated and are the same tensors where the last
    epoch was chosen.
    """

    model: Model
    skeleton: Skeleton
    source: str  # of the 2D it was trained with
    params: Mapping[str, Any]  # the parameters that the stage depends on, as in params.yaml
    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    epoch: int
    step: int
    chosen: Chosen
    chosen_weights: Mapping[str, Tensor]

    def network(self) -> nn.Module:
        """The network with the chosen weights, in evaluation mode, on the CPU."""
        network = build_network(self.skeleton, self.model)
        network.load_state_dict(self.chosen_weights, strict=True)
        return network.eval()

    def save(self, path: Path | str) -> None:
        """Write it atomically; the same state gives the same bytes.

        Raises:
            InputError: the disk is full or not writable; an older checkpoint at `path` stays whole.
        """
        tree = {
            "format": FORMAT,
            "model": self.model.model_dump(),
            "params": dict(self.params),
            "skeleton": self.skeleton.name,
            "joints": list(self.skeleton.joints),
            "source": self.source,
            "normalisation": NORMALISATION,
            "weights": dict(self.weights),
            "optimiser": dict(self.optimiser),
            "epoch": self.epoch,
            "step": self.step,
            "chosen": vars(self.chosen),
            "chosen_weights": dict(self.chosen_weights),
        }
        # Through memory, because torch.save puts a file's name into its bytes.
        buffer = io.BytesIO()
        torch.save(tree, buffer)
        write_atomically(path, buffer.getvalue())

    def check_fits(self, path: Path | str, skeleton: Skeleton, source: str, model: Model | None = None) -> None:
        """Raises InputError unless this checkpoint, read from `path`, is for this skeleton, 2D source and network."""
        if self.skeleton != skeleton:
            raise InputError(
                f"{path}: is for the skeleton {self.skeleton.name} with {len(self.skeleton.joints)} joints, "
                f"but data.skeleton is {skeleton.name} with {len(skeleton.joints)}."
            )
        if self.source != source:
            raise InputError(f"{path}: was trained with {self.source} 2D, but the detections are {source}.")
        if model is not None and self.model != model:
            raise InputError(f"{path}: holds another network ({self.model}) than the parameters' ({model}).")


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint without executing anything in it.

    Raises:
        InputError: the file is missing, truncated or no checkpoint of this project, would execute code, or its weights
            do not fit the network that it describes.
    """
    try:
        tree = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it.") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than tensors and plain values and could run code on loading, so it was not loaded "
            f"({_first_line(error)})."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path}: is not a whole checkpoint file ({_first_line(error)}).") from error
    found = tree.get("format") if isinstance(tree, dict) else type(tree).__name__
    if found != FORMAT:
        raise InputError(f"{path}: is not a checkpoint of this project (found {found!r}, expected {FORMAT!r}).")
    try:
        checkpoint = Checkpoint(
            model=Model.model_validate(tree["model"]),
            skeleton=SKELETONS[tree["skeleton"]],
            params=tree["params"],
            source=tree["source"],
            weights=tree["weights"],
            optimiser=tree["optimiser"],
            epoch=tree["epoch"],
            step=tree["step"],
            chosen=Chosen(**tree["chosen"]),
            chosen_weights=tree["chosen_weights"],
        )
        found_joints, expected_joints = tree["joints"], list(checkpoint.skeleton.joints)
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{path}: lacks or garbles a part of a checkpoint ({_first_line(error)}).") from error
    if found_joints != expected_joints:
        raise InputError(
            f"{path}: has the joints {', '.join(found_joints)}, but {checkpoint.skeleton.name} has "
            f"{', '.join(expected_joints)}."
        )
    for weights in (checkpoint.weights, checkpoint.chosen_weights):
        _check_weights(path, checkpoint, weights)
    return checkpoint


def _check_weights(path: Path | str, checkpoint: Checkpoint, weights: Mapping[str, Tensor]) -> None:
    with torch.device("meta"):
        expected = build_network(checkpoint.skeleton, checkpoint.model).state_dict()
    if missing := sorted(expected.keys() - weights.keys()):
        raise InputError(f"{path}: lacks the weights {', '.join(missing[:3])}{' ...' if missing[3:] else ''}.")
    if unknown := sorted(weights.keys() - expected.keys()):
        raise InputError(f"{path}: has unknown weights {', '.join(unknown[:3])}{' ...' if unknown[3:] else ''}.")
    for name, weight in expected.items():
        if weights[name].shape != weight.shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(weights[name].shape)}, the network it describes has "
                f"{tuple(weight.shape)}."
            )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
