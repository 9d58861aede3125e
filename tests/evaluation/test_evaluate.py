import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.tiny import evaluation_paths, tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.base.run import RecordingTracker, Run
from wsgcn.evaluation import metrics, published
from wsgcn.evaluation.evaluate import ErrorSums, evaluate, table
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.model.predict import predict
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.pose.store import Detections, Poses, Predictions, Sequence2D, create_detections, create_poses
from wsgcn.training.params import WarmupParams, WeakParams
from wsgcn.training.stages import train_weakly, warm_up


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with everything up to weak.pt, for 17 joints."""
    folder = tmp_path_factory.mktemp("trained")
    poses, detections = write_tiny_capture(folder, takes=("Eating", "Walking", "Walking 1"))
    params = tiny_params(data__skeleton="h36m17")
    warmup, weak = folder / "warmup.pt", folder / "weak.pt"
    warm_up(WarmupParams.of(params), poses, detections, warmup, folder / "warmup.csv")
    train_weakly(WeakParams.of(params), warmup, poses, detections, weak, folder / "weak.csv")
    return folder


def written(out):
    """What the two json files say."""
    return {name: json.loads((out / f"{name}.json").read_text()) for name in ("evaluation", "protocol")}


def params_of(**changes):
    return EvaluateParams.of(tiny_params(data__skeleton="h36m17", data__stride=7, **changes))


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated")
    tracker = RecordingTracker()
    report = evaluate(params_of(), evaluation_paths(trained, out), Run(tracker))
    return out, tracker, report


def test_the_figures_are_those_of_the_predictions_file(evaluated):
    """Recomputed from predictions.h5 in the plainest way: every frame, action by action."""
    out, tracker, _ = evaluated
    report = written(out)["evaluation"]
    errors = {"Eating": [], "Walking": []}
    with Predictions(out / "predictions.h5") as predictions:
        assert predictions.joints == list(H36M17.joints)
        for take in predictions.takes("S9"):
            for serial in predictions.serials("S9", take):
                predicted, truth = predictions.predicted_m("S9", take, serial), predictions.truth_m("S9", take, serial)
                assert not predicted[:, 0].any()
                assert not truth[:, 0].any()
                for frame, frame_truth in zip(predicted, truth, strict=True):
                    distances = [1000 * np.linalg.norm(a - b) for a, b in zip(frame, frame_truth, strict=True)]
                    errors[take.split()[0]].append(sum(distances) / 17)
    by_action = {action: np.mean(values) for action, values in errors.items()}
    assert report["mpjpe_mm"]["action_mean"] == pytest.approx(np.mean(list(by_action.values())), abs=1e-2)
    assert report["mpjpe_mm"]["frame_mean"] == pytest.approx(np.mean(errors["Eating"] + errors["Walking"]), abs=1e-2)
    assert report["mpjpe_mm"]["action_mean"] != report["mpjpe_mm"]["frame_mean"]
    with (out / "actions.csv").open(encoding="utf-8") as file:
        table = {row["action"]: float(row["mpjpe_mm"]) for row in csv.DictReader(file)}
    assert table == pytest.approx(by_action, abs=1e-2)
    assert tracker.history("mpjpe_mm.action_mean") == [report["mpjpe_mm"]["action_mean"]]


def test_evaluation_json_has_the_means_and_nothing_else_to_compare(evaluated):
    """Each of its numbers is a row of `dvc metrics diff` and a column of `dvc exp show`."""
    report = written(evaluated[0])["evaluation"]
    assert report.pop("impossible_frames") == 0
    assert {name: list(means) for name, means in report.items()} == {
        metric.name: ["action_mean", "frame_mean"] for metric in metrics.METRICS
    }


def test_protocol_json_says_how_it_was_measured(evaluated, trained):
    protocol = written(evaluated[0])["protocol"]
    assert protocol["frames"] == 3 * 4 * 20, "the test sees every frame, whatever data.stride says"
    assert (protocol["joints"], protocol["root_counted"], protocol["skeleton"]) == (17, True, "h36m17")
    assert (protocol["epoch"], protocol["epoch_chosen_by"]) == (2, "last epoch")
    assert (protocol["detections"], protocol["flip"]) == ("gt", False)
    assert protocol["recipe"] == load_checkpoint(trained / "weak.pt").recipe


def test_what_is_returned_is_what_the_files_say(trained, tmp_path):
    report = evaluate(params_of(), evaluation_paths(trained, tmp_path))
    actions = report.pop("actions")
    assert report == written(tmp_path)["protocol"] | written(tmp_path)["evaluation"]
    rows = list(csv.DictReader((tmp_path / "actions.csv").open(encoding="utf-8")))
    assert [row["action"] for row in rows] == list(actions) == ["Eating", "Walking"]
    for row in rows:
        for name, value in actions[row["action"]].items():
            assert float(row[name]) == pytest.approx(value, abs=1e-4)


def test_the_truth_is_in_the_camera_frame(evaluated, trained):
    out, *_ = evaluated
    with Predictions(out / "predictions.h5") as predictions, Poses(trained / "poses.h5") as poses:
        for serial in predictions.serials("S9", "Eating"):
            positions = poses.positions_m("S9", "Eating")
            rotation = poses.camera("S9", serial).rotation
            truth = predictions.truth_m("S9", "Eating", serial)
            np.testing.assert_allclose(truth[3, 5], rotation @ (positions[3, 5] - positions[3, 0]), atol=1e-5)


def test_two_evaluations_give_the_same_bytes(evaluated, trained, tmp_path):
    evaluate(params_of(), evaluation_paths(trained, tmp_path))
    for name in ("predictions.h5", "evaluation.json", "protocol.json", "actions.csv"):
        assert (tmp_path / name).read_bytes() == (evaluated[0] / name).read_bytes()


def _other_detections(folder, trained, source):
    """The same detections.h5, said to be from another source."""
    path = Path(shutil.copy(trained / "detections.h5", folder))
    with h5py.File(path, "r+") as file:
        file.attrs["source"] = source
    return path


def test_a_checkpoint_that_does_not_fit_is_refused_and_nothing_is_written(trained, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"h36m17 with 17 joints, but data\.skeleton is h36m16 with 16"):
        evaluate(EvaluateParams.of(tiny_params()), evaluation_paths(trained, out))
    with_cpn = replace(evaluation_paths(trained, out), detections=_other_detections(tmp_path, trained, "cpn"))
    with pytest.raises(InputError, match=r"weak\.pt: was trained with gt 2D, but the detections are cpn"):
        evaluate(params_of(), with_cpn)
    assert not out.exists()


def test_the_network_is_the_checkpoints_whatever_the_parameters_say(evaluated, trained, tmp_path):
    evaluate(params_of(model__semgcn__channels=16), evaluation_paths(trained, tmp_path))
    assert (tmp_path / "predictions.h5").read_bytes() == (evaluated[0] / "predictions.h5").read_bytes()


def test_batches_do_not_change_the_prediction(trained):
    network = load_checkpoint(trained / "weak.pt").network()
    keypoints = np.random.default_rng(0).uniform(-0.5, 0.5, (23, 17, 2)).astype(np.float32)
    whole = predict(network, keypoints, H36M17)
    np.testing.assert_allclose(predict(network, keypoints, H36M17, batch=5), whole, atol=1e-5)
    assert predict(network, keypoints[:0], H36M17).shape == (0, 17, 3)


def test_flip_makes_the_prediction_commute_with_mirroring(trained):
    network = load_checkpoint(trained / "weak.pt").network()
    keypoints = np.random.default_rng(0).uniform(-0.5, 0.5, (9, 17, 2)).astype(np.float32)
    mirror = list(H36M17.mirror)
    mirrored = (keypoints * [-1, 1])[:, mirror].astype(np.float32)

    def asymmetry(flip):
        there = predict(network, mirrored, H36M17, flip=flip)
        back = (predict(network, keypoints, H36M17, flip=flip) * [-1, 1, 1])[:, mirror]
        return np.abs(there - back).max()

    assert asymmetry(flip=True) < 1e-5
    assert asymmetry(flip=False) > 1e-3


def test_error_sums_do_not_depend_on_the_batch():
    rng = np.random.default_rng(1)
    predicted, truth = rng.normal(size=(2, 50, 16, 3))
    sums = [ErrorSums(H36M16, ["Eating"]) for _ in range(2)]
    sums[0].add("Eating", predicted, truth, batch=7)
    sums[1].add("Eating", predicted, truth)
    for name, means in sums[1].means().items():
        assert sums[0].means()[name] == pytest.approx(means)
    assert sums[1].means()["p_mpjpe_mm"]["frame_mean"] == pytest.approx(metrics.p_mpjpe_mm(predicted, truth).mean())


def test_a_perfect_network_has_no_error():
    truth = np.random.default_rng(2).normal(size=(10, 16, 3))
    sums = ErrorSums(H36M16, ["Eating"])
    sums.add("Eating", truth, truth)
    means = {name: row["frame_mean"] for name, row in sums.means().items()}
    shares = {"pck_150mm": 1, "auc_0_150mm": 30 / 31}
    assert means == pytest.approx({metric.name: shares.get(metric.name, 0) for metric in metrics.METRICS}, abs=1e-9)


# More metrics, more actions


@pytest.fixture
def seventh_metric(monkeypatch):
    """One more in the table: the height of the truth's joint 1 over joint 0."""
    metric = metrics.Metric(name="seventh_m", words="seventh m", compute=lambda p, t, _: t[:, 0, 1] - t[:, 1, 1] + 100)
    table_of_seven = (*metrics.METRICS, metric)
    for module in ("metrics", "evaluate"):
        monkeypatch.setattr(f"wsgcn.evaluation.{module}.METRICS", table_of_seven)
    return metric


def test_a_metric_that_nobody_published_has_a_dash_beside_the_published_row(
    seventh_metric, trained, tmp_path, monkeypatch, capsys
):
    row = published.ROWS[0]
    monkeypatch.setattr("wsgcn.evaluation.evaluate.published_row", lambda trained_with, tested_with: row)
    tracker = RecordingTracker()
    report = evaluate(params_of(data__raw="h36m.zip"), evaluation_paths(trained, tmp_path), Run(tracker))
    lines = capsys.readouterr().out.splitlines()
    header = next(line for line in lines if line.startswith("action "))
    [line] = [line for line in lines if line.startswith(f"published: {row.name}")]
    assert header.endswith("seventh m")
    cells = line.removeprefix(f"published: {row.name}").split()
    assert cells == [f"{row.mpjpe_mm:.2f}", f"{row.p_mpjpe_mm:.2f}", *["-"] * (len(metrics.METRICS) - 2)]
    assert len({len(text) for text in lines[: lines.index(line) + 1]}) == 1, "the columns stand below each other"
    assert report["published"] == {"name": row.name, "mpjpe_mm": row.mpjpe_mm, "p_mpjpe_mm": row.p_mpjpe_mm}
    assert tracker.history("seventh_m.action_mean") == [report["seventh_m"]["action_mean"]]
    assert report["seventh_m"]["action_mean"] > 90
    with (tmp_path / "actions.csv").open(encoding="utf-8") as file:
        assert all(float(cells["seventh_m"]) > 90 for cells in csv.DictReader(file))


def test_without_a_published_row_the_table_and_the_report_have_none(evaluated):
    assert "published" not in written(evaluated[0])["protocol"]
    shown = table(params_of(data__raw="h36m.zip"), evaluated[2])
    assert "published" not in shown


@pytest.fixture
def dancing(trained, tmp_path):
    """The capture with its Eating called Dancing, and one take of a single frame: an action of no known list."""
    renamed = {"Eating": ("Dancing", 20), "Walking": ("Walking", 20), "Walking 1": ("Bow", 1)}
    with (
        Poses(trained / "poses.h5") as poses,
        Detections(trained / "detections.h5") as detections,
        create_poses(tmp_path / "poses.h5", ["Bow", "Walking", "Dancing", "Never"]) as new_poses,
        create_detections(tmp_path / "detections.h5", "gt", "exact projections", detections.joints) as new_detections,
    ):
        for writer in (new_poses, new_detections):
            writer.add_cameras(detections.cameras())
        for take, (action, frames) in renamed.items():
            new_poses.add("S9", take, poses.positions_m("S9", take)[:frames], action, 50.0)
            for serial in detections.serials("S9", take):
                keypoints_px = detections.sequence("S9", take, serial).keypoints_px[:frames]
                new_detections.add(Sequence2D("S9", take, serial, keypoints_px))
    return tmp_path


def test_an_action_that_human36m_does_not_have_is_reported_and_counts(dancing, trained):
    files = replace(
        evaluation_paths(trained, dancing / "out"), poses=dancing / "poses.h5", detections=dancing / "detections.h5"
    )
    report = evaluate(params_of(), files)
    assert list(report["actions"]) == ["Bow", "Walking", "Dancing"], "in the capture's order; one has no take here"
    assert {action: row["frames"] for action, row in report["actions"].items()} == {
        "Bow": 4,
        "Walking": 80,
        "Dancing": 80,
    }
    for metric in metrics.METRICS:
        by_action = [row[metric.name] for row in report["actions"].values()]
        assert np.isfinite([*by_action, *report[metric.name].values()]).all()
        assert report[metric.name]["action_mean"] == pytest.approx(np.mean(by_action), abs=2e-4)
    assert report["mpjpe_mm"]["action_mean"] != pytest.approx(report["mpjpe_mm"]["frame_mean"], abs=1e-3)
    with (dancing / "out" / "actions.csv").open(encoding="utf-8") as file:
        assert [row["action"] for row in csv.DictReader(file)] == ["Bow", "Walking", "Dancing"]


def test_the_table_of_joints_says_which_are_hard(evaluated):
    out, *_ = evaluated
    header, *lines = (out / "joints.csv").read_text().splitlines()
    assert header == "joint,mpjpe_mm"
    table = {joint: float(error_mm) for joint, error_mm in (line.split(",") for line in lines)}
    assert tuple(table) == H36M17.joints
    with Predictions(out / "predictions.h5") as predictions:
        errors_NJ = [
            1000 * np.linalg.norm(predictions.predicted_m(*key) - predictions.truth_m(*key), axis=-1)
            for key in (
                (subject, take, serial)
                for subject in predictions.subjects
                for take in predictions.takes(subject)
                for serial in predictions.serials(subject, take)
            )
        ]
    np.testing.assert_allclose(list(table.values()), np.concatenate(errors_NJ).mean(0), atol=1e-3)
    report = written(out)["evaluation"]
    assert np.mean(list(table.values())) == pytest.approx(report["mpjpe_mm"]["frame_mean"], abs=1e-3)


def test_a_body_that_no_person_has_is_counted_and_told(evaluated):
    sums = ErrorSums(H36M16, ("Eating",))
    truth = np.zeros((5, 16, 3))
    predicted = truth.copy()
    predicted[3, 7] = (0, 0, 3.5)
    predicted[4, 7] = (0, 0, 2.5)
    sums.add("Eating", predicted, truth)
    assert sums.impossible_frames == 1
    report = evaluated[2]
    assert report["impossible_frames"] == 0
    assert "more than 3 m" not in table(params_of(), report)
    said = table(params_of(), report | {"impossible_frames": 2})
    assert "In 2 frames a predicted joint is more than 3 m from the hip" in said
