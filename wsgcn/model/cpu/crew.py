"""Threads that share the blocks of a kernel's work, each taking the next ones when it is done with its own.

A training step shares out a kernel every millisecond or two. Whoever comes late, because the system gave its core to
somebody else, finds less to do or nothing, and nobody waits for more than the blocks that another thread has begun.
Which thread takes a block must decide on no bit: a kernel's outputs are those of its blocks.

A thread that waits looks out for a moment, since waking takes longer than most waits, and then sleeps. It never yields
its core, which would give away a whole slice of time. Whoever waits for another's last blocks sleeps for moments: each
time that a core falls idle the system may give it to the thread that is waited for. Where so much waiting is left that
a thread less would do better, there is one less for a while.
"""

import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from wsgcn.model.cpu.compiled import compiled

_NEXT, _DONE, _COUNT, _PORTION = range(4)  # of the array `work`
_LOOKS = 2000  # 20 to 50 microseconds
_MOMENT_US = 20
_FAILED = 1 << 40  # blocks, more than there are

_IS_X86 = platform.machine() in ("x86_64", "AMD64")


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    made = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, made, [index])


_sleep_us: Any = types.ExternalFunction("usleep", types.int32(types.uint32))


@intrinsic
def _add(_: Any, array: Any, index: Any, addend: Any) -> Any:
    """Add to an entry of an array of int64, as one operation for all threads; what was there before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def _look(_: Any, array: Any, index: Any) -> Any:
    """An entry of an array of int64, as another thread may have left it a moment ago."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:  # leaves the core to the other thread on it, where there is one
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(_pointer(context, builder, signature.args[0], *arguments), "seq_cst", 8)

    return types.int64(array, types.intp), generate


@compiled()
def _look_out(array, index, wanted, looks):  # type: ignore[no-untyped-def]
    """Return when the entry has come to what is wanted, or after so many looks."""
    for _ in range(looks):
        if _look(array, index) >= wanted:
            return


@compiled()
def _wait_for(array, index, wanted, looks):  # type: ignore[no-untyped-def]
    _look_out(array, index, wanted, looks)
    while _look(array, index) < wanted:
        _sleep_us(_MOMENT_US)


@compiled()
def next_block(work, done):  # type: ignore[no-untyped-def]
    """The block of a kernel's work that this thread does after the one that it has just done, or first (-1).

    Returns:
        -1 where there is none left. Who has been given a block has to do it and to ask again.
    """
    portion, count = work[_PORTION], work[_COUNT]
    if done >= 0:
        following = done + 1
        if following < count and following % portion:
            return following
        _add(work, _DONE, done % portion + 1)
    first = _add(work, _NEXT, portion)
    return first if first < count else -1


class _Task:
    """One call of a kernel by several threads."""

    def __init__(self, kernel: Callable[..., object], count: int, portion: int, arguments: tuple[Any, ...]) -> None:
        self._kernel, self._arguments = kernel, arguments
        self._work = np.array([0, 0, count, portion])
        self._error: BaseException | None = None

    def take_part(self) -> None:
        self._kernel(self._work, *self._arguments)

    def help(self) -> None:
        """Take part in another thread than the one that waits."""
        try:
            self.take_part()
        except BaseException as error:
            self._error = error
            self._work[_DONE] = _FAILED

    def wait(self) -> None:
        """Until all that has been taken is done, when nothing is left to take."""
        _wait_for(self._work, _DONE, self._work[_COUNT], _LOOKS)
        if self._error is not None:
            raise self._error


class _Worker:
    def __init__(self) -> None:
        self._given, self._bell = np.zeros(1, np.int64), threading.Lock()
        self.task: _Task | None = None
        threading.Thread(target=self._help, name="crew", daemon=True).start()

    def give(self, task: _Task) -> None:
        self.task = task
        self._given[0] += 1
        with suppress(RuntimeError):  # it has rung and was not heard: the thread is late, or was looking
            self._bell.release()

    def _help(self) -> None:
        seen = 0
        while True:
            _look_out(self._given, 0, seen + 1, _LOOKS)
            while self._given[0] == seen:
                self._bell.acquire()
            seen = int(self._given[0])
            if (task := self.task) is not None:  # else it is done
                task.help()
            del task  # and what it holds


class _Meetings:
    """How many threads to leave out, by how long the one that calls waited for the others lately.

    Half of the time is where two threads are no faster than one; a thread that helps less is sooner too much.
    """

    _MOST, _CALLS, _LEAST_S, _LONGEST_S = 0.35, 16, 0.25, 2.0

    def __init__(self) -> None:
        self._left_out, self._next_try_s, self._pause_s = 0, 0.0, self._LEAST_S
        self._forget()

    def _forget(self) -> None:
        self._calls, self._spent_s, self._waited_s = 0, 0.0, 0.0

    def helpers(self, most: int, now_s: float) -> int:
        if self._left_out and now_s >= self._next_try_s:
            self._left_out -= 1
            self._forget()
        return max(0, most - self._left_out)

    def held(self, spent_s: float, waited_s: float, now_s: float) -> None:
        """One meeting took so long, with so much of it waiting."""
        self._calls += 1
        self._spent_s += spent_s
        self._waited_s += waited_s
        if self._calls < self._CALLS:
            return
        if self._waited_s > self._MOST * self._spent_s:
            self._left_out += 1
            self._next_try_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, self._LONGEST_S)
        else:
            self._pause_s = max(self._pause_s / 2, self._LEAST_S)
        self._forget()


_crew: list[_Worker] = []
_is_at_work = threading.Lock()
_meetings = _Meetings()


def share_out(kernel: Callable[..., object], count: int, portion: int, threads: int, *arguments: Any) -> None:
    """Call a kernel in up to so many threads, this one among them, which take the blocks 0 to `count` between them.

    Args:
        kernel: is called with `work` and the arguments, and does the blocks that `next_block(work, ...)` gives it. A
            thread that comes late may call it when all is taken, and even later than this function returns.
        portion: so many neighbouring blocks are taken at a time, from multiples of it on.
    """
    task = _Task(kernel, count, portion, arguments)
    with _is_at_work:
        begun_s = time.perf_counter()
        helpers = _meetings.helpers(min(threads, -(-count // portion)) - 1, begun_s)
        try:
            _crew.extend(_Worker() for _ in range(helpers - len(_crew)))
            for worker in _crew[:helpers]:
                worker.give(task)
            task.take_part()
            if helpers:
                alone_s = time.perf_counter()
                task.wait()
                now_s = time.perf_counter()
                _meetings.held(now_s - begun_s, now_s - alone_s, now_s)
            for worker in _crew[:helpers]:
                worker.task = None
        except BaseException:
            _crew.clear()  # some may still be at work
            raise
