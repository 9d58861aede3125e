"""No stage imports a package that it does not use: these take a good part of the time that a short stage runs."""

import subprocess
import sys

import pytest
import yaml

from tests.import_graph import ROOT

HEAVY = {
    "PIL",
    "cdflib",
    "h5py",
    "matplotlib",
    "mlflow",
    "numba",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scipy.sparse",  # any real part of SciPy brings it; numba looks at the bare package alone
    "torch",
}
USED = {
    "demo": {"h5py", "scipy.sparse"},
    "preprocess": {"h5py"},  # and cdflib or scipy for the layouts that need them
    "detections": {"h5py"},
    "warmup": {"h5py", "torch", "numba"},
    "weak": {"h5py", "torch", "numba"},
    "evaluate": {"h5py", "torch", "onnx", "onnxruntime"},
    "visualize": {"h5py", "matplotlib", "PIL"},
}


def imported(statement: str) -> set[str]:
    """The heavy packages that are there after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return HEAVY & set(result.stdout.split())


def test_every_stage_is_listed():
    assert set(USED) == set(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


@pytest.mark.parametrize("stage", USED)
def test_a_stage_imports_no_heavy_package_that_it_does_not_use(stage):
    assert imported(f"import stages.{stage}") <= USED[stage]


def test_preparing_torch_does_not_import_its_compiler():
    code = (
        "from wsgcn.model.params import Runtime; from wsgcn.model.runtime import prepare; "
        "prepare(Runtime(device='auto', threads=0, precision='float32', product='auto'))"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}; import sys, torch; print(torch.are_deterministic_algorithms_enabled(), *sys.modules)",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    is_deterministic, *modules = result.stdout.split()
    assert is_deterministic == "True"
    assert not {"torch._inductor", "torch._dynamo", "sympy"} & set(modules)


def test_what_is_imported_is_seen():
    assert imported("import PIL.Image, scipy.io") == {"PIL", "scipy.sparse"}
