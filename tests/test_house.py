"""The rules that hold the house together: which way imports go, and what never stands in a committed file."""

import re
import subprocess

import pytest

from tests.import_graph import ROOT, direct_imports, module_file

# A wing may import itself and what stands on a lower floor. Imports between wings of one floor would be a circle in the
# making, so there are none.
FLOORS = {
    "wsgcn.base": 0,  # knows nothing of poses
    "wsgcn.containers": 1,  # other people's archives and arrays; knows nothing of poses either
    "wsgcn.video": 2,  # frames and people out of films; knows joints by number alone
    "wsgcn.pose": 1,  # what a pose, a camera and the pipeline's files are
    "wsgcn.captures": 2,  # 3D in
    "wsgcn.model": 2,  # networks and their checkpoints, whatever they are trained or used for
    "wsgcn.detections": 3,  # 2D in: some of it is named after a capture's takes and cameras
    "wsgcn.training": 3,
    "wsgcn.evaluation": 3,  # how a checkpoint was trained stands in it
    "wsgcn.release": 4,  # says in words what training and evaluation did
    "wsgcn.lifting": 4,  # joint orders are the detections', the network is the model's
    "wsgcn.rendering": 5,  # shows results of evaluation and lifting
    "wsgcn.running": 6,  # puts the wings' parameters together, runs stages
    "wsgcn.cli": 7,
    "stages": 7,  # stages/__main__.py alone imports running, see test_dvc_yaml.py
}


def wing(module):
    name = ".".join(module.split(".")[:2]) if module.startswith("wsgcn.") else module.split(".")[0]
    assert name in FLOORS, f"{module} is in no wing: add it to FLOORS"
    return name


def modules():
    """Dotted names of all modules, packages under their own."""
    for package in ("wsgcn", "stages"):
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if name != "wsgcn":
                yield name


@pytest.mark.parametrize("module", list(modules()))
def test_imports_go_down_never_up(module):
    for imported in direct_imports(module_file(module)) - {"wsgcn"}:
        assert wing(imported) == wing(module) or FLOORS[wing(imported)] < FLOORS[wing(module)], (
            f"{module} imports {imported}"
        )


def test_every_wing_says_what_it_is():
    for name in FLOORS:
        text = module_file(name).read_text(encoding="utf-8")
        assert text.startswith('"""'), name


def tracked_files():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def test_only_tracking_and_what_mlflow_itself_imports_import_mlflow():
    importers = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "wsgcn").rglob("*.py")
        if re.search(r"^\s*(from|import) mlflow", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importers == {
        "wsgcn/release/served_model.py",
        "wsgcn/running/pipeline_runs.py",
        "wsgcn/running/tracking.py",
    }


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
