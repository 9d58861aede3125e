"""What stage detections reads of params.yaml."""

from typing import Annotated

from pydantic import AfterValidator

from wsgcn.base.section import Part, Section, Text
from wsgcn.detections.sources import SOURCES


def _known(source: str) -> str:
    if source not in SOURCES:
        raise ValueError(f"input should be one of {', '.join(SOURCES)}, found {source!r}")
    return source


class DetectionsSection(Section):
    source: Annotated[str, AfterValidator(_known)]
    path: Text


class DetectionsParams(Part):
    """Of stage detections."""

    detections: DetectionsSection
