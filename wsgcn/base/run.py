"""What a stage reports to besides its outputs: a tracker and a bar of progress, which it is handed.

Nothing here knows MLflow or a terminal, so that library code can name these protocols at no cost, and no result depends
on what stands behind them; `wsgcn.running` has the real things.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")


class Bar(Protocol):
    """Shows how far a piece of work has come."""

    def advance(self, amount: int = 1, note: str | None = None) -> None:
        """Count `amount` more as done; `note` replaces the last one, None keeps it."""


Bars = Callable[[str, int, str], AbstractContextManager[Bar]]  # label, total, unit -> a bar


class _NoBar:
    def advance(self, amount: int = 1, note: str | None = None) -> None:
        pass


def no_bars(label: str, total: int, unit: str) -> AbstractContextManager[Bar]:
    """Bars that show nothing."""
    return nullcontext(_NoBar())


def track(items: Iterable[Item], bars: Bars, label: str, total: int, unit: str) -> Iterator[Item]:
    """Pass the items through, with a bar."""
    with bars(label, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()


class Tracker(Protocol):
    """Takes the record of one run."""

    @property
    def run_id(self) -> str:
        """By which the store knows the run; empty where there is none."""

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

    run_id = ""

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

    def __init__(self, run_id: str = "") -> None:
        self.run_id = run_id
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


@dataclass(frozen=True)
class Run:
    """A stage's run; by default nobody watches it, and what breaks it off loses it."""

    tracker: Tracker = field(default_factory=NullTracker)
    bars: Bars = no_bars
    snapshots: Path | None = None  # the folder for what an interrupted training goes on from; None keeps nothing
    snapshot_seconds: float = 60.0  # from one to the next, at least
