"""The viewer's page: what stands in it, and how it behaves in headless Chromium."""

import argparse
import base64
import io
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from tests.lifting.test_angles import STANDING
from tests.rendering.capture import write_predictions
from tests.rendering.test_lifted_files import lifted
from tests.video.films import grey_of, grey_picture, write_film
from wsgcn.base.errors import InputError
from wsgcn.cli import view
from wsgcn.lifting.angles import ANGLES, joint_angles_deg
from wsgcn.lifting.writers import npz
from wsgcn.pose.skeleton import H36M16
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.sources import read_sequences
from wsgcn.rendering.viewer import MAX_FRAMES, within, write_viewer


@pytest.fixture(scope="module")
def predictions_path(tmp_path_factory):
    return write_predictions(tmp_path_factory.mktemp("capture"))


@pytest.fixture(scope="module")
def page(predictions_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_viewer(path, read_sequences(predictions_path), title="predictions.h5")
    return path


def own(frames, title="me", data="own", **poses):
    poses = {"predicted_m": np.ones((frames, 16, 3))} | poses
    return PoseSequence(title=title, data=data, skeleton=H36M16, fps=50, **poses)


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def decoded(text, unit, axes=3):
    whole = np.frombuffer(base64.b64decode(text), "<i2").astype(float)
    return np.where(whole == -32768, np.nan, whole * unit).reshape(-1, 16, axes)


def test_the_page_holds_prediction_and_truth_to_a_tenth_of_a_millimetre(page, predictions_path):
    sequences = list(read_sequences(predictions_path))
    shown = data_of(page)["sequences"]
    assert [one["title"] for one in shown] == [sequence.title for sequence in sequences]
    for one, sequence in zip(shown, sequences, strict=True):
        assert decoded(one["predicted"], one["unit_m"]) == pytest.approx(sequence.predicted_m, abs=1e-4)
        assert decoded(one["truth"], one["unit_m"]) == pytest.approx(sequence.truth_m, abs=1e-4)
        assert one["fps"] == 50


def test_missing_joints_stay_missing(tmp_path):
    predicted_m = np.random.default_rng(0).normal(size=(3, 16, 3))
    predicted_m[1, 4] = np.nan
    predicted_m[2] = np.nan
    write_viewer(tmp_path / "page.html", [own(3, predicted_m=predicted_m)], title="me")
    [one] = data_of(tmp_path / "page.html")["sequences"]
    assert one["truth"] is None
    assert decoded(one["predicted"], one["unit_m"]) == pytest.approx(predicted_m, abs=1e-4, nan_ok=True)


def test_the_2d_input_is_there_to_a_tenth_of_a_pixel_with_the_box_that_the_person_moves_in(tmp_path):
    keypoints_px = np.random.default_rng(0).uniform([400, 100], [800, 1000], size=(30, 16, 2))
    keypoints_px[3, 5] = np.nan
    sequence = own(30, keypoints_px=keypoints_px, size_px=(1920, 1080))
    write_viewer(tmp_path / "page.html", [sequence, own(2)], title="me")
    one, without = data_of(tmp_path / "page.html")["sequences"]
    shown_px = decoded(one["keypoints"], one["unit_px"], 2)
    assert shown_px == pytest.approx(keypoints_px, abs=0.1, nan_ok=True)
    left, top, right, bottom = one["box_px"]
    assert left == pytest.approx(400 - 0.12 * 900, abs=10)
    assert right == pytest.approx(800 + 0.12 * 900, abs=10)
    assert (top, bottom) == (0, 1080), "no further than the picture goes"
    assert without["keypoints"] is None


def test_joint_angles_are_there_to_a_tenth_of_a_degree_and_those_that_no_joint_gives_are_not(tmp_path):
    poses = np.random.default_rng(0).normal(size=(30, 16, 3))
    poses[:, H36M16.joints.index("LWrist")] = np.nan
    write_viewer(tmp_path / "page.html", [own(30, predicted_m=poses)], title="me")
    data = data_of(tmp_path / "page.html")
    [one] = data["sequences"]
    expected = dict(zip(ANGLES, joint_angles_deg(poses, H36M16, (0, 0, 1)).T, strict=True))
    drawn = {name for chart in data["charts"] for name in chart["angles"]}
    assert set(one["angles"]) == drawn - {"LElbow_flexion"}
    for name, text in one["angles"].items():
        values = np.frombuffer(base64.b64decode(text), "<i2") * one["unit_deg"]
        assert values == pytest.approx(expected[name], abs=0.051), name


def test_a_file_of_an_older_version_without_a_size_is_shown_all_the_same(tmp_path):
    npz.write(replace(lifted(), about={"source": "me.json"}), tmp_path / "me.npz")
    write_viewer(tmp_path / "page.html", read_sequences(tmp_path / "me.npz"), title="me")
    [one] = data_of(tmp_path / "page.html")["sequences"]
    left, top, right, bottom = one["box_px"]
    assert left < 500 - 9 < 540 < right, "around the keypoints"
    assert top < 430 < 590 < bottom


def test_poses_that_are_missing_altogether_are_shown_as_such(tmp_path):
    write_viewer(tmp_path / "page.html", [own(2, predicted_m=np.full((2, 16, 3), np.nan))], title="me")
    [one] = data_of(tmp_path / "page.html")["sequences"]
    assert np.isnan(decoded(one["predicted"], one["unit_m"])).all()


def test_the_page_asks_for_nothing_from_anywhere(page):
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|src=|<link|@import|fetch\(|XMLHttpRequest", text)


def test_names_cannot_break_out_of_the_data(tmp_path):
    nasty = "</script><script>alert(1)</script>"
    write_viewer(tmp_path / "page.html", [own(1, title=nasty, data=nasty)], title=nasty, about=nasty)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<script") == 2
    assert data_of(tmp_path / "page.html")["sequences"][0]["title"] == nasty


def test_the_same_poses_are_the_same_bytes(page, predictions_path, tmp_path):
    write_viewer(tmp_path / "page.html", read_sequences(predictions_path), title="predictions.h5")
    assert (tmp_path / "page.html").read_bytes() == page.read_bytes()


def test_as_many_frames_as_are_allowed_stay_below_ten_megabytes(tmp_path):
    """With a truth and 2D, and with numbers that do not repeat."""
    poses = np.random.default_rng(0).normal(size=(2, MAX_FRAMES, 16, 3))
    sequence = own(0, predicted_m=poses[0], truth_m=poses[1], keypoints_px=poses[0, ..., :2])
    shown = write_viewer(tmp_path / "a.html", [sequence], title="many")
    assert shown == MAX_FRAMES
    assert (tmp_path / "a.html").stat().st_size < 10_000_000


@pytest.mark.parametrize(
    ("limit", "lengths"), [(100, [4, 3, 5]), (12, [4, 3, 5]), (9, [4, 3, 2]), (7, [4, 3]), (1, [1])]
)
def test_the_frames_are_limited_in_all_and_the_last_sequence_is_cut(limit, lengths):
    sequences = [own(4), own(3), own(5)]
    assert [len(sequence) for sequence in within(sequences, limit)] == lengths


def test_what_is_beyond_the_limit_is_not_even_read():
    def reading():
        yield own(4)
        raise AssertionError("read on")

    assert len(list(within(reading(), 4))) == 1


def test_no_frames_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"a\.h5: holds no frames"):
        write_viewer(tmp_path / "page.html", [own(0, predicted_m=np.zeros((0, 16, 3)))], title="a.h5")
    assert list(tmp_path.iterdir()) == []


def called(*arguments):
    parser = argparse.ArgumentParser()
    view.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["view", *map(str, arguments)])
    return parsed.run(parsed)


def test_the_command_says_what_the_page_shows_and_what_it_leaves_out(predictions_path, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert called(predictions_path, "-o", page) == 0
    assert capsys.readouterr().out == f"{page}: 80 frames of 4 sequences, {page.stat().st_size / 1e6:.1f} MB\n"
    called(predictions_path, "-o", page, "--max-frames", 30, "--subject", "S11")
    first, second = capsys.readouterr().out.splitlines()
    assert "30 frames of 2 sequences" in first
    assert "--max-frames 30" in second
    assert str(predictions_path) in second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["-o", "page.pdf"], r"page\.pdf: has the suffix '\.pdf'"), (["-o", "p.html", "--max-frames", "0"], "at least 1")],
)
def test_a_wrong_option_is_one_sentence(predictions_path, arguments, message):
    with pytest.raises(InputError, match=message):
        called(predictions_path, *arguments)


# ---- in the browser ----


class Page:
    """The page in the browser, as a person sees and touches it."""

    def __init__(self, browser):
        self.browser = browser

    def element(self, name):
        return self.browser.find_element("id", name)

    def text(self, name):
        return self.element(name).text

    def pixels(self, name):
        """(height, width, 4) of a canvas, when what was asked for has been drawn."""
        script = """
            const done = arguments[1], canvas = document.getElementById(arguments[0]);
            requestAnimationFrame(() => requestAnimationFrame(() => done(canvas.toDataURL().split(",")[1])));
        """
        encoded = self.browser.execute_async_script(script, name)
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
            return np.array(picture.convert("RGBA"))

    def scrub(self, frame):
        """Move the slider as a drag does."""
        self.browser.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            self.element("time"),
            frame,
        )

    def press(self, *keys):
        self.element("scene")  # no control has the focus
        self.browser.execute_script("document.activeElement.blur()")
        self.browser.switch_to.active_element.send_keys(*keys)

    def emulate(self, **features):
        features = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def shot(self):
        with Image.open(io.BytesIO(self.browser.get_screenshot_as_png())) as picture:
            return np.array(picture.convert("RGB"))


def rgb(css):
    return [int(css[start : start + 2], 16) for start in (1, 3, 5)]


def count(pixels, colour):
    return int((pixels[..., :3] == rgb(colour)).all(-1).sum())


def opened(browser, path):
    """The page, at rest at frame 0, with nothing in the browser's log."""
    page = Page(browser)
    page.emulate(color_scheme="light", reduced_motion="reduce")
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    return page


@pytest.fixture
def shown(browser, page):
    shown = opened(browser, page)
    yield shown
    assert browser.get_log("browser") == [], "nothing that a test does makes an error"


def test_the_page_loads_and_is_not_blank(shown):
    assert shown.browser.title == "predictions.h5"
    picture = shown.shot()
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    scene = shown.pixels("scene")
    for colour in ("#1f6fd0", "#e4572e", "#a3abb6"):
        assert count(scene, colour) > 200, "left, right and the truth"
    assert shown.text("frame") == "0.00 s, frame 1 of 20"
    assert shown.text("error") == "MPJPE 47 mm", "50 mm, the root's 0 among them"
    assert shown.text("caption") == "a tiny capture, camera 54138969"


def test_the_slider_moves_the_pose_and_the_chart_and_back(shown):
    scene, chart = shown.pixels("scene"), shown.pixels("chart")
    shown.scrub(15)
    assert shown.text("frame") == "0.30 s, frame 16 of 20"
    assert (shown.pixels("scene") != scene).any()
    moved = shown.pixels("chart")
    assert (moved != chart).any()
    now = [np.flatnonzero((pixels[..., :3] == rgb("#1f6fd0")).all(-1).sum(0) > 200) for pixels in (chart, moved)]
    assert now[1].mean() - now[0].mean() > 100, "the line of the moment went to the right"
    shown.scrub(0)
    assert (shown.pixels("scene") == scene).all()


def test_play_moves_on_and_pause_stops(shown):
    assert shown.text("play") == "Play", "a reader who wants little motion starts it"
    from selenium.webdriver.support.wait import WebDriverWait

    start = shown.text("frame")
    shown.element("play").click()
    WebDriverWait(shown.browser, 5, poll_frequency=0.02).until(lambda _: shown.text("frame") != start)
    shown.element("play").click()
    stopped = shown.text("frame")
    shown.browser.execute_async_script("setTimeout(arguments[0], 150)")
    assert shown.text("frame") == stopped


def test_it_plays_by_itself_otherwise(browser, page):
    shown = opened(browser, page)
    shown.emulate(reduced_motion="no-preference")
    browser.refresh()
    assert shown.text("play") == "Pause"


def test_dragging_turns_the_person_and_the_wheel_makes_it_larger(shown):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    scene = shown.element("scene")
    before = shown.pixels("scene")
    ActionChains(shown.browser).drag_and_drop_by_offset(scene, 150, 0).perform()
    turned = shown.pixels("scene")
    assert (turned != before).any()
    origin = ScrollOrigin.from_element(scene)
    ActionChains(shown.browser).scroll_from_origin(origin, 0, -300).perform()
    rows = [
        np.flatnonzero((pixels[..., :3] == rgb("#e4572e")).all(-1).any(1)) for pixels in (turned, shown.pixels("scene"))
    ]
    assert np.ptp(rows[1]) > 1.2 * np.ptp(rows[0])
    ActionChains(shown.browser).double_click(scene).perform()
    assert (shown.pixels("scene") == before).all(), "a double click goes back"


def test_the_person_is_upright_and_seen_from_the_camera_its_left_is_where_the_camera_has_it(shown, predictions_path):
    shown.press("1")
    scene = shown.pixels("scene")
    trunk_y, left_y = (np.nonzero((scene[..., :3] == rgb(colour)).all(-1))[0] for colour in ("#3d4450", "#1f6fd0"))
    assert trunk_y.min() < left_y.min() - 20, "the head is the highest"
    assert trunk_y.max() < left_y.max() - 100, "the hip is above the feet"
    predicted_m = next(read_sequences(predictions_path)).predicted_m[0]
    left, right = (predicted_m[H36M16.joints.index(name), 0] for name in ("LShoulder", "RShoulder"))
    left_x, right_x = (
        np.nonzero((scene[..., :3] == rgb(colour)).all(-1))[1].mean() for colour in ("#1f6fd0", "#e4572e")
    )
    assert np.sign(left - right) == np.sign(left_x - right_x)


def test_the_truth_can_be_hidden(shown):
    shown.element("truth").click()
    assert count(shown.pixels("scene"), "#a3abb6") == 0
    shown.press("t")
    assert count(shown.pixels("scene"), "#a3abb6") > 200


def test_the_keyboard_does_all_of_it(shown):
    from selenium.webdriver.common.keys import Keys

    shown.press(Keys.ARROW_RIGHT)
    assert shown.text("frame") == "0.02 s, frame 2 of 20"
    shown.press(Keys.END)
    assert shown.text("frame") == "0.38 s, frame 20 of 20"
    shown.press(Keys.ARROW_LEFT)
    assert shown.text("frame") == "0.36 s, frame 19 of 20"
    shown.press(Keys.HOME)
    assert shown.text("frame") == "0.00 s, frame 1 of 20"
    shown.press("n")
    assert shown.element("sequence").get_property("selectedIndex") == 1
    shown.press("p", "p")
    assert shown.element("sequence").get_property("selectedIndex") == 3, "before the first is the last"
    shown.press(" ")
    assert shown.text("play") == "Pause"
    shown.press(" ")
    assert shown.text("play") == "Play"
    before = shown.pixels("scene")
    shown.press("3")
    assert (shown.pixels("scene") != before).any()


def test_another_sequence_can_be_chosen(shown):
    from selenium.webdriver.support.select import Select

    choice = Select(shown.element("sequence"))
    assert [option.text for option in choice.options] == ["S9 Eating", "S9 Walking", "S11 Eating", "S11 Walking"]
    before = shown.pixels("scene")
    choice.select_by_visible_text("S11 Walking")
    assert (shown.pixels("scene") != before).any()
    assert shown.text("frame") == "0.00 s, frame 1 of 20"


def test_a_press_on_the_chart_goes_to_that_moment(shown):
    from selenium.webdriver import ActionChains

    chart = shown.element("chart")
    middle_px = (84 + chart.size["width"] - 52) / 2  # of what lies between the axis and the numbers
    offset = round(middle_px - chart.size["width"] / 2)
    ActionChains(shown.browser).move_to_element_with_offset(chart, offset, 0).click().perform()
    assert shown.text("frame") in {f"0.{2 * frame:02d} s, frame {frame + 1} of 20" for frame in (9, 10)}


def test_a_dark_screen_gets_a_dark_page_with_bright_text(shown):
    light = shown.shot()
    shown.emulate(color_scheme="dark", reduced_motion="reduce")
    shown.pixels("scene")
    dark = shown.shot()
    assert light.mean() > 200
    assert dark.mean() < 60
    assert dark.max() > 200


def test_without_a_truth_there_is_no_chart_no_error_and_no_switch(browser, predictions_path, tmp_path):
    poses = next(read_sequences(predictions_path)).predicted_m.copy()
    poses[2] = np.nan
    write_viewer(tmp_path / "me.html", [own(20, predicted_m=poses)], title="me.npz")
    page = opened(browser, tmp_path / "me.html")
    assert not page.element("chart").is_displayed()
    assert not page.element("truth").is_displayed()
    assert page.text("error") == ""
    assert count(page.pixels("scene"), "#1f6fd0") > 200
    page.scrub(2)
    assert count(page.pixels("scene"), "#1f6fd0") == 0, "a missing frame shows nobody"
    assert page.text("error") == "no pose in this frame"
    assert browser.get_log("browser") == []


def test_the_2d_input_follows_the_slider_and_stays_when_the_3d_is_turned(shown):
    from selenium.webdriver import ActionChains

    first = shown.pixels("picture")
    for colour in ("#1f6fd0", "#e4572e"):
        assert count(first, colour) > 100, "left and right"
    shown.scrub(15)
    later = shown.pixels("picture")
    assert (later != first).any()
    scene = shown.pixels("scene")
    ActionChains(shown.browser).drag_and_drop_by_offset(shown.element("scene"), 120, 30).perform()
    assert (shown.pixels("scene") != scene).any()
    assert (shown.pixels("picture") == later).all()
    shown.scrub(0)
    assert (shown.pixels("picture") == first).all()


def test_the_2d_input_lies_where_the_keypoints_are(browser, tmp_path):
    """One joint goes from the top left of what is shown to its bottom right."""
    keypoints_px = np.full((2, 16, 2), np.nan)
    keypoints_px[0, 4], keypoints_px[1, 4] = (100, 50), (300, 250)
    write_viewer(tmp_path / "me.html", [own(2, keypoints_px=keypoints_px, size_px=(400, 300))], title="me")
    page = opened(browser, tmp_path / "me.html")
    [box] = [one["box_px"] for one in data_of(tmp_path / "me.html")["sequences"]]
    for frame, place_px in enumerate(((100, 50), (300, 250))):
        page.scrub(frame)
        pixels = page.pixels("picture")
        rows, columns = np.nonzero((pixels[..., :3] == rgb("#1f6fd0")).all(-1))
        sheet_rows, sheet_columns = np.nonzero(pixels[..., 3])
        low = np.array([sheet_columns.min(), sheet_rows.min()])
        high = np.array([sheet_columns.max(), sheet_rows.max()])
        share = (np.array([columns.mean(), rows.mean()]) - low) / (high - low)
        expected = (np.array(place_px) - box[:2]) / (np.array(box[2:]) - box[:2])
        assert share == pytest.approx(expected, abs=0.02)


def test_the_video_lies_behind_the_2d_input_and_follows_the_slider(browser, tmp_path):
    npz.write(replace(lifted(), about={"source": "me.json", "fps": 30.0, "size_px": [1000, 1000]}), tmp_path / "me.npz")
    video = write_film(tmp_path / "clip.mp4", 6, size=(96, 96), shown=grey_picture)
    assert called(tmp_path / "me.npz", "--video", video, "-o", tmp_path / "me.html") == 0
    page = opened(browser, tmp_path / "me.html")
    assert page.text("input-label") == "2D input, the video behind it"
    for frame in (0, 4, 2):
        page.scrub(frame)
        page.pixels("picture")
        page.browser.execute_async_script("setTimeout(arguments[0], 200)")  # its picture may yet have to be decoded
        pixels = page.pixels("picture")
        assert np.median(pixels[pixels[..., 3] > 0][:, 0]) == pytest.approx(grey_of(frame), abs=4)
    assert browser.get_log("browser") == []


def test_a_press_on_a_joint_angle_goes_to_that_moment(shown):
    from selenium.webdriver import ActionChains

    charts = shown.browser.find_elements("css selector", "#angles canvas")
    assert [chart.get_attribute("aria-label") for chart in charts] == [
        *("Knee flexion over time", "Hip flexion over time", "Hip abduction over time"),
        *("Elbow flexion over time", "Shoulder elevation over time", "Trunk flexion over time"),
    ]
    ActionChains(shown.browser).move_to_element_with_offset(charts[3], 15, 20).click().perform()
    assert shown.text("frame") in {f"0.{2 * frame:02d} s, frame {frame + 1} of 20" for frame in (9, 10)}


def test_no_halo_cuts_the_spine_where_hips_and_shoulders_meet_it(browser, tmp_path):
    """Somebody with arms spread: nothing crosses the spine, and it is one piece."""
    arms = {"LElbow": (-0.5, 0, 1.5), "LWrist": (-0.8, 0, 1.5), "RElbow": (0.5, 0, 1.5), "RWrist": (0.8, 0, 1.5)}
    pose = np.array([[(STANDING | arms)[joint] for joint in H36M16.joints]])
    write_viewer(tmp_path / "me.html", [own(1, predicted_m=pose)], title="me")
    page = opened(browser, tmp_path / "me.html")
    for turn in np.radians([-50, -30, 0, 30, 50, 130, 180, 230]):
        page.browser.execute_script("[state.turn, state.zoom] = [arguments[0], 1.5]; draw()", turn)
        pixels = page.pixels("scene").astype(int)
        is_dark = (np.abs(pixels[..., :3] - rgb("#3d4450")) < 40).all(-1) & (pixels[..., 3] > 200)
        rows = np.flatnonzero(is_dark.any(1))
        assert len(rows) > 80
        assert np.ptp(rows) + 1 == len(rows), "a row without the spine is a cut"
    assert browser.get_log("browser") == []


def test_warnings_stand_on_the_page_and_take_no_room_without(browser, shown, tmp_path):
    assert not shown.element("warnings").is_displayed()
    write_viewer(tmp_path / "me.html", [own(2, warnings=("The legs are <b>guesses</b>.", "Second."))], title="me")
    page = opened(browser, tmp_path / "me.html")
    assert page.text("warnings").splitlines() == ["The legs are <b>guesses</b>.", "Second."]


def test_a_narrow_screen_shows_the_pose_above_the_chart(shown):
    size = shown.browser.get_window_size()
    shown.browser.set_window_size(500, 800)
    try:
        scene, chart = (shown.element(name).rect for name in ("scene", "chart"))
        assert chart["y"] >= scene["y"] + scene["height"]
        width = shown.browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], "nothing is cut off at the side"
    finally:
        shown.browser.set_window_size(size["width"], size["height"])


@pytest.fixture
def phone(browser, page):
    """The page on a telephone: a narrow screen, and fingers."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
    yield opened(browser, page)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []


def test_on_a_phone_there_are_no_keys_to_press_and_nothing_is_cut_off(phone):
    assert not phone.browser.find_element("css selector", ".keys").is_displayed()
    assert "wheel" not in phone.browser.find_element("tag name", "body").text
    assert "pinch to zoom" in phone.browser.find_element("tag name", "body").text
    width, inner = phone.browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner == 390
    places = [phone.element(name).rect for name in ("picture", "scene", "chart", "angles")]
    for above, below in pairwise(places):
        assert below["y"] >= above["y"] + above["height"]


def test_on_a_phone_2d_3d_and_slider_are_on_the_screen_at_once(phone):
    tops_and_bottoms = phone.browser.execute_script(
        "return ['picture', 'time'].map((id) => document.getElementById(id).getBoundingClientRect())"
        ".map((place) => [place.top, place.bottom])"
    )
    for top, bottom in tops_and_bottoms:
        assert 0 <= top < bottom <= 844
    slider_top = tops_and_bottoms[1][0]
    scene = phone.element("scene").rect
    assert scene["y"] + 0.8 * scene["height"] < slider_top


def test_two_fingers_zoom_and_one_turns(phone):
    scene = phone.element("scene").rect
    x, y = scene["x"] + scene["width"] / 2, scene["y"] + scene["height"] / 2

    def touch(kind, *offsets_px):
        points = [{"x": x + offset, "y": y, "id": finger} for finger, offset in enumerate(offsets_px)]
        phone.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def state():
        return phone.browser.execute_script("return [state.turn, state.zoom]")

    turn, zoom = state()
    touch("touchStart", 0)
    touch("touchMove", 50)
    touch("touchEnd")
    assert state() == [pytest.approx(turn - 0.4), zoom]
    touch("touchStart", -30)
    touch("touchStart", -30, 30)
    touch("touchMove", -60, 60)
    touch("touchEnd")
    assert state() == [pytest.approx(turn - 0.4), pytest.approx(2 * zoom, rel=0.01)]
