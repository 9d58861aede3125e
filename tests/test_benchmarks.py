import math
import os
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.capture import made_once, prepared
from benchmarks.processes import in_fresh_process, memory_gb
from benchmarks.report import BEGIN, END, Measurement, median_seconds, rewrite, table
from wsgcn.base.errors import InputError
from wsgcn.pose.store import Detections, Poses

PAGE = f"# Speed\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter\n"


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_table_has_a_row_a_measurement_with_three_digits_that_count():
    rows = [
        ("data", Measurement("peak", 1.2345, "GB", (1.2, 1.3), "< 3 GB", True, "a|b")),
        ("data", Measurement("rate", 12345.6, "poses/s", goal="> 20,000", met=False)),
        ("cuda", Measurement("step", math.nan, "ms")),
        ("parallel", Measurement("share", 0.01234, "")),
    ]
    assert rows_of(table(rows)) == [
        ["benchmark", "what", "median", "min to max", "goal", "met", "note"],
        ["---"] * 7,
        ["data", "peak", "1.23 GB", "1.20 to 1.30", "< 3 GB", "yes", "a/b"],
        ["data", "rate", "12,346 poses/s", "", "> 20,000", "**no**", ""],
        ["cuda", "step", "- ms", "", "", "", ""],
        ["parallel", "share", "0.0123", "", "", "", ""],
    ]


def test_the_median_is_between_the_least_and_the_largest():
    median, (least, largest) = median_seconds(lambda: None, 5)
    assert 0 < least <= median <= largest < 1


def test_rewriting_keeps_the_rest_of_the_page(tmp_path: Path):
    page = tmp_path / "performance.md"
    page.write_text(PAGE, encoding="utf-8")
    rewrite(page, "new")
    assert page.read_text(encoding="utf-8") == PAGE.replace("old", "new")
    rewrite(page, "newer")
    assert page.read_text(encoding="utf-8") == PAGE.replace("old", "newer")
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("content", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{PAGE}{PAGE}"])
def test_a_page_without_its_markers_is_refused_and_left_alone(tmp_path: Path, content: str):
    page = tmp_path / "performance.md"
    page.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"performance\.md: should have the line"):
        rewrite(page, "new")
    assert page.read_text(encoding="utf-8") == content


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Benchmarks in this process, where a test can replace them, and a page of their own."""
    monkeypatch.setattr(command, "in_fresh_process", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(command, "describe_machine", lambda: "a machine")
    page = tmp_path / "performance.md"
    page.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", page)
    return page


def measure_all_but_data(name: str) -> list[Measurement]:
    if name == "data":
        raise RuntimeError("no\nspace")
    return [Measurement("time", 1.0, "s")]


def test_a_benchmark_that_fails_is_reported_and_the_others_keep_their_rows(here: Path, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", measure_all_but_data)
    assert command.main([]) == 1
    shown = capsys.readouterr().out
    assert [row[:3] for row in rows_of(shown)[4:]] == [
        [name, *(("failed", "-") if name == "data" else ("time", "1.00 s"))] for name in command.USUAL
    ]
    assert "no\\nspace" in shown
    assert shown.strip() in here.read_text(encoding="utf-8")


def test_some_that_are_named_run_alone_and_leave_the_page(here: Path, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", measure_all_but_data)
    assert command.main(["startup", "precision"]) == 0
    assert [row[0] for row in rows_of(capsys.readouterr().out)[4:]] == ["startup", "precision"]
    assert here.read_text(encoding="utf-8") == PAGE


def test_an_unknown_benchmark_is_named(capsys):
    with pytest.raises(SystemExit):
        command.main(["sped"])
    assert "'sped' is no benchmark; they are training, recipe, data" in capsys.readouterr().err


def test_a_fresh_process_is_another_one_whose_errors_come_back():
    assert in_fresh_process(os.getpid) != os.getpid()
    with pytest.raises(FileNotFoundError):
        in_fresh_process(os.stat, "nowhere")


def test_the_peak_of_memory_is_not_that_of_the_process_before():
    held = bytearray(300_000_000)
    assert memory_gb("VmHWM") > 0.3
    assert in_fresh_process(memory_gb, "VmHWM") < 0.25
    del held


def test_a_folder_that_another_process_made_meanwhile_is_taken_as_it_is(tmp_path: Path):
    def make(new: Path) -> None:
        (new / "mine").touch()
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "theirs").touch()

    folder = made_once(tmp_path / "made", make)
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_tiny_capture_goes_from_official_archives_to_exact_2d_and_is_made_once(tmp_path: Path):
    poses_path, detections_path = prepared(tmp_path, training_frames=12, test_frames=10)
    with Poses(poses_path) as poses, Detections(detections_path) as detections:
        lengths = {
            subject: [poses.frames(subject, take) for take in poses.takes(subject)] for subject in poses.subjects
        }
        assert lengths == {
            **{subject: [12] * 30 for subject in ("S1", "S5", "S6", "S7", "S8")},
            "S9": [10] * 30,
            "S11": [10] * 29,
        }
        assert len(detections.serials("S11", "Walking 1")) == 4
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    prepared(tmp_path, training_frames=12, test_frames=10)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
