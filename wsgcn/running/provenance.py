"""What a run was made from: commit, experiment, the hashes of its inputs, the machine and the versions."""

import os
import platform
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from wsgcn.base.foreign import reading
from wsgcn.running.params import Params

# What decides a run's result and lies in git. Metrics and dvc.lock change in the course of every `dvc repro`.
_SOURCES = ("stages", "wsgcn", "params.yaml", "dvc.yaml", "requirements.txt")

_REFERENCE = re.compile(r"\$\{([^}]+)\}")


def project_root() -> Path:
    """Where the project lies: DVC_ROOT, which also names it in temporary checkouts; else git's top level, else here."""
    return Path(os.environ.get("DVC_ROOT") or _git("rev-parse", "--show-toplevel") or ".").resolve()


def resume_folder() -> Path:
    """Where what a killed run leaves for the next one lies, also of one in a temporary checkout, which is removed."""
    return project_root() / ".resume"


def run_name(stage: str) -> str:
    """The stage with DVC's experiment, or else the commit."""
    return f"{stage} {os.environ.get('DVC_EXP_NAME') or _git('rev-parse', '--short', 'HEAD')}".strip()


def source_tags(stage: str, params: Params) -> dict[str, str]:
    """Tags for the stage, the commit, DVC's experiment and the stage's inputs; what is not known has no tag.

    A commit is dirty if the code or the parameters differ from it, as they do in an experiment that sets parameters.
    """
    commit = _git("rev-parse", "HEAD")
    tags = {
        "wsgcn.stage": stage,
        "git.commit": commit,
        "git.dirty": str(bool(_git("status", "--porcelain", "--", *_SOURCES))).lower() if commit else "",
        "dvc.exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "dvc.exp_baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "mlflow.source.name": f"stages.{stage}",  # the columns "Source" and "Version" of MLflow's page
        "mlflow.source.git.commit": commit,
    }
    hashes = input_hashes(
        stage, _read_yaml("dvc.yaml"), _without_doubtful(stage, _read_yaml("dvc.lock")), params.model_dump()
    )
    return {name: value for name, value in tags.items() if value} | {f"input.{p}": md5 for p, md5 in hashes.items()}


def environment_tags(params: Params) -> dict[str, str]:
    """Tags for the device, the threads, the machine and the versions; nothing is imported to find them out."""
    tags = {
        "device": "cpu",
        "device_name": platform.machine(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count()),
        "cpus": str(os.cpu_count()),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    for name in ("numpy", "torch"):
        if name in sys.modules:
            tags[name] = str(sys.modules[name].__version__)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        tags["threads"] = str(torch.get_num_threads())
        if params.runtime.device != "cpu" and torch.cuda.is_available():
            tags |= {"device": "cuda", "device_name": torch.cuda.get_device_name()}
    return tags


def input_hashes(
    stage: str, dvc_yaml: dict[str, Any], dvc_lock: dict[str, Any], params: dict[str, Any]
) -> dict[str, str]:
    """The MD5 of each input of a stage that dvc.lock knows, by path as dvc.yaml has it.

    An input that another stage makes has the hash under which that stage's entry lists it: DVC writes the entry as
    soon as the stage is done, so it is up to date. A raw input has the one that this stage's own entry has from its
    last run, if it was the same path then.

    Args:
        stage: the stage's name.
        dvc_yaml: the content of dvc.yaml; `${a.b}` in it stands for that parameter.
        dvc_lock: the content of dvc.lock; may be empty.
        params: the content of params.yaml.
    """
    inputs = [_path(dep, params) for dep in dvc_yaml.get("stages", {}).get(stage, {}).get("deps", [])]
    locked = dvc_lock.get("stages", {})
    made = [out for name, entry in locked.items() if name != stage for out in entry.get("outs", [])]
    known = {entry["path"]: entry["md5"] for entry in (*locked.get(stage, {}).get("deps", []), *made) if "md5" in entry}
    return {path: known[path] for path in inputs if path in known}


def outputs(stage: str, params: Params) -> list[Path]:
    """The files and folders that dvc.yaml names as what a stage makes; none where there is no dvc.yaml."""
    entry = _read_yaml("dvc.yaml").get("stages", {}).get(stage, {})
    named = [output for kind in ("outs", "metrics", "plots") for output in entry.get(kind, [])]
    return [Path(_path(output, params.model_dump())) for output in named]


def _path(dep: str | dict[str, Any], params: dict[str, Any]) -> str:
    """A dependency's path, with the parameters put in; a dependency with options is a dict with one key."""
    text = dep if isinstance(dep, str) else next(iter(dep))

    def value(reference: re.Match[str]) -> str:
        found: Any = params
        for key in reference[1].strip().split("."):
            if not isinstance(found, dict) or key not in found:
                return reference[0]
            found = found[key]
        return str(found)

    return posixpath.normpath(_REFERENCE.sub(value, text))


def _without_doubtful(stage: str, dvc_lock: dict[str, Any]) -> dict[str, Any]:
    """Take from the stage's own entry, which is from its last run, what may have changed since.

    These are the code, which the commit names, and everything whose size is another.
    """
    stages = dvc_lock.get("stages", {})
    if stage not in stages:
        return dvc_lock
    deps = [
        dep
        for dep in stages[stage].get("deps", [])
        if not dep["path"].startswith(("stages/", "wsgcn/")) and _size(Path(dep["path"])) == dep.get("size")
    ]
    return dvc_lock | {"stages": stages | {stage: stages[stage] | {"deps": deps}}}


def _size(path: Path) -> int:
    """Bytes in a file, or in all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _read_yaml(path: str) -> dict[str, Any]:
    if not Path(path).exists():
        return {}
    with reading(path, "YAML file"):
        return yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}


def _git(*arguments: str) -> str:
    """What git prints, or nothing where there is no git or no repository."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
