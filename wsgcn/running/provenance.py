"""What a run was made from: commit, experiment, the hashes of its inputs, the machine and the versions."""

import hashlib
import json
import os
import platform
import posixpath
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from wsgcn.base.errors import InputError
from wsgcn.base.files import files_sha256
from wsgcn.base.foreign import reading
from wsgcn.running.params import Params, parse_params_yaml

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
    tags = {
        "wsgcn.stage": stage,
        "mlflow.source.name": f"stages.{stage}",  # the column "Source" of MLflow's page
        **run_tags(),
    }
    hashes = input_hashes(
        stage, read_yaml("dvc.yaml"), _without_doubtful(stage, read_yaml("dvc.lock")), params.model_dump()
    )
    return tags | {f"input.{path}": md5 for path, md5 in hashes.items()}


def run_tags() -> dict[str, str]:
    """Tags for the commit and DVC's experiment, which all stages of a pipeline's run have in common."""
    commit = _git("rev-parse", "HEAD")
    tags = {
        "git.commit": commit,
        "git.dirty": str(bool(_git("status", "--porcelain", "--", *_SOURCES))).lower() if commit else "",
        "dvc.exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "dvc.exp_baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "mlflow.source.git.commit": commit,  # the column "Version" of MLflow's page
    }
    return {name: value for name, value in tags.items() if value}


def pipeline_key(params: Params) -> str:
    """What the stages of one run of the pipeline have in common, and those of another have not, as a hash.

    These are the machine and the project's folder (also of temporary checkouts, whose experiments have names of their
    own), the folder with dvc.yaml and what stands in it, DVC's experiment, the commit, the code as it lies there, and
    the parameters.
    """
    package = Path(__file__).resolve().parents[1]
    code = [file for folder in (package, package.parent / "stages") for file in sorted(folder.rglob("*.py"))]
    code_sha256 = files_sha256(filter(Path.is_file, [*code, Path("dvc.yaml")]), package)
    place = [platform.node(), str(project_root()), _git("rev-parse", "--show-prefix")]
    source = [_git("rev-parse", "HEAD"), os.environ.get("DVC_EXP_NAME", "")]
    about = [*place, *source, code_sha256, params.flat()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def changed_settings(params: Params) -> str:
    """What the parameters have otherwise than the commit's params.yaml, such as 'weak.bone_weight=0.0', but the seed.

    Runs that differ in the seed alone have it in common. Without a commit there is nothing to say.
    """
    text = _git("show", "HEAD:./params.yaml")
    with suppress(InputError):  # the commit has another version's
        committed = parse_params_yaml(text.encode(), "params.yaml").flat()
        settings = params.flat().items()
        return ", ".join(f"{k}={v}" for k, v in settings if k != "seed" and committed.get(k) != v) or "nothing"
    return ""


def environment_tags(params: Params) -> dict[str, str]:
    """Tags for device, threads, machine, versions and library of products; nothing is imported to find them out."""
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
    if (products := sys.modules.get("wsgcn.model.cpu.products")) and products.in_use():
        tags["product"] = products.in_use()
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
    inputs = [path_in_dvc_yaml(dep, params) for dep in dvc_yaml.get("stages", {}).get(stage, {}).get("deps", [])]
    locked = dvc_lock.get("stages", {})
    made = [out for name, entry in locked.items() if name != stage for out in entry.get("outs", [])]
    known = {entry["path"]: entry["md5"] for entry in (*locked.get(stage, {}).get("deps", []), *made) if "md5" in entry}
    return {path: known[path] for path in inputs if path in known}


def outputs(stage: str, params: Params) -> list[Path]:
    """The files and folders that dvc.yaml names as what a stage makes; none where there is no dvc.yaml."""
    entry = read_yaml("dvc.yaml").get("stages", {}).get(stage, {})
    return list(map(Path, outputs_in_dvc_yaml(entry, params.model_dump())))


def outputs_in_dvc_yaml(entry: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """The paths of what a stage with this entry makes, with the parameters put in."""
    return [path_in_dvc_yaml(item, params) for kind in ("outs", "metrics", "plots") for item in entry.get(kind, [])]


def path_in_dvc_yaml(item: str | Mapping[str, Any], params: Mapping[str, Any]) -> str:
    """The path of a dependency or output, with the parameters put in; one with options is a dict with one key."""
    text = item if isinstance(item, str) else next(iter(item))

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
        if not dep["path"].startswith(("stages/", "wsgcn/")) and size_of(Path(dep["path"])) == dep.get("size")
    ]
    return dvc_lock | {"stages": stages | {stage: stages[stage] | {"deps": deps}}}


def size_of(path: Path) -> int:
    """Bytes in a file, or in all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def read_yaml(path: str) -> dict[str, Any]:
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
