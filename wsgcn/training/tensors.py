"""Sets of tensors that move between devices as one."""

from dataclasses import dataclass, fields
from typing import Self

import torch


@dataclass(frozen=True)
class Tensors:
    """A frozen dataclass of tensors, of such dataclasses, of networks (which move in place), and of None."""

    def to(self, device: torch.device) -> Self:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(**{name: None if value is None else value.to(device) for name, value in values.items()})
