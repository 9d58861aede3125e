"""A temporary clone of the project, as it lies here, with a tiny configuration whose pipeline has run."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]

_TINY = {
    ("demo", "seconds"): 1,
    ("data", "stride"): 10,
    ("model", "channels"): 8,
    ("model", "blocks"): 1,
    ("warmup", "epochs"): 1,
    ("weak", "epochs"): 1,
    ("visualize", "seconds"): 0.5,
    ("runtime", "device"): "cpu",
}


@contextmanager
def tiny_clone() -> Iterator[Path]:
    """Clone, change params.yaml, run the pipeline and commit; the clone is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="wsgcn-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name, "project")
        call(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
        for path in call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
            if (ROOT / path).is_file():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, folder / path)
            else:
                (folder / path).unlink(missing_ok=True)
        (folder / "dvc.lock").unlink(missing_ok=True)
        tree = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        for (section, key), value in _TINY.items():
            tree[section][key] = value
        (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        call(folder, "dvc", "repro", "--quiet")
        call(folder, "git", "add", "--all")
        call(folder, "git", "commit", "--quiet", "-m", "tiny")
        yield folder


def call(folder: Path, *command: str, **variables: str) -> str:
    """Run a command in a project's folder and return what it prints.

    Raises:
        RuntimeError: it failed; the message has the end of what it said.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "GIT_AUTHOR_NAME": "bench",
        "GIT_AUTHOR_EMAIL": "bench@example.org",
        "GIT_COMMITTER_NAME": "bench",
        "GIT_COMMITTER_EMAIL": "bench@example.org",
        **variables,
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        said = (result.stdout + result.stderr)[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed with status {result.returncode}: {said}")
    return result.stdout
