import base64
import io
import json
import re
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.lifting.test_lifter import checkpoint_path  # noqa: F401
from tests.video.films import demo_video, grey_of, grey_picture, model_folder, write_film
from tests.video.pretended import person_in_film, pretend
from wsgcn.cli import main
from wsgcn.lifting.writers.formats import SUFFIXES, read_lifted


@pytest.fixture
def lift(checkpoint_path, tmp_path, capsys, monkeypatch):  # noqa: F811
    """Run `wsgcn lift` on a small film with a person that a pretended tracker knows."""
    pretend(monkeypatch, without={3})
    path = write_film(tmp_path / "clip.mp4", frames=12)

    def lift(*options, path=path):
        status = main(["lift", str(path), "--checkpoint", str(checkpoint_path), *map(str, options)])
        return status, *capsys.readouterr()

    return lift


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".html"])
def test_a_film_is_lifted_into_each_format_without_another_option(lift, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    status, printed, told = lift("-o", out)
    assert (status, printed) == (0, f"{out}: 12 frames of person 1, 1 with interpolated joints, root-relative\n")
    assert f"{tmp_path / 'clip.mp4'}: the person was not found in 1 of 12 frames.\n" in told
    assert "clip.mp4: 12/12 frames" in told  # the bar, where there is no terminal
    assert out.stat().st_size > 1000


def test_size_and_rate_come_from_the_film_and_reach_the_output(lift, tmp_path):
    assert lift("-o", tmp_path / "out.h5")[0] == 0
    [lifted] = read_lifted(tmp_path / "out.h5")
    about = lifted.metadata
    assert [about[name] for name in ("source", "source_format", "source_joints", "fps", "size_px")] == [
        "clip.mp4",
        "video",
        "blazepose_33",
        25,
        [64, 48],
    ]
    status, _, told = lift("-o", tmp_path / "out.h5", "--size", "48x64")
    assert status == 1
    assert "says that its pictures have 64x48 px, but size is 48x64" in told


def test_keypoints_that_are_kept_lift_to_the_same(lift, tmp_path):
    status, printed, _ = lift("-o", tmp_path / "film.npz", "--keypoints-out", tmp_path / "clip.json")
    assert status == 0
    assert "to lift them again give --size 64x48 --fps 25" in printed
    options = ("--size", "64x48", "--fps", 25, "-o", tmp_path / "again.npz")
    assert lift(*options, path=tmp_path / "clip.json")[0] == 0
    [film], [again] = (list(read_lifted(tmp_path / name)) for name in ("film.npz", "again.npz"))
    np.testing.assert_allclose(again.pose_m, film.pose_m, atol=1e-4)
    np.testing.assert_array_equal(again.frames, film.frames)


def test_the_person_in_a_film_is_listed(lift, tmp_path):
    status, printed, _ = lift("--list")
    assert status == 0
    assert printed.splitlines() == [
        f"{tmp_path / 'clip.mp4'}: video, joints blazepose_33, 1 people",
        "  1 (11 frames from 0 to 11, mean score 0.90)",
    ]


def test_of_several_people_the_one_seen_longest_is_lifted_unless_another_is_named(lift, tmp_path, monkeypatch):
    pretend(monkeypatch, second_from=5, both=True)
    assert lift("-o", tmp_path / "out.npz")[1].endswith("12 frames of person 1, root-relative\n")
    status, printed, told = lift("-o", tmp_path / "out.npz", "--person", 2)
    assert (status, printed.endswith("7 frames of person 2, root-relative\n")) == (0, True)
    assert f"{tmp_path / 'clip.mp4'}: 2 people were followed, 2 at a time at most; person 1 is seen longest." in told
    assert "person 2 was not found in 5 of 12 frames" in told
    status, printed, _ = lift("--list")
    assert [line.split(",")[0] for line in printed.splitlines()[1:]] == [
        "  1 (12 frames from 0 to 11",
        "  2 (7 frames from 5 to 11",
    ]


def test_kept_keypoints_of_several_people_hold_them_all(lift, tmp_path, monkeypatch):
    pretend(monkeypatch, second_from=5, both=True)
    kept = tmp_path / "clip.json"
    status, printed, _ = lift("-o", tmp_path / "film.npz", "--person", 2, "--keypoints-out", kept)
    assert status == 0
    assert "to lift them again give --size 64x48 --fps 25 --person 2\n" in printed
    options = ("--size", "64x48", "--fps", 25, "--person", 2, "-o", tmp_path / "again.npz")
    assert lift(*options, path=kept)[0] == 0
    [film], [again] = (list(read_lifted(tmp_path / name)) for name in ("film.npz", "again.npz"))
    np.testing.assert_allclose(again.pose_m, film.pose_m, atol=1e-4)
    np.testing.assert_array_equal(again.frames, film.frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "out.fbx"], "out.fbx: has the suffix '.fbx', expected one of .npz"),
        (["-o", "out.npz", "--joints", "coco"], "--joints: is for files of keypoints, but"),
        (["-o", "out.npz", "--unit", "share"], "--unit: is for files of keypoints, but"),
        (["-o", "out.npz", "--format", "coco_results"], "--format: is for files of keypoints, but"),
        (["-o", "out.npz", "--keypoints-out", "k.npy"], "k.npy: has the suffix '.npy'; keypoints are written as .json"),
        (["-o", "out.npz", "--fps", "-3"], "fps: is -3.0, expected a positive number"),
        (["-o", "out.npz", "--max-people", "0"], "--max-people: is 0, expected at least 1"),
        (["-o", "out.npz", "--person", "2"], "has no person '2', but 1 (11 frames"),
    ],
    ids=range(8),
)
def test_bad_input_is_status_1_and_writes_nothing(lift, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    status, printed, told = lift(*options)
    assert (status, printed) == (1, "")
    assert message in told.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_options_of_films_are_refused_with_keypoints(lift, tmp_path):
    (tmp_path / "k.json").write_text("[]", encoding="utf-8")
    status, _, told = lift("-o", tmp_path / "out.npz", "--keypoints-out", tmp_path / "l.json", path=tmp_path / "k.json")
    assert (status, told) == (
        1,
        f"wsgcn lift: --keypoints-out: is for videos, but {tmp_path / 'k.json'} is none.\n",
    )


def test_a_video_of_an_unknown_kind_is_named_and_what_makes_a_known_one_of_it(lift, tmp_path):
    (tmp_path / "a.mxf").write_bytes(b"\x06\x0e\x2b\x34\x02\x05\x01\x01" + bytes(100))
    status, _, told = lift("-o", tmp_path / "out.npz", path=tmp_path / "a.mxf")
    assert status == 1
    assert told == (
        f"wsgcn lift: {tmp_path / 'a.mxf'}: is an MXF video; videos are read as MP4, MOV, Matroska, WebM, AVI, MPEG, "
        "MTS, Ogg, FLV, WMV, GIF. FFmpeg makes one of it: ffmpeg -i a.mxf clip.mp4\n"
    )


def test_what_is_called_a_video_and_is_none_is_not_searched_for_keypoints(lift, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\x81\x82" * 300)
    status, _, told = lift("-o", tmp_path / "out.npz", path=tmp_path / "a.mp4")
    assert (status, told.count("\n")) == (1, 1)
    assert "a.mp4: begins like no video of a known kind (MP4, MOV, " in told
    (tmp_path / "b.mp4").write_bytes(b"\0\0\0\x18ftypheic" + bytes(300))
    assert "b.mp4: is a HEIF or AVIF picture, expected 2D keypoints" in lift("--list", path=tmp_path / "b.mp4")[2]


@pytest.mark.parametrize("package", ["av", "ai_edge_litert.interpreter"])
def test_without_the_extra_one_sentence_says_what_to_install(checkpoint_path, tmp_path, monkeypatch, capsys, package):  # noqa: F811
    if package == "av":
        (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(300))
    else:
        write_film(tmp_path / "clip.mp4")
    monkeypatch.setitem(sys.modules, package, None)
    out = tmp_path / "out.npz"
    assert main(["lift", str(tmp_path / "clip.mp4"), "--checkpoint", str(checkpoint_path), "-o", str(out)]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.endswith("pip install 'wsgcn[video]'.\n")
    assert not out.exists()


def page_data(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def greys_behind(path):
    """The grey of the picture behind each frame of the page."""
    [shown] = page_data(path)["sequences"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in shown["strip"]["pictures"]]
    return [int(np.median(np.asarray(pictures[number].convert("L")))) for number in shown["strip"]["of_frame"]]


@pytest.mark.parametrize(
    ("options", "frames"), [((), [0, 1, 2, 3, 4, 5, 5, 6]), (("--fps", 100), [0, 1, 2, 3, 4, 5, 6])]
)
def test_the_film_lies_behind_the_2d_on_the_page_and_on_that_of_its_output(lift, tmp_path, options, frames):
    """Of a variable rate, whose rows at 25 a second have the frame nearest in time; with --fps each frame is a row."""
    times_s = (0, 0.04, 0.07, 0.13, 0.15, 0.24, 0.28)
    path = write_film(tmp_path / "v.mp4", 7, times_s=times_s, shown=grey_picture)
    page, later, out = (tmp_path / name for name in ("page.html", "later.html", "out.npz"))
    assert lift("-o", page, *options, path=path)[0] == 0
    assert lift("-o", out, *options, path=path)[0] == 0
    assert main(["view", str(out), "--video", str(path), "-o", str(later)]) == 0
    expected = pytest.approx([grey_of(number) for number in frames], abs=4)
    assert (greys_behind(page), greys_behind(later)) == (expected, expected)


def test_a_film_with_wide_pixels_lies_behind_another_detectors_keypoints(lift, tmp_path, capsys):
    """Which lie in its stored pixels; stretched with --pixel-aspect, or told of where they were not."""
    film = write_film(tmp_path / "wide.mp4", 12, aspect=Fraction(4, 3), shown=grey_picture)
    points = (person_in_film(12) * np.array([64, 48]) / 64).astype(np.float32)
    np.save(tmp_path / "k.npy", np.pad(points, ((0, 0), (0, 0), (0, 1)), constant_values=1))
    told = {}
    for name, options in (("stretched", ("--pixel-aspect", "4:3")), ("stored", ())):
        out, page = tmp_path / f"{name}.npz", tmp_path / f"{name}.html"
        options = ("--size", "64x48", "--joints", "blazepose_33", "-o", out, *options)
        assert lift(*options, path=tmp_path / "k.npy")[0] == 0
        assert main(["view", str(out), "--video", str(film), "-o", str(page)]) == 0
        assert greys_behind(page) == pytest.approx([grey_of(number) for number in range(12)], abs=4)
        told[name] = capsys.readouterr().err
        assert ("lift them again with --pixel-aspect 4:3" in page.read_text(encoding="utf-8")) == (name == "stored")
    assert told["stretched"] == ""
    assert told["stored"].startswith("Warning: wide.mp4 has pixels of 4:3, and the keypoints lie in them as if they")
    status, _, said = lift("-o", tmp_path / "out.npz", "--pixel-aspect", "4:3", path=film)
    assert (status, "--pixel-aspect: is for files of keypoints, but" in said) == (1, True)


def test_warnings_of_a_film_are_told_in_a_line_each_and_stand_on_its_page_once(lift, tmp_path, monkeypatch):
    pretend(monkeypatch, leg_score=0.05)
    status, _, told = lift("-o", tmp_path / "out.html")
    assert status == 0
    told = [line for line in told.splitlines() if not line.startswith("clip.mp4: ")]  # the bar
    said = f"Warning: {tmp_path / 'clip.mp4'}: the legs are guesses: "
    assert sum(line.startswith(said) for line in told) == 1
    assert [line.startswith(("From blazepose_33", "Warning: ", "The checkpoint ")) for line in told] == [True] * len(
        told
    )
    [shown] = page_data(tmp_path / "out.html")["sequences"]
    assert sum(sentence.startswith("The legs are guesses: ") for sentence in shown["warnings"]) == 1
    assert len(set(shown["warnings"])) == len(shown["warnings"]) == sum(line.startswith(said[:8]) for line in told) + 1
    assert shown["warnings"][-1].startswith("The checkpoint weak.pt was trained for the cameras of its capture alone")


def test_the_demo_video_becomes_a_page(checkpoint_path, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "demo.html"
    command = ["lift", str(demo_video()), "--models", str(model_folder()), "--checkpoint", str(checkpoint_path)]
    assert main([*command, "-o", str(out)]) == 0
    assert "frames of person 1" in capsys.readouterr().out
    assert '"fps":30.0' in out.read_text(encoding="utf-8")
