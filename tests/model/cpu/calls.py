"""How often a compiled form is taken."""

from types import ModuleType

import pytest
from torch import Tensor


def counted_calls(monkeypatch: pytest.MonkeyPatch, form: ModuleType) -> list[int]:
    """The sizes of the batches that the compiled form gets from now on; the comparison's own are of 2 poses."""
    calls: list[int] = []
    forward = form.forward

    def counting(network: object, x: Tensor) -> Tensor:
        calls.append(len(x))
        return forward(network, x)

    monkeypatch.setattr(form, "forward", counting)
    return calls
