"""Checkpoints: everything that evaluation, lifting and further training need, in one file.

A checkpoint is a dictionary of tensors and plain values in torch's zip format. Before torch opens one, its size and all
that its pickle names are checked; then it is read with torch's restricted unpickler, and its weights load strictly or
not at all.
"""

import io
import pickletools
import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import is_there, write_atomically
from wsgcn.base.foreign import brief, enumerated, reading, shown
from wsgcn.base.section import flat
from wsgcn.containers.archives import ZipArchive
from wsgcn.containers.npz import refuse_unfolding
from wsgcn.model.networks import build_network, context_of_model
from wsgcn.model.params import Model, Temporal
from wsgcn.model.trajectory import build_trajectory
from wsgcn.pose.skeleton import SKELETONS, Skeleton

FORMAT = "wsgcn checkpoint 2"
NORMALISATION = "screen: x / w * 2 - 1, y / w * 2 - h / w"

_SAME_RATE = 0.05  # rates that differ by no more of them count as one

_RECIPE = ("loss", "schedule", "warmup_steps", "average")


@dataclass(frozen=True)
class Chosen:
    """The epoch whose weights are evaluated."""

    epoch: int  # counted from 1 over both training stages; 0 is the initial network
    by: Literal["last", "validation"]
    validation_mpjpe_mm: float | None  # of that epoch


@dataclass(frozen=True)
class Unfinished:
    """What a snapshot, the checkpoint of a stage that has not ended, also knows."""

    curves: Sequence[Mapping[str, float]]  # the rows of the stage's epochs so far
    run_id: str  # of the tracker's run, empty if there is none


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after `epoch` epochs, and the weights chosen for evaluation.

    `weights`, `optimiser`, `average` and `trajectory` go on training; `chosen_weights` are evaluated. Where the last
    epoch was chosen they are the same tensors as `average`, or as `weights` where nothing is averaged.
    """

    model: Model
    skeleton: Skeleton
    source: str  # of the 2D it was trained with, the value of detections.source
    source_words: str  # what that is
    # Mean intrinsics of its labelled poses, normalised screen units, see wsgcn.pose.camera; a usual camera without
    # distortion where they were seen by any.
    camera_9: tuple[float, ...]
    params: Mapping[str, Any]  # the parameters that it depends on, as in params.yaml
    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    epoch: int
    step: int
    chosen: Chosen
    chosen_weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor] = field(default_factory=dict)  # of the weights over the steps; empty: there is none
    # The weights of the trajectory network, whose moments follow in `optimiser`; empty: there is none.
    trajectory: Mapping[str, Tensor] = field(default_factory=dict)
    fps: float | None = None  # frames a second of what it was trained with; None where each frame is lifted by itself
    # The library of the compiled step's products, on which the last bits depend; empty where no such step was taken.
    product: str = ""
    unfinished: Unfinished | None = None  # None where the stage ended

    @property
    def recipe(self) -> dict[str, Any]:
        """How it was trained, of what its parameters say: loss, schedule, average, the augmentation that is on, and
        what the unlabelled gave (empty where there were none).
        """
        settings = flat(self.params)
        is_any = settings.get("augmentation.camera") == "any"
        drawn = {
            name.removeprefix("augmentation."): value
            for name, value in settings.items()
            if name.startswith("augmentation.") and (is_any or not name.startswith("augmentation.any."))
        }
        return {
            **{name: settings[f"training.{name}"] for name in _RECIPE if f"training.{name}" in settings},
            "augmentation": {
                name: value
                for name, value in drawn.items()
                if isinstance(value, (bool, int, float, str, list)) and value and value != "capture"
            },
            "weak": self._weak(settings),
        }

    @staticmethod
    def _weak(settings: Mapping[str, Any]) -> dict[str, Any]:
        if not settings.get("weak.epochs") or not settings.get("data.subjects.unlabelled"):
            return {}
        names = ["reprojection_weight", "bone_weight", "pseudo_labels.share"]
        used = {name: settings[f"weak.{name}"] for name in names if settings.get(f"weak.{name}")}
        decided_by = {"views": "pseudo_labels.share" in used, "root": bool(used)}
        return used | {
            name: settings[f"weak.{name}"]
            for name, is_read in decided_by.items()
            if is_read and f"weak.{name}" in settings
        }

    @property
    def caveat(self) -> str:
        """What whoever lifts with it should know, a sentence without a dot; empty if it is for any camera."""
        if flat(self.params).get("augmentation.camera") == "any":
            return ""
        return "trained for the cameras of its capture alone; seen by another, a body may lean or be misshapen"

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
            "source_words": self.source_words,
            "camera": list(self.camera_9),
            "normalisation": NORMALISATION,
            "weights": dict(self.weights),
            "optimiser": dict(self.optimiser),
            "epoch": self.epoch,
            "step": self.step,
            "chosen": vars(self.chosen),
            "chosen_weights": dict(self.chosen_weights),
            "average": dict(self.average),
            "product": self.product,
            **({} if self.fps is None else {"fps": self.fps}),
            **({"trajectory": dict(self.trajectory)} if self.trajectory else {}),
        }
        if self.unfinished is not None:
            tree["unfinished"] = vars(self.unfinished)
        # Through memory, because torch.save puts a file's name into its bytes.
        buffer = io.BytesIO()
        torch.save(_canonical(tree), buffer)
        write_atomically(path, buffer.getvalue())

    def check_fits(self, path: Path | str, skeleton: Skeleton, source: str, model: Model | None = None) -> None:
        """Raises InputError unless this checkpoint, read from `path`, is for this skeleton, 2D source and network."""
        if self.skeleton != skeleton:
            raise InputError(
                f"{path}: is for the skeleton {self.skeleton.name} with {len(self.skeleton.joints)} joints, "
                f"but data.skeleton is {skeleton.name} with {len(skeleton.joints)}."
            )
        if self.source != source:
            raise InputError(f"{path}: was trained with {brief(self.source, 60)} 2D, but the detections are {source}.")
        if model is not None and self.model != model:
            raise InputError(f"{path}: holds another network ({self.model}) than the parameters' ({model}).")

    def is_of_rate(self, fps: float) -> bool:
        """Whether frames that come so many a second move from one to the next as those that it was trained with."""
        return self.fps is None or abs(fps / self.fps - 1) <= _SAME_RATE

    def check_fps(self, path: Path | str, fps: float, what: str) -> None:
        """Raises InputError unless this checkpoint, read from `path`, is for sequences with so many frames a second."""
        if not self.is_of_rate(fps):
            raise InputError(
                f"{path}: was trained with {self.fps:g} frames a second and sees {context_of_model(self.model).frames} "
                f"of them, but {brief(what, 60)} has {fps:g} a second."
            )


def _canonical(state: Any) -> Any:
    """The same values, of which equal texts are one object: a pickle refers back to an object, not to a value.

    So a state that was read back from a file gives the bytes that it gave before.
    """
    match state:
        case str():
            return sys.intern(state)
        case Mapping():
            return {_canonical(key): _canonical(value) for key, value in state.items()}
        case list() | tuple():
            return type(state)(map(_canonical, state))
        case _:
            return state


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint without executing anything in it.

    Raises:
        InputError: the file is missing, truncated or no checkpoint of this project, would execute code, exceeds a limit
            of `wsgcn.base.limits`, or its weights do not fit the network that it describes or are not finite.
    """
    if not is_there(path):
        raise InputError(f"{brief(path)}: not found; `dvc repro` makes it.")
    _check_archive(path)
    with reading(path, "checkpoint file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about what a damaged file makes it do
        tree = torch.load(path, map_location="cpu", weights_only=True)
    found = tree.get("format") if isinstance(tree, dict) else type(tree).__name__
    if found != FORMAT:
        raise InputError(f"{path}: is not a checkpoint of this project (found {shown(found)}, expected {FORMAT!r}).")
    try:
        parts = _Parts.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(brief(part, 60) for part in first["loc"])
        raise InputError(
            f"{path}: lacks or garbles a part of a checkpoint ({where}: {brief(first['msg'])})."
        ) from error
    with reading(path, "checkpoint file"):
        refuse_unfolding([parts.params, parts.optimiser, tree.get("unfinished")], Path(path).stat().st_size)
    skeleton = SKELETONS[parts.skeleton]
    if parts.joints != list(skeleton.joints):
        raise InputError(
            f"{path}: has the joints {enumerated(parts.joints)}, but {skeleton.name} has {', '.join(skeleton.joints)}."
        )
    checkpoint = Checkpoint(
        model=parts.model,
        skeleton=skeleton,
        params=parts.params,
        source=parts.source,
        source_words=parts.source_words,
        camera_9=tuple(parts.camera),
        weights=parts.weights,
        optimiser=parts.optimiser,
        epoch=parts.epoch,
        step=parts.step,
        chosen=Chosen(parts.chosen.epoch, parts.chosen.by, parts.chosen.validation_mpjpe_mm),
        chosen_weights=parts.chosen_weights,
        average=parts.average,
        trajectory=parts.trajectory,
        product=parts.product,
        unfinished=Unfinished(**dict(parts.unfinished)) if parts.unfinished is not None else None,
        fps=parts.fps,
    )
    with torch.device("meta"):
        network = build_network(skeleton, checkpoint.model)
    for weights in (checkpoint.weights, checkpoint.chosen_weights, checkpoint.average or checkpoint.weights):
        _check_weights(path, network.state_dict(), weights)
    trained = list(network.parameters())
    if checkpoint.trajectory:
        with torch.device("meta"):
            trajectory = build_trajectory(skeleton, context_of_model(checkpoint.model))
        _check_weights(path, trajectory.state_dict(), checkpoint.trajectory)
        trained += trajectory.parameters()
    _check_optimiser(path, [parameter.shape for parameter in trained], checkpoint.optimiser)
    return checkpoint


_Count = Annotated[int, Field(ge=0, le=2**62)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True)


class _Chosen(_Part):
    epoch: _Count
    by: Literal["last", "validation"]
    validation_mpjpe_mm: float | None


class _Unfinished(_Part):
    curves: list[dict[str, float]]
    run_id: str


_NO_TIME = Temporal(member="graph", frames=1, channels=2, blocks=0, non_local=False, dropout=0.0, causal=False)


def _as_of_today(model: object) -> object:
    """Files from before there was a choice lack what the network sees, and the section of networks over time or its
    non-local layers, without which its width could be odd."""
    if not isinstance(model, dict):
        return model
    over_time, older = model.get("temporal"), _NO_TIME.model_dump()
    if isinstance(over_time, dict) and "non_local" not in over_time:
        over_time = {**older, **over_time}
        if model.get("name") != "temporal":
            over_time["channels"] = older["channels"]
    return {"sees": "picture", **model, "temporal": over_time or older}


class _Parts(_Part):
    """What a checkpoint file holds."""

    model: Annotated[Model, BeforeValidator(_as_of_today)]
    params: dict[str, Any]
    skeleton: Literal["h36m16", "h36m17"]
    joints: list[str]
    source: Annotated[str, Field(max_length=100)]
    source_words: Annotated[str, Field(max_length=500)]
    camera: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=9, max_length=9)]
    weights: dict[str, Tensor]
    optimiser: dict[str, Any]
    epoch: _Count
    step: _Count
    chosen: _Chosen
    chosen_weights: dict[str, Tensor]
    average: dict[str, Tensor] = {}  # files from before averaging lack it
    trajectory: dict[str, Tensor] = {}  # files of trainings without such a network lack it
    product: Annotated[str, Field(max_length=20)] = ""  # files from before there was a choice lack it
    unfinished: _Unfinished | None = None
    fps: Annotated[float, Field(gt=0, le=10_000)] | None = None  # files of networks that see one frame lack it


# What the pickle of `Checkpoint.save` names. torch's unpickler knows more, with which a file can ask for any memory.
_NAMES = {"torch._utils _rebuild_tensor_v2", "collections OrderedDict"} | {
    f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
}
_CALLS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "PERSID"}


def _check_archive(path: Path | str) -> None:
    """What `torch.load` would believe: how large the parts are, and what its pickle calls.

    Raises:
        InputError: it is no zip archive as torch writes it, or its pickle calls anything but what makes tensors.
    """
    size = Path(path).stat().st_size
    with ZipArchive(path, "checkpoint file") as archive:
        names = [info.filename for info in archive.members]
        pickles = [info for info in archive.members if info.filename.rpartition("/")[2] == "data.pkl"]
        with reading(path, "checkpoint file"):
            if len(pickles) != 1 or len(set(names)) < len(names):
                raise ValueError(f"holds {enumerated(names)}, expected one data.pkl")
            if any(info.compress_type or info.file_size > info.compress_size for info in archive.members):
                raise ValueError("is compressed, which torch does not do")
            if (together := sum(info.file_size for info in archive.members)) > size:
                raise ValueError(f"declares {limits.in_units(together)}, but has {limits.in_units(size)}")
        content = archive.read(pickles[0])
    with reading(path, "checkpoint file"):
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if steps > limits.CHECKPOINT_STEPS:
                raise ValueError(f"more than {limits.CHECKPOINT_STEPS:,} instructions, which is the limit")
            if opcode.name in _CALLS or (opcode.name == "GLOBAL" and argument not in _NAMES):
                raise InputError(
                    f"{path}: holds more than tensors and plain values and could run code on loading, so it was not "
                    f"loaded (found {brief(argument or opcode.name, 60)})."
                )


def _check_weights(path: Path | str, expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    if missing := sorted(expected.keys() - weights.keys()):
        raise InputError(f"{path}: lacks the weights {enumerated(missing, 3)}.")
    if unknown := sorted(weights.keys() - expected.keys()):
        raise InputError(f"{path}: has unknown weights {enumerated(unknown, 3)}.")
    for name, weight in expected.items():
        found = weights[name]
        if found.shape != weight.shape:
            raise InputError(
                f"{path}: {name} has shape {brief(tuple(found.shape), 60)}, the network it describes has "
                f"{tuple(weight.shape)}."
            )
        if found.dtype != weight.dtype:
            raise InputError(f"{path}: {name} is of {found.dtype}, the network it describes has {weight.dtype}.")
    _check_bytes(path, weights.values())
    for name, found in weights.items():
        if not (finite := torch.isfinite(found)).all():
            raise InputError(
                f"{path}: {name} has {found.numel() - int(finite.sum())} of {found.numel()} weights that are NaN or "
                "infinite, as after a training that diverged; expected numbers."
            )


def _check_optimiser(path: Path | str, shapes: Sequence[torch.Size], optimiser: Mapping[str, Any]) -> None:
    """Raises InputError unless this is Adam's state for parameters of these shapes, or its state before any step."""
    match optimiser:
        case {"state": dict(state), "param_groups": [{"params": list(numbers), **settings}]}:
            fits = numbers == list(range(len(shapes))) and {"lr", "betas", "eps", "weight_decay"} <= settings.keys()
            fits &= not any(isinstance(value, Tensor) for value in settings.values())
            kept = {number: moments for number, moments in state.items() if isinstance(moments, dict)}
            fits &= len(kept) == len(state)
            moments = [(number, moment) for number, by_name in kept.items() for moment in by_name.values()]
            fits &= all(
                type(number) is int
                and number in range(len(shapes))
                and isinstance(moment, Tensor)
                and moment.shape in ((), shapes[number])
                for number, moment in moments
            )
        case _:
            fits, moments = not optimiser, []  # a checkpoint that is not trained further may do without
    if not fits:
        raise InputError(f"{path}: has an optimiser's state that is not Adam's for the network it describes.")
    _check_bytes(path, [moment for _, moment in moments])


def _check_bytes(path: Path | str, tensors: Collection[Tensor]) -> None:
    """A tensor may show the same few bytes again and again; what is copied from it then has no bound."""
    declared, size = sum(tensor.nbytes for tensor in tensors), Path(path).stat().st_size
    if declared > size:
        raise InputError(f"{path}: has {limits.in_units(size)}, but describes tensors of {limits.in_units(declared)}.")
