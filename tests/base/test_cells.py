import csv
import io

import pytest

from wsgcn.base.cells import text_cell

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "=cmd|'/C calc'!A0", "-", "--1", "-1,5"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_could_compute_is_no_formula_any_more(text: str) -> None:
    cell = text_cell(text)
    assert cell[0] not in "=+-@\t\r＝ "
    assert len(cell) > len(text)


@pytest.mark.parametrize("text", ["", "a", "1", "-1", "+1", "-.5", "-1e-3", "1=1", "frame 3.jpg", "Zoë", "a b", "'=1"])
def test_numbers_and_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert text_cell(text) == text


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\nb", "a\r=1", "\x7f", "\x1b[31m", "\0=1"])
def test_any_text_is_one_line_of_utf_8(text: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([text_cell(text), "next"])
    assert buffer.getvalue().encode("utf-8").decode("utf-8").isprintable() is False  # the line's own end
    assert buffer.getvalue().rstrip("\n").isprintable()
    assert next(csv.reader(io.StringIO(buffer.getvalue())))[1] == "next"
