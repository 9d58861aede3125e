import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wsgcn.base.run import NullTracker, Tracker
from wsgcn.running.params import Params, read_params
from wsgcn.running.tracking import open_tracker

ROOT = Path(__file__).resolve().parents[2]


STAGES = ("demo", "warmup", "weak")
LEFT = (".mlflow-abcdefgh.part.db", ".mlflow-abcdefgh.part.db-journal")  # of a process killed as it made the database


@dataclass
class ThreeStarts:
    database: Path
    statuses: list[int]
    stderrs: list[str]


@pytest.fixture(scope="module")
def three_starts(tmp_path_factory: pytest.TempPathFactory) -> ThreeStarts:
    """Three processes that open a run at once where there is no database yet, which takes MLflow seconds to make."""
    folder = tmp_path_factory.mktemp("mlflow")
    for name in LEFT:
        (folder / name).touch()
    code = (
        "import sys; from wsgcn.running.params import read_params; from wsgcn.running.tracking import open_tracker\n"
        "with open_tracker(sys.argv[1], read_params(sys.argv[2])) as tracker: tracker.log_metrics({'loss': 1.0}, 1)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    environment |= {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, stage, str(ROOT / "params.yaml")],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for stage in STAGES
    ]
    stderrs = [process.communicate(timeout=240)[1] for process in processes]
    return ThreeStarts(folder / "mlflow.db", [process.returncode for process in processes], stderrs)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root without a database; the working directory is another one, as in a temporary checkout."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "original"
    root.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(root))
    return root


@pytest.fixture
def params() -> Params:
    params = read_params(ROOT / "params.yaml")
    return params.model_copy(update={"tracking": params.tracking.model_copy(update={"experiment": "a test"})})


@pytest.fixture
def database(root: Path, three_starts: ThreeStarts) -> Path:
    """A database at the project's root, in which there is no experiment "a test" yet."""
    return Path(shutil.copy(three_starts.database, root / "mlflow.db"))


def client_of(database: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{database}")


def runs_in(database: Path, experiment: str = "a test") -> list[Any]:
    """The stages' runs."""
    return searched(database, "tags.`wsgcn.stage` != 'pipeline'", experiment)


def searched(database: Path, filter_string: str, experiment: str = "a test") -> list[Any]:
    client = client_of(database)
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id], filter_string))


def log_a_little(tracker: Tracker) -> None:
    tracker.log_params({"parameters": 434703})
    tracker.log_metrics({"loss": 1.0}, step=1)
    tracker.set_tags({"note": "a"})
    tracker.log_artifact("no such file, and nobody looks")


def test_three_processes_that_start_without_a_database_all_record_their_run(three_starts: ThreeStarts) -> None:
    assert three_starts.stderrs == ["", "", ""]  # nor is there any chatter of MLflow's
    assert three_starts.statuses == [0, 0, 0]
    runs = runs_in(three_starts.database, "wsgcn")
    assert sorted(run.data.tags["wsgcn.stage"] for run in runs) == sorted(STAGES)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [run.data.metrics for run in runs] == 3 * [{"loss": 1.0}]
    assert [name for name in LEFT if (three_starts.database.parent / name).exists()] == []


def test_a_run_is_read_back_as_it_was_logged(database: Path, root: Path, params: Params) -> None:
    report = root / "report.txt"
    report.write_text("29,067 frames")
    with open_tracker("warmup", params) as tracker:
        tracker.log_params({"parameters": 434703})
        for epoch in (1, 2, 3):
            tracker.log_metrics({"supervised": 1 / epoch, "rate": 0.001}, step=epoch)
        tracker.log_metrics({"mpjpe_mm": 49.23})
        tracker.log_artifact(report)
        tracker.set_tags({"note": "a", "device": "overwritten at the end"})

    [run] = runs_in(database)
    assert run.info.run_name == "warmup"
    assert run.info.status == "FINISHED"
    assert run.data.params["parameters"] == "434703"
    assert run.data.params["data.subjects.unlabelled"] == "['S5', 'S6', 'S7', 'S8']"
    assert {name: run.data.params[name] for name in params.flat()} == {n: str(v) for n, v in params.flat().items()}
    assert run.data.metrics == {"supervised": 1 / 3, "rate": 0.001, "mpjpe_mm": 49.23}
    history = client_of(database).get_metric_history(run.info.run_id, "supervised")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 1 / 2), (3, 1 / 3)]
    assert run.data.tags["wsgcn.stage"] == "warmup"
    assert run.data.tags["note"] == "a"
    assert run.data.tags["device"] in ("cpu", "cuda")
    assert run.info.artifact_uri == (root / "mlartifacts" / run.info.run_id / "artifacts").as_uri()
    kept = root / "mlartifacts" / run.info.run_id / "artifacts" / "report.txt"
    assert kept.read_text() == "29,067 frames"


def test_nothing_is_written_into_the_working_directory(database: Path, params: Params) -> None:
    with open_tracker("warmup", params) as tracker:
        tracker.log_metrics({"loss": 1.0}, step=1)
        tracker.log_artifact(ROOT / "params.yaml")
    assert list(Path.cwd().iterdir()) == []


def test_a_run_whose_work_raises_is_failed_and_keeps_its_metrics(database: Path, params: Params) -> None:
    def interrupted_work() -> None:
        with open_tracker("warmup", params) as tracker:
            tracker.log_metrics({"loss": 2.0}, step=1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_work()
    [run] = runs_in(database)
    assert run.info.status == "FAILED"
    assert run.data.metrics == {"loss": 2.0}


def test_metrics_go_out_in_batches_with_the_time_at_which_they_were_logged(
    database: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    sizes: list[int] = []
    log_batch = MlflowClient.log_batch

    def counting(client: Any, run_id: str, metrics: Any = (), **rest: Any) -> None:
        sizes.append(len(metrics))
        log_batch(client, run_id, metrics=metrics, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counting)
    with open_tracker("weak", params) as tracker:
        before_ms = int(time.time() * 1000)
        tracker.log_metrics({"first": 1.0}, step=0)
        after_ms = int(time.time() * 1000)
        time.sleep(0.05)
        for step in range(700):
            tracker.log_metrics({"loss": 1.0, "rate": 0.1, "seconds": 2.0}, step=step)
    assert [size for size in sizes if size] == [1000, 1000, 2, 99]  # 1 + 3 * 333 fill a batch, 3 * 334 the next

    client = client_of(database)
    [run] = runs_in(database)
    [first] = client.get_metric_history(run.info.run_id, "first")
    assert before_ms <= first.timestamp <= after_ms
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "seconds")] == list(range(700))


def test_a_metric_that_comes_seconds_after_the_last_batch_goes_out_at_once(
    database: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsgcn.running.tracking._SECONDS_BETWEEN_BATCHES", 0.0)
    with open_tracker("weak", params) as tracker:
        tracker.log_metrics({"loss": 3.0}, step=1)
        [run] = runs_in(database)
        assert run.data.metrics == {"loss": 3.0}
        assert run.info.status == "RUNNING"


def test_names_and_values_that_mlflow_would_refuse_are_made_to_fit(
    database: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_tracker("preprocess", params) as tracker:
        tracker.log_params({"take (S1)": "x" * 10_000})
        tracker.set_tags({"input./data/Human3.6M (raw)/" + 40 * "folder/" + "h36m.zip": "abcd", "input.../raw": "ef"})
    [run] = runs_in(database)
    assert run.data.params["take _S1_"] == "x" * 6000
    assert [value for name, value in run.data.tags.items() if name.endswith("folder/h36m.zip")] == ["abcd"]
    assert run.data.tags["input.../raw"] == "ef"
    assert run.info.status == "FINISHED"
    assert capsys.readouterr().err == ""


def test_mlflow_tracking_uri_overrides_the_database_at_the_root(
    database: Path, root: Path, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = database.rename(tmp_path / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    with open_tracker("warmup", params):
        pass
    assert len(runs_in(other)) == 1
    assert [path.name for path in root.iterdir()] == [".resume"]


def test_with_tracking_off_the_tracker_forgets_everything_and_no_database_appears(root: Path, params: Params) -> None:
    off = params.model_copy(update={"tracking": params.tracking.model_copy(update={"mlflow": False})})
    with open_tracker("warmup", off) as tracker:
        log_a_little(tracker)
    assert isinstance(tracker, NullTracker)
    assert list(root.iterdir()) == []


def assert_one_line(text: str, *parts: str) -> None:
    assert text.count("\n") == 1, text
    for part in (*parts, "metrics/ still has everything"):
        assert part in text


def test_a_server_that_refuses_is_one_line_and_the_work_goes_on(
    root: Path, params: Params, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9")
    started_s = time.monotonic()
    with open_tracker("warmup", params) as tracker:
        for _ in range(3):
            log_a_little(tracker)
    assert time.monotonic() - started_s < 5
    stderr = capfd.readouterr().err
    assert_one_line(stderr, "warmup: MLflow at http://127.0.0.1:9 failed", "Connection refused")
    assert "secret" not in stderr
    assert list(root.iterdir()) == []


class _AlmostMlflow(BaseHTTPRequestHandler):
    """What a server of MLflow answers to a run without artifacts; bodies of `log-batch` are kept."""

    batches: list[dict[str, Any]]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer: dict[str, Any] = {}
        if "experiments/get-by-name" in self.path:
            answer = {"experiment": {"experiment_id": "7", "name": "a test"}}
        elif "runs/create" in self.path:
            answer = {"run": {"info": {"run_id": "abc", "experiment_id": "7", "status": "RUNNING"}, "data": {}}}
        elif "log-batch" in self.path:
            self.batches.append(json.loads(body))
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(_AlmostMlflow, "batches", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _AlmostMlflow)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def test_a_server_that_dies_during_a_run_is_one_line_and_the_work_goes_on(
    root: Path,
    params: Params,
    server: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("wsgcn.running.tracking._SECONDS_BETWEEN_BATCHES", 0.0)
    with open_tracker("weak", params) as tracker:
        tracker.log_metrics({"loss": 2.0}, step=1)
        [metric] = _AlmostMlflow.batches[-1]["metrics"]
        assert (metric["key"], metric["value"], metric["step"]) == ("loss", 2.0, 1)
        assert capfd.readouterr().err == ""

        server.shutdown()
        server.server_close()
        started_s = time.monotonic()
        for _ in range(3):
            log_a_little(tracker)
    assert time.monotonic() - started_s < 5
    assert_one_line(capfd.readouterr().err, f"weak: MLflow at http://127.0.0.1:{server.server_port} failed")


def test_a_file_that_is_no_database_is_one_line_at_once(
    root: Path, params: Params, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "mlflow.db").write_text("nothing that SQLite knows")
    started_s = time.monotonic()
    with open_tracker("demo", params) as tracker:
        log_a_little(tracker)
    assert time.monotonic() - started_s < 5
    assert_one_line(capfd.readouterr().err, "file is not a database")


# A limit on the size of files stands in for a full disk, see tests/base/test_files.py.
LIMITED = """
import resource, signal, sys
from wsgcn.running.params import read_params
from wsgcn.running.tracking import open_tracker

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
with open_tracker("weak", read_params(sys.argv[1])) as tracker:
    tracker.log_metrics({{"loss": 1.0}}, step=1)
print("worked")
"""


@pytest.mark.parametrize("is_there", [False, True])
def test_on_a_full_disk_it_is_one_line_and_nothing_half_written(
    is_there: bool, root: Path, request: pytest.FixtureRequest
) -> None:
    size = request.getfixturevalue("database").stat().st_size if is_there else 100_000
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LIMITED.format(size=size), str(ROOT / "params.yaml")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (0, "worked\n")
    *moved, failed = result.stderr.splitlines(keepends=True)  # the database was copied here, which a line may say
    assert len(moved) == is_there
    assert_one_line(failed, "disk")
    assert {path.name for path in root.iterdir()} - {".resume", "mlflow.db.lock"} == (
        {"mlflow.db"} if is_there else set()
    )


def test_without_mlflow_installed_the_work_goes_on(
    root: Path, params: Params, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with open_tracker("demo", params) as tracker:
        log_a_little(tracker)
    assert_one_line(capfd.readouterr().err, "mlflow")


def test_after_an_artifact_that_mlflow_does_not_take_the_run_still_ends(
    database: Path, params: Params, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_tracker("demo", params) as tracker:
        log_a_little(tracker)
    assert_one_line(capfd.readouterr().err, "no such file")
    [run] = runs_in(database)
    assert run.info.status == "FINISHED"


def run_stages(params: Params, *stages: str) -> None:
    for stage in stages:
        with open_tracker(stage, params) as tracker:
            tracker.log_metrics({"loss": 1.0}, step=1)


def parents(database: Path) -> dict[str, list[str]]:
    """The pipelines' runs, the first first, each with its stages in order."""
    order = sorted(searched(database, "tags.`wsgcn.stage` = 'pipeline'"), key=lambda run: run.info.start_time)
    children = sorted(runs_in(database), key=lambda run: run.info.start_time)
    return {
        run.info.run_id: [
            child.data.tags["wsgcn.stage"]
            for child in children
            if child.data.tags["mlflow.parentRunId"] == run.info.run_id
        ]
        for run in order
    }


def with_seed(params: Params, seed: int) -> Params:
    return params.model_copy(update={"seed": seed})


def test_the_stages_of_a_run_are_children_of_one_run_with_the_parameters_and_the_result(
    database: Path, params: Params
) -> None:
    Path("dvc.yaml").write_text("stages: {evaluate: {cmd: e, metrics: [evaluation.json]}}")
    Path("evaluation.json").write_text('{"mpjpe_mm": {"action_mean": 48.7}, "skeleton": "h36m16"}')
    run_stages(params, "warmup", "weak")
    [before] = searched(database, "tags.`wsgcn.stage` = 'pipeline'")
    assert before.data.metrics == {}
    run_stages(params, "evaluate")

    assert list(parents(database).values()) == [["warmup", "weak", "evaluate"]]
    [run] = searched(database, "tags.`wsgcn.stage` = 'pipeline'")
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"mpjpe_mm.action_mean": 48.7}
    assert run.data.params == {name: str(value) for name, value in params.flat().items()}


def test_experiments_parameters_and_repetitions_have_a_run_each(
    database: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two queued experiments take turns; then the pipeline is repeated as by `dvc repro -f`, and its end alone."""
    for stage in ("warmup", "weak"):
        for name, seed in (("aa", 1), ("bb", 1), ("cc", 2)):
            monkeypatch.setenv("DVC_EXP_NAME", name)
            run_stages(with_seed(params, seed), stage)
    monkeypatch.setenv("DVC_EXP_NAME", "aa")
    run_stages(with_seed(params, 1), "warmup", "weak", "weak")
    assert list(parents(database).values()) == 4 * [["warmup", "weak"]] + [["weak"]]


def test_a_stage_that_failed_joins_again_and_the_run_has_the_status_of_the_last(database: Path, params: Params) -> None:
    run_stages(params, "warmup")

    def failing_work() -> None:
        with open_tracker("weak", params):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing_work()
    [failed] = searched(database, "tags.`wsgcn.stage` = 'pipeline'")
    assert failed.info.status == "FAILED"
    run_stages(params, "weak")
    assert list(parents(database).values()) == [["warmup", "weak", "weak"]]
    [run] = searched(database, "tags.`wsgcn.stage` = 'pipeline'")
    assert run.info.status == "FINISHED"


def test_a_pipeline_in_which_nothing_runs_any_more_is_ended_by_the_next(database: Path, params: Params) -> None:
    run_stages(params, "warmup")
    [run] = searched(database, "tags.`wsgcn.stage` = 'pipeline'")
    client_of(database).update_run(run.info.run_id, status="RUNNING")  # as a kill between two calls leaves it
    with open_tracker("warmup", with_seed(params, 1)), open_tracker("warmup", with_seed(params, 2)):
        statuses = {r.data.params["seed"]: r.info.status for r in searched(database, "tags.`wsgcn.stage` = 'pipeline'")}
        assert statuses == {"0": "KILLED", "1": "RUNNING", "2": "RUNNING"}


def test_processes_that_start_at_once_make_one_run_for_the_pipeline(three_starts: ThreeStarts) -> None:
    assert len(searched(three_starts.database, "tags.`wsgcn.stage` = 'pipeline'", "wsgcn")) == 1
    parents = {run.data.tags["mlflow.parentRunId"] for run in runs_in(three_starts.database, "wsgcn")}
    assert len(parents) == 1


def test_readmes_filter_finds_the_pipelines_runs(database: Path, params: Params) -> None:
    run_stages(params, "warmup")
    run_stages(with_seed(params, 1), "warmup")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [line] = [line.strip() for line in text.splitlines() if "tags." in line and "'pipeline'" in line]
    assert sorted(run.data.params["seed"] for run in searched(database, line)) == ["0", "1"]


@pytest.mark.parametrize("is_copy", [True, False], ids=["copied", "moved"])
def test_in_another_folder_artifacts_are_beside_the_database_and_old_ones_are_found(
    database: Path,
    root: Path,
    params: Params,
    is_copy: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Path("report.txt")
    report.write_text("one")
    with open_tracker("evaluate", params) as tracker:
        tracker.log_artifact(report)
    other = root.parent / "other place"
    shutil.copytree(root, other) if is_copy else root.rename(other)
    before = sorted(root.rglob("*")) if is_copy else []
    monkeypatch.setenv("DVC_ROOT", str(other))
    for _ in range(2):
        with open_tracker("evaluate", params) as tracker:
            tracker.log_artifact(report)

    runs = runs_in(other / "mlflow.db")
    assert len(runs) == 3
    for run in runs:
        folder = other / "mlartifacts" / run.info.run_id / "artifacts"
        assert run.info.artifact_uri == folder.as_uri()
        assert (folder / "report.txt").read_text() == "one"
    assert sorted(root.rglob("*")) == before
    said = capsys.readouterr().err
    assert said == (
        "evaluate: MLflow's database was moved or copied here: "
        f"artifacts are now kept in {other.resolve() / 'mlartifacts'}.\n"
    )


def test_where_the_database_alone_was_copied_old_artifacts_are_found_where_they_still_are(
    database: Path, root: Path, params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_tracker("evaluate", params) as tracker:
        tracker.log_artifact(ROOT / "params.yaml")
    [old] = runs_in(database)
    other = root.parent / "other"
    other.mkdir()
    shutil.copy(database, other)
    monkeypatch.setenv("DVC_ROOT", str(other))
    with open_tracker("evaluate", params):
        pass
    places = {run.info.run_id: run.info.artifact_uri for run in runs_in(other / "mlflow.db")}
    assert places.pop(old.info.run_id) == old.info.artifact_uri
    [new] = places.values()
    assert new.startswith((other / "mlartifacts").resolve().as_uri())
    assert "1 runs' stay in" in capsys.readouterr().err


def test_an_experiment_that_somebody_else_placed_stays_there(
    database: Path, root: Path, params: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = (tmp_path / "large disk" / "mlartifacts").as_uri()
    client_of(database).create_experiment("a test", artifact_location=place)
    with open_tracker("evaluate", params):
        pass
    [run] = runs_in(database)
    assert run.info.artifact_uri.startswith(place)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("userinfo", ["someone:sec/ret@", "someone:sec@ret@", "sec/ret@", "someone:sec%2Fret@"])
def test_no_part_of_a_password_is_printed(
    root: Path, params: Params, userinfo: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for uri in (f"http://{userinfo}127.0.0.1:9", f"postgresql://{userinfo}127.0.0.1:9/db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with open_tracker("warmup", params):
            pass
        stderr = capfd.readouterr().err
        assert_one_line(stderr, f"warmup: MLflow at {uri.partition(':')[0]}://127.0.0.1:9")
        assert "sec" not in stderr
        assert "ret" not in stderr
        assert "someone" not in stderr


def test_the_run_of_a_killed_process_is_closed_by_the_next_run_and_a_living_one_is_not(
    database: Path, root: Path, params: Params
) -> None:
    code = (
        "import os, signal; from wsgcn.running.params import parse_params\n"
        "from wsgcn.running.tracking import open_tracker\n"
        f"with open_tracker('warmup', parse_params({params.model_dump()!r}, 'params')) as tracker:\n"
        "    tracker.log_metrics({'loss': 1.0}, step=1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [run.info.status for run in runs_in(database)] == ["RUNNING"]
    with open_tracker("weak", params), open_tracker("evaluate", params):
        found = {run.data.tags["wsgcn.stage"]: run.info.status for run in runs_in(database)}
        assert found == {"warmup": "KILLED", "weak": "RUNNING", "evaluate": "RUNNING"}
    assert list((root / ".resume").glob("*/*")) == []


def test_a_run_that_could_not_be_ended_is_ended_by_the_next_one_as_it_ended(
    database: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def away(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", away)
        with open_tracker("warmup", params):
            pass
    assert [run.info.status for run in runs_in(database)] == ["RUNNING"]
    with open_tracker("warmup", params):
        assert sorted(run.info.status for run in runs_in(database)) == ["FINISHED", "RUNNING"]
