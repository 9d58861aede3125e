"""What the stages demo and preprocess read of params.yaml."""

from typing import Annotated

from pydantic import Field

from wsgcn.base.section import Part, Section, Seed, Text
from wsgcn.pose.params import Subjects, Unit, Up


class Demo(Section):
    seconds: Annotated[float, Field(ge=1, le=600)]


class DemoParams(Part):
    """Of stage demo."""

    seed: Seed
    demo: Demo


class RawData(Part):
    raw: Text
    layout: Text
    unit: Unit
    up: Up
    drop_bad_frames: bool
    subjects: Subjects


class PreprocessParams(Part):
    """Of stage preprocess."""

    data: RawData
