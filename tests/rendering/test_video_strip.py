"""Pictures behind the 2D: which frames they are of, what they show, and which videos do not belong."""

import io
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.video.films import grey_of, grey_picture, write_film
from wsgcn.base.errors import InputError
from wsgcn.pose.skeleton import H36M16
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.rendering.video_strip import MOST_PICTURES, cut_strips, note_on_pixels

BOX = (0.0, 0.0, 64.0, 48.0)


def sequence(frames, size_px=(64, 48), frames_fps=None):
    return PoseSequence(
        title="person 1",
        data="own",
        skeleton=H36M16,
        fps=25,
        predicted_m=np.zeros((len(frames), 16, 3)),
        keypoints_px=np.zeros((len(frames), 16, 2)),
        size_px=size_px,
        frames=np.array(frames),
        frames_fps=frames_fps,
    )


def opened(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(int)


def greys(strip):
    return [int(np.median(opened(picture))) for picture in strip.pictures]


@pytest.fixture
def clip(tmp_path):
    return write_film(tmp_path / "clip.mp4", 20, shown=grey_picture)


@pytest.mark.parametrize(
    ("frames", "most", "expected"),
    [
        (range(20), MOST_PICTURES, range(20)),
        (range(5, 12), MOST_PICTURES, range(5, 12)),
        (range(20), 7, range(0, 20, 3)),
        (range(4, 20), 5, range(4, 20, 4)),
        ([2, 3, 9], MOST_PICTURES, range(2, 10)),
        (range(15, 40), MOST_PICTURES, range(15, 20)),
    ],
    ids=range(6),
)
def test_the_pictures_are_those_of_the_frames_and_no_more_than_wanted(clip, frames, most, expected):
    [strip] = cut_strips(clip, [sequence(frames)], [BOX], most)
    assert (strip.first, strip.step) == (expected[0], expected.step)
    assert greys(strip) == pytest.approx([grey_of(number) for number in expected], abs=4)
    assert len(strip.pictures) <= most


def test_people_of_one_video_share_what_is_allowed(clip):
    people = [sequence(range(0, 10)), sequence(range(7, 20))]
    first, second = cut_strips(clip, people, [BOX, BOX], 12)
    assert (first.step, second.step) == (2, 2)
    assert (first.first, second.first) == (0, 6)
    assert greys(second) == pytest.approx([grey_of(number) for number in range(6, 20, 2)], abs=4)
    assert len(first.pictures) + len(second.pictures) <= 12


# Distances as telephones have them; a row is 40 ms.
_TIMES_S = (0.0, 0.04, 0.07, 0.13, 0.15, 0.24, 0.28)


@pytest.mark.parametrize(
    ("frames_fps", "most", "expected"),
    [
        (25, MOST_PICTURES, [0, 1, 2, 3, 4, 5, 5, 6]),
        (25, 4, [0, 2, 4, 5]),
        (None, MOST_PICTURES, [0, 1, 2, 3, 4, 5, 6]),
    ],
    ids=["by time", "every second row", "counted"],
)
def test_numbers_at_a_constant_rate_show_the_frame_that_is_nearest_in_time(tmp_path, frames_fps, most, expected):
    """What a film of a variable rate was lifted to lies between its frames; others' numbers count the frames."""
    video = write_film(tmp_path / "clip.mp4", 7, times_s=_TIMES_S, shown=grey_picture)
    [strip] = cut_strips(video, [sequence(range(8), frames_fps=frames_fps)], [BOX], most)
    assert greys(strip) == pytest.approx([grey_of(number) for number in expected], abs=4)


@pytest.mark.parametrize("start_s", [0.0, 1.5])
@pytest.mark.parametrize("fps", [24000 / 1001, 30])
def test_at_a_constant_rate_each_number_is_its_frame_also_where_times_are_rounded(tmp_path, fps, start_s):
    times_s = start_s + np.round(np.arange(20) / fps, 3)
    video = write_film(tmp_path / "clip.mkv", 20, times_s=times_s, shown=grey_picture)
    [strip] = cut_strips(video, [sequence(range(20), frames_fps=fps)], [BOX])
    assert greys(strip) == pytest.approx([grey_of(number) for number in range(20)], abs=4)


def quarters(path, size, aspect=None):
    """A video of one frame: a bright top left quarter."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[: size[1] // 2, : size[0] // 2] = 250
    return write_film(path, 1, size=size, aspect=aspect, shown=lambda number, size: picture)


def test_a_picture_shows_the_box_also_of_a_video_of_another_size(tmp_path):
    video = quarters(tmp_path / "half.mp4", (640, 480))
    [strip] = cut_strips(video, [sequence([0], (1280, 960))], [(0, 0, 640, 480)])
    assert opened(strip.pictures[0]).mean() > 240
    [strip] = cut_strips(video, [sequence([0], (1280, 960))], [(320, 0, 960, 480)])
    shown = opened(strip.pictures[0])
    assert shown.shape == (240, 320), "no larger than the video has it"
    assert shown[:, :150].mean() > 240
    assert shown[:, 170:].mean() < 10


def test_pictures_are_small(tmp_path):
    video = quarters(tmp_path / "large.mp4", (1920, 1080))
    [strip] = cut_strips(video, [sequence([0], (1920, 1080))], [(0, 0, 1920, 1080)])
    assert opened(strip.pictures[0]).shape == (202, 360)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (
            sequence(range(5), (48, 64)),
            r"has frames of 64x48 px, but the keypoints of person 1 lie in a picture of 48x64",
        ),
        (sequence(range(20, 30)), r"clip\.mp4: ends before frame 20, with which person 1 begins"),
    ],
    ids=["turned", "too short"],
)
def test_a_video_that_does_not_belong_is_one_sentence(clip, shown, message):
    with pytest.raises(InputError, match=message):
        cut_strips(clip, [shown], [BOX])


def test_behind_keypoints_in_stored_pixels_lies_the_picture_as_it_is_stored_and_a_note_says_so(tmp_path):
    """Of a film with wide pixels, whose picture with square ones is 853x480."""
    wide = quarters(tmp_path / "wide.mp4", (640, 480), aspect=Fraction(4, 3))
    stored, square = sequence([0], (640, 480)), sequence([0], (853, 480))
    for shown, box in ((stored, (0, 0, 320, 240)), (square, (0, 0, 426.5, 240)), (stored, (320, 0, 640, 240))):
        [strip] = cut_strips(wide, [shown], [box])
        assert (opened(strip.pictures[0]).mean() > 240) == (box[0] == 0)
    assert note_on_pixels(wide, [square]) is None
    note = note_on_pixels(wide, [stored])
    assert note.startswith(
        "wide.mp4 has pixels of 4:3, and the keypoints lie in them as if they were square; lift them"
    )
    assert "--pixel-aspect 4:3" in note
    with pytest.raises(
        InputError, match="has frames of 853x480 px, but the keypoints of person 1 lie in a picture of 4"
    ):
        cut_strips(wide, [sequence([0], (480, 640))], [BOX])


def test_without_the_extra_one_sentence_says_what_to_install(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"clip\.mp4: needs the extra video .*: pip install 'wsgcn\[video\]'\.$"):
        cut_strips(clip, [sequence(range(5))], [BOX])


def test_poses_without_frame_numbers_have_no_video(clip, predictions_path):
    from wsgcn.rendering.sources import read_sequences

    with pytest.raises(InputError, match="a video goes with what `wsgcn lift` writes"):
        cut_strips(clip, list(read_sequences(predictions_path)), [BOX] * 4)
