"""What stage visualize reads of params.yaml."""

from typing import Annotated

from pydantic import Field

from wsgcn.base.section import Part, Section, Text


class Visualize(Section):
    seconds: Annotated[float, Field(gt=0, le=600)]
    fps: Annotated[float, Field(gt=0, le=50)]
    serial: Text


class VisualizeParams(Part):
    """Of stage visualize."""

    visualize: Visualize
