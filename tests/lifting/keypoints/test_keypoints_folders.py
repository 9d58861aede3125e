"""A folder in which nothing is found says what lies there, and the nearest miss."""

import json

import pytest

from tests.lifting.keypoints.test_keypoints_openpose import write
from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sub/a_0.json", "sub/a_1.json", "more/b.json"], r"folders that hold some \(more with 1, sub with 2\); give"),
        (["frames.zip"], r"but with frames\.zip; unpack it"),
        (["clip.npz"], r"but with clip\.npz; give a file itself"),
        (["a.png", "b.png"], r"\(it holds a\.png, b\.png\), expected OpenPose's JSON or Ultralytics' label files"),
        ([], r"\(it holds nothing\)"),
        (["alphapose-results.json"], r"holds alphapose-results\.json, which is no frame of OpenPose; give the file"),
    ],
)
def test_what_lies_there_is_named(tmp_path, names, message):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=f"out: .*{message}") as error:
        open_keypoints(folder)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500 + len(str(folder))


def test_hidden_files_are_no_frames(tmp_path):
    write(tmp_path / "out", [triples(2, "body_25")])
    (tmp_path / "out" / "._walk_000000000000_keypoints.json").write_bytes(b"\x00\x05\x16\x07")
    assert open_keypoints(tmp_path / "out").people[0].frames == 2


def test_a_frame_of_another_form_says_which_keys_are_there(tmp_path):
    write(tmp_path / "out", [triples(2, "body_25")])
    (tmp_path / "out" / "walk_000000000001_keypoints.json").write_text(json.dumps({"bodies": []}), encoding="utf-8")
    with pytest.raises(InputError, match=r"has no list of people, .*; it has the keys bodies"):
        open_keypoints(tmp_path / "out")
