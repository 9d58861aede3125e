"""The rules that hold the house together: which way imports go, and what never stands in a committed file."""

import re
import subprocess

import pytest

from tests.import_graph import ROOT, direct_imports, module_file

# A module may import its own floor and those below. A package stands for its modules.
FLOORS = {
    "wsgcn.base.errors": 0,
    "wsgcn.base.foreign": 0,
    "wsgcn.base.files": 0,
    "wsgcn.base.limits": 0,
    "wsgcn.pose.skeleton": 0,
    "wsgcn.pose.camera": 0,
    "wsgcn.running.params": 0,
    "wsgcn.captures.human36m.names": 0,
    "wsgcn.captures.human36m.cameras": 0,
    "wsgcn.base.progress": 0,
    "wsgcn.base.hdf5": 0,
    "wsgcn.base.trackers": 0,
    "wsgcn.pose.store": 1,
    "wsgcn.readers": 1,
    "wsgcn.captures.synthetic": 1,
    "wsgcn.lifting.lifted": 1,
    "wsgcn.lifting.gaps": 1,
    "wsgcn.lifting.intrinsics": 1,
    "wsgcn.lifting.writers": 2,
    "wsgcn.model": 2,
    "wsgcn.training.losses": 2,
    "wsgcn.evaluation.metrics": 2,
    "wsgcn.training.sets": 2,
    "wsgcn.model.checkpoint": 2,
    "wsgcn.model.runtime": 2,
    "wsgcn.evaluation.published": 2,
    "wsgcn.release.checkpoint_info": 2,
    "wsgcn.captures.preprocessing": 3,
    "wsgcn.release.export": 3,
    "wsgcn.release.model_card": 3,
    "wsgcn.rendering": 3,
    "wsgcn.rendering.viewer": 3,
    "wsgcn.cli": 4,
    "wsgcn.detections.importing": 3,
    "wsgcn.training.step": 3,
    "wsgcn.training.stages": 3,
    "wsgcn.evaluation.evaluate": 3,
    "wsgcn.running.provenance": 3,
    "wsgcn.running.tracking": 3,
    "wsgcn.lifting.lifter": 4,
    "wsgcn.lifting.batch_lifting": 4,
    "wsgcn.lifting.ray_lifting": 4,
    "wsgcn.running.stage": 4,
    "wsgcn.ablations": 4,
    "stages": 5,
}


def floor(module):
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in FLOORS:
            return FLOORS[name]
    raise AssertionError(f"{module} has no floor: add it to FLOORS")


def modules():
    """Dotted names of all modules, packages under their own."""
    for package in ("wsgcn", "stages"):
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if name != "wsgcn":
                yield name


@pytest.mark.parametrize("module", list(modules()))
def test_imports_go_down_never_up(module):
    for imported in direct_imports(module_file(module)):
        if imported != "wsgcn":
            assert floor(imported) <= floor(module), f"{module} imports {imported}"


def tracked_files():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def test_only_tracking_imports_mlflow():
    importers = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "wsgcn").rglob("*.py")
        if re.search(r"^\s*(from|import) mlflow", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importers == {"wsgcn/running/tracking.py"}


def test_only_params_reads_params_yaml():
    readers = {
        str(file.relative_to(ROOT))
        for folder in ("wsgcn", "stages")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"""(open|read_text|Path)\(["']params\.yaml""", file.read_text(encoding="utf-8"))
    }
    assert readers <= {"wsgcn/running/params.py"}


def test_only_hdf5_opens_hdf5():
    openers = {
        str(file.relative_to(ROOT))
        for folder in ("wsgcn", "stages")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"h5py\.File\(|h5f\.open|from h5py import", file.read_text(encoding="utf-8"))
    }
    assert openers == {"wsgcn/base/hdf5.py"}


def test_no_committed_file_names_a_machine():
    pattern = re.compile(r"(?<![\w.])/(tmp|work|root|home/\w+)/")
    found = []
    for file in tracked_files():
        if (
            file.suffix in {".py", ".md", ".yaml", ".toml", ".txt", ".lock", ".json", ".csv", ""}
            and file.name != "test_house.py"
        ):
            for number, line in enumerate(file.read_text(encoding="utf-8", errors="ignore").splitlines(), 1):
                if pattern.search(line):
                    found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found


def test_nothing_large_is_committed():
    large = [str(file.relative_to(ROOT)) for file in tracked_files() if file.stat().st_size > 2 * 1024 * 1024]
    assert not large, "artifacts belong to DVC"
