import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.capture import made_once, prepared
from benchmarks.page import BEGIN, END, MEASURED, Run, keep, kept, rewrite, side_by_side
from benchmarks.page import PAGE as REAL_PAGE
from benchmarks.processes import in_fresh_process, memory_gb
from benchmarks.profile import by_part, timed_parts
from benchmarks.report import Measurement, Row, median_seconds, processor, row_of, table
from wsgcn.base.errors import InputError
from wsgcn.model.cpu import folded
from wsgcn.pose.store import Detections, Poses

PAGE = f"# Speed\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter\n"


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_table_has_a_row_a_measurement_with_three_digits_that_count():
    rows = [
        row_of("data", Measurement("peak", 1.2345, "GB", (1.2, 1.3), "< 3 GB", True, "a|b")),
        row_of("data", Measurement("rate", 12345.6, "poses/s", goal="> 20,000", met=False)),
        row_of("cuda", Measurement("step", math.nan, "ms")),
        row_of("parallel", Measurement("share", 0.01234, "")),
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


OLD = Run(
    *("Xeon", "2 cores.", "2026-11-23", "Older code."),
    [
        Row("training", "step", "17.0 steps/s", "15.7 to 17.6", "", "", "alone"),
        Row("data", "peak", "1.09 GB", "", "< 3 GB", "yes", "in all"),
        Row("data", "gone", "2.00 s", "", "", "", ""),
    ],
)
NEW = Run(
    *("EPYC", "4 cores.", "2026-11-26", ""),
    [
        Row("products", "mkl", "80.0 GFLOP/s", "", "", "", ""),
        Row("training", "step", "8.00 steps/s", "", ">= 9", "**no**", "alone"),
        Row("data", "peak", "3.50 GB", "", "< 3 GB", "**no**", "but one"),
    ],
)


def test_every_machine_has_its_column_and_what_it_did_not_measure_is_a_dash():
    lines = side_by_side([OLD, NEW]).splitlines()
    assert lines[:3] == ["- EPYC, 2026-11-26: 4 cores.", "- Xeon, 2026-11-23: 2 cores. Older code.", ""]
    assert rows_of("\n".join(lines[3:])) == [
        ["benchmark", "what", "goal", "EPYC", "Xeon", "note"],
        ["---"] * 6,
        ["products", "mkl", "", "80.0 GFLOP/s", "-", ""],
        ["training", "step", "EPYC: >= 9", "8.00 steps/s: **not met**", "17.0 steps/s (15.7 to 17.6)", "alone"],
        ["data", "peak", "< 3 GB", "3.50 GB: **not met**", "1.09 GB: met", "EPYC: but one; Xeon: in all"],
        ["data", "gone", "", "-", "2.00 s", ""],
    ]


def test_a_run_takes_the_place_of_the_last_one_on_its_processor_and_of_no_other(tmp_path: Path):
    for run in (OLD, NEW, later := NEW._replace(measured="2027-01-01", rows=NEW.rows[:1])):
        keep(run, tmp_path)
    assert kept(tmp_path) == [later, OLD]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epyc.json", "xeon.json"]


def test_two_measurements_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="one name"):
        keep(NEW._replace(rows=[*NEW.rows, NEW.rows[0]]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_what_was_kept():
    shown = REAL_PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == side_by_side(kept(MEASURED)).strip()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Benchmarks in this process, where a test can replace them, and a page of their own."""
    monkeypatch.setattr(command, "in_fresh_process", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(command, "describe_machine", lambda: "a machine")
    monkeypatch.setattr(command, "MEASURED", tmp_path / "measured")
    (tmp_path / "measured").mkdir()
    keep(OLD, tmp_path / "measured")
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
    expected = [[name, *(("failed", "-") if name == "data" else ("time", "1.00 s"))] for name in command.USUAL]
    assert [row[:3] for row in rows_of(shown)[4:]] == expected
    assert "no\\nspace" in shown
    page = here.read_text(encoding="utf-8")
    columns = [line for line in rows_of(page) if len(line) == 6]
    assert columns[0][3:5] == [processor(), "Xeon"]
    assert [[*row[:2], row[3]] for row in columns if row[1] in ("failed", "time")] == expected
    assert ["data", "peak", "< 3 GB", "-", "1.09 GB: met", "in all"] in columns
    assert page.startswith(PAGE.partition(BEGIN)[0])


def test_some_that_are_named_run_alone_and_leave_the_page(here: Path, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", measure_all_but_data)
    assert command.main(["startup", "precision"]) == 0
    assert [row[0] for row in rows_of(capsys.readouterr().out)[4:]] == ["startup", "precision"]
    assert here.read_text(encoding="utf-8") == PAGE


def test_an_unknown_benchmark_is_named(capsys):
    with pytest.raises(SystemExit):
        command.main(["sped"])
    assert "'sped' is no benchmark; they are products, training, recipe, over_time" in capsys.readouterr().err


def test_a_profile_is_shown_by_part_the_largest_first_with_the_rest():
    spent_s = {"forth": 0.5, "never": 0.0, "batch": 0.3}
    assert rows_of(by_part(spent_s, total_s=2.0, times=10)) == [
        ["part", "ms", "share"],
        ["---"] * 3,
        ["the rest: losses, autograd, Python in between", "120.00", "60.0%"],
        ["forth", "50.00", "25.0%"],
        ["batch", "30.00", "15.0%"],
        ["together", "200.00", ""],
    ]


def test_the_parts_of_a_profile_are_timed_in_the_thread_that_asks_and_put_back():
    before, ticks = folded.fold, itertools.count()
    with timed_parts(lambda: float(next(ticks))) as spent_s:
        with pytest.raises(ValueError, match="not enough"):
            folded.fold([])
        with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="not enough"):
            pool.submit(folded.fold, []).result()
    assert folded.fold is before
    assert {part: value for part, value in spent_s.items() if value} == {"folding the norms into the weights": 1.0}


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
