"""Runs in MLflow, one for each stage, below one for the pipeline's run (`wsgcn.running.pipeline_runs`).

MLflow is imported when a run is opened and not before.

The store is one SQLite file, mlflow.db at the project's root with mlartifacts/ beside it, also for stages that DVC runs
in a temporary checkout, and after the folder was moved; MLFLOW_TRACKING_URI overrides it. A run is a record, not the
work: if MLflow fails, one line says so and the work goes on.
"""

import gc
import hashlib
import json
import logging
import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from wsgcn.base.files import atomic_path, remove_abandoned
from wsgcn.base.run import NullTracker, Tracker
from wsgcn.running.artifact_places import TAG, beside, put_right
from wsgcn.running.credentials import shown_reason, shown_uri
from wsgcn.running.marks import Mark, left_marks
from wsgcn.running.params import Params
from wsgcn.running.pipeline_runs import PipelineRun, entities
from wsgcn.running.provenance import environment_tags, project_root, resume_folder, run_name, source_tags

if TYPE_CHECKING:
    import numpy as np

_ENVIRONMENT = {  # unless the user has set them
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is said here, in one line
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own are 7, with 4 minutes in all
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; MLflow's own is 120
}
_SECONDS_BETWEEN_BATCHES = 5.0
_METRICS_IN_A_BATCH = 1000  # MLflow's limit
_SECONDS_FOR_ANOTHER_TO_CREATE = 60.0
_SERVED = Path(__file__).resolve().parents[1] / "release" / "served_model.py"  # not imported here, but by MLflow
_MARK_TAG = "wsgcn.mark"
_NEEDED_TO_SERVE = ("mlflow", "numpy", "onnx", "onnxruntime")  # said here, since MLflow takes 6 s to find out


@contextmanager
def open_tracker(stage: str, params: Params) -> Iterator[Tracker]:
    """Open the stage's run, which ends as FINISHED, or as FAILED if the block raises.

    With `tracking.mlflow: false` MLflow is not even imported. No failure of MLflow is ever raised.
    """
    if not params.tracking.mlflow:
        yield NullTracker()
        return
    tracker = _MlflowTracker(stage, params)
    tracker.open()
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    finally:
        tracker.close(status)


class _MlflowTracker:
    """A run of MLflow, or, after MLflow's first failure, nothing."""

    def __init__(self, stage: str, params: Params) -> None:
        self._stage, self._params = stage, params
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"
        self._client: Any = None
        self._experiment_id = ""
        self._run_id = ""
        self._pipeline: PipelineRun | None = None
        self._mark: Mark | None = None
        self._failed = False
        self._pending: list[tuple[str, float, int, int]] = []  # name, value, milliseconds since 1970, step
        self._sent_at_s = time.monotonic()

    @property
    def run_id(self) -> str:
        return self._run_id

    def open(self) -> None:
        self._attempt(self._create_run)

    def close(self, status: str) -> None:
        self._send_metrics()
        if status == "FINISHED":  # once more, since the stage may have imported torch and set the threads
            self._attempt(lambda: self.set_tags(environment_tags(self._params)))
            self._attempt(self._log_result)
        if self._run_id and self._mark is not None:
            # Also after a failure: the server may be back, or may only have refused an artifact.
            with suppress(Exception), self._mark.ending(status):
                self._client.set_terminated(self._run_id, status)
        if self._pipeline is not None:
            self._pipeline.end(status)

    def log_params(self, params: dict[str, Any]) -> None:
        self._attempt(lambda: self._client.log_batch(self._run_id, params=entities("Param", params)))

    def set_tags(self, tags: dict[str, str]) -> None:
        self._attempt(lambda: self._client.log_batch(self._run_id, tags=entities("RunTag", tags)))

    def log_artifact(self, path: Path | str) -> None:
        self._attempt(lambda: self._client.log_artifact(self._run_id, str(path)))

    def log_model(self, onnx_path: Path | str, example: "Mapping[str, np.ndarray]") -> None:
        """As a model of MLflow's that is registered under the experiment's name, where the server has a registry."""
        self._send_metrics()  # they get through also where the server takes no models
        self._attempt(lambda: self._log_model(Path(onnx_path), example))

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep the metrics until there are enough for a batch, or the last one was seconds ago."""
        if self._failed:
            return
        now_ms = int(time.time() * 1000)
        self._pending += [(name, float(value), now_ms, step or 0) for name, value in metrics.items()]
        waited_s = time.monotonic() - self._sent_at_s
        if len(self._pending) >= _METRICS_IN_A_BATCH or waited_s >= _SECONDS_BETWEEN_BATCHES:
            self._send_metrics()

    def _send_metrics(self) -> None:
        pending, self._pending = self._pending, []
        self._attempt(lambda: self._write_metrics(pending))
        self._sent_at_s = time.monotonic()

    def _write_metrics(self, pending: list[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        for start in range(0, len(pending), _METRICS_IN_A_BATCH):
            batch = [Metric(*metric) for metric in pending[start : start + _METRICS_IN_A_BATCH]]
            self._client.log_batch(self._run_id, metrics=batch)

    def _create_run(self) -> None:
        tags = source_tags(self._stage, self._params) | environment_tags(self._params)
        with _no_garbage_collection():
            self._client, database = _open_store(self._uri)
        name = self._params.tracking.experiment
        if database is not None and (moved := put_right(database, name)):
            print(f"{self._stage}: {moved}", file=sys.stderr, flush=True)
        self._experiment_id = _experiment_id(self._client, name, database)
        marks = resume_folder() / f"runs-{hashlib.sha256(self._uri.encode()).hexdigest()[:8]}"
        self._close_left_runs(marks)
        self._mark = Mark(marks, self._experiment_id)
        self._pipeline = PipelineRun.joined(
            self._client, self._experiment_id, self._stage, self._params, _alone(database)
        )
        own = {"mlflow.parentRunId": self._pipeline.run_id, "wsgcn.stage": self._stage, _MARK_TAG: self._mark.name}
        run = self._client.create_run(self._experiment_id, run_name=run_name(self._stage), tags=own)
        self._run_id = run.info.run_id
        self._pipeline.start()
        self.set_tags(tags)
        self.log_params(self._params.flat())

    def _log_result(self) -> None:
        if self._pipeline is not None:
            self._pipeline.log_result(self._stage, self._params)

    def _close_left_runs(self, marks: Path) -> None:
        """End the runs of this project whose processes were killed."""
        with suppress(Exception):  # it is not this run's failure
            for left in left_marks(marks):
                for run in self._client.search_runs([left.experiment_id], f"tags.`{_MARK_TAG}` = '{left.name}'"):
                    if run.info.status == "RUNNING":
                        self._client.set_terminated(run.info.run_id, left.status or "KILLED")

    def _log_model(self, onnx_path: Path, example: "Mapping[str, np.ndarray]") -> None:
        """What `mlflow.onnx.log_model` does, which would need MLflow's global tracking URI and active run."""
        from mlflow.entities import LoggedModelOutput

        logged = self._client.create_logged_model(self._experiment_id, onnx_path.stem, self._run_id)
        with tempfile.TemporaryDirectory() as folder:
            about = _save_model(onnx_path, example, Path(folder, "model"), logged, self._run_id)
            self._client.log_model_artifacts(logged.model_id, f"{folder}/model")
        self._client.finalize_logged_model(logged.model_id, "READY")
        self._client.log_outputs(self._run_id, [LoggedModelOutput(logged.model_id, step=0)])
        try:
            self._register(logged, about)
        except Exception as error:
            print(
                f"{self._stage}: MLflow at {shown_uri(self._uri)} keeps the model but did not register it "
                f"({self._reason(error)}).",
                file=sys.stderr,
                flush=True,
            )

    def _register(self, logged: Any, tags: dict[str, str]) -> None:
        from mlflow.exceptions import MlflowException

        name = re.sub(r"[/:]", "_", self._params.tracking.experiment)  # which MLflow refuses in a model's name
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(
            name, logged.artifact_location, self._run_id, tags, await_creation_for=0, model_id=logged.model_id
        )
        link = json.dumps([{"name": name, "version": version.version}])  # how MLflow's page finds it from the model
        self._client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": link})

    def _reason(self, error: BaseException) -> str:
        """The first cause of a chain of exceptions, in one short line."""
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__  # type: ignore[assignment]
        return shown_reason(error, self._uri)

    def _attempt(self, call: Callable[[], object]) -> None:
        """Call MLflow unless it has failed before; its first failure is one line on stderr."""
        if self._failed:
            return
        try:
            call()
        except Exception as error:
            self._failed = True
            print(
                f"{self._stage}: MLflow at {shown_uri(self._uri)} failed ({self._reason(error)}); "
                "the stage goes on without it, and metrics/ still has everything.",
                file=sys.stderr,
                flush=True,
            )


def _open_store(uri: str) -> tuple[Any, Path | None]:
    """A client, and the SQLite file beside which artifacts lie: a server or another database has a place of its own."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns about each retry
    from mlflow import MlflowClient

    if not uri.startswith("sqlite:///") or "?" in uri:
        return MlflowClient(tracking_uri=uri), None
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    _create_database(database)
    return MlflowClient(tracking_uri=f"sqlite:///{database}"), database


def _create_database(path: Path) -> None:
    """Make MLflow's database if it is not there; it appears whole, and one process at a time makes it.

    Left to itself MLflow makes it in the open, and of several processes that do so all but one fail.
    """
    from mlflow import MlflowClient

    if not path.exists():
        with _alone(path):
            if not path.exists():
                remove_abandoned(path.parent, [path.name, f"{path.name}-journal"])  # of processes killed right here
                with atomic_path(path) as temporary:
                    MlflowClient(tracking_uri=f"sqlite:///{temporary}")
    # MLflow tries for 100 s to open what is no database.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version")


def _alone(database: Path | None) -> AbstractContextManager[Any]:
    """A lock that one process of this project holds at a time."""
    path = database or Path(tempfile.gettempdir(), f"wsgcn-{hashlib.sha256(bytes(project_root())).hexdigest()[:16]}")
    return FileLock(f"{path}.lock", timeout=_SECONDS_FOR_ANOTHER_TO_CREATE)


def _experiment_id(client: Any, name: str, database: Path | None) -> str:
    from mlflow.exceptions import MlflowException

    place, tags = (None, {}) if database is None else (beside(database), TAG)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, artifact_location=place, tags=tags)
        except MlflowException:  # another process was faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.artifact_location == place and not tags.items() <= experiment.tags.items():
        for key, value in tags.items():  # it is from before there was the tag
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return experiment.experiment_id


def _save_model(
    onnx_path: Path, example: "Mapping[str, np.ndarray]", folder: Path, logged: Any, run_id: str
) -> dict[str, str]:
    """Write an ONNX file as a folder of MLflow's, with signature, example and checks; returns the file's metadata."""
    import mlflow.onnx
    import onnx
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(values: Any) -> Schema:
        specs = []
        for value in values:
            tensor = value.type.tensor_type
            shape = [dim.dim_value or -1 for dim in tensor.shape.dim]
            specs.append(TensorSpec(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape, value.name))
        return Schema(specs)

    model = onnx.load(onnx_path)
    about = {entry.key: entry.value for entry in model.metadata_props}
    described = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        run_id=run_id,
        metadata=about,
        model_id=logged.model_id,
    )
    mlflow.onnx.save_model(
        model,
        folder,
        code_paths=[str(_SERVED)],
        mlflow_model=described,
        signature=ModelSignature(schema(model.graph.input), schema(model.graph.output)),
        input_example=dict(example),
        pip_requirements=[f"{package}=={metadata.version(package)}" for package in _NEEDED_TO_SERVE],
        onnx_execution_providers=["CPUExecutionProvider"],  # MLflow would ask for CUDA, and warn of its absence
        save_as_external_data=False,
    )
    described.flavors["python_function"]["loader_module"] = _SERVED.stem
    described.save(str(folder / "MLmodel"))
    return about


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Importing MLflow makes very many objects that all stay: searching them for garbage takes 0.4 s of 1.7 s.

    And again later, up to the end of the process: so the collector leaves alone for good what is there by then.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
