"""In how many threads the compiled forms run: as many as torch may use, also where torch itself is held to one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_of_compiled: int | None = None


def threads() -> int:
    """Those of the compiled forms, whose number changes no bit."""
    return torch.get_num_threads() if _of_compiled is None else _of_compiled


@contextmanager
def one_thread_in_torch() -> Iterator[None]:
    """Inside, torch computes in one thread, because its own sums depend on their number; compiled forms keep theirs."""
    global _of_compiled
    before, of_torch = _of_compiled, torch.get_num_threads()
    _of_compiled = threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(of_torch)
        _of_compiled = before
