"""A clone of the project, as it lies here, with a tiny configuration whose pipeline has run; the tests use it too."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from operator import getitem
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]

_TINY = {
    ("demo", "seconds"): 1,
    ("data", "stride"): 10,
    ("model", "semgcn", "channels"): 8,
    ("model", "semgcn", "blocks"): 1,
    ("training", "epoch_steps"): 5,
    ("weak", "pseudo_labels", "poses"): 64,
    ("warmup", "epochs"): 1,
    ("weak", "epochs"): 1,
    ("visualize", "seconds"): 0.5,
    ("runtime", "device"): "cpu",
}
_MADE = ("metrics", "pictures", "dvc.lock")


@contextmanager
def tiny_clone() -> Iterator[Path]:
    """A tiny clone that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="wsgcn-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name, "project")
        make_tiny_clone(folder)
        yield folder


def make_tiny_clone(folder: Path) -> str:
    """Clone, change params.yaml, run the pipeline and commit; returns what the pipeline printed."""
    clone_tiny(folder)
    repro = run(folder, "dvc", "repro")
    commit(folder)
    return repro.stdout + repro.stderr


def clone_tiny(folder: Path) -> None:
    """Clone, and change params.yaml; nothing has run."""
    clone_working_tree(folder)
    for made in _MADE:
        shutil.rmtree(folder / made, ignore_errors=True)
        (folder / made).unlink(missing_ok=True)
    change_params(folder, _TINY)


def commit(folder: Path) -> None:
    """Commit everything that git does not ignore."""
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "-m", "tiny")


def clone_working_tree(folder: Path) -> None:
    """Clone, with the files as they lie here, committed or not."""
    call(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
    for path in call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path)
        else:
            (folder / path).unlink(missing_ok=True)


def change_params(folder: Path, changes: Mapping[tuple[str, ...], object]) -> None:
    """Change values in params.yaml, by sections and key."""
    path = folder / "params.yaml"
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    for (*sections, key), value in changes.items():
        reduce(getitem, sections, tree)[key] = value
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def call(folder: Path, *command: str, **variables: str) -> str:
    """As `run`; returns what the command prints."""
    return run(folder, *command, variables=variables).stdout


def run(
    folder: Path, *command: str, check: bool = True, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a project's folder, in this interpreter's environment without its settings of DVC and MLflow.

    Raises:
        RuntimeError: with `check`, it failed; the message has the end of what it said.
    """
    environment = clean_environment(variables or {})
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and result.returncode:
        said = (result.stdout + result.stderr)[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed with status {result.returncode}: {said}")
    return result


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This interpreter's environment without its settings of DVC and MLflow, and these variables."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    return environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "GIT_AUTHOR_NAME": "tiny",
        "GIT_AUTHOR_EMAIL": "tiny@example.org",
        "GIT_COMMITTER_NAME": "tiny",
        "GIT_COMMITTER_EMAIL": "tiny@example.org",
        **variables,
    }
