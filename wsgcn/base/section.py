"""What a section of params.yaml is, and how a stage gets the keys that it declares and no others.

Each wing keeps its sections in a params.py beside its code. A stage declares what it reads as a `Part`: a model whose
fields are whole sections, single keys, or further parts. `declared_keys` of it is what dvc.yaml lists for the stage.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def is_name(name: str) -> bool:
    """Whether a subject or a take can be called so: the name becomes a group of HDF5 files."""
    return bool(name) and name.strip() == name and name.isprintable() and "/" not in name and name not in _TAKEN


_TAKEN = (".", "..", "cameras")


def _one_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(
            f"a name has no slash and no blanks at its ends, and is neither '.' nor 'cameras'; found {name!r}"
        )
    return name


# The upper bounds are far above any use. They keep a slip, or a checkpoint that someone else made, from asking for more
# than a machine has.
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Poses = Annotated[int, Field(ge=1, le=2**20)]  # in memory at a time
Batch = Annotated[int, Field(ge=2, le=2**20)]
Blocks = Annotated[int, Field(ge=1, le=100)]
Epochs = Annotated[int, Field(ge=0, le=10**6)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=0.5)]
Subject = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_name)]


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no guessing between types, no change after construction."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Part(Section):
    """Some keys of a section, or of the whole: what one stage reads of them."""

    @classmethod
    def of(cls, whole: BaseModel) -> Self:
        """These keys of the whole of the parameters."""
        return cls.model_validate(_subtree(whole.model_dump(), declared_keys(cls)))


def declared_keys(part: type[Part]) -> tuple[str, ...]:
    """The dotted names of what a part reads, in its order: of a section that it has whole, the section's name."""
    keys: list[str] = []
    for name, field in part.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Part):
            keys += [f"{name}.{key}" for key in declared_keys(kind)]
        else:
            keys.append(name)
    return tuple(keys)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value of a tree under its dotted name."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        values |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return values


def _subtree(tree: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for name in names:
        source, target = tree, part
        *sections, last = name.split(".")
        for section in sections:
            source, target = source[section], target.setdefault(section, {})
        target[last] = source[last]
    return part
