"""What stage evaluate reads of params.yaml. How the network was trained stands in its checkpoint."""

from typing import Annotated

from pydantic import Field

from wsgcn.base.section import Part, Poses, Section, Subject, Text
from wsgcn.model.params import Runtime
from wsgcn.pose.params import SkeletonName, capture_name, is_synthetic


class Evaluate(Section):
    flip: bool
    batch: Poses


class TestSubjects(Part):
    test: Annotated[list[Subject], Field(min_length=1)]


class TestData(Part):
    raw: Text
    skeleton: SkeletonName
    subjects: TestSubjects

    @property
    def is_synthetic(self) -> bool:
        """Whether this is the capture that stage demo makes."""
        return is_synthetic(self.raw)

    @property
    def capture(self) -> str:
        """What figures made from it are called."""
        return capture_name(self.raw)


class EvaluateParams(Part):
    """Of stage evaluate."""

    data: TestData
    evaluate: Evaluate
    runtime: Runtime
