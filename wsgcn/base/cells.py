"""Texts from files as cells of CSV, which spreadsheets are not to take for formulas."""

import re
import unicodedata

from wsgcn.base.foreign import escaped

_FORMULA = "=+-@"  # what a spreadsheet computes begins with one of them
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters and what UTF-8 has no bytes for


def text_cell(text: str) -> str:
    """A text that may be anything as a cell: it begins with an apostrophe if it could be a formula and is no number.

    Control characters and lone surrogates become escapes as Python writes them, so that a cell is one line.
    """
    printable = escaped(_NO_TEXT, text)
    first = unicodedata.normalize("NFKC", printable.lstrip()[:1])
    is_formula = first != "" and first in _FORMULA and _NUMBER.fullmatch(printable) is None
    return f"'{printable}" if is_formula else printable
