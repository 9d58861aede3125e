import time

import numpy as np
import pytest

from tests.captures.bvh.bvh_texts import standing_text
from wsgcn.base.errors import InputError
from wsgcn.captures.bvh.files import parse

TEXT = """HIERARCHY
ROOT Hips
{
  OFFSET 0 1.5 -2e-1
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT Bip01 L Thigh
  {
    OFFSET 1 2 3
    CHANNELS 3 Xrotation Zrotation Yrotation
    End Site
    {
      OFFSET 0 0 .5
    }
  }
  JOINT mixamorig:Spine.001
  {
    OFFSET 4 5 6
    CHANNELS 4 Yposition Zrotation Yrotation Xrotation
    End Site
    {
      OFFSET 0 0 7
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
1 2 3 4 5 6 7 8 9 10 11 12 13
-1 -2 -3 -4 -5 -6 -7 -8 -9 -10 -11 -12 -13
0 0 0 0 0 0 0 0 0 0 0 1e-3 2.50
"""


def read(text, **options):
    return parse(text.encode() if isinstance(text, str) else text, "x.bvh", **options)


def same(a, b):
    return a.joints == b.joints and np.array_equal(a.motion_TC, b.motion_TC) and a.frame_time_s == b.frame_time_s


def test_the_hierarchy_and_the_motion_are_read():
    bvh = read(TEXT)
    assert [joint.name for joint in bvh.joints] == [
        "Hips",
        "Bip01 L Thigh",
        "Bip01 L Thigh End",
        "mixamorig:Spine.001",
        "mixamorig:Spine.001 End",
    ]
    assert [joint.parent for joint in bvh.joints] == [-1, 0, 1, 0, 3]
    assert [joint.first_channel for joint in bvh.joints] == [0, 6, 9, 9, 13]
    assert [joint.is_end for joint in bvh.joints] == [False, False, True, False, True]
    assert bvh.joints[0].offset_3 == (0, 1.5, -0.2)
    assert bvh.joints[1].channels == ("Xrotation", "Zrotation", "Yrotation")
    assert bvh.joints[3].channels == ("Yposition", "Zrotation", "Yrotation", "Xrotation")
    assert bvh.motion_TC.dtype == np.float64
    np.testing.assert_array_equal(bvh.motion_TC[0], np.arange(1, 14))
    np.testing.assert_array_equal(bvh.motion_TC[2, -2:], [0.001, 2.5])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("  ", "\t").replace(" 2 3", "\t2 \t 3"),
        lambda text: text.replace("\n", "\n\n  \n"),
        lambda text: "# exported\n// by hand\n" + text.replace("{", "{ # a joint").replace("Frames: 3", "Frames: 3 # "),
        lambda text: text.replace("Frame Time:", "FrameTime :").replace("Frames:", "frames"),
        lambda text: text.replace("Frame Time: ", "Frame Time:").replace("Frames: ", "Frames:\t"),
        lambda text: text.replace("position", "POSITION").replace("Xrot", "xrot").replace("End Site", "END SITE"),
        lambda text: text.replace("\n{", " {").replace("End Site\n    {\n      OFFSET", "End Site { OFFSET"),
        lambda text: text.replace("0 0 .5\n    }", "0 0 .5 }").replace("1 2 3\n    CHANNELS", "1 2 3 CHANNELS"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("End Site", "End Site toe"),
    ],
)
def test_other_spellings_say_the_same(change):
    assert change(TEXT) != TEXT
    assert same(read(change(TEXT)), read(TEXT))


def test_names_that_are_not_utf8_are_told_apart():
    text = TEXT.encode().replace(b"Bip01 L", b"\x83\x72").replace(b"mixamorig", b"\x83\x73")
    names = [joint.name for joint in read(text).joints]
    assert len(set(names)) == 5


@pytest.mark.parametrize("declared", [2, 3, 4])
def test_one_row_more_or_less_than_declared_is_taken_as_it_is(declared):
    assert same(read(TEXT.replace("Frames: 3", f"Frames: {declared}")), read(TEXT))


@pytest.mark.parametrize(
    ("frame_time", "fps"),
    [("0.0333333", 30), ("0.033333", 30), ("0.083334", 12), ("0.008333", 120), ("0.0333667", 29.97), ("0.03", 33.3333)],
)
def test_the_frame_rate_is_that_before_the_writer_rounded(frame_time, fps):
    found = read(TEXT.replace("0.0333333", frame_time)).fps
    assert found == pytest.approx(fps, abs=1e-3)
    assert found == fps or fps != int(fps)


def test_a_few_frames_are_spread_evenly_and_the_others_not_looked_at():
    rows = [" ".join([str(number)] * 13) for number in range(100)]
    rows[7] = "what is this"
    text = TEXT[: TEXT.index("Frames")] + "Frames: 100\nFrame Time: 0.04\n" + "\n".join(rows)
    np.testing.assert_array_equal(read(text, most_frames=4).motion_TC[:, 0], [0, 33, 66, 99])
    with pytest.raises(InputError, match="has 3 values"):
        read(text)


BAD = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "binary": (b"\x00\x01\x02Kaydara FBX Binary  \x00" * 50, "is a binary file"),
    "another text": ("solid cube\nfacet normal 0 0 1\n", "is no BVH file: it begins with 'solid cube"),
    "UTF-16": (TEXT.encode("utf-16"), "is UTF-16 text"),
    "UTF-16 without mark": (TEXT.encode("utf-16-le"), "UTF-16"),
    "only its heading": ("HIERARCHY\n", "ends before its ROOT; the file is truncated"),
    "cut in the hierarchy": (TEXT[: TEXT.index("JOINT mixamorig")], "hierarchy ends within joint 'Hips'; the file is"),
    "cut in a word": (
        TEXT[: TEXT.index("Zrotation Yrotation\n") + 4],
        "'Bip01 L Thigh': 'CHANNELS 3 Xrotation' is not its one list",
    ),
    "cut in an offset": (TEXT[: TEXT.index("2 3") + 1], "line 8: 'OFFSET 1 2' is not what a hierarchy has"),
    "no MOTION": (TEXT[: TEXT.index("MOTION")], "has a hierarchy of 5 joints and no MOTION"),
    "cut after MOTION": (
        TEXT[: TEXT.index("Frames")],
        "after MOTION come 'Frames: N' and 'Frame Time: S'; found 'the e",
    ),
    "no frame time": (TEXT.replace("Frame Time: 0.0333333\n", ""), "after MOTION come"),
    "cut before the rows": (TEXT[: TEXT.index("1 2 3 4")], "declares 3 frames and has 0"),
    "no frames": (TEXT[: TEXT.index("1 2 3 4")].replace("Frames: 3", "Frames: 0"), "declares 0 frames and has 0"),
    "cut in the motion": (TEXT[: TEXT.index("-7")], "line 29 has 6 values where the hierarchy has 13 channels"),
    "two frames fewer": (TEXT.replace("Frames: 3", "Frames: 5"), "declares 5 frames and has 3"),
    "two frames more": (TEXT.replace("Frames: 3", "Frames: 1"), "declares 1 frames and has 3"),
    "a million million frames": (
        TEXT.replace("Frames: 3", "Frames: 1000000000000"),
        "declares 1000000000000 frames and",
    ),
    "frames of many digits": (
        TEXT.replace("Frames: 3", "Frames: " + "9" * 9999),
        "declares '9999",
    ),
    "half a frame": (TEXT.replace("Frames: 3", "Frames: 2.5"), "declares '2.5' frames, which is no number"),
    "minus three frames": (TEXT.replace("Frames: 3", "Frames: -3"), "declares '-3' frames"),
    "a value too few in all": (TEXT.replace(" 13\n", "\n"), "line 28 has 12 values"),
    "a value too many": (TEXT.replace("2.50", "2.50 1"), "line 30 has 14 values"),
    "a word": (TEXT.replace("2.50", "2,50"), "line 30 holds '2,50', which is no length or angle"),
    "NaN": (TEXT.replace("2.50", "nan"), "line 30 holds 'nan'"),
    "infinity": (TEXT.replace("2.50", "-inf"), "line 30 holds '-inf'"),
    "the largest": (TEXT.replace("2.50", "1e300"), "line 30 holds '1e300'"),
    "underscore": (TEXT.replace("2.50", "2_50"), "line 30 holds '2_50'"),
    "control": (TEXT.replace("2.50", "\x1b[2J"), "line 30 holds"),
    "no time": (TEXT.replace("0.0333333", "0"), "its frame time is '0'; expected 0.0001 to 1 seconds"),
    "negative time": (TEXT.replace("0.0333333", "-0.0333333"), "its frame time is '-0.03"),
    "time NaN": (TEXT.replace("0.0333333", "NaN"), "its frame time is 'NaN'"),
    "1000 s": (TEXT.replace("0.0333333", "1000"), "its frame time is '1000'"),
    "time no number": (TEXT.replace("0.0333333", "30fps"), "its frame time is '30fps'"),
    "two roots": (TEXT.replace("}\nMOTION", "}\nROOT Hips2\n{\nMOTION"), "has a second ROOT, 'Hips2' after 'Hips'"),
    "a root within": (TEXT.replace("JOINT Bip01", "ROOT Bip01"), "has a second ROOT"),
    "no root": (TEXT.replace("ROOT", "JOINT"), "JOINT 'Hips' stands where none can"),
    "no name": (TEXT.replace("ROOT Hips", "ROOT "), "a ROOT has no name"),
    "a joint in an end site": (TEXT.replace("0 0 .5", "0 0 .5 JOINT x {"), "JOINT 'x' stands where none can"),
    "offset of NaN": (TEXT.replace("-2e-1", "nan"), "joint 'Hips': 'OFFSET 0 1.5 nan' is not its one OFFSET"),
    "offset of two": (TEXT.replace("1 2 3\n", "1 2\n", 1), "line 8: 'OFFSET 1 2' is not what a hierarchy has there"),
    "offset of four": (TEXT.replace("1 2 3\n", "1 2 3 4\n", 1), "line 8: '4' is not what a hierarchy has there"),
    "no offset": (TEXT.replace("    OFFSET 1 2 3\n", ""), "joint 'Bip01 L Thigh' has no OFFSET"),
    "no channels": (
        TEXT.replace("    CHANNELS 3 Xrotation Zrotation Yrotation\n", ""),
        "'Bip01 L Thigh' has no CHANNELS",
    ),
    "channels miscounted": (TEXT.replace("CHANNELS 3", "CHANNELS 4"), "'Bip01 L Thigh': 'CHANNELS 4 Xrot"),
    "a channel twice": (TEXT.replace("Xrotation Zrotation", "Xrotation Xrotation"), "not its one list of as many"),
    "an unknown channel": (TEXT.replace("CHANNELS 3 Xrotation", "CHANNELS 3 Wrotation"), "not its one list of as many"),
    "channels of many digits": (TEXT.replace("CHANNELS 3", "CHANNELS " + "3" * 5000), "not its one list of as many"),
    "channels of an end": (TEXT.replace("0 0 .5", "0 0 .5\nCHANNELS 0"), "an end site has none"),
    "a brace too many": (TEXT.replace("}\nMOTION", "}\n}\nMOTION"), "'}' stands outside the braces"),
    "a word in the hierarchy": (
        TEXT.replace("JOINT mixamorig", "BONE mixamorig"),
        "line 15: 'BONE mixamorig:Spine.001",
    ),
}


@pytest.mark.parametrize(("content", "found"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_sentence(content, found):
    with pytest.raises(InputError) as caught:
        read(content)
    message = str(caught.value)
    assert found in message
    assert message.startswith("x.bvh: ")
    assert message.endswith(".")
    assert len(message) < 500
    assert message.isprintable()


def sentence_or_file(content):
    """What came of reading: a file, or nothing and a sentence, which is looked at."""
    try:
        return read(content)
    except InputError as error:
        message = str(error)
    assert len(message) < 500
    assert message.isprintable()
    return None


def test_every_cut_of_a_file_is_one_sentence_or_leaves_whole_frames():
    text = standing_text(frames=3)
    whole = read(text)
    for end in range(0, len(text), 7):
        bvh = sentence_or_file(text[:end])
        assert bvh is None or (bvh.joints == whole.joints and len(bvh.motion_TC) in (2, 3))


def test_any_damage_is_one_sentence_or_read():
    rng = np.random.default_rng(0)
    content = standing_text(frames=3).encode()
    read_well = 0
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            start = int(rng.integers(len(damaged)))
            damaged[start : start + int(rng.integers(0, 9))] = rng.bytes(int(rng.integers(0, 5)))
        bvh = sentence_or_file(bytes(damaged))
        assert bvh is None or np.isfinite(bvh.motion_TC).all()
        read_well += bvh is not None
    assert 0 < read_well < 400


def test_joints_nested_100_000_deep_are_read_without_recursion():
    depth = 100_000
    joint = "JOINT j{}\n{{\nOFFSET 0 1 0\nCHANNELS 1 Zrotation\n"
    inner = "".join(joint.format(index) for index in range(depth)).replace("JOINT", "ROOT", 1)
    motion = f"MOTION\nFrames: 1\nFrame Time: 0.1\n{'0 ' * depth}\n"
    bvh = read(f"HIERARCHY\n{inner}{'}' * depth}\n{motion}")
    assert (len(bvh.joints), bvh.motion_TC.shape) == (depth, (1, depth))


@pytest.mark.parametrize(
    "text",
    [
        "HIERARCHY\nROOT" + " " * 300_000,
        "HIERARCHY\nROOT a" + "\n" * 300_000,
        "HIERARCHY\nROOT a {\nOFFSET" + " " * 300_000 + "1",
        "HIERARCHY\nROOT a {\nOFFSET 0 0 0\nCHANNELS" + " " * 300_000 + "x",
        "HIERARCHY\n" + " " * 300_000 + "x",
        " \n" * 150_000 + "x",
        TEXT[: TEXT.index("Frames")] + "Frames" + " " * 300_000,
        TEXT[: TEXT.index("Frames")] + "Frames: 3\n" + "\n" * 300_000 + "Frame" + " " * 300_000,
        "HIERARCHY\n" + "#" * 300_000,
        "HIERARCHY\nEnd" + "\t" * 300_000,
    ],
    ids=range(10),
)
def test_long_runs_of_blanks_take_no_long_time(text):
    began = time.perf_counter()
    with pytest.raises(InputError):
        read(text)
    assert time.perf_counter() - began < 3
