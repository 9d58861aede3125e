import re
from itertools import islice

import numpy as np
import pytest

from tests.video.films import SIZE, demo_video, model_folder, write_film, write_gif
from tests.video.pretended import RIGHT_PX, pretend
from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import BLAZEPOSE_33
from wsgcn.lifting.keypoints import video
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.keypoints.video import read_video, write_keypoints
from wsgcn.video.frames import Video

# MediaPipe 0.10.21 on the demo video, without smoothing of the landmarks: nose, shoulders, wrists, hips, ankles; px.
JOINTS = (0, 11, 12, 15, 16, 23, 24, 27, 28)
MEDIAPIPE_PX = {
    40: ((631, 112), (678, 167), (605, 170), (709, 282), (592, 286), (663, 262), (620, 264), (667, 434), (638, 432)),
    84: ((650, 130), (679, 174), (602, 173), (700, 280), (574, 281), (663, 285), (618, 283), (657, 441), (615, 440)),
    100: ((690, 123), (675, 158), (633, 146), (682, 263), (606, 255), (658, 262), (635, 257), (638, 444), (642, 422)),
    130: ((796, 133), (767, 165), (748, 144), (776, 259), (751, 206), (753, 256), (743, 252), (746, 432), (746, 430)),
}

_SIDED = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")


@pytest.fixture(scope="module")
def demo_film():
    return read_video(demo_video(), models=model_folder())


def test_the_person_in_the_demo_video_is_where_mediapipe_sees_them(demo_film):
    film = demo_film
    track = film.keypoints.track("1")
    assert (film.fps, track.size, film.keypoints.order.name) == (30, (1768, 994), "blazepose_33")
    [missing, *notes] = film.notes_for("1")
    assert missing.startswith("person 1 was not found in ")
    assert missing.endswith(" of 230 frames")
    assert notes == ["2 people were followed, 2 at a time at most; person 1 is seen longest"]
    assert np.isfinite(track.keypoints[:, 0, 0]).sum() >= 190
    for frame, expected in MEDIAPIPE_PX.items():
        [row] = np.flatnonzero(track.frames == frame)
        off_px = np.linalg.norm(track.keypoints[row, JOINTS] - np.array(expected), axis=-1)
        assert np.median(off_px) < 4, f"frame {frame}: {off_px.round(1)}"
        assert off_px.max() < 15


def test_the_jumper_and_the_passer_by_of_the_demo_video_are_two_people(demo_film):
    """In frames 171 to 200 MediaPipe follows a woman who walks out at the left, below x = 400."""
    jumper, passer_by = (demo_film.keypoints.track(person) for person in "12")
    hips_px = jumper.keypoints[jumper.frames > 160, 23, 0]
    assert np.isfinite(hips_px).sum() > 30
    assert np.nanmin(hips_px) > 700
    hips_px = passer_by.keypoints[(passer_by.frames >= 90) & (passer_by.frames <= 190), 23, 0]
    assert np.isfinite(hips_px).sum() > 90
    assert np.nanmax(np.diff(hips_px)) < 10, "she walks to the left all the time"
    assert hips_px[0] > 1050
    assert hips_px[-1] < 250


def test_two_people_side_by_side_are_followed_as_each_of_them_alone(demo_film, tmp_path):
    """The jumper cut out of the demo video, beside their mirror image as it is 20 frames later."""
    first, shift, left, width, height = 10, 20, 450, 450, 600
    with Video(demo_video()) as video:
        cut = [frame.picture_HWC[:height, left : left + width] for frame in islice(video, first, first + 60)]
    path = write_film(
        tmp_path / "two.mp4",
        40,
        fps=30,
        size=(2 * width, height),
        codec="libx264",
        shown=lambda number, size: np.hstack([cut[number], cut[number + shift][:, ::-1]]),
    )
    film = read_video(path, models=model_folder())
    assert len(film.keypoints.tracks) == 2
    known = demo_film.keypoints.track("1")
    [start] = np.flatnonzero(known.frames == first)
    known_px = known.keypoints[start : start + 60] - np.array([left, 0])
    mirrored_px = (known_px * np.array([-1, 1]) + np.array([2 * width - 1, 0]))[shift:]
    pairs = [(BLAZEPOSE_33.joints.index(f"L{name}"), BLAZEPOSE_33.joints.index(f"R{name}")) for name in _SIDED]
    for one, other in pairs:
        mirrored_px[:, [one, other]] = mirrored_px[:, [other, one]]
    body = np.array(pairs).ravel()
    tracks = sorted(film.keypoints.tracks, key=lambda track: track.keypoints[0, 0, 0])
    for track, expected_px in zip(tracks, (known_px[:40], mirrored_px), strict=True):
        assert track.frames.tolist() == list(range(40))
        off_px = np.linalg.norm(track.keypoints[:, body] - expected_px[:, body], axis=-1)
        assert np.median(off_px) < 5, "they are 350 px tall"


def test_a_track_has_the_films_size_rate_and_frame_numbers(tmp_path, monkeypatch):
    points = pretend(monkeypatch, without={0, 1, 5, 11})
    film = read_video(write_film(tmp_path / "a.mp4", frames=12))
    [track] = film.keypoints.tracks
    assert (film.fps, track.size, track.normalised) == (25, SIZE, False)
    assert track.frames.tolist() == list(range(2, 11))  # from the person's first frame to their last
    there = track.frames != 5
    np.testing.assert_allclose(track.keypoints[there], points[track.frames[there]], rtol=1e-5)
    assert np.isnan(track.keypoints[~there]).all()
    assert (track.scores[~there] == 0).all()
    assert list(film.notes_for("1")) == ["the person was not found in 4 of 12 frames"]


def test_a_variable_frame_rate_and_other_people_are_told(tmp_path, monkeypatch):
    points = pretend(monkeypatch, left_out=True)
    times = np.cumsum([0, 33, 33, 45, 33, 52, 33, 33, 45, 33]) / 1000
    film = read_video(write_film(tmp_path / "a.mkv", frames=10, times_s=times), most=1)
    assert film.fps == pytest.approx(30.3, abs=0.01)
    [track] = film.keypoints.tracks
    rows_s = track.frames / film.fps
    expected = np.interp(rows_s, times, points[:10, 7, 0])
    np.testing.assert_allclose(track.keypoints[:, 7, 0], expected, rtol=1e-4)
    assert film.notes[0] == "shows more people than are followed at a time, 1"
    assert film.notes[1].startswith("has a variable frame rate; the rows have a constant one, 30.3 a second")


def test_a_gif_with_odd_delays_has_rows_at_a_constant_rate(tmp_path, monkeypatch):
    points = pretend(monkeypatch)
    times_s = [0, 0.04, 0.1, 0.2, 0.24, 0.28]
    film = read_video(write_gif(tmp_path / "a.gif", times_s))
    [track] = film.keypoints.tracks
    assert (film.fps, track.size) == (25, SIZE)
    expected = np.interp(track.frames / film.fps, times_s, points[:6, 7, 0])
    np.testing.assert_allclose(track.keypoints[:, 7, 0], expected, rtol=1e-4)


def test_people_who_follow_each_other_are_two_tracks_the_longer_one_first(tmp_path, monkeypatch):
    pretend(monkeypatch, without={4}, second_from=5)
    film = read_video(write_film(tmp_path / "a.mp4", frames=12))
    assert [(track.person, track.frames.tolist()) for track in film.keypoints.tracks] == [
        ("1", list(range(5, 12))),
        ("2", [0, 1, 2, 3]),
    ]
    assert film.longest == "1"
    assert list(film.notes_for("2")) == [
        "person 2 was not found in 8 of 12 frames",
        "2 people were followed, 1 at a time at most; person 1 is seen longest",
    ]


def test_people_who_are_there_together_have_tracks_of_their_own(tmp_path, monkeypatch):
    points = pretend(monkeypatch, second_from=3, both=True)
    film = read_video(write_film(tmp_path / "a.mp4"))
    first, second = film.keypoints.tracks
    assert (first.frames.tolist(), second.frames.tolist()) == (list(range(8)), list(range(3, 8)))
    np.testing.assert_allclose(first.keypoints, points[:8], rtol=1e-5)
    np.testing.assert_allclose(second.keypoints, points[3:8] + RIGHT_PX, rtol=1e-5)
    assert list(film.notes_for("1")) == ["2 people were followed, 2 at a time at most; person 1 is seen longest"]


def test_who_was_hardly_seen_is_left_out_if_anybody_was_for_longer(tmp_path, monkeypatch):
    pretend(monkeypatch, second_from=6)
    tracker = video.PeopleTracker
    for sure, people in (({1}, 1), ({1, 2}, 2), (set(), 2)):
        monkeypatch.setattr(video, "PeopleTracker", lambda *given, sure=sure: _with_sure(tracker(*given), sure))
        assert len(read_video(write_film(tmp_path / "a.mp4")).keypoints.tracks) == people


def _with_sure(tracker, sure):
    tracker.sure = sure
    return tracker


def test_a_rate_that_is_given_is_that_of_the_track(tmp_path, monkeypatch):
    pretend(monkeypatch)
    film = read_video(write_film(tmp_path / "slow.mp4"), fps=240)
    assert film.fps == 240
    assert len(film.keypoints.tracks[0].frames) == 8


def test_a_film_that_is_cut_off_says_how_much_of_it_is_there(tmp_path, monkeypatch):
    pretend(monkeypatch)
    path = write_film(tmp_path / "a.mp4", 40, index_first=True)
    assert not any("ends after" in note for note in read_video(path).notes)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    [note] = (note for note in read_video(path).notes if "ends after" in note)
    assert re.fullmatch(r"ends after \d\d of the 40 frames that it declares; is it cut off\?", note)


def test_a_film_without_anybody_is_refused(tmp_path, monkeypatch):
    pretend(monkeypatch, without=range(8))
    with pytest.raises(InputError, match=r"a\.mp4: nobody was found in its 8 frames"):
        read_video(write_film(tmp_path / "a.mp4"))


@pytest.mark.parametrize("second_from", [None, 3])
def test_keypoints_that_are_written_are_read_again(tmp_path, monkeypatch, second_from):
    pretend(monkeypatch, without={0, 5}, second_from=second_from, both=True)
    film = read_video(write_film(tmp_path / "a.mp4"))
    write_keypoints(film, tmp_path / "a.json")
    file = open_keypoints(tmp_path / "a.json")
    assert file.format == "blazepose"
    assert [person.name for person in file.people] == [track.person for track in film.keypoints.tracks]
    for made in film.keypoints.tracks:
        track = file.track(made.person)
        np.testing.assert_array_equal(track.frames, made.frames)
        np.testing.assert_allclose(track.keypoints * np.array(SIZE), made.keypoints, atol=1e-3)
        np.testing.assert_allclose(track.scores, made.scores, atol=1e-6)
