"""Keypoint files made to break their reader: each is read, or is one sentence, and takes memory as its bytes allow."""

import copy
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.import_graph import ROOT
from tests.lifting.keypoints import test_keypoints_alphapose as alphapose
from tests.lifting.keypoints import test_keypoints_blazepose as blazepose
from tests.lifting.keypoints import test_keypoints_coco as coco
from tests.lifting.keypoints import test_keypoints_mmpose as mmpose
from tests.memory import PEAK_BYTES
from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.videopose3d import VIDEOPOSE3D
from wsgcn.detections.videopose3d import VideoPose3D as DetectionsNpz
from wsgcn.lifting.keypoints import json_file
from wsgcn.lifting.keypoints import parquet as keypoint_parquet
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.keypoints.parquet import ParquetFile


def openpose_frame():
    people = [{"person_id": [id], "pose_keypoints_2d": triples(1, "body_25").ravel().tolist()} for id in (3, 4)]
    return {"version": 1.3, "people": people}


TREES = {
    "coco_results": lambda: coco.results(triples(3), track_id=1),
    "coco_annotations": lambda: coco.annotations(triples(3), frame_id=0) | {"info": {}},
    "alphapose": lambda: alphapose.entries(triples(3), idx=[1.0]),
    "mmpose": lambda: mmpose.with_names(triples(3), coco.COCO_NAMES),
    "openpose": openpose_frame,
    "blazepose": lambda: [None, *(blazepose.landmarks(frame) for frame in triples(2, "blazepose_33"))],
}


def read_whole(path):
    file = open_keypoints(path)
    for person in file.people:
        assert str(person)
        track = file.track(person.name)
        assert len(track.frames) == len(track.keypoints) == len(track.scores)
        assert (np.diff(track.frames) > 0).all()


def sentence(read, *arguments):
    """What an InputError says; empty if there is none."""
    try:
        read(*arguments)
    except InputError as error:
        return str(error)
    return ""


def is_read_or_one_sentence(path, read=read_whole):
    said = sentence(read, path)
    assert not said or path.name in said
    assert "\n" not in said
    assert len(said.replace(str(path.parent), "")) < 500


VALUES = {
    "whole number beyond floats": 10**400,
    "NaN": float("nan"),
    "infinity": float("-inf"),
    "whole number beyond 64 bits": 10**19,
    "large frame": 10**18,
    "negative": -5,
    "a point": 0.5,
    "text": "1",
    "lone surrogate": "\ud800.jpg",
    "long text": "7" * 5000,
    "boolean": True,
    "null": None,
    "empty list": [],
    "empty object": {},
    "lists in lists": [[[[[7.0]]]]],
    "long list": list(range(300)),
    "object": {"a": [{"b": 1}], "keypoints": 5, "x": "y"},
}


def places(tree, limit=3):
    """Paths of keys to the values in a tree; of long lists to the first ones and the last."""
    yield ()
    if isinstance(tree, dict):
        inner = tree.items()
    elif isinstance(tree, list):
        inner = [(n, each) for n, each in enumerate(tree) if n < limit or n == len(tree) - 1]
    else:
        inner = ()
    for key, each in inner:
        for rest in places(each):
            yield (key, *rest)


def changed(tree, place, value):
    if not place:
        return value
    tree = copy.deepcopy(tree)
    inside = tree
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return tree


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("format", TREES)
def test_any_value_at_any_place_is_read_or_one_sentence(tmp_path, format, value):
    tree, path = TREES[format](), tmp_path / "clip.json"
    for place in places(tree):
        path.write_text(json.dumps(changed(tree, place, VALUES[value])), encoding="utf-8")
        is_read_or_one_sentence(path)


@pytest.mark.parametrize("format", TREES)
def test_anything_left_out_or_twice_is_read_or_one_sentence(tmp_path, format):
    tree, path = TREES[format](), tmp_path / "clip.json"
    for place in places(tree):
        if place:
            without = copy.deepcopy(tree)
            inside = without
            for key in place[:-1]:
                inside = inside[key]
            del inside[place[-1]]
            path.write_text(json.dumps(without), encoding="utf-8")
            is_read_or_one_sentence(path)
            if isinstance(inside, list):
                inside += [inside[0], inside[0]] if inside else []
                path.write_text(json.dumps(without), encoding="utf-8")
                is_read_or_one_sentence(path)


@pytest.mark.parametrize("format", TREES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_that_json_may_have_is_read(tmp_path, format, encoding):
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(TREES[format]()), encoding=encoding)
    is_read_or_one_sentence(path)
    if format != "coco_annotations":  # whose frames repeat here
        read_whole(path)


def nested(text):
    return text[:-1] + ',"a":' + "[" * 200_000 if text[-1] == "}" else text[:-1] + "," + "[" * 200_000


ODD_ARRAYS = {
    "a scalar": np.array(5.0),
    "flat": np.zeros(7),
    "no frames": np.zeros((0, 17, 2)),
    "text": np.full((3, 17, 2), "x"),
    "complex": np.zeros((3, 17, 2), dtype=complex),
    "large": np.full((3, 17, 2), 1e300),
}


def custom_npz():
    video = {"w": 1000, "h": 1000}
    metadata = {"layout_name": "coco", "num_joints": 17, "video_metadata": {"a": video}}
    return {"positions_2d": {"a": {"custom": [triples(3)[..., :2]]}}, "metadata": metadata}


def detections_npz():
    sides = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
    metadata = {"layout_name": "own", "num_joints": 17, "keypoints_symmetry": sides}
    return {"positions_2d": {"S1": {"Walking": [triples(3)[..., :2]] * 4}}, "metadata": metadata}


def poses_npz():
    return {"positions_3d": {"S1": {"Walking": np.zeros((3, 32, 3), np.float32)}}}


def detections(path):
    for _ in DetectionsNpz(path).sequences(lambda subject, take: True):
        pass


def poses(path):
    for recording in VIDEOPOSE3D.raw_takes([path], ["S1"]):
        recording.decode()


@pytest.mark.parametrize("value", VALUES | ODD_ARRAYS)
@pytest.mark.parametrize(
    ("content", "read"), [(custom_npz, read_whole), (detections_npz, detections), (poses_npz, poses)]
)
def test_any_value_at_any_place_of_videopose3ds_files_is_read_or_one_sentence(tmp_path, content, read, value):
    tree, path = content(), tmp_path / "clip.npz"
    for place in places(tree):
        if place:
            np.savez(path, **changed(tree, place, (VALUES | ODD_ARRAYS)[value]))
            is_read_or_one_sentence(path, read)


TEXTS = {
    "nested deeply": nested,
    "a number of a million digits": lambda text: text.replace("0.9", "9" * 1_000_000, 1),
    "a float of a million digits": lambda text: text.replace("0.9", "0." + "9" * 1_000_000, 1),
    "keys twice": lambda text: text.replace("{", '{"keypoints": 1, "people": 1, "people": [], "images": 5, '),
    "bytes that are no UTF-8": lambda text: text.replace("a", "\udcff"),
    "something behind the end": lambda text: text + " []",
    "nothing but the beginning": lambda text: text[:1],
    "cut in a number": lambda text: text[: text.index(".")],
    "NUL": lambda text: text.replace(".", "\0"),
    "blanks": lambda text: " \n" * 1_000_000 + text + "\t" * 1_000_000,
}


@pytest.mark.parametrize("what", TEXTS)
@pytest.mark.parametrize("format", TREES)
def test_hostile_text_is_read_or_one_sentence(tmp_path, format, what):
    path = tmp_path / "clip.json"
    text = TEXTS[what](json.dumps(TREES[format]()))
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    is_read_or_one_sentence(path)


@pytest.mark.parametrize("format", TREES)
def test_windows_of_any_size_read_the_same(tmp_path, format, monkeypatch):
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(TREES[format](), indent=1), encoding="utf-8")

    def parts():
        return [
            (key, section if isinstance(section, dict | float) else list(section))
            for key, section in json_file.sections(path)
        ]

    whole = parts()
    assert (whole[0][1] if whole[0][0] is None else dict(whole)) == json.loads(path.read_bytes())
    for size in (1, 7, 1000):
        monkeypatch.setattr(json_file, "_WINDOW", size)
        assert parts() == whole


def test_an_entry_longer_than_the_limit_is_one_sentence_for_files_of_any_length(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file, "LONGEST_ENTRY", 10_000)
    monkeypatch.setattr(json_file, "_WINDOW", 1_000)
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(coco.results(triples(100))), encoding="utf-8")
    assert path.stat().st_size > 20_000
    read_whole(path)
    path.write_text("[" + "[]," * 10_000 + "[[" + "[]," * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"clip\.json: .* has an entry of more than 10000 characters, from character"):
        open_keypoints(path)
    folder = tmp_path / "frames"
    folder.mkdir()
    path.rename(folder / "0_keypoints.json")
    with pytest.raises(
        InputError, match=r"0_keypoints\.json: has more than 10000 bytes, expected the JSON of one frame"
    ):
        open_keypoints(folder)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "0_keypoints.json")
    for path in (tmp_path, tmp_path / "0_keypoints.json"):
        with pytest.raises(InputError, match=r"0_keypoints\.json: is no file"):
            open_keypoints(path)


def test_frames_far_apart_are_pictures_and_not_a_video(tmp_path):
    points, path = triples(2), tmp_path / "clip.json"
    path.write_text(json.dumps([coco.results(points, first=first)[0] for first in (-(10**18), 10**18)]))
    assert open_keypoints(path).track("1").frames.tolist() == [-(10**18), 10**18]
    path.write_text(json.dumps(coco.results(points, first=10**19)))
    with pytest.raises(InputError, match=r"clip\.json: has an entry with image_id 10000000000000000000, expected"):
        open_keypoints(path)


PEAK = (
    PEAK_BYTES
    + """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
from pathlib import Path
from wsgcn.lifting.keypoints.formats import open_keypoints
before = peak_bytes()
file = open_keypoints(Path(sys.argv[1]))
people = file.people
longest = max(len(file.track(person.name).frames) for person in people[:100])
after = peak_bytes()
print(len(people), longest, after - before)
"""
)


def read_in_a_child(path):
    """How many people, the frames of the longest track, and by how many bytes the memory's peak grew."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    people, longest, grown = map(int, done.stdout.split())
    return SimpleNamespace(people=people, longest=longest, grown=grown)


def entry(frame, person):
    return {"image_id": frame, "keypoints": [1, 2, 1] * 17, "score": 1, "track_id": person}


@pytest.mark.parametrize("all_the_time", [False, True], ids=["one frame each", "first and last frame"])
def test_6000_people_in_6000_frames_take_what_they_are_seen_for(tmp_path, all_the_time):
    """With the whole timeline for everybody these were 7.4 GB."""
    tree = [entry(person, person) for person in range(6000)]
    if all_the_time:
        tree += [entry(frame, person) for person in range(6000) for frame in (6000, 0)[: 1 + (person > 0)]]
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    read = read_in_a_child(path)
    assert (read.people, read.longest) == (6000, 6001 if all_the_time else 1)
    assert read.grown < 60e6


def test_an_instance_takes_memory_as_its_joints_do(tmp_path):
    """An hour of 50 people at 30 frames a second is 5.4 million instances: at 300 bytes 1.6 GB."""
    people, frames = 50, 600
    path = tmp_path / "clip.json"
    path.write_text(
        json.dumps([entry(frame, person) for frame in range(frames) for person in range(people)]), encoding="utf-8"
    )
    read = read_in_a_child(path)
    assert (read.people, read.longest) == (people, frames)
    assert read.grown < 10e6 + 300 * people * frames


@pytest.fixture
def save_parquet(tmp_path):
    def save(columns, metadata=None, **options):
        path = tmp_path / "many.parquet"
        metadata = {"joints": "coco", "width": "1000", "height": "800"} | (metadata or {})
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, **options)
        return path

    return save


def numbers(rows, each=34):
    offsets = pa.array(np.arange(0, rows * each + 1, each, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ones(rows * each, np.float32)))


def test_more_rows_than_the_bytes_can_hold_are_not_begun(save_parquet):
    rows = 1_000_000
    nobody = pa.array([None] * rows, pa.list_(pa.float32()))
    path = save_parquet(
        {"frame": np.arange(rows), "keypoints_px": nobody},
        use_dictionary=False,
        column_encoding={"frame": "DELTA_BINARY_PACKED"},
    )
    assert path.stat().st_size < 50_000
    with pytest.raises(InputError, match=r"many\.parquet: declares 1000000 rows in \d+ bytes, which cannot hold them"):
        ParquetFile(path)


def test_a_row_of_a_million_numbers_is_not_begun(save_parquet):
    path = save_parquet({"frame": [0], "keypoints_px": numbers(1, 1_000_000)})
    with pytest.raises(InputError, match=r"many\.parquet: declares 1000000 numbers in keypoints_px for 1 rows"):
        next(ParquetFile(path).pieces(10))


def test_a_row_group_larger_than_the_limit_is_not_begun(save_parquet, monkeypatch):
    monkeypatch.setattr(keypoint_parquet, "LARGEST_ROW_GROUP", 1000)
    path = save_parquet({"frame": np.arange(100), "keypoints_px": numbers(100)}, use_dictionary=False)
    with pytest.raises(InputError, match=r"many\.parquet: declares a row group of \d+ bytes, expected at most 1000"):
        next(ParquetFile(path).pieces(10))


def test_a_long_name_of_all_rows_is_one_sentence(save_parquet):
    person = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), ["x" * 1_000_000])
    path = save_parquet({"frame": np.arange(20_000), "keypoints_px": numbers(20_000), "person": person})
    with pytest.raises(InputError, match=r"many\.parquet: has a name of 1000000 characters"):
        next(ParquetFile(path).pieces(20_000))


@pytest.mark.parametrize(
    ("columns", "metadata", "message"),
    [
        ({"keypoints_px": [[[1.0]], [[2.0]]]}, {}, "the column keypoints_px is no list of numbers"),
        ({"keypoints_px": [{"a": 1.0}, {"a": 2.0}]}, {}, "the column keypoints_px is no list of numbers"),
        ({"scores": [["a"], ["b"]]}, {}, "the column scores is no list of numbers"),
        ({"person": [1.5, 2.5]}, {}, "the column person is no name"),
        ({"person": ["a", None]}, {}, "has a row without a person"),
        ({"frame": [None, 1]}, {}, "expected whole numbers"),
        ({"frame": np.array([0, 2**63], dtype=np.uint64)}, {}, "the column frame has a number beyond"),
        ({}, {"joints": b"\xff\xfe"}, "is no known joint order"),
        ({}, {"width": "9" * 5000}, "expected whole numbers of pixels"),
        ({}, {"width": "²"}, "expected whole numbers of pixels"),
        ({}, {"width": "-1"}, "expected whole numbers of pixels"),
    ],
)
def test_odd_columns_and_metadata_are_one_sentence(save_parquet, columns, metadata, message):
    path = save_parquet({"frame": [0, 1], "keypoints_px": numbers(2)} | columns, metadata)
    with pytest.raises(InputError, match=r"many\.parquet: .*" + message):
        list(ParquetFile(path).pieces(10))


def test_a_damaged_page_is_one_sentence_wherever_it_is(save_parquet):
    path = save_parquet({"frame": np.arange(200), "keypoints_px": numbers(200)}, row_group_size=50)
    whole = path.read_bytes()
    sentences = []
    for at in range(4, len(whole), 23):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        sentences.append(sentence(lambda: list(ParquetFile(path).pieces(64))))
    assert all("\n" not in said and (not said or "many.parquet: " in said) for said in sentences)
    assert sum(map(bool, sentences)) > 10


def test_what_fails_where_pieces_are_used_keeps_its_traceback(save_parquet):
    path = save_parquet({"frame": np.arange(20), "keypoints_px": numbers(20)})
    pieces = ParquetFile(path).pieces(5)
    with pytest.raises(ZeroDivisionError):
        max(1 / len(piece.frames[5:]) for piece in pieces)
