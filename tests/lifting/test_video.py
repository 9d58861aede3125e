"""Frames of videos: numbers, turns and damage, by whichever of PyAV and ffmpeg is installed."""

import shutil
import subprocess
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from tests.videos import grey_of, write_gif
from wsgcn.base.errors import InputError
from wsgcn.lifting import video
from wsgcn.lifting.video import has_decoder, read_frames

HAS_FFMPEG = shutil.which("ffmpeg") is not None


@pytest.fixture(params=["pyav", "ffmpeg"])
def decoder(request, monkeypatch):
    """One of the two, alone."""
    if request.param == "pyav":
        pytest.importorskip("av", reason="PyAV is not installed")
    elif not HAS_FFMPEG:
        pytest.skip("ffmpeg is not on PATH")
    else:
        monkeypatch.setattr(video, "find_spec", lambda name: None)
    return request.param


def greys(frames):
    return [int(np.median(np.asarray(frame.convert("L")))) for frame in frames]


@pytest.mark.parametrize("durations_ms", [(40,), (20, 200, 40, 900)], ids=["constant", "variable rate"])
def test_every_frame_comes_once_whatever_its_time(decoder, tmp_path, durations_ms):
    path = write_gif(tmp_path / "a.gif", 12, durations_ms=durations_ms)
    frames = list(read_frames(path))
    assert greys(frames) == pytest.approx([grey_of(number) for number in range(12)], abs=2)
    assert {(frame.size, frame.mode) for frame in frames} == {((64, 48), "RGB")}


@pytest.mark.parametrize(("first", "step"), [(0, 3), (5, 1), (4, 4), (11, 7), (12, 1)])
def test_the_chosen_frames_are_those_with_the_numbers(decoder, tmp_path, first, step):
    path = write_gif(tmp_path / "a.gif", 12)
    expected = [grey_of(number) for number in range(first, 12, step)]
    assert greys(read_frames(path, first, step)) == pytest.approx(expected, abs=2)


@pytest.mark.skipif(not HAS_FFMPEG, reason="ffmpeg is not on PATH")
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_recording_is_upright(decoder, tmp_path, degrees):
    """A phone held upright stores its frames lying and says how to turn them."""
    upright = np.zeros((48, 96, 3), np.uint8)
    upright[:24, :48] = 255  # white at the top left
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright, -degrees // 90)))
    stored.save(tmp_path / "stored.png")
    ffmpeg = ["ffmpeg", "-y", "-loglevel", "error", "-i"]
    encode = ["-c:v", "mpeg4", "-q:v", "2", "-pix_fmt", "yuv420p"]
    subprocess.run([*ffmpeg, tmp_path / "stored.png", *encode, tmp_path / "flat.mp4"], check=True)
    turn = ["-c", "copy", "-metadata:s:v:0", f"rotate={degrees}"]
    subprocess.run([*ffmpeg, tmp_path / "flat.mp4", *turn, tmp_path / "a.mp4"], check=True)
    [frame] = read_frames(tmp_path / "a.mp4")
    if degrees in (90, 270) and frame.size == stored.size:
        pytest.skip("this ffmpeg writes no rotation from `rotate`")
    assert np.abs(np.asarray(frame).astype(int) - upright).mean() < 8


def test_who_stops_early_waits_for_nothing(decoder, tmp_path):
    frames = read_frames(write_gif(tmp_path / "a.gif", 200))
    assert greys([next(frames)]) == pytest.approx([grey_of(0)], abs=2)
    frames.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.mp4: is not a readable video"),
        (b"no video at all" * 50, r"a\.mp4: is not a readable video"),
        (b"#EXTM3U\n#EXTINF:1,\nother.gif\n#EXT-X-ENDLIST\n", r"a\.mp4: is not a readable video"),
        (b"ffconcat version 1.0\nfile other.gif\n", r"a\.mp4: is not a readable video"),
    ],
    ids=["empty", "text", "a playlist", "a list"],
)
def test_what_is_no_video_is_one_sentence_and_no_other_file_is_opened(decoder, tmp_path, content, message):
    write_gif(tmp_path / "other.gif", 3)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read_frames(tmp_path / "a.mp4"))
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not HAS_FFMPEG, reason="ffmpeg is not on PATH")
def test_sound_alone_is_one_sentence(decoder, tmp_path):
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", "sine=duration=1", str(tmp_path / "a.mp4")]
    subprocess.run(command, check=True)
    with pytest.raises(InputError, match=r"a\.mp4: (has no video in it|is not a readable video)"):
        list(read_frames(tmp_path / "a.mp4"))


def test_frames_that_are_too_large_are_refused(decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MOST_PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match=r"a\.gif: (has frames of 64x48 px; the limit is|is not a readable video)"):
        list(read_frames(write_gif(tmp_path / "a.gif", 3)))


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"a\.mp4: not found\."):
        read_frames(tmp_path / "a.mp4")


def test_without_pyav_and_ffmpeg_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    assert not has_decoder()
    with pytest.raises(InputError, match=r"a\.gif: a video is read by PyAV or ffmpeg, .* `pip install av` is enough"):
        read_frames(write_gif(tmp_path / "a.gif", 3))


def test_has_decoder_says_what_is_there():
    assert has_decoder() == (find_spec("av") is not None or HAS_FFMPEG)
