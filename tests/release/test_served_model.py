"""The exported network as a model of MLflow's: logged, registered, loaded and served."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import tiny_params
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.files import file_sha256
from wsgcn.base.run import NullTracker, RecordingTracker
from wsgcn.model.predict import predict
from wsgcn.pose.camera import normalise_screen
from wsgcn.pose.skeleton import H36M16
from wsgcn.release.export import Export, export_onnx
from wsgcn.running.params import Params
from wsgcn.running.tracking import open_tracker

SIZE_PX = np.array([[1920, 1080]], dtype=np.float32)


def tracked_params() -> Params:
    params = tiny_params()
    return params.model_copy(update={"tracking": params.tracking.model_copy(update={"mlflow": True})})


@dataclass
class Logged:
    checkpoint: Path
    export: Export
    database: Path
    keypoints_px: np.ndarray  # (3, 16, 2), in a picture of SIZE_PX
    expected_m: np.ndarray  # (3, 16, 3), torch's


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """A model that a run of stage evaluate logged and registered as version 1 of "wsgcn"; MLflow looks there."""
    folder = tmp_path_factory.mktemp("served")
    checkpoint = write_tiny_checkpoint(folder / "weak.pt")
    export = export_onnx(folder / "weak.pt", folder / "pose.onnx")
    noise_px = np.random.default_rng(0).normal(0, 30, (3, 16, 2))
    keypoints_px = (export.example["keypoints_px"] + noise_px).astype(np.float32)
    screen = normalise_screen(keypoints_px.astype(float), *SIZE_PX[0].tolist()).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CEILING_DIRECTORIES", str(folder))
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with open_tracker("evaluate", tracked_params()) as tracker:
            tracker.log_metrics({"mpjpe_mm": 49.23})
            tracker.log_model(export.path, export.example)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        expected_m = predict(checkpoint.network(), screen, H36M16)
        yield Logged(folder / "weak.pt", export, folder / "mlflow.db", keypoints_px, expected_m)


@pytest.fixture
def client(logged: Logged) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{logged.database}")


def test_the_model_is_registered_under_the_experiment_with_its_run_and_the_checkpoint(
    logged: Logged, client: Any
) -> None:
    version = client.get_model_version("wsgcn", "1")
    run = client.get_run(version.run_id)
    assert version.status == "READY"
    assert version.tags["checkpoint_sha256"] == file_sha256(logged.checkpoint)
    assert run.data.tags["wsgcn.stage"] == "evaluate"
    assert run.data.metrics == {"mpjpe_mm": 49.23}
    [output] = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.name, str(model.status), model.source_run_id) == ("pose", "READY", version.run_id)
    assert version.source == model.artifact_location
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "wsgcn", "version": 1}]


def test_pyfunc_gives_what_torch_gives(logged: Logged) -> None:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model("models:/wsgcn/1")
    pose_m = model.predict({"keypoints_px": logged.keypoints_px, "size_px": SIZE_PX})["pose_m"]
    np.testing.assert_allclose(pose_m, logged.expected_m, rtol=0, atol=1e-5)


def test_the_model_has_a_signature_an_example_and_no_pickle(logged: Logged, client: Any) -> None:
    from mlflow.models import Model

    folder = Path(client.get_model_version("wsgcn", "1").source.removeprefix("file://"))
    model = Model.load(folder)
    assert json.loads(model.signature.to_dict()["inputs"]) == [
        {"name": "keypoints_px", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 16, 2]}},
        {"name": "size_px", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}},
    ]
    assert json.loads(model.signature.to_dict()["outputs"]) == [
        {"name": "pose_m", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 16, 3]}},
    ]
    assert json.loads(model.metadata["joints"]) == list(H36M16.joints)
    example = json.loads((folder / "serving_input_example.json").read_text(encoding="utf-8"))
    assert np.shape(example["inputs"]["keypoints_px"]) == (1, 16, 2)
    assert {path.suffix for path in folder.rglob("*")} == {".onnx", ".json", ".yaml", ".txt", ""}
    requirements = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(line.split("==")[0] for line in requirements) == ["mlflow", "numpy", "onnx", "onnxruntime"]


def test_another_run_makes_another_version(logged: Logged, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_tracker("evaluate", tracked_params()) as tracker:
        tracker.log_model(logged.export.path, logged.export.example)
    versions = client.search_model_versions("name = 'wsgcn'")
    assert sorted(version.version for version in versions) == [1, 2]
    assert len({version.run_id for version in versions}) == 2


def refuse(*_: Any, **__: Any) -> None:
    from mlflow.exceptions import MlflowException

    raise MlflowException("no such thing here")


def last_run(client: Any) -> Any:
    experiment = client.get_experiment_by_name("wsgcn")
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]


def test_without_a_registry_the_model_is_kept_and_one_line_says_so(
    logged: Logged, client: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mlflow.MlflowClient.create_registered_model", refuse)
    with open_tracker("evaluate", tracked_params()) as tracker:
        tracker.log_model(logged.export.path, logged.export.example)
        tracker.log_metrics({"after": 1.0})
    stderr = capfd.readouterr().err
    assert stderr.count("\n") == 1
    assert "keeps the model but did not register it (MlflowException: no such thing here)" in stderr
    run = last_run(client)
    assert len(run.outputs.model_outputs) == 1
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"after": 1.0})


def test_a_server_that_takes_no_models_has_the_metrics_and_one_line_says_so(
    logged: Logged, client: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mlflow.MlflowClient.create_logged_model", refuse)
    with open_tracker("evaluate", tracked_params()) as tracker:
        tracker.log_metrics({"mpjpe_mm": 50.0})
        tracker.log_model(logged.export.path, logged.export.example)
    stderr = capfd.readouterr().err
    assert stderr.count("\n") == 1
    assert "no such thing here" in stderr
    run = last_run(client)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"mpjpe_mm": 50.0})


def test_the_recording_tracker_keeps_the_path_and_the_null_tracker_takes_it(logged: Logged) -> None:
    recording = RecordingTracker()
    for tracker in (recording, NullTracker()):
        tracker.log_model(str(logged.export.path), logged.export.example)
    assert recording.models == [logged.export.path]


@pytest.fixture(scope="module")
def server(logged: Logged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `mlflow models serve`, in a process group of its own that is killed at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    # It starts uvicorn by name.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/wsgcn/1"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def invoke(address: str, inputs: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request."""
    body = json.dumps({"inputs": {name: np.asarray(value).tolist() for name, value in inputs.items()}}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_server_gives_what_torch_gives(server: str, logged: Logged) -> None:
    status, answer = invoke(server, {"keypoints_px": logged.keypoints_px, "size_px": SIZE_PX})
    assert status == 200
    np.testing.assert_allclose(answer["predictions"]["pose_m"], logged.expected_m, rtol=0, atol=1e-5)


def test_the_server_refuses_a_pose_with_another_number_of_joints(server: str, logged: Logged) -> None:
    status, answer = invoke(server, {"keypoints_px": logged.keypoints_px[:, :15], "size_px": SIZE_PX})
    assert status == 400
    assert "(3, 15, 2) does not match expected shape (-1, 16, 2)" in answer["message"]


def test_the_server_refuses_a_request_without_the_pictures_size(server: str, logged: Logged) -> None:
    status, answer = invoke(server, {"keypoints_px": logged.keypoints_px})
    assert status == 400
    assert "size_px" in answer["message"]
