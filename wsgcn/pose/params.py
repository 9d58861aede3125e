"""The section data of params.yaml: where the poses come from, and who is used for what."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wsgcn.base.section import Count, Section, Share, Subject, Text

DEMO_RAW = "data/raw/demo"  # where stage demo writes the synthetic capture

Unit = Literal["auto", "m", "cm", "mm", "inch", "inch/0.45"]
Up = Literal["auto", "x", "-x", "y", "-y", "z", "-z"]
SkeletonName = Literal["h36m16", "h36m17"]

# Of the takes of a subject: a share of them, or those of some actions.
TakeChoice = Annotated[float, Field(gt=0, le=1)] | Annotated[list[Text], Field(min_length=1)]


class Subjects(Section):
    labelled: list[Subject]
    labelled_takes: TakeChoice
    unlabelled: list[Subject]
    validation: list[Subject] | Share
    test: Annotated[list[Subject], Field(min_length=1)]

    @property
    def used(self) -> list[str]:
        """Every subject that any stage needs."""
        return [*self.labelled, *self.unlabelled, *validation_subjects(self.validation), *self.test]

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


def validation_subjects(validation: list[str] | float) -> list[str]:
    """The subjects that validation names; none where it is a share of the labelled takes."""
    return validation if isinstance(validation, list) else []


class Data(Section):
    raw: Text
    layout: Text
    unit: Unit
    up: Up
    drop_bad_frames: bool
    skeleton: SkeletonName
    stride: Count
    subjects: Subjects


def is_synthetic(raw: str) -> bool:
    """Whether `data.raw` is the capture that stage demo makes."""
    return Path(raw) == Path(DEMO_RAW)


def capture_name(raw: str) -> str:
    """What figures made from `data.raw` are called."""
    return "synthetic capture of stage demo" if is_synthetic(raw) else Path(raw).name
