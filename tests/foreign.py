"""Small files as other people's tools write them, where the shared folder has them."""

import pytest

from tests.import_graph import ROOT

_FOLDER = ROOT.parent / "shared" / "data" / "foreign"


def foreign(name):
    """The path of a file or folder; skips the test where it is not there."""
    if not (_FOLDER / name).exists():
        pytest.skip(f"{name} is not at {_FOLDER.relative_to(ROOT.parent)}")
    return _FOLDER / name
