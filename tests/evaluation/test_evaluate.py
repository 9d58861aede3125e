import csv
import json

import numpy as np
import pytest

from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.base.trackers import NullTracker, RecordingTracker
from wsgcn.evaluation import metrics
from wsgcn.evaluation.evaluate import ErrorSums, EvaluationPaths, evaluate, predict
from wsgcn.model.checkpoint import load_checkpoint
from wsgcn.pose.skeleton import H36M17
from wsgcn.pose.store import Poses, Predictions
from wsgcn.training.stages import train_weakly, warm_up


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with everything up to weak.pt, for 17 joints."""
    folder = tmp_path_factory.mktemp("trained")
    poses, detections = write_tiny_capture(folder, takes=("Eating", "Walking", "Walking 1"))
    params = tiny_params(data__skeleton="h36m17")
    warmup, weak = folder / "warmup.pt", folder / "weak.pt"
    warm_up(params, poses, detections, warmup, folder / "warmup.csv", NullTracker())
    train_weakly(params, warmup, poses, detections, weak, folder / "weak.csv", NullTracker())
    return folder


def paths(trained, out):
    return EvaluationPaths(
        checkpoint=trained / "weak.pt",
        poses=trained / "poses.h5",
        detections=trained / "detections.h5",
        predictions=out / "predictions.h5",
        report=out / "evaluation.json",
        actions=out / "actions.csv",
    )


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated")
    tracker = RecordingTracker()
    evaluate(tiny_params(data__skeleton="h36m17", data__stride=7), paths(trained, out), tracker)
    return out, tracker


def test_the_figures_are_those_of_the_predictions_file(evaluated):
    """Recomputed from predictions.h5 in the plainest way: every frame, action by action."""
    out, tracker = evaluated
    report = json.loads((out / "evaluation.json").read_text())
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
    assert {action: row["mpjpe_mm"] for action, row in report["actions"].items()} == pytest.approx(by_action, abs=1e-2)
    assert report["frames"] == 3 * 4 * 20, "the test sees every frame, whatever data.stride says"
    assert (report["joints"], report["root_counted"]) == (17, True)
    assert (report["epoch"], report["epoch_chosen_by"]) == (2, "last epoch")
    assert tracker.history("mpjpe_mm.action_mean") == [report["mpjpe_mm"]["action_mean"]]


def test_actions_csv_says_what_the_json_says(evaluated):
    out, _ = evaluated
    report = json.loads((out / "evaluation.json").read_text())
    rows = list(csv.DictReader((out / "actions.csv").open(encoding="utf-8")))
    assert [row["action"] for row in rows] == ["Eating", "Walking"]
    for row in rows:
        for name, value in report["actions"][row["action"]].items():
            assert float(row[name]) == pytest.approx(value, abs=1e-4)


def test_the_truth_is_in_the_camera_frame(evaluated, trained):
    out, _ = evaluated
    with Predictions(out / "predictions.h5") as predictions, Poses(trained / "poses.h5") as poses:
        for serial in predictions.serials("S9", "Eating"):
            positions = poses.positions_m("S9", "Eating")
            rotation = poses.camera("S9", serial).rotation
            truth = predictions.truth_m("S9", "Eating", serial)
            np.testing.assert_allclose(truth[3, 5], rotation @ (positions[3, 5] - positions[3, 0]), atol=1e-5)


def test_two_evaluations_give_the_same_bytes(evaluated, trained, tmp_path):
    evaluate(tiny_params(data__skeleton="h36m17", data__stride=7), paths(trained, tmp_path), NullTracker())
    for name in ("predictions.h5", "evaluation.json", "actions.csv"):
        assert (tmp_path / name).read_bytes() == (evaluated[0] / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "h36m17 with 17 joints, but data.skeleton is h36m16 with 16"),
        ({"data__skeleton": "h36m17", "model__channels": 16}, "another network"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_nothing_is_written(trained, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        evaluate(tiny_params(**change), paths(trained, tmp_path), NullTracker())
    assert list(tmp_path.iterdir()) == []


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
    sums = [ErrorSums() for _ in range(2)]
    sums[0].add("Eating", predicted, truth, batch=7)
    sums[1].add("Eating", predicted, truth)
    for name, means in sums[1].means().items():
        assert sums[0].means()[name] == pytest.approx(means)
    assert sums[1].means()["p_mpjpe_mm"]["frame_mean"] == pytest.approx(metrics.p_mpjpe_mm(predicted, truth).mean())


def test_a_perfect_network_has_no_error():
    truth = np.random.default_rng(2).normal(size=(10, 16, 3))
    sums = ErrorSums()
    sums.add("Eating", truth, truth)
    means = {name: row["frame_mean"] for name, row in sums.means().items()}
    assert means == pytest.approx(
        {
            "mpjpe_mm": 0,
            "p_mpjpe_mm": 0,
            "n_mpjpe_mm": 0,
            "pck_150mm": 1,
            "auc_0_150mm": 30 / 31,
            "mpjve_mm_per_frame": 0,
        },
        abs=1e-9,
    )
