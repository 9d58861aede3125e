"""The exported network as a model of MLflow's: logged, registered, loaded and served."""

import asyncio
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
    assert {path.suffix for path in folder.rglob("*") if "__pycache__" not in path.parts} == {
        ".onnx",
        ".json",
        ".yaml",
        ".txt",
        ".py",
        "",
    }
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
def app(logged: Logged) -> Any:
    """What `mlflow models serve` serves, without a port."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    return scoring_server.init(mlflow.pyfunc.load_model("models:/wsgcn/1"))


def post(app: Any, body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request to an ASGI application."""
    sent: list[dict[str, Any]] = []
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "query_string": b"", "headers": headers}

    async def call() -> None:
        bodies = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            return bodies.pop() if bodies else await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(call())
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


NAN, FAR = float("nan"), 1e30


def with_joint(logged: Logged, *values: Any) -> list[Any]:
    """The keypoints, with the values in place of the second pose's third joint."""
    poses: list[Any] = logged.keypoints_px.tolist()
    poses[1][2] = list(values)
    return poses


# Of a request, what is wrong; None for keypoints are the right ones. And what the answer says.
SAID_BY_US = {
    "size 0": (None, [[0, 0]], "size_px: is 0 x 0, expected width and height in pixels, 1 to 100000."),
    "negative size": (None, [[1920, -1080]], "size_px: is 1920 x -1080,"),
    "size NaN": (None, [[NAN, 1080]], "size_px: is null, NaN or too large at [0, 0]"),
    "size null": (None, [[1920, None]], "size_px: is null, NaN or too large at [0, 1]"),
    "size 1e30": (None, [[FAR, FAR]], "size_px: is 1e+30 x 1e+30,"),
    "size 1e300": (None, [[1e300, 1]], "size_px: is null, NaN or too large at [0, 0]"),
    "two sizes of three poses": (None, [[1920, 1080]] * 2, "size_px: holds 2 sizes for 3 poses"),
    "no size": (None, np.zeros((0, 2)).tolist(), ""),
    "NaN": ((NAN, 1), SIZE_PX.tolist(), "keypoints_px: is null, NaN or too large at [1, 2, 0]"),
    "null": ((1, None), SIZE_PX.tolist(), "keypoints_px: is null, NaN or too large at [1, 2, 1]"),
    "1e30": ((FAR, 1), SIZE_PX.tolist(), "keypoints_px: joint 2 of pose 1 lies at (1e+30, 1), far outside the picture"),
    "-1e30": ((1, -FAR), SIZE_PX.tolist(), "far outside the picture of 1920 x 1080 pixels"),
    "1e300": ((1e300, 1), SIZE_PX.tolist(), "keypoints_px: is null, NaN or too large at [1, 2, 0]"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # 1e300 as float32, in MLflow
@pytest.mark.parametrize("case", SAID_BY_US)
def test_what_no_picture_has_is_400_with_one_sentence(app: Any, logged: Logged, case: str) -> None:
    joint, sizes, said = SAID_BY_US[case]
    keypoints = logged.keypoints_px.tolist() if joint is None else with_joint(logged, *joint)
    status, answer = post(app, json.dumps({"inputs": {"keypoints_px": keypoints, "size_px": sizes}}).encode())
    assert status == 400
    assert said in answer["message"]
    if said:
        assert (answer["message"].count("\n"), len(answer["message"]) < 200) == (0, True)


SAID_BY_MLFLOW = {
    "no poses": [],
    "fifteen joints": [[[1, 2]] * 15],
    "three coordinates": [[[1, 2, 3]] * 16],
    "ragged": [[[1, 2]] * 15 + [[1]]],
    "one pose without a batch": [[1, 2]] * 16,
    "nested once more": [[[[1, 2]] * 16]],
    "nested 500 times": json.loads("[" * 500 + "]" * 500),
    "text": "abc",
    "texts": [[["a", "b"]] * 16],
    "a number": 3,
    "null": None,
    "an object": {"Hip": [1, 2]},
    "a number of 400 digits": [[[10**400, 1]] * 16],
}


@pytest.mark.parametrize("case", SAID_BY_MLFLOW)
def test_what_is_no_batch_of_poses_is_400_and_names_no_place_on_the_server(app: Any, logged: Logged, case: str) -> None:
    inputs = {"keypoints_px": SAID_BY_MLFLOW[case], "size_px": SIZE_PX.tolist()}
    status, answer = post(app, json.dumps({"inputs": inputs}).encode())
    assert status == 400
    text = json.dumps(answer)
    assert "Traceback" not in text
    assert str(logged.database.parent) not in text
    assert "site-packages" not in text


@pytest.mark.parametrize("sizes", [1, 3])
def test_after_wrong_requests_a_right_one_gives_what_torch_gives(app: Any, logged: Logged, sizes: int) -> None:
    for keypoints in ([], [[[NAN, NAN]] * 16], with_joint(logged, FAR, 1)):
        wrong = {"inputs": {"keypoints_px": keypoints, "size_px": SIZE_PX.tolist()}}
        assert post(app, json.dumps(wrong).encode())[0] == 400
    right = {"inputs": {"keypoints_px": logged.keypoints_px.tolist(), "size_px": SIZE_PX.tolist() * sizes}}
    status, answer = post(app, json.dumps(right).encode())
    assert status == 200
    np.testing.assert_allclose(answer["predictions"]["pose_m"], logged.expected_m, rtol=0, atol=1e-5)


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
