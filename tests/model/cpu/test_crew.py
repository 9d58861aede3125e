"""Sharing out a kernel between threads: see `wsgcn.model.cpu.crew`."""

import threading

import numpy as np
import pytest

from wsgcn.model.cpu import crew


def test_every_part_is_done_once_each_in_its_own_thread():
    done: list[tuple[int, int, int]] = []
    together = threading.Barrier(3, timeout=60)

    def kernel(start: int, stop: int, addend: int) -> None:
        together.wait()
        done.append((start, stop + addend, threading.get_ident()))

    for _ in range(3):
        done.clear()
        crew.share_out(kernel, [0, 2, 3, 7], 10)
        assert sorted((start, stop) for start, stop, _ in done) == [(0, 12), (2, 13), (3, 17)]
        assert len({thread for _, _, thread in done}) == 3
        assert threading.get_ident() in {thread for start, _, thread in done if start == 0}


def test_work_that_comes_late_is_taken_up(monkeypatch):
    """The threads sleep by then."""
    monkeypatch.setattr(crew, "_LOOKS", 0)
    total = np.zeros(2)

    def kernel(start: int, stop: int) -> None:
        total[start:stop] += 1

    for _ in range(200):
        crew.share_out(kernel, [0, 1, 2])
    assert total.tolist() == [200, 200]


def test_what_fails_in_a_thread_is_raised_and_the_next_work_is_done():
    def fail(start: int, stop: int) -> None:
        if start:
            raise ValueError("in the second part")

    with pytest.raises(ValueError, match="in the second part"):
        crew.share_out(fail, [0, 1, 2])

    parts: list[int] = []
    crew.share_out(lambda start, stop: parts.append(start), [0, 1, 2])
    assert sorted(parts) == [0, 1]


def test_interrupted_work_does_not_reach_into_the_next():
    """As by the keyboard, in the calling thread, while another is still at work."""
    go_on, late = threading.Event(), threading.Event()

    def kernel(start: int, stop: int) -> None:
        if not start:
            raise KeyboardInterrupt
        assert go_on.wait(60)
        late.set()

    with pytest.raises(KeyboardInterrupt):
        crew.share_out(kernel, [0, 1, 2])
    parts: list[int] = []
    crew.share_out(lambda start, stop: parts.append(start), [0, 1, 2])
    assert sorted(parts) == [0, 1]
    assert not late.is_set()
    go_on.set()
    assert late.wait(60)


def test_callers_in_several_threads_take_turns():
    totals = [np.zeros(3) for _ in range(4)]

    def kernel(start: int, stop: int, total: np.ndarray) -> None:
        total[start:stop] += 1

    def call(total: np.ndarray) -> None:
        for _ in range(50):
            crew.share_out(kernel, [0, 1, 2, 3], total)

    callers = [threading.Thread(target=call, args=(total,)) for total in totals]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(total.tolist() == [50, 50, 50] for total in totals)
