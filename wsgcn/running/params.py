"""The whole of params.yaml: the wings' sections put together, checked once, and read here and nowhere else.

params.yaml documents meaning, unit and range of every key.
"""

import re
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError, model_validator

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import is_there
from wsgcn.base.foreign import brief, enumerated, reading, shown
from wsgcn.base.section import Section, Seed, Text, flat
from wsgcn.captures.params import Demo
from wsgcn.detections.params import DetectionsSection
from wsgcn.evaluation.params import Evaluate
from wsgcn.model.params import Model, Runtime
from wsgcn.pose.params import Data
from wsgcn.pose.skeleton import SKELETONS
from wsgcn.rendering.params import Visualize
from wsgcn.training.params import Augmentation, Training, Warmup, Weak

_LONGEST, _MOST_WRONG, _MOST_SHOWN = 400, 20, 8  # characters of a message, wrong values looked at, and told


class Tracking(Section):
    mlflow: bool
    experiment: Text


class Params(Section):
    """The whole of params.yaml."""

    seed: Seed
    data: Data
    demo: Demo
    detections: DetectionsSection
    model: Model
    augmentation: Augmentation
    training: Training
    warmup: Warmup
    weak: Weak
    evaluate: Evaluate
    visualize: Visualize
    tracking: Tracking
    runtime: Runtime

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        lacking = [joint for joint in SKELETONS[self.data.skeleton].joints if joint in self.detections.lacks]
        if lacking:
            raise ValueError(
                f"data.skeleton is {self.data.skeleton}, but detections.source {self.detections.source} has no "
                f"{', '.join(lacking)}; use h36m16"
            )
        if self.training.choose_epoch == "validation" and not self.data.subjects.validation:
            raise ValueError("training.choose_epoch is validation, but data.subjects.validation is empty")
        if self.warmup.epochs + self.weak.epochs == 0:
            raise ValueError("warmup.epochs and weak.epochs are both 0; nothing would be trained")
        return self

    def flat(self) -> dict[str, Any]:
        """Every value under its dotted name, as a tracker logs them."""
        return flat(self.model_dump())


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
    return parse_params_yaml(limits.read_file(path, limits.PARAMS_BYTES), str(path))


def parse_params_yaml(content: bytes, origin: str) -> Params:
    """Check the content of a params.yaml, as `read_params` does; `origin` names it in the error.

    Raises:
        InputError: it is no YAML, or a key is missing, unknown, or has a wrong type or value.
    """
    with reading(origin, "YAML file"):
        try:
            tree = yaml.load(content.decode("utf-8"), Loader=_Loader)
        except _Refused as error:
            raise InputError(f"{origin}: {error}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{origin}: is not YAML ({brief(error, 300)}).") from error
    return parse_params(tree, origin)


def parse_params(tree: object, origin: str) -> Params:
    """Check a tree of plain values, as `read_params` does; `origin` names it in the error.

    Raises:
        InputError: a key is missing, unknown, or has a wrong type or value.
    """
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        wrong = _sentences(error)
        more = [f"and {len(wrong) - _MOST_SHOWN} more"] if len(wrong) > _MOST_SHOWN else []
        raise InputError(f"{origin}: {brief('; '.join([*wrong[:_MOST_SHOWN], *more]), _LONGEST)}.") from error


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
