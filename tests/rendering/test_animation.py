import os
import shutil
import stat
import sys

import numpy as np
import pytest
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.rendering.animation import clip_of, write_clip
from wsgcn.rendering.painter import HEIGHT_PX, WIDTH_PX, ClipPainter
from wsgcn.rendering.sources import read_sequences


@pytest.fixture
def sequence(predictions_path):
    return next(read_sequences(predictions_path, subject="S11", take="Walking"))


def frames_of(path):
    with Image.open(path) as picture:
        durations_ms = []
        for index in range(picture.n_frames):
            picture.seek(index)
            durations_ms.append(picture.info["duration"])
        return picture.size, durations_ms, picture.info.get("loop")


@pytest.mark.parametrize(("fps", "frames"), [(25, 10), (50, 20), (12.5, 5), (30, 12)])
def test_a_gif_has_the_frames_and_the_length_asked_for(sequence, tmp_path, fps, frames):
    assert write_clip(tmp_path / "a.gif", sequence, seconds=0.4, fps=fps) == frames
    size, durations_ms, loop = frames_of(tmp_path / "a.gif")
    assert size == (WIDTH_PX, HEIGHT_PX)
    assert len(durations_ms) == frames
    assert sum(durations_ms) == pytest.approx(400, abs=5), "30 frames a second are 3, 4 and 3 hundredths"
    assert loop == 0


def test_a_gif_shows_what_was_painted(sequence, tmp_path):
    """Also the later frames, of which only the changes are stored; the palette may round colours."""
    write_clip(tmp_path / "a.gif", sequence, seconds=0.4, fps=25)
    painter = ClipPainter(clip_of(sequence, 0.4, 25))
    with Image.open(tmp_path / "a.gif") as picture:
        for index in (0, 5, 9):
            picture.seek(index)
            difference = np.array(picture.convert("RGB")).astype(int) - np.array(painter.frame(index))
            assert np.abs(difference).mean() < 1
            assert (np.abs(difference).max(-1) > 60).mean() < 1e-3


def test_the_same_sequence_gives_the_same_bytes(sequence, tmp_path):
    for name in ("a.gif", "b.gif"):
        write_clip(tmp_path / name, sequence, seconds=0.4, fps=25)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_four_seconds_stay_below_a_megabyte(sequence, tmp_path):
    long = sequence.resampled(np.arange(200) % 20)
    write_clip(tmp_path / "a.gif", long, seconds=4, fps=25)
    assert (tmp_path / "a.gif").stat().st_size < 1_000_000


def test_a_clip_takes_frames_evenly_from_its_start(sequence):
    numbered = sequence.resampled(np.arange(20))
    numbered.predicted_m[:, 0, 0] = np.arange(20)
    clip = clip_of(numbered, seconds=0.2, fps=25, start_s=0.1)
    assert clip.predicted_m[:, 0, 0].tolist() == [5, 7, 9, 11, 13]
    assert clip.fps == 25


def test_a_clip_ends_with_the_sequence(sequence):
    assert len(clip_of(sequence, seconds=60, fps=25)) == 10


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.webm", {}, r"a.webm: has the suffix '.webm'; expected .gif or .mp4"),
        ("a.gif", {"fps": 60}, "fps: is 60, but must be above 0 and at most the 50"),
        ("a.gif", {"fps": 0}, "fps: is 0, but"),
        ("a.gif", {"fps": float("nan")}, "fps: is nan, but"),
        ("a.gif", {"seconds": -1}, "seconds: is -1, but must be above 0"),
        ("a.gif", {"start_s": 5}, "S11 Walking: has no frame between 5 s and 5.4 s; it lasts 0.4 s"),
    ],
)
def test_what_cannot_be_rendered_is_one_sentence_and_no_file(sequence, tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        write_clip(tmp_path / name, sequence, **({"seconds": 0.4, "fps": 25} | options))
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_ffmpeg_is_one_sentence_that_says_what_to_do(sequence, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match=r"a\.mp4: MP4 needs ffmpeg, which is not on PATH; install it, or write a \.gif"
    ):
        write_clip(tmp_path / "a.mp4", sequence, seconds=0.4, fps=25)
    assert list(tmp_path.iterdir()) == []


def put_ffmpeg(folder, monkeypatch, body):
    """A program of that name that runs a few lines of Python."""
    script = folder / "ffmpeg"
    script.write_text(f"#!{sys.executable}\nimport pathlib, sys\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_ffmpeg_is_given_every_frame_at_the_size_and_rate_it_is_told(sequence, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    body = "raw = sys.stdin.buffer.read(); pathlib.Path(sys.argv[-1]).write_text(repr((sys.argv, len(raw))))"
    put_ffmpeg(tmp_path / "bin", monkeypatch, body)
    assert write_clip(tmp_path / "a.mp4", sequence, seconds=0.4, fps=12.5) == 5
    written = (tmp_path / "a.mp4").read_text()
    assert f"'-s', '{WIDTH_PX}x{HEIGHT_PX}', '-r', '12.5'" in written
    assert f", {5 * WIDTH_PX * HEIGHT_PX * 3})" in written
    assert (WIDTH_PX % 2, HEIGHT_PX % 2) == (0, 0), "the pixel format wants even sizes"


def test_ffmpegs_own_words_are_passed_on_and_nothing_half_written_is_left(sequence, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    put_ffmpeg(tmp_path / "bin", monkeypatch, "sys.exit('one thing\\nUnknown encoder libx264')")
    with pytest.raises(InputError, match=r"a.mp4: ffmpeg could not write it \(Unknown encoder libx264\)"):
        write_clip(tmp_path / "a.mp4", sequence, seconds=0.4, fps=25)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")
def test_the_real_ffmpeg_writes_a_video_twice_the_same(sequence, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        assert write_clip(tmp_path / name, sequence, seconds=0.4, fps=25) == 10
    content = (tmp_path / "a.mp4").read_bytes()
    assert content[4:8] == b"ftyp"
    assert content == (tmp_path / "b.mp4").read_bytes()
