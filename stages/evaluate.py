"""Stage evaluate: errors on the test subjects, and the model to take elsewhere: ONNX, its card, MLflow's registry."""

from pathlib import Path

from wsgcn.base.files import write_atomically
from wsgcn.base.run import Run
from wsgcn.evaluation.evaluate import EvaluationPaths, evaluate
from wsgcn.evaluation.params import EvaluateParams as Params
from wsgcn.release.export import export_onnx
from wsgcn.release.model_card import model_card

PATHS = EvaluationPaths(
    checkpoint=Path("models/weak.pt"),
    poses=Path("data/poses.h5"),
    detections=Path("data/detections.h5"),
    predictions=Path("data/predictions.h5"),
    metrics=Path("metrics/evaluation.json"),
    protocol=Path("metrics/protocol.json"),
    actions=Path("metrics/actions.csv"),
    joints=Path("metrics/joints.csv"),
)
ONNX, CARD = Path("models/weak.onnx"), Path("models/MODEL_CARD.md")


def main(params: Params, run: Run) -> None:
    report = evaluate(params, PATHS, run)
    export = export_onnx(PATHS.checkpoint, ONNX)
    write_atomically(CARD, model_card(PATHS.checkpoint, report, params))
    for path in (PATHS.metrics, PATHS.protocol, PATHS.actions, PATHS.joints, CARD):
        run.tracker.log_artifact(path)
    run.tracker.log_model(export.path, export.example)
