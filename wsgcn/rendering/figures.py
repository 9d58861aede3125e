"""Figures of a run, drawn by matplotlib: the curves of the training, the errors by action, and their distribution."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, PercentFormatter

from wsgcn.base.files import atomic_path
from wsgcn.rendering import palette

Columns = Mapping[str, np.ndarray]  # columns of metrics/<stage>.csv by name, NaN where a cell is empty

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": palette.TEXT,
    "axes.labelcolor": palette.TEXT,
    "axes.edgecolor": palette.GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e9ee",
    "xtick.color": palette.QUIET,
    "ytick.color": palette.QUIET,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
}
_DPI = 110
_FEW_EPOCHS = 30  # up to here each epoch gets a marker
# Of the columns of metrics/<stage>.csv; all others are terms of the loss.
_NO_LOSSES = ("epoch", "step", "total", "learning_rate", "validation_mpjpe_mm")
_MPJPE, _P_MPJPE = palette.SERIES[0], palette.SERIES[2]


@contextmanager
def _figure(path: Path | str, title: str, caption: str, size_in: tuple[float, float]) -> Iterator[Figure]:
    """A figure with a title above and a caption below, written to `path` when the block ends well."""
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=size_in, dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=9, color=palette.QUIET)
        yield figure
        with atomic_path(path) as temporary:
            # Without matplotlib's version, so that the same figures are the same bytes.
            canvas.print_png(temporary, metadata={"Software": None})


def plot_losses(path: Path | str, warmup: Columns, weak: Columns, data: str, *, uses_unlabelled: bool = True) -> None:
    """The losses of both training stages on one axis, and below it the validation error where there is one.

    Args:
        warmup, weak: with the column `epoch`, which counts on from one stage to the next, one column a loss, and
            `validation_mpjpe_mm`.
        data: what the captions call the data.
        uses_unlabelled: whether the weak stage took anything from unlabelled poses.
    """
    losses = [name for name in {**warmup, **weak} if name not in _NO_LOSSES]
    curves = {name: _joined(warmup, weak, name) for name in ("epoch", *losses, "validation_mpjpe_mm")}
    epochs, validation_mm = curves["epoch"], curves["validation_mpjpe_mm"]
    validated = bool(np.isfinite(validation_mm).any())
    marker = "o" if len(epochs) <= _FEW_EPOCHS else ""
    with _figure(
        path, "Training losses", f"Each loss in its own unit. Data: {data}", (8.0, 6.2 if validated else 4.2)
    ) as figure:
        axes = figure.subplots(1 + validated, sharex=True, squeeze=False, height_ratios=[3, 2][: 1 + validated])[:, 0]
        for name, colour in zip(losses, itertools.cycle(palette.SERIES), strict=False):
            if (curves[name] > 0).any():
                axes[0].plot(epochs, curves[name], color=colour, marker=marker, label=name)
        axes[0].set(yscale="log", ylabel="mean over the epoch (log scale)")
        axes[0].yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes[0].yaxis.set_minor_formatter(FormatStrFormatter("%g"))
        axes[0].legend(loc="upper right")
        if validated:
            axes[1].plot(epochs, validation_mm, color=palette.SERIES[3], marker=marker)
            axes[1].set(ylabel="validation MPJPE (mm)")
            axes[1].set_ylim(bottom=0)
        _mark_stages(axes, warmup["epoch"], weak["epoch"], uses_unlabelled)
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))


def _joined(warmup: Columns, weak: Columns, name: str) -> np.ndarray:
    return np.concatenate(
        [curves[name] if name in curves else np.full(len(curves["epoch"]), np.nan) for curves in (warmup, weak)]
    )


def _mark_stages(axes: np.ndarray, warmup_epochs: np.ndarray, weak_epochs: np.ndarray, uses_unlabelled: bool) -> None:
    """Shade the warm-up and name both stages above the first axis."""
    all_epochs = np.concatenate([warmup_epochs, weak_epochs])
    if len(all_epochs):
        axes[0].set_xlim(all_epochs[0] - 0.5, all_epochs[-1] + 0.5)
    weak_name = "weak: 3D labels and unlabelled 2D" if uses_unlabelled else "weak stage: 3D labels alone"
    for name, epochs in (("warm-up: 3D labels", warmup_epochs), (weak_name, weak_epochs)):
        if not len(epochs):
            continue
        first, last = epochs[0] - 0.5, epochs[-1] + 0.5
        if epochs is warmup_epochs:
            for ax in axes:
                ax.axvspan(first, last, color=palette.PANEL, zorder=0)
        axes[0].annotate(
            name, (first, 1), (4, 4), ("data", "axes fraction"), "offset points", color=palette.QUIET, fontsize=9
        )


def plot_actions(path: Path | str, actions: Mapping[str, Mapping[str, float]], data: str) -> None:
    """Bars of MPJPE and P-MPJPE for each action, the largest error first, and of their means over the actions.

    Args:
        actions: `mpjpe_mm` and `p_mpjpe_mm` by action.
        data: what the captions call the data.
    """
    rows = sorted(actions.items(), key=lambda row: row[1]["mpjpe_mm"])
    # A gap sets the mean apart from the actions.
    at = np.arange(len(rows) + 1) + np.array([0.0] * len(rows) + [0.4])
    names = [name for name, _ in rows] + ["mean over actions"]
    values = {metric: [row[metric] for _, row in rows] for metric in ("mpjpe_mm", "p_mpjpe_mm")}
    values = {metric: [*errors_mm, float(np.mean(errors_mm))] for metric, errors_mm in values.items()}
    caption = f"P-MPJPE: after the best rotation, scale and shift. Data: {data}"
    with _figure(path, "Test error by action", caption, (8.0, 1.6 + 0.36 * len(names))) as figure:
        axes = figure.subplots()
        for shift, metric, label, colour in (
            (0.2, "mpjpe_mm", "MPJPE", _MPJPE),
            (-0.2, "p_mpjpe_mm", "P-MPJPE", _P_MPJPE),
        ):
            bars = axes.barh(at + shift, values[metric], height=0.38, color=colour, label=label)
            axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8, color=palette.QUIET)
        axes.set_yticks(at, names)
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.tick_params(axis="y", length=0, labelcolor=palette.TEXT)
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="mean over the action's frames (mm)", ylim=(-0.6, at[-1] + 0.6))
        axes.margins(x=0.08)
        axes.legend(loc="lower right")


def plot_errors(path: Path | str, mpjpe_mm: np.ndarray, p_mpjpe_mm: np.ndarray, data: str) -> None:
    """How the errors of single frames are distributed: a histogram, and the share of frames below each error.

    Args:
        mpjpe_mm, p_mpjpe_mm: (N,) of all test frames.
        data: what the captions call the data.
    """
    # The last percent would stretch the axis until nothing else can be read.
    end_mm = float(np.ceil(np.percentile(mpjpe_mm, 99) / 50) * 50) or 50.0
    beyond = int((mpjpe_mm > end_mm).sum())
    caption = f"{len(mpjpe_mm):,} frames, {beyond:,} of them beyond the axis. Data: {data}"
    with _figure(path, "Distribution of the test error", caption, (9.0, 3.8)) as figure:
        histogram, shares = figure.subplots(1, 2)
        histogram.hist(mpjpe_mm, bins=np.linspace(0, end_mm, 51), color=_MPJPE)
        _mark_percentiles(histogram, mpjpe_mm, end_mm)
        histogram.set(xlabel="MPJPE of a frame (mm)", ylabel="frames", xlim=(0, end_mm))
        histogram.grid(visible=False, axis="x")
        for values_mm, label, colour in ((mpjpe_mm, "MPJPE", _MPJPE), (p_mpjpe_mm, "P-MPJPE", _P_MPJPE)):
            at_mm = np.linspace(0, end_mm, 201)
            shares.plot(at_mm, np.searchsorted(np.sort(values_mm), at_mm) / len(values_mm), color=colour, label=label)
        shares.set(xlabel="error of a frame below (mm)", ylabel="share of the frames", xlim=(0, end_mm), ylim=(0, 1.02))
        shares.yaxis.set_major_formatter(PercentFormatter(1.0))
        shares.legend(loc="lower right")


def _mark_percentiles(axes: Axes, values: np.ndarray, end: float) -> None:
    for percentile, name, height in ((50, "half", 1.0), (95, "95 %", 0.8)):
        value = float(np.percentile(values, percentile))
        axes.axvline(value, color=palette.TEXT, linewidth=1, linestyle="--")
        towards = -1 if value > 0.7 * end else 1  # where there is room
        axes.annotate(
            f"{name} below\n{value:.0f} mm",
            (value, height),
            (5 * towards, -2),
            ("data", "axes fraction"),
            "offset points",
            ha="right" if towards < 0 else "left",
            va="top",
            fontsize=9,
            bbox={"facecolor": palette.PAGE, "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )
