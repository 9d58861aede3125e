"""The published figures of WS-GCN, and whether a run is the one that they were measured with.

A figure is shown beside a measured one only where every setting that decides the protocol is the paper's. A setting
that the paper does not have counts against it, unless it is the weight 0 of a loss or is not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wsgcn.base.section import flat


@dataclass(frozen=True)
class Published:
    """A row of the published table: MPJPE and P-MPJPE in mm, 2D ground truth, S9 and S11, mean over actions."""

    name: str
    mpjpe_mm: float
    p_mpjpe_mm: float
    settings: Mapping[str, object]  # beside those that all rows have in common


_TRAINING_SUBJECTS = ["S1", "S5", "S6", "S7", "S8"]
_WEAKLY = {
    "data.subjects.labelled": ["S1"],
    "data.subjects.unlabelled": ["S5", "S6", "S7", "S8"],
    "warmup.epochs": 20,
    "weak.epochs": 80,
    "weak.reprojection_weight": 1.0,
    "weak.bone_weight": 1.0,
    "weak.root": "ground_truth",
}
_FULLY = {"data.subjects.labelled": _TRAINING_SUBJECTS, "data.subjects.unlabelled": [], "epochs": 100}

ROWS = (
    Published("full supervision (S1, S5-S8 labelled)", 41.95, 33.40, _FULLY),
    Published("weak, no bone loss, warm-up", 53.16, 43.77, {**_WEAKLY, "weak.bone_weight": 0.0}),
    Published("weak, bone loss, warm-up", 49.23, 39.88, _WEAKLY),
    Published("weak, bone loss, no warm-up", 63.50, 52.14, {**_WEAKLY, "warmup.epochs": 0, "weak.epochs": 100}),
)

_COMMON: Mapping[str, object] = {
    "data.skeleton": "h36m16",
    "data.stride": 1,
    "data.subjects.labelled_takes": 1.0,
    "data.subjects.validation": [],
    "data.subjects.test": ["S11", "S9"],
    "detections.source": "gt",
    "model.name": "semgcn",
    "model.sees": "picture",
    "model.semgcn.channels": 128,
    "model.semgcn.blocks": 4,
    "model.semgcn.non_local": True,
    "model.semgcn.channelwise": False,
    "model.semgcn.dropout": 0.0,
    "training.batch_labelled": 256,
    "training.batch_unlabelled": 256,
    "training.learning_rate": 1e-3,
    "training.decay_factor": 0.96,
    "training.decay_steps": 100_000,
    "training.gradient_clip": 1.0,
    "training.supervised_weight": 1.0,
    "training.choose_epoch": "last",
    "training.loss": "mse",
    "training.schedule": "staircase",
    "training.warmup_steps": 0,
    "training.average": 0.0,
    "training.epoch_steps": 0,
    "augmentation.mirror": False,
    "augmentation.turn": False,
    "augmentation.place": False,
    "augmentation.size": 0.0,
    "augmentation.bones": 0.0,
    "augmentation.tilt_rad": 0.0,
    "augmentation.distance": 0.0,
    "augmentation.camera": "capture",
    **dict.fromkeys(
        (
            f"augmentation.{name}"
            for name in ("trunk", "recombine", "sway", "limbs", "tip", "noise", "outliers", "coco", "missing")
        ),
        0.0,
    ),
    "evaluate.flip": False,
}
_OF_PSEUDO_LABELS = ("weak.pseudo_labels.", "weak.views")
_UNREAD = {  # settings with this beginning make no difference where this key has this value
    "training.final_share": ("training.schedule", "staircase"),
    "augmentation.any.": ("augmentation.camera", "capture"),
    "weak.pseudo_labels.": ("weak.pseudo_labels.share", 0.0),
    "weak.views": ("weak.pseudo_labels.share", 0.0),
}
_IRRELEVANT = ("seed", "runtime.")  # they decide on digits, not on the protocol


def published_row(trained_with: Mapping[str, Any], tested_with: Mapping[str, Any]) -> Published | None:
    """The published row that a run repeats, None if it is nobody's setting.

    Args:
        trained_with: the parameters that its checkpoint records, as in params.yaml.
        tested_with: the test subjects, the source of the 2D and what decides the evaluation, by dotted name.
    """
    settings = _normalised({**flat(trained_with), **tested_with})
    for row in ROWS:
        if settings == _without_zero_weights({**_COMMON, **row.settings}):
            return row
    return None


def _normalised(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what makes no difference, and with lists of subjects in one order."""
    network = f"model.{settings.get('model.name')}."
    kept: dict[str, Any] = {
        key: _sorted(value) if key.startswith("data.subjects.") else value
        for key, value in settings.items()
        if not key.startswith(_IRRELEVANT)
        and not any(key.startswith(start) and settings.get(by) == value for start, (by, value) in _UNREAD.items())
        and (not key.startswith("model.") or key.count(".") == 1 or key.startswith(network))
    }
    if not kept.get("data.subjects.unlabelled"):  # both stages are then one training with labels
        epochs = kept.pop("warmup.epochs", 0) + kept.get("weak.epochs", 0)
        kept = {key: value for key, value in kept.items() if not _needs_unlabelled(key)} | {"epochs": epochs}
    return _without_zero_weights(kept)


def _needs_unlabelled(key: str) -> bool:
    return key.startswith("weak.") and (key in _WEAKLY or key.endswith("_weight") or key.startswith(_OF_PSEUDO_LABELS))


def _without_zero_weights(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if not (key.endswith("_weight") and value == 0)}


def _sorted(value: object) -> object:
    return sorted(value, key=str) if isinstance(value, Sequence) and not isinstance(value, str) else value
