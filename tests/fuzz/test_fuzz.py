"""A short run of the fuzz test, and the proof that it notices what it is for. The long run is `make fuzz`."""

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from tests.fuzz.mutations import Draw, damaged
from tests.fuzz.runner import Report, Result, run
from tests.fuzz.targets import TARGETS


def test_damaged_files_are_read_or_refused_in_one_sentence() -> None:
    """Nothing else happens: no traceback, signal or hang, no memory, no file that the damaged one names."""
    report = run([], cases=6)
    assert not report.failures, f"\n{report.table()}\n" + "\n".join(map(str, report.failures))
    assert {result.target for result in report.results} == set(TARGETS)


def test_each_way_to_fail_is_noticed(tmp_path: Path) -> None:
    report = run([], cases=1, seconds=2, module="tests.fuzz.faulty", save=tmp_path)
    found = {result.target: result.kind for result in report.results}
    assert found == {name: name.partition("_")[0] for name in found}
    assert len(found) == 19
    saved = {folder.name.rpartition("-")[0] for folder in tmp_path.iterdir()}
    assert saved == found.keys() - {"read", "refused"}
    assert (tmp_path / "hang-0" / "outcome.txt").read_text("utf-8").startswith("hang: hang at faulty.py")


@pytest.mark.parametrize("name", TARGETS)
def test_a_number_always_gives_the_same_damage_and_others_give_other(name: str, tmp_path: Path) -> None:
    pool = [content for seed in TARGETS[name].seeds(tmp_path) for content in seed.values()]

    def case(number: int) -> bytes:
        return damaged(Draw(np.random.default_rng([crc32(name.encode()), number]), pool, tmp_path), pool[0])

    # Three attempts, because HDF5 writes the second of the day into some objects that a case changes.
    for _ in range(3):
        first, again = ([case(number) for number in range(4)] for _ in range(2))
        if again == first:
            break
    assert again == first
    assert len({pool[0], *first}) > 3


def test_the_report_counts_and_says_how_to_see_a_case_again() -> None:
    report = Report([Result("npy:3", "read", ""), Result("npy:4", "traceback", "KeyError at a.py:1 f: 'x'")])
    [header, npy, everything] = report.table().splitlines()
    assert header.split()[:2] == ["cases", "read"]
    assert npy.split()[:5] == ["npy", "2", "1", "-", "1"]
    assert everything.split()[:2] == ["all", "2"]
    assert "--case npy:4" in str(report.failures[0])
    assert "1 traceback: KeyError at a.py:1 f: 'x'" in report.distinct()
