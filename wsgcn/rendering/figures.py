"""Figures of a run, drawn by matplotlib: curves of the training, errors by action, and their distribution."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from wsgcn.files import atomic_path
from wsgcn.rendering import palette

Curves = Mapping[str, np.ndarray]  # columns of metrics/<stage>.csv, NaN where a cell is empty

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
    "lines.linewidth": 2,
    "svg.hashsalt": "wsgcn",
}
_DPI = 120
_FEW_EPOCHS = 30  # up to here each epoch gets a marker

_LOSSES = {"supervised": "supervised (m²)", "reprojection": "reprojection (screen units²)", "bone": "bone length (m)"}


@contextmanager
def _figure(path: Path | str, title: str, caption: str, size_in: tuple[float, float]) -> Iterator[Figure]:
    """A figure with a title and a caption below, written to `path` when the block ends well."""
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=size_in, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        yield figure
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=9, color=palette.QUIET)
        with atomic_path(path) as temporary:
            # Without matplotlib's version and the date, so that the same figures are the same bytes.
            canvas.print_png(temporary, metadata={"Software": None}) if False else figure.savefig(
                temporary, dpi=_DPI, metadata={"Software": None}
            )
