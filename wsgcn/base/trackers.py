"""What training, evaluation and preprocessing log to: a tracker that they are handed, whatever stands behind it.

Nothing here knows MLflow, so that library code can name the protocol at no cost; `wsgcn.running.tracking` has the real thing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


class Tracker(Protocol):
    """Takes the record of one run."""

    def log_params(self, params: dict[str, Any]) -> None:
        """Record settings under dotted names; each name once a run."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Record numbers, with the unit in their names; `step` is the epoch, None for a figure of the whole run."""

    def log_artifact(self, path: Path | str) -> None:
        """Keep a copy of a file or a folder that is finished."""

    def log_model(self, onnx_path: Path | str, example: "Mapping[str, np.ndarray]") -> None:
        """Keep an exported network as a model that can be loaded and served, and register it.

        Args:
            onnx_path: a file that `wsgcn.release.export` wrote.
            example: its inputs by name.
        """

    def set_tags(self, tags: dict[str, str]) -> None:
        """Describe the run; a tag that is set again takes the new value."""


class NullTracker:
    """Forgets everything."""

    def log_params(self, params: dict[str, Any]) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        pass

    def log_artifact(self, path: Path | str) -> None:
        pass

    def log_model(self, onnx_path: Path | str, example: "Mapping[str, np.ndarray]") -> None:
        pass

    def set_tags(self, tags: dict[str, str]) -> None:
        pass


class RecordingTracker:
    """Keeps everything in plain lists and dicts, for tests and notebooks."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.metrics: list[tuple[int | None, dict[str, float]]] = []  # (step, metrics) in the order of the calls
        self.artifacts: list[Path] = []
        self.models: list[Path] = []
        self.tags: dict[str, str] = {}

    def log_params(self, params: dict[str, Any]) -> None:
        self.params |= params

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.append((step, dict(metrics)))

    def log_artifact(self, path: Path | str) -> None:
        self.artifacts.append(Path(path))

    def log_model(self, onnx_path: Path | str, example: "Mapping[str, np.ndarray]") -> None:
        self.models.append(Path(onnx_path))

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags

    def history(self, name: str) -> list[float]:
        """Every value that was logged under one name, in the order of the calls."""
        return [metrics[name] for _, metrics in self.metrics if name in metrics]
