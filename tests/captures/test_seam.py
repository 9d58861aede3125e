"""The seam between datasets and the rest: what is learnt from poses does not know where they came from."""

from pathlib import Path

import pytest

from tests.import_graph import ROOT, direct_imports

INNER = ("pose", "model", "training", "evaluation", "release", "rendering")
OUTER = ("wsgcn.captures", "wsgcn.detections")
FILES = [file for wing in INNER for file in sorted((ROOT / "wsgcn" / wing).rglob("*.py"))]


def test_every_inner_wing_is_looked_at() -> None:
    assert {file.relative_to(ROOT / "wsgcn").parts[0] for file in FILES} == set(INNER)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_inner_module_imports_a_dataset_or_a_detector(file: Path) -> None:
    outer = {name for name in direct_imports(file) if ".".join(name.split(".")[:2]) in OUTER}
    assert not outer, f"{file.relative_to(ROOT)} imports {', '.join(sorted(outer))}"
