import numpy as np
import pytest
from matplotlib.text import Annotation, Text
from PIL import Image

from wsgcn.rendering import figures
from wsgcn.rendering.figures import plot_actions, plot_errors, plot_losses

DATA = "synthetic capture of stage demo"
NAN = float("nan")


def curves(first, last, validation=NAN, **losses):
    epochs = np.arange(first, last + 1, dtype=float)
    columns = {name: np.full(len(epochs), value) for name, value in losses.items()}
    return {"epoch": epochs, **columns, "validation_mpjpe_mm": np.full(len(epochs), validation)}


WARMUP = curves(1, 3, supervised=0.1)
WEAK = curves(4, 8, supervised=0.01, reprojection=0.001, bone=0.005)
ACTIONS = {
    "Eating": {"mpjpe_mm": 61.0, "p_mpjpe_mm": 41.0},
    "Walking": {"mpjpe_mm": 49.0, "p_mpjpe_mm": 38.0},
    "Sitting": {"mpjpe_mm": 80.0, "p_mpjpe_mm": 60.0},
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, in order."""
    seen = []

    class Canvas(figures.FigureCanvasAgg):
        def __init__(self, figure):
            super().__init__(figure)
            seen.append(figure)

    monkeypatch.setattr(figures, "FigureCanvasAgg", Canvas)
    return seen


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def all_three(folder):
    plot_losses(folder / "losses.png", WARMUP, WEAK, DATA)
    plot_actions(folder / "actions.png", ACTIONS, DATA)
    plot_errors(folder / "errors.png", np.linspace(20, 300, 500), np.linspace(10, 200, 500), DATA)
    return sorted(folder.glob("*.png"))


def test_every_figure_names_the_data_in_its_caption(drawn, tmp_path):
    assert len(all_three(tmp_path)) == len(drawn) == 3
    assert all(DATA in figure.get_supxlabel() for figure in drawn)


def test_every_axis_has_a_label_with_its_unit(drawn, tmp_path):
    all_three(tmp_path)
    labels = [label for figure in drawn for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
    assert [label for label in labels if label] == [
        "epoch",
        "mean over the epoch (log scale)",
        "mean over the action's frames (mm)",
        "MPJPE of a frame (mm)",
        "frames",
        "error of a frame below (mm)",
        "share of the frames",
    ]
    legend = texts(drawn[0])
    assert {"supervised", "reprojection", "bone"} <= set(legend)


def test_nothing_that_is_written_lies_outside_its_figure(drawn, tmp_path):
    all_three(tmp_path)
    for figure in drawn:
        labels = [*figure.texts, *(label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label))]
        legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
        labels += [text for owner in (*figure.axes, *legends) for text in owner.findobj(Annotation)]
        labels += [text for legend in legends for text in legend.get_texts()]
        for text in filter(Text.get_text, labels):
            box = text.get_window_extent()
            assert -1 <= box.x0 <= box.x1 <= figure.bbox.width + 1, text
            assert -1 <= box.y0 <= box.y1 <= figure.bbox.height + 1, text


def test_the_same_figures_are_the_same_bytes_without_a_date_or_a_version(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    for one, other in zip(all_three(tmp_path / "first"), all_three(tmp_path / "second"), strict=True):
        assert one.read_bytes() == other.read_bytes()
        with Image.open(one) as picture:
            assert picture.info.keys() <= {"dpi"}


def test_a_users_own_matplotlib_settings_change_nothing(tmp_path, monkeypatch):
    import matplotlib

    plot_losses(tmp_path / "a.png", WARMUP, WEAK, DATA)
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "black")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 20)
    plot_losses(tmp_path / "b.png", WARMUP, WEAK, DATA)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert matplotlib.rcParams["axes.facecolor"] == "black"


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_the_losses_of_both_stages_are_curves_on_one_axis_that_goes_on(drawn, tmp_path):
    plot_losses(tmp_path / "losses.png", WARMUP, WEAK, DATA)
    [axes] = drawn[0].axes
    curve = lines(axes)
    assert curve["supervised"].tolist() == [
        [1, 0.1],
        [2, 0.1],
        [3, 0.1],
        *([epoch, 0.01] for epoch in range(4, 9)),
    ]
    bone = curve["bone"]
    assert bone[np.isfinite(bone[:, 1])].tolist() == [[epoch, 0.005] for epoch in range(4, 9)]
    assert axes.get_yscale() == "log"


def test_validation_errors_have_an_axis_of_their_own_where_there_are_any(drawn, tmp_path):
    plot_losses(tmp_path / "a.png", WARMUP, WEAK, DATA)
    plot_losses(tmp_path / "b.png", WARMUP | {"validation_mpjpe_mm": np.array([90.0, 80, 70])}, WEAK, DATA)
    assert [len(figure.axes) for figure in drawn] == [1, 2]
    _, validation = drawn[1].axes
    assert validation.get_ylabel() == "validation MPJPE (mm)"
    [curve] = lines(validation).values()
    assert curve[:3].tolist() == [[1, 90], [2, 80], [3, 70]]


@pytest.mark.parametrize(
    ("warmup", "weak", "named", "missing"),
    [
        ({"epoch": np.empty(0)}, WEAK, "weak", "warm-up"),
        (WARMUP, {"epoch": np.empty(0)}, "warm-up", "weak"),
    ],
)
def test_a_stage_without_epochs_is_not_named(drawn, tmp_path, warmup, weak, named, missing):
    plot_losses(tmp_path / "losses.png", warmup, weak, DATA)
    written = [text for text in texts(drawn[0]) if ": 3D labels" in text]
    assert len(written) == 1
    assert written[0].startswith(named)
    assert not written[0].startswith(missing)


def test_a_loss_that_was_switched_off_has_no_curve(drawn, tmp_path):
    plot_losses(tmp_path / "losses.png", WARMUP, WEAK | {"bone": np.full(5, NAN)}, DATA)
    assert "bone" not in lines(drawn[0].axes[0])


def test_the_bars_are_the_actions_errors_sorted_and_then_their_mean(drawn, tmp_path):
    plot_actions(tmp_path / "actions.png", ACTIONS, DATA)
    [axes] = drawn[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "Walking",
        "Eating",
        "Sitting",
        "mean over actions",
    ]
    mpjpe, p_mpjpe = axes.containers
    assert [bar.get_width() for bar in mpjpe] == pytest.approx([49, 61, 80, 190 / 3])
    assert [bar.get_width() for bar in p_mpjpe] == pytest.approx([38, 41, 60, 139 / 3])
    assert [each.get_label() for each in axes.containers] == ["MPJPE", "P-MPJPE"]


def test_the_distribution_counts_every_frame_and_says_how_many_it_does_not_show(drawn, tmp_path):
    mpjpe_mm = np.concatenate([np.full(600, 40.0), np.full(399, 90.0), [5000.0]])
    plot_errors(tmp_path / "errors.png", mpjpe_mm, mpjpe_mm / 2, DATA)
    histogram, shares = drawn[0].axes
    assert sum(bar.get_height() for bar in histogram.patches) == 999
    assert "1,000 frames, 1 of them beyond the axis" in drawn[0].get_supxlabel()
    share = lines(shares)
    below = dict(share["MPJPE"].tolist())
    assert below[min(below, key=lambda at: abs(at - 60))] == 0.6
    assert below[max(below)] == 0.999
    assert dict(share["P-MPJPE"].tolist())[min(below, key=lambda at: abs(at - 30))] == 0.6
    assert {"half below\n40 mm", "95 % below\n90 mm"} <= set(texts(drawn[0]))


def test_errors_that_are_all_zero_are_drawn_too(drawn, tmp_path):
    plot_errors(tmp_path / "errors.png", np.zeros(3), np.zeros(3), DATA)
    assert sum(bar.get_height() for bar in drawn[0].axes[0].patches) == 3
