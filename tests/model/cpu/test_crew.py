"""Sharing a kernel's blocks between threads: see `wsgcn.model.cpu.crew`."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from wsgcn.model.cpu import crew


def taken(work: np.ndarray) -> Iterator[int]:
    """The blocks that this thread gets."""
    block = crew.next_block(work, -1)
    while block >= 0:
        yield block
        block = crew.next_block(work, block)


class Patient(crew._Meetings):
    """Leaves no thread out, however long it takes."""

    _MOST = 2.0


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_meetings", Patient())


def test_every_block_is_done_once_by_threads_that_work_at_the_same_time():
    done: list[tuple[int, int]] = []
    together = threading.Barrier(3, timeout=60)

    def kernel(work: np.ndarray, addend: int) -> None:
        for block in taken(work):
            if block % 3 == 0:  # the first of a portion
                together.wait()
            done.append((block + addend, threading.get_ident()))

    for _ in range(3):
        done.clear()
        crew.share_out(kernel, 8, 3, 3, 10)  # 3 portions, the last of two blocks
        assert sorted(block for block, _ in done) == list(range(10, 18))
        assert len({thread for _, thread in done}) == 3
        assert all(len({thread for block, thread in done if (block - 10) // 3 == n}) == 1 for n in range(3))
        assert threading.get_ident() in {thread for _, thread in done}


def test_work_that_comes_late_is_taken_up(monkeypatch):
    """The threads sleep by then."""
    monkeypatch.setattr(crew, "_LOOKS", 0)
    total = np.zeros(2)
    together = threading.Barrier(2, timeout=60)

    def kernel(work: np.ndarray) -> None:
        for block in taken(work):
            together.wait()
            total[block] += 1

    for _ in range(50):
        crew.share_out(kernel, 2, 1, 2)
    assert total.tolist() == [50, 50]


def test_a_thread_that_has_begun_nothing_keeps_nobody_waiting():
    caller, go_on, done = threading.get_ident(), threading.Event(), []

    def kernel(work: np.ndarray) -> None:
        if threading.get_ident() != caller:
            assert go_on.wait(60)
        done.extend((block, threading.get_ident()) for block in taken(work))

    started = time.monotonic()
    for _ in range(5):
        crew.share_out(kernel, 4, 1, 2)
    assert time.monotonic() - started < 30
    assert done == [(block, caller) for block in [0, 1, 2, 3] * 5]
    go_on.set()
    late = crew._crew[0]
    crew.share_out(kernel, 4, 1, 2)  # the late one finds nothing of the former work
    assert [block for block, _ in done[20:]] == [0, 1, 2, 3] or {thread for _, thread in done[20:]} != {caller}
    assert crew._crew[0] is late


def test_what_a_late_thread_has_begun_is_waited_for():
    caller, done = threading.get_ident(), []

    def kernel(work: np.ndarray) -> None:
        for block in taken(work):
            if threading.get_ident() != caller:
                has_begun.set()
                time.sleep(0.2)
            else:
                assert has_begun.wait(60)
            done.append(block)

    for _ in range(3):
        done.clear()
        has_begun = threading.Event()
        crew.share_out(kernel, 4, 1, 2)
        assert sorted(done) == [0, 1, 2, 3]


def test_what_fails_in_a_thread_is_raised_and_the_next_work_is_done():
    caller, together = threading.get_ident(), threading.Barrier(2, timeout=60)

    def fail(work: np.ndarray) -> None:
        for _ in taken(work):
            together.wait()
            if threading.get_ident() != caller:
                raise ValueError("in the second thread")

    with pytest.raises(ValueError, match="in the second thread"):
        crew.share_out(fail, 2, 1, 2)

    blocks: list[int] = []
    crew.share_out(lambda work: blocks.extend(taken(work)), 2, 1, 2)
    assert sorted(blocks) == [0, 1]


def test_interrupted_work_does_not_reach_into_the_next():
    """As by the keyboard, in the calling thread, while another is still at work."""
    caller, go_on, late = threading.get_ident(), threading.Event(), threading.Event()
    has_begun = threading.Event()

    def kernel(work: np.ndarray) -> None:
        for _ in taken(work):
            if threading.get_ident() == caller:
                assert has_begun.wait(60)
                raise KeyboardInterrupt
            has_begun.set()
            assert go_on.wait(60)
            late.set()

    with pytest.raises(KeyboardInterrupt):
        crew.share_out(kernel, 2, 1, 2)
    blocks: list[int] = []
    crew.share_out(lambda work: blocks.extend(taken(work)), 2, 1, 2)
    assert sorted(blocks) == [0, 1]
    assert not late.is_set()
    go_on.set()
    assert late.wait(60)


def test_callers_in_several_threads_take_turns():
    totals = [np.zeros(3) for _ in range(4)]

    def kernel(work: np.ndarray, total: np.ndarray) -> None:
        for block in taken(work):
            total[block] += 1

    def call(total: np.ndarray) -> None:
        for _ in range(50):
            crew.share_out(kernel, 3, 1, 3, total)

    callers = [threading.Thread(target=call, args=(total,)) for total in totals]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(total.tolist() == [50, 50, 50] for total in totals)


# How many threads


def hold(meetings: crew._Meetings, now_s: float, waited: float) -> None:
    for _ in range(meetings._CALLS):
        meetings.held(1e-3, waited * 1e-3, now_s)


def test_meetings_that_are_mostly_waiting_leave_a_thread_out_for_a_while():
    meetings = crew._Meetings()
    hold(meetings, 0.0, 0.1)
    assert meetings.helpers(3, 0.0) == 3
    hold(meetings, 0.0, 0.6)
    assert meetings.helpers(3, 0.0) == 2
    hold(meetings, 0.0, 0.6)
    assert meetings.helpers(3, 0.0) == 1
    hold(meetings, 0.1, 0.1)
    assert meetings.helpers(3, 10.0) == 2
    hold(meetings, 10.0, 0.1)
    assert meetings.helpers(3, 10.0) == 3


def test_what_was_tried_in_vain_is_tried_more_and_more_rarely_up_to_a_limit():
    meetings, now_s, pauses = crew._Meetings(), 0.0, []
    for _ in range(8):
        assert meetings.helpers(1, now_s) == 1
        hold(meetings, now_s, 0.9)
        left_s = now_s
        while meetings.helpers(1, now_s) == 0:
            now_s += 0.01
        pauses.append(round(now_s - left_s, 6))
    assert pauses[0] == pytest.approx(meetings._LEAST_S, abs=0.02)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(meetings._LONGEST_S, abs=0.02)
