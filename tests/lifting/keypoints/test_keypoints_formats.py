import json

import numpy as np
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.lifting.keypoints.formats import open_keypoints


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not JSON, or truncated"),
        (b'{"people": [', "is not JSON, or truncated"),
        (b"[]", "is an empty list; nobody is in it"),
        (b'{"a": 1}', "is JSON in none of the known forms"),
        (b"5", "is JSON in none of the known forms"),
        (b"[[1, 2]]", "is JSON in none of the known forms"),
        (b"PK\x03\x04 and no more", "is not a readable npz file"),
        (b"\x93NUMPY", "is not a readable npy file"),
        (b"\x89HDF\r\n\x1a\n", "is not a readable HDF5 file"),
    ],
)
def test_a_file_of_no_known_format_is_one_sentence_naming_it(tmp_path, content, message):
    path = tmp_path / "mine"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"mine: {message}") as error:
        open_keypoints(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.json: not found\."):
        open_keypoints(tmp_path / "nothing.json")


def test_a_named_format_must_be_what_the_file_looks_like(tmp_path):
    path = tmp_path / "a.json"
    entry = {"image_id": "0.jpg", "keypoints": triples(1).ravel().tolist(), "score": 1}
    path.write_text(json.dumps([entry]), encoding="utf-8")
    assert open_keypoints(path, "alphapose").format == "alphapose"
    with pytest.raises(InputError, match=r"a\.json: looks like alphapose, not like openpose\."):
        open_keypoints(path, "openpose")
    with pytest.raises(InputError, match=r"format: 'koko' is no known format; known are coco_annotations, "):
        open_keypoints(path, "koko")


def test_content_of_another_kind_than_the_format_wants_is_still_one_sentence(tmp_path):
    path = tmp_path / "a.json"
    tree = [{"image_id": "0.jpg", "keypoints": triples(1).ravel().tolist(), "score": {"a": 1}}]
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json: has a part of another kind than its format wants") as error:
        open_keypoints(path)
    assert "\n" not in str(error.value)


def test_an_npz_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    np.savez(tmp_path / "evil.npz", positions_2d=np.array({"a": Evil()}, dtype=object))
    with pytest.raises(InputError, match=r"evil\.npz: would run code on loading"):
        open_keypoints(tmp_path / "evil.npz")
