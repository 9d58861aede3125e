"""The sections model and runtime of params.yaml: which network, and where and how it computes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wsgcn.base.section import Blocks, Dropout, Section

Precision = Literal["float32", "tf32"]
Product = Literal["auto", "mkl", "openblas"]


class SemGCN(Section):
    channels: Annotated[int, Field(ge=2, le=2**12, multiple_of=2)]
    blocks: Blocks
    non_local: bool
    channelwise: bool
    dropout: Dropout


class Linear(Section):
    width: Annotated[int, Field(ge=1, le=2**14)]
    blocks: Blocks
    dropout: Dropout


def _is_network(name: str) -> str:
    networks = [field for field in Model.model_fields if field not in ("name", "sees")]
    if name not in networks:
        raise ValueError(f"input should be one of {', '.join(networks)}, found {name!r}")
    return name


class ModulatedGCN(Section):
    channels: Annotated[int, Field(ge=1, le=2**12)]
    blocks: Blocks
    dropout: Dropout


Member = Literal["graph", "videopose3d"]


class Temporal(Section):
    member: Member
    frames: Literal[1, 9, 27, 81, 243]
    channels: Annotated[int, Field(ge=2, le=2**12, multiple_of=2)]
    blocks: Annotated[int, Field(ge=0, le=100)]
    non_local: bool
    dropout: Dropout
    causal: bool


class Model(Section):
    """The network's name, and for each network that there is a section of its own name."""

    name: Annotated[str, AfterValidator(_is_network)]
    sees: Literal["picture", "person"]
    semgcn: SemGCN
    linear: Linear
    modulated_gcn: ModulatedGCN
    temporal: Temporal

    @property
    def chosen(self) -> Section:
        """The section of the network that is chosen."""
        return getattr(self, self.name)


class Runtime(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=0, le=1024)]
    precision: Precision
    product: Product
