"""The page of `dvc plots`: it draws without a network, and its curves are what there is to see."""

import json
import re

import pytest
from dvc_render import VegaRenderer

from benchmarks.clone import ROOT, call

PAGE = (ROOT / ".dvc/plots/page.html").read_text(encoding="utf-8")
VEGA = ("vega", "vega-lite", "vega-embed")
DRAW = """
    const done = arguments[1];
    vegaEmbed(document.createElement("div"), arguments[0], {renderer: "svg"}).then(async ({view}) => done({
        svg: await view.toSVG(),
        log: typeof view.scale("y").base === "function",
    }), error => done({svg: String(error)}));
"""
COLOURS = """
    const [count, done] = arguments, until = performance.now() + 30000;
    (function look() {
        const canvases = [...document.querySelectorAll("canvas")];
        if (canvases.length < count && performance.now() < until) return setTimeout(look, 50);
        const bytes = one => one.getContext("2d").getImageData(0, 0, one.width, one.height).data;
        done(canvases.map(one => new Set(bytes(one)).size));
    })()
"""


def versions(text):
    """The version of each package that a text names as `package@version`."""
    return {name: re.search(rf"(?<![\w-]){name}@(\d+)\.", text)[1] for name in VEGA}


def test_the_page_asks_for_nothing_and_has_the_major_versions_that_dvcs_own_asks_for():
    assert not re.search(r"<script[^>]*src=|<link|@import|{scripts}", PAGE)
    assert "{plot_divs}" in PAGE
    assert versions(PAGE) == versions(VegaRenderer.SCRIPTS)


def test_the_licences_of_what_is_in_it_are_in_it():
    licences = PAGE.rsplit("</html>", 1)[1]
    assert licences.count("Redistributions of source code must retain the above copyright") >= 3
    assert licences.count("Permission to use, copy, modify, and/or distribute this software") >= 3
    for package in (*VEGA, "d3-scale", "topojson-client", "fast-json-patch", "semver"):
        assert re.search(rf"(^|, ){package}(,|$)", licences, re.MULTILINE), package


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """The page of the committed metrics."""
    folder = tmp_path_factory.mktemp("plots")
    call(ROOT, "dvc", "plots", "show", "--out", str(folder))
    return folder / "index.html"


def specs(page):
    """Vega-Lite's specifications in the page, by title."""
    found = re.findall(r"var spec = ({.*});$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {spec["title"]["text"].split(" (")[0]: spec for spec in map(json.loads, found)}


def test_it_is_the_same_from_a_folder_below(plots, tmp_path):
    call(ROOT / "lifter", "dvc", "plots", "show", "--out", str(tmp_path))
    assert (tmp_path / "index.html").read_bytes() == plots.read_bytes()


def drawn(browser, plots, spec):
    """A chart in the page's own Vega: its SVG, and whether its y axis is logarithmic."""
    browser.get(plots.as_uri())
    return browser.execute_async_script(DRAW, spec)


def marks(svg, kind):
    """The paths of the marks of a kind that lie in the plot, those of legends aside."""
    groups = re.findall(rf'<g class="mark-{kind} role-mark[^"]*"[^>]*>(.*?)</g>', svg, re.DOTALL)
    return [path for group in groups for path in re.findall(r'<path[^>]* d="([^"]+)"', group)]


def test_the_page_draws_without_a_network(browser, plots):
    browser.get(plots.as_uri())
    count = len(specs(plots))
    colours = browser.execute_async_script(COLOURS, count)
    assert len(colours) == count == 4
    assert all(number > 20 for number in colours), "there is ink on each"
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_losses_are_logarithmic_and_one_that_has_no_values_has_no_curve(browser, plots):
    spec = specs(plots)["Losses of both training stages"]
    chart = drawn(browser, plots, spec)
    assert chart["log"]
    rows = spec["data"]["values"]
    fields = {row["filename::field"] for row in rows if row["dvc_inferred_y_value"]}
    assert fields == {"warmup.csv::supervised", "weak.csv::supervised"}, "of the default run"
    assert len(marks(chart["svg"], "line")) == len(fields)
    assert len(marks(chart["svg"], "symbol")) == sum(bool(row["dvc_inferred_y_value"]) for row in rows)


def test_without_validation_subjects_there_is_no_curve_and_with_them_there_is(browser, plots):
    spec = specs(plots)["Validation error"]
    chart = drawn(browser, plots, spec)
    assert marks(chart["svg"], "line") == []
    assert "no values" in chart["svg"]
    for at, row in enumerate(spec["data"]["values"]):
        row["validation_mpjpe_mm"] = str(90 - at)
    chart = drawn(browser, plots, spec)
    assert len(marks(chart["svg"], "line")) == 2, "one a stage"
    assert "no values" not in chart["svg"]


def test_every_action_and_every_joint_has_a_bar(browser, plots):
    for title, count in (("Errors on the test subjects by action", 15), ("Errors on the test subjects by joint", 16)):
        assert len(marks(drawn(browser, plots, specs(plots)[title])["svg"], "rect")) == count
