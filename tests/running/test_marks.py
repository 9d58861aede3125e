import subprocess
import sys
from pathlib import Path

from tests.tiny import ROOT
from wsgcn.running.marks import Mark, left_marks

KILLED = """
import os, sys
from pathlib import Path
from wsgcn.running.marks import Mark
mark = Mark(Path(sys.argv[1]), "7-a")
print(mark.name)
sys.stdout.flush()
os._exit(9)
"""


def killed(folder: Path) -> str:
    command = [sys.executable, "-c", KILLED, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300).stdout.strip()


def test_a_living_process_has_no_left_mark_and_a_killed_one_has(tmp_path: Path) -> None:
    living = Mark(tmp_path, "7")
    name = killed(tmp_path)
    [left] = left_marks(tmp_path)
    assert (left.name, left.experiment_id, left.status) == (name, "7-a", "")
    assert [path.name for path in tmp_path.iterdir()] == [living.name]


def test_a_mark_is_gone_when_its_run_has_ended_in_the_store(tmp_path: Path) -> None:
    mark = Mark(tmp_path, "7")
    with mark.ending("FINISHED"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_mark_whose_run_could_not_be_ended_says_how_it_ended(tmp_path: Path) -> None:
    mark = Mark(tmp_path, "7")
    try:
        with mark.ending("FAILED"):
            raise ConnectionError
    except ConnectionError:
        pass
    assert [left.status for left in left_marks(tmp_path)] == ["FAILED"]
    assert list(left_marks(tmp_path)) == []


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert list(left_marks(tmp_path / "none")) == []
