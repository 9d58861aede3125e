"""The pipeline's result: what stands in the files that dvc.yaml calls metrics, if it is that of the present state."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wsgcn.base.section import flat
from wsgcn.running.params import Params
from wsgcn.running.provenance import outputs_in_dvc_yaml, path_in_dvc_yaml, read_yaml, size_of

_CODE = {"stages", "wsgcn"}


def result_after(stage: str, params: Params) -> dict[str, float]:
    """The numbers in the metrics files, under dotted names, if what `stage` has just written leaves them as they are.

    They are the stage's own, or of a stage before it, or of one after it that DVC will find unchanged. Where that
    cannot be said for certain there are none: the stage that makes them then runs and says it itself.
    """
    pipeline = _Pipeline(read_yaml("dvc.yaml"), read_yaml("dvc.lock"), params.model_dump(mode="json"))
    numbers: dict[str, float] = {}
    for maker, entry in pipeline.stages.items():
        files = [pipeline.path(metric) for metric in entry.get("metrics", [])]
        if files and pipeline.is_done(maker, stage):
            for file in files:
                numbers |= _numbers(Path(file))
    return numbers


@dataclass(frozen=True)
class _Pipeline:
    dvc_yaml: Mapping[str, Any]
    dvc_lock: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def stages(self) -> Mapping[str, Any]:
        return self.dvc_yaml.get("stages", {})

    def path(self, item: str | dict[str, Any]) -> str:
        return path_in_dvc_yaml(item, self.params)

    def outputs(self, stage: str) -> list[str]:
        return outputs_in_dvc_yaml(self.stages[stage], self.params)

    def up_to(self, stage: str) -> set[str]:
        """The stage, and all that it is made from."""
        if stage not in self.stages:
            return set()
        inputs = {self.path(dep) for dep in self.stages[stage].get("deps", [])}
        return {stage}.union(*(self.up_to(other) for other in self.stages if inputs.intersection(self.outputs(other))))

    def is_done(self, stage: str, finished: str) -> bool:
        """Whether DVC, when `finished` has run, has nothing to do any more up to `stage`: what comes before `finished`
        it has seen to.
        """
        return all(self._is_unchanged(other, finished) for other in self.up_to(stage) - self.up_to(finished))

    def _is_unchanged(self, stage: str, finished: str) -> bool:
        locked = self.dvc_lock.get("stages", {}).get(stage, {})
        if locked.get("cmd") != self.stages[stage].get("cmd"):
            return False
        settings = flat(self.params)
        for name, value in flat(locked.get("params", {}).get("params.yaml", {})).items():
            if name not in settings or settings[name] != value:
                return False
        inputs = {entry["path"]: entry for entry in locked.get("deps", [])}
        if set(inputs) != {self.path(dep) for dep in self.stages[stage].get("deps", [])}:
            return False
        return all(self._is_input_unchanged(entry, finished) for entry in inputs.values()) and all(
            size_of(Path(entry["path"])) == entry.get("size") for entry in locked.get("outs", [])
        )

    def _is_input_unchanged(self, entry: Mapping[str, Any], finished: str) -> bool:
        path = entry["path"]
        made_by = [stage for stage in self.stages if path in self.outputs(stage)]
        if made_by and made_by != [finished]:
            made = self.dvc_lock.get("stages", {}).get(made_by[0], {}).get("outs", [])
            return any(out["path"] == path and out.get("md5") == entry.get("md5") for out in made)
        if made_by or _CODE.intersection(PurePosixPath(path).parts):
            return _md5(Path(path)) == entry.get("md5")
        return size_of(Path(path)) == entry.get("size")  # raw data may be very large


def _md5(path: Path) -> str:
    """As dvc.lock has it: of a file, or of the list of a folder's files."""
    if not path.is_dir():
        return _file_md5(path) if path.is_file() else ""
    files = {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}
    listed = [
        {"md5": _file_md5(file), "relpath": name.as_posix()}
        for name, file in sorted(files.items(), key=lambda item: item[0].parts)
        if "__pycache__" not in name.parts  # .dvcignore
    ]
    return f"{hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest()}.dir"


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _numbers(file: Path) -> dict[str, float]:
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # another program's, or nothing: a record of it is not worth a failure
        return {}
    values: Iterator[tuple[str, Any]] = iter(flat(tree).items() if isinstance(tree, dict) else ())
    return {name: float(value) for name, value in values if type(value) in (int, float)}
