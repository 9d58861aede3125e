"""Threads that take up their share of a kernel within microseconds.

A training step shares out a kernel every millisecond or two. A thread that sleeps in between takes a twentieth of a
millisecond to wake, so it spins for a while first. At every look it offers its processor to whoever else
has use for it, so runs that share a machine do not pay for each other's waiting.
"""

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numba import types

from wsgcn.model.cpu.compiled import compiled

_LOOKS = 2000  # about a millisecond

_sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())


@compiled()
def _spin(count, wanted, looks):  # type: ignore[no-untyped-def]
    """Return when count[0] is what is wanted, or after so many looks."""
    for _ in range(looks):
        if count[0] == wanted:
            return
        _sched_yield()


class _Signal:
    """Given by one thread and awaited by another, in turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._given, self._awaited = np.zeros(1, np.int64), 0

    def give(self) -> None:
        self._given[0] += 1
        self._lock.release()

    def wait(self) -> None:
        self._awaited += 1
        _spin(self._given, self._awaited, _LOOKS)
        self._lock.acquire()  # whatever was seen; where the thread sleeps if it looked in vain


class _Worker:
    def __init__(self) -> None:
        self._begin, self._end = _Signal(), _Signal()
        self._task: Callable[[], object]
        self._error: BaseException | None = None
        threading.Thread(target=self._work, name="crew", daemon=True).start()

    def begin(self, task: Callable[[], object]) -> None:
        self._task = task
        self._begin.give()

    def finish(self) -> None:
        self._end.wait()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            self._begin.wait()
            try:
                self._task()
            except BaseException as error:
                self._error = error
            del self._task  # and what it holds
            self._end.give()


_crew: list[_Worker] = []
_is_at_work = threading.Lock()


def share_out(kernel: Callable[..., object], bounds: Sequence[int], *arguments: Any) -> None:
    """Call the kernel with every two neighbours of the bounds, in a thread each, the first in this one."""
    parts = list(pairwise(bounds))
    with _is_at_work:
        try:
            _crew.extend(_Worker() for _ in range(len(parts) - 1 - len(_crew)))
            workers = _crew[: len(parts) - 1]
            for worker, part in zip(workers, parts[1:], strict=True):
                worker.begin(lambda part=part: kernel(*part, *arguments))  # type: ignore[misc]
            kernel(*parts[0], *arguments)
            for worker in workers:
                worker.finish()
        except BaseException:
            _crew.clear()  # some may still be at work
            raise
