from fractions import Fraction

import numpy as np
import pytest

from tests.video.films import SIZE, picture, turned, write_film, write_gif
from wsgcn.base.errors import InputError
from wsgcn.video import limits
from wsgcn.video.frames import Video, is_video


def shades_off(frame, expected):
    return np.abs(frame.picture_HWC.astype(int) - expected).mean()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "mpeg4"),
        ("a.mov", "mjpeg"),
        ("a.mkv", "mpeg4"),
        ("a.webm", "libvpx"),
        ("a.avi", "mjpeg"),
        ("a.ts", "mpeg2video"),
        ("a.mpg", "mpeg2video"),
        ("a.flv", "flv"),
        ("a.wmv", "wmv2"),
        ("without a suffix", None),
    ],
)
def test_the_usual_films_are_told_by_their_content_and_read_frame_by_frame(tmp_path, name, codec):
    if codec is None:
        path = write_film(tmp_path / "a.mp4").rename(tmp_path / name)
    else:
        path = write_film(tmp_path / name, codec=codec)
    assert is_video(path)
    with Video(path) as video:
        frames = list(video)
    assert (video.size, video.rate, len(frames), video.damaged) == (SIZE, 25, 8, 0)
    times = np.array([frame.time_s for frame in frames])
    np.testing.assert_allclose(times - times[0], np.arange(8) / 25, atol=1e-3)
    for number, frame in enumerate(frames):
        assert shades_off(frame, picture(number)) < 4
        assert shades_off(frame, picture(number + 1)) > 10


def test_a_gif_is_a_film_whose_frames_stand_as_long_as_it_says(tmp_path):
    times_s = [0, 0.04, 0.1, 0.2, 0.24, 0.5]
    path = write_gif(tmp_path / "a.gif", times_s)
    assert is_video(path)
    with Video(path) as video:
        frames = list(video)
    assert video.size == SIZE
    np.testing.assert_allclose([frame.time_s for frame in frames], times_s, atol=1e-6)
    assert [shades_off(frame, picture(number)) < 4 for number, frame in enumerate(frames)] == [True] * 6


def test_a_transport_stream_of_a_camera_has_a_time_before_each_packet(tmp_path):
    content = write_film(tmp_path / "a.ts", codec="mpeg2video").read_bytes()
    packets = [bytes(4) + content[at : at + 188] for at in range(0, len(content), 188)]
    (tmp_path / "a.mts").write_bytes(b"".join(packets))
    assert is_video(tmp_path / "a.mts")
    with Video(tmp_path / "a.mts") as video:
        assert len(list(video)) == 8


@pytest.mark.parametrize("content", [b"GIF89a", b"GIF89a" + bytes(300)])
def test_a_gif_without_pictures_is_one_sentence(tmp_path, content):
    pytest.importorskip("av", reason="the extra video is not installed")
    (tmp_path / "a.gif").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.gif: "):
        Video(tmp_path / "a.gif")


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_film_that_was_held_on_its_side_is_turned_upright(tmp_path, degrees):
    path = turned(write_film(tmp_path / "a.mp4"), degrees)
    upright = np.rot90(picture(0), -degrees // 90)
    with Video(path) as video:
        assert video.size == (upright.shape[1], upright.shape[0])
        assert shades_off(next(iter(video)), upright) < 4


@pytest.mark.parametrize(
    ("degrees", "aspect", "size", "stored_size", "upright_aspect"),
    [
        (0, Fraction(4, 3), (85, 48), (64, 48), Fraction(4, 3)),
        (90, Fraction(4, 3), (48, 85), (48, 64), Fraction(3, 4)),
        (0, None, (64, 48), (64, 48), Fraction(1)),
    ],
)
def test_a_film_with_wide_pixels_gets_square_ones(tmp_path, degrees, aspect, size, stored_size, upright_aspect):
    with Video(turned(write_film(tmp_path / "a.mp4", aspect=aspect), degrees)) as video:
        assert (video.size, video.stored_size, video.pixel_aspect) == (size, stored_size, upright_aspect)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 300, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"ffconcat version 1.0\nfile a.mp4\n", b"GIF8"],
)
def test_what_is_no_film_or_only_names_others_is_none(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert not is_video(path)
    pytest.importorskip("av", reason="the extra video is not installed")
    with pytest.raises(InputError, match=r"a\.mp4: is no video of a known kind \(MP4, MOV"):
        Video(path)
    assert not is_video(tmp_path)
    assert not is_video(tmp_path / "none.mp4")


def test_a_truncated_film_is_refused_in_one_sentence(tmp_path):
    path = write_film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:900])  # MP4 has its index at the end
    with pytest.raises(InputError, match=r"a\.mp4: is not a readable video, truncated or damaged \(it has no index"):
        Video(path)


def test_a_film_of_sound_alone_is_named_so(tmp_path):
    av = pytest.importorskip("av", reason="the extra video is not installed")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="has no picture, only sound or data"):
        Video(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FILE_BYTES", 1000, "the limit is 1 KB"),
        ("FRAMES", 5, "has more than 5 frames; that is the limit"),
        ("PIXELS", 3000, "has more than 3,000 pixels in a frame; that is the limit"),
    ],
)
def test_a_film_beyond_a_limit_is_refused(tmp_path, monkeypatch, name, value, message):
    path = write_film(tmp_path / "a.mp4")
    monkeypatch.setattr(limits, name, value)
    with pytest.raises(InputError, match=message), Video(path) as video:
        list(video)


def test_packets_that_are_damaged_are_passed_over_and_counted(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.avi", codec="mjpeg")
    content = path.read_bytes()
    third = [place for place in range(len(content)) if content.startswith(b"00dc", place)][3]
    path.write_bytes(content[: third + 8] + bytes(600) + content[third + 608 :])
    with Video(path) as video:
        assert len(list(video)) == 7
    assert video.damaged == 1
    monkeypatch.setattr(limits, "DAMAGED", 0)
    with pytest.raises(InputError, match="has more than 0 damaged packets or frames"), Video(path) as video:
        list(video)
