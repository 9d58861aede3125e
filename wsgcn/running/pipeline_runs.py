"""The pipeline's run in MLflow: the parent of its stages' runs, with the parameters and the result.

DVC runs each stage as a process and tells none of them of the others, so that the parent is found by what makes stages
parts of one run (`wsgcn.running.provenance.pipeline_key`): machine, folder, DVC's experiment, commit, code, parameters.
A stage joins the newest parent with that key, or makes one if there is none or the stage was already finished in it, as
under `dvc repro -f`; a stage that failed or was killed joins again.
"""

import re
from contextlib import AbstractContextManager, suppress
from typing import Any

from wsgcn.running.params import Params
from wsgcn.running.provenance import changed_settings, pipeline_key, run_name, run_tags
from wsgcn.running.results import result_after

STAGE = "pipeline"  # its tag wsgcn.stage

_LONGEST = {"Param": 6000, "RunTag": 8000}  # MLflow's limits
_LONGEST_NAME = 250


class PipelineRun:
    """A parent run; its status is that of the stage that ran last."""

    def __init__(self, client: Any, experiment_id: str, run_id: str) -> None:
        self._client, self._experiment_id, self.run_id = client, experiment_id, run_id

    @classmethod
    def joined(
        cls, client: Any, experiment_id: str, stage: str, params: Params, alone: AbstractContextManager[Any]
    ) -> "PipelineRun":
        """The parent that a new run of a stage belongs to.

        Args:
            alone: held while the parent is looked for and made, so that two processes do not make one each. Nobody on
                another machine looks for the same.
        """
        key = pipeline_key(params)
        with alone:
            found = client.search_runs(
                [experiment_id],
                f"tags.`wsgcn.stage` = '{STAGE}' and tags.`wsgcn.pipeline` = '{key}'",
                max_results=1,
                order_by=["attributes.start_time DESC"],
            )
            for run in found:
                parent = cls(client, experiment_id, run.info.run_id)
                if not parent._has_run(f"tags.`wsgcn.stage` = '{stage}' and attributes.status = 'FINISHED'"):
                    return parent
            tags = {"wsgcn.stage": STAGE, "wsgcn.pipeline": key, "wsgcn.changed": changed_settings(params)} | run_tags()
            run = client.create_run(experiment_id, run_name=run_name(STAGE))
            client.log_batch(run.info.run_id, params=entities("Param", params.flat()), tags=entities("RunTag", tags))
            return cls(client, experiment_id, run.info.run_id)

    def start(self) -> None:
        """After the stage's run was made: this run goes on, and others that nothing goes on in were killed."""
        self._client.update_run(self.run_id, status="RUNNING")
        running = self._client.search_runs(
            [self._experiment_id], f"tags.`wsgcn.stage` = '{STAGE}' and attributes.status = 'RUNNING'"
        )
        for run in running:
            other = PipelineRun(self._client, self._experiment_id, run.info.run_id)
            if not other._has_run("attributes.status = 'RUNNING'"):
                self._client.set_terminated(other.run_id, "KILLED")

    def log_result(self, stage: str, params: Params) -> None:
        """What the pipeline's metrics files hold, if a stage that has just finished leaves them as they are."""
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        now_ms = get_current_time_millis()
        metrics = [Metric(name, value, now_ms, 0) for name, value in result_after(stage, params).items()]
        if metrics:
            self._client.log_batch(self.run_id, metrics=metrics)

    def end(self, status: str) -> None:
        with suppress(Exception):  # also after a failure: the server may be back
            self._client.set_terminated(self.run_id, status)

    def _has_run(self, that: str) -> bool:
        runs = self._client.search_runs(
            [self._experiment_id], f"tags.`mlflow.parentRunId` = '{self.run_id}' and {that}", max_results=1
        )
        return bool(runs)


def entities(kind: str, values: dict[str, Any]) -> list[Any]:
    """Params or tags as MLflow takes them: legal characters in names, names cut to their end, values to their start."""
    import mlflow.entities

    make = getattr(mlflow.entities, kind)
    return [
        make(re.sub(r"[^\w./:\- ]", "_", name)[-_LONGEST_NAME:], str(value)[: _LONGEST[kind]])
        for name, value in values.items()
    ]
