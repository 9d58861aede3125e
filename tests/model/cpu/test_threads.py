"""Torch in one thread, and the compiled forms in as many as before: see `wsgcn.model.cpu.threads`."""

from collections.abc import Iterator

import pytest
import torch

from wsgcn.model.cpu.threads import one_thread_in_torch, threads


@pytest.fixture(autouse=True)
def _three() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_compiled_forms_keep_the_threads_that_torch_had():
    with one_thread_in_torch():
        assert (torch.get_num_threads(), threads()) == (1, 3)
        with one_thread_in_torch():
            assert (torch.get_num_threads(), threads()) == (1, 3)
        assert (torch.get_num_threads(), threads()) == (1, 3)
    assert (torch.get_num_threads(), threads()) == (3, 3)


def test_an_error_leaves_the_threads_as_they_were():
    with pytest.raises(RuntimeError, match="no"), one_thread_in_torch():
        raise RuntimeError("no")
    torch.set_num_threads(2)
    assert threads() == 2
