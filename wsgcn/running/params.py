"""The experiment's parameters: typed, checked once, and read from params.yaml here and nowhere else.

params.yaml documents meaning, unit and range of every key; the classes below mirror its sections and check them.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import is_there
from wsgcn.base.foreign import brief, enumerated, reading, shown

SOURCES_WITHOUT_NECK = ("hourglass_pretrained", "hourglass_finetuned")

# The upper bounds are far above any use. They keep a slip, or a checkpoint that someone else made, from asking for more
# than a machine has.
Count = Annotated[int, Field(ge=1, le=10**9)]
Batch = Annotated[int, Field(ge=2, le=2**20)]
Blocks = Annotated[int, Field(ge=1, le=100)]
Epochs = Annotated[int, Field(ge=0, le=10**6)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=0.5)]
Subject = Annotated[str, Field(pattern=r"^S\d+$", max_length=20)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Precision = Literal["float32", "tf32", "bf16"]


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no guessing between types, no change after construction."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Subjects(Section):
    labelled: list[Subject]
    unlabelled: list[Subject]
    validation: list[Subject] | Share
    test: Annotated[list[Subject], Field(min_length=1)]

    @property
    def validation_subjects(self) -> list[str]:
        return self.validation if isinstance(self.validation, list) else []

    @property
    def used(self) -> list[str]:
        """Every subject that any stage needs."""
        return [*self.labelled, *self.unlabelled, *self.validation_subjects, *self.test]

    @model_validator(mode="after")
    def _no_subject_twice(self) -> Self:
        repeated = [subject for subject, times in Counter(self.used).items() if times > 1]
        if repeated:
            raise ValueError(
                f"{', '.join(repeated)} stands more than once in labelled, unlabelled, validation and test; "
                "the lists must not overlap"
            )
        if not self.labelled:
            raise ValueError("labelled is empty; at least one subject with 3D labels is needed")
        return self


_LONGEST, _MOST_WRONG = 400, 20  # characters and wrong values in a message

DEMO_RAW = "data/raw/demo"  # where stage demo writes the synthetic capture


class Data(Section):
    raw: Text
    layout: Literal["auto", "cdf_archives", "cdf", "mat", "martinez_zip", "martinez", "videopose3d"]
    drop_bad_frames: bool
    skeleton: Literal["h36m16", "h36m17"]
    stride: Count
    subjects: Subjects

    @property
    def is_synthetic(self) -> bool:
        """Whether this is the capture that stage demo makes."""
        return Path(self.raw) == Path(DEMO_RAW)

    @property
    def capture(self) -> str:
        """What figures made from it are called."""
        return "synthetic capture of stage demo" if self.is_synthetic else Path(self.raw).name


class Demo(Section):
    seconds: Annotated[float, Field(ge=1, le=600)]


class Detections(Section):
    source: Literal["gt", "hourglass_pretrained", "hourglass_finetuned", "cpn", "detectron", "hrnet"]
    path: Text


class Linear(Section):
    width: Annotated[int, Field(ge=1, le=2**14)]
    blocks: Blocks
    dropout: Dropout


class Model(Section):
    name: Literal["semgcn", "linear"]
    channels: Annotated[int, Field(ge=2, le=2**12, multiple_of=2)]
    blocks: Blocks
    non_local: bool
    channelwise: bool
    dropout: Dropout
    linear: Linear


class Training(Section):
    batch_labelled: Batch
    batch_unlabelled: Batch
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    decay_factor: Annotated[float, Field(gt=0, le=1)]
    decay_steps: Count
    gradient_clip: Weight
    supervised_weight: Weight
    choose_epoch: Literal["last", "validation"]


class Warmup(Section):
    epochs: Epochs


class Weak(Section):
    epochs: Epochs
    reprojection_weight: Weight
    bone_weight: Weight
    root: Literal["ground_truth", "solved"]


class Evaluate(Section):
    flip: bool
    batch: Annotated[int, Field(ge=1, le=2**20)]


class Visualize(Section):
    seconds: Annotated[float, Field(gt=0, le=600)]
    fps: Annotated[float, Field(gt=0, le=50)]
    serial: Text


class Tracking(Section):
    mlflow: bool
    experiment: Text


class Runtime(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=0, le=1024)]
    precision: Precision


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    data: Data
    demo: Demo
    detections: Detections
    model: Model
    training: Training
    warmup: Warmup
    weak: Weak
    evaluate: Evaluate
    visualize: Visualize
    tracking: Tracking
    runtime: Runtime

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        if self.data.skeleton == "h36m17" and self.detections.source in SOURCES_WITHOUT_NECK:
            raise ValueError(
                f"data.skeleton is h36m17, but detections.source {self.detections.source} has no Neck/Nose; use h36m16"
            )
        if self.training.choose_epoch == "validation" and not self.data.subjects.validation:
            raise ValueError("training.choose_epoch is validation, but data.subjects.validation is empty")
        if self.warmup.epochs + self.weak.epochs == 0:
            raise ValueError("warmup.epochs and weak.epochs are both 0; nothing would be trained")
        return self

    def used_by(self, stage: str) -> dict[str, Any]:
        """The part of the tree that the outputs of a stage depend on, see STAGE_PARAMS."""
        return _subtree(self.model_dump(), STAGE_PARAMS[stage])

    def flat(self) -> dict[str, Any]:
        """Every value under its dotted name, as a tracker logs them."""
        return _flatten(self.model_dump())


_TRAINING_PARAMS = (
    "seed",
    "data.skeleton",
    "data.stride",
    "data.subjects.labelled",
    "data.subjects.unlabelled",
    "data.subjects.validation",
    "model",
    "training",
    "runtime",
)

# What each stage's outputs depend on: dvc.yaml declares the same, and checkpoints record it.
STAGE_PARAMS = {
    "demo": ("seed", "demo"),
    "preprocess": ("data.raw", "data.layout", "data.drop_bad_frames", "data.subjects"),
    "detections": ("detections",),
    "warmup": (*_TRAINING_PARAMS, "warmup"),
    "weak": (*_TRAINING_PARAMS, "weak"),
    # Of the training's parameters the evaluation only needs to know which published row they correspond to.
    "evaluate": ("data", "detections.source", "model", "warmup.epochs", "weak", "evaluate", "runtime"),
    "visualize": ("visualize",),
}


def _subtree(tree: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for name in names:
        source, target = tree, part
        *sections, last = name.split(".")
        for section in sections:
            source, target = source[section], target.setdefault(section, {})
        target[last] = source[last]
    return part


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


class _Refused(Exception):
    """YAML that is not read."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also takes 1e-3 for a number, as YAML 1.2 and dvc do.

    It refuses what makes a file mean something else than it seems to: a key twice, of which the last one would count,
    and aliases, of which a few lines stand for any number of values.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _Refused(f"has the alias *{brief(self.peek_event().anchor, 60)}; write the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := [name for name, times in Counter(names).items() if times > 1]:
            raise _Refused(f"has {enumerated(repeated)} more than once in a section")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_params(path: Path | str = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        InputError: the file is missing or no YAML, or a key is missing, unknown, or has a wrong type or value.
    """
    if not is_there(path):
        raise InputError(f"{brief(path)}: not found; run from the project's root.")
    content = limits.read_file(path, limits.PARAMS_BYTES)
    with reading(path, "YAML file"):
        try:
            tree = yaml.load(content.decode("utf-8"), Loader=_Loader)
        except _Refused as error:
            raise InputError(f"{path}: {error}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: is not YAML ({brief(error, 300)}).") from error
    return parse_params(tree, str(path))


def parse_params(tree: object, origin: str) -> Params:
    """Check a tree of plain values, as `read_params` does; `origin` names it in the error.

    Raises:
        InputError: a key is missing, unknown, or has a wrong type or value.
    """
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise InputError(f"{origin}: {brief('; '.join(_sentences(error)), _LONGEST)}.") from error


def _sentences(error: ValidationError) -> list[str]:
    """One clause a wrong key; a union reports each of its members, which share a key here."""
    clauses: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False)[:_MOST_WRONG]:
        location = [brief(part, 60) for part in detail["loc"] if not _is_union_member(str(part))]
        key = ".".join(location)
        found = "" if isinstance(detail["input"], dict) else f", found {shown(detail['input'])}"
        expected = detail["msg"].removeprefix("Value error, ")
        match detail["type"]:
            case "missing":
                clause = "is missing"
            case "extra_forbidden":
                clause = "is not a known key"
            case "value_error":
                clause = expected
            case _:
                clause = expected[0].lower() + expected[1:] + found
        clauses.setdefault(key, []).append(clause)
    return [f"{key}: {' or '.join(parts)}" if key else " or ".join(parts) for key, parts in clauses.items()]


def _is_union_member(part: str) -> bool:
    return part.startswith(("list[", "constrained-", "float"))
