import csv
import json
import re
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

from tests.people import person_camera_m
from wsgcn.base.errors import InputError
from wsgcn.lifting.angles import ANGLES, CAMERA_UP, SIGNS, joint_angles_deg
from wsgcn.lifting.lifted import Lifted, Rows
from wsgcn.lifting.writers import parquet
from wsgcn.lifting.writers.formats import SUFFIXES, read_lifted, write_lifted
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.rendering.lifted_files import lifted_sequence
from wsgcn.rendering.viewer import write_viewer

FRAMES = 20


def clip(skeleton=H36M16, *, is_absolute=True, frames=FRAMES, names=None, rigid=False):
    """A clip in which frame 3 was partly interpolated; with `rigid` all bones keep their length."""
    camera_m = person_camera_m(frames)[:, [H36M17.joints.index(joint) for joint in skeleton.joints]]
    if rigid:
        relative = camera_m.copy()
        for child, parent in skeleton.bones:
            bone = camera_m[:, child] - camera_m[:, parent]
            length = np.linalg.norm(bone, axis=-1, keepdims=True)
            relative[:, child] = relative[:, parent] + bone * np.median(length) / length
        camera_m = relative
    flags = np.zeros((frames, len(skeleton.joints)), dtype=bool)
    interpolated, substituted = flags.copy(), flags.copy()
    interpolated[3, 2] = interpolated[3, 5] = True
    substituted[4, skeleton.joints.index("Head")] = True
    return Lifted(
        person="7",
        skeleton=skeleton,
        frames=np.arange(100, 100 + frames),
        pose_m=(camera_m - camera_m[:, :1]).astype(np.float32),
        root_m=camera_m[:, 0].astype(np.float32) if is_absolute else None,
        missing=np.zeros(frames, dtype=bool),
        interpolated=interpolated,
        substituted=substituted,
        keypoints_px=np.full((frames, len(skeleton.joints), 2), 5, dtype=np.float32),
        names=names,
        about={"source": "clip.json", "checkpoint_sha256": "ab12", "fps": 25.0, "size_px": [1000, 1000]},
    )


def without(lifted, *rows):
    """The clip with some frames missing."""
    pose_m, missing = lifted.pose_m.copy(), lifted.missing.copy()
    pose_m[list(rows)], missing[list(rows)] = np.nan, True
    root_m = None if lifted.root_m is None else lifted.root_m.copy()
    if root_m is not None:
        root_m[list(rows)] = np.nan
    return replace(lifted, pose_m=pose_m, root_m=root_m, missing=missing)


def assert_same(a, b):
    for field in fields(Rows):
        expected = getattr(b, field.name)
        if expected is None:
            assert getattr(a, field.name) is None
        else:
            np.testing.assert_array_equal(getattr(a, field.name), expected)
    assert (a.person, a.skeleton, a.names) == (b.person, b.skeleton, b.names)
    assert a.metadata == b.metadata


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("names", [None, tuple(f"{t}.jpg" for t in range(FRAMES))], ids=["", "names"])
def test_npz_and_hdf5_come_back_as_they_were(tmp_path, suffix, is_absolute, names):
    lifted = without(clip(is_absolute=is_absolute, names=names), 8, 9)
    path = tmp_path / f"out{suffix}"
    write_lifted(lifted, path)
    [back] = read_lifted(path)
    assert_same(back, lifted)


def test_npz_is_plain_numpy(tmp_path):
    write_lifted(clip(), tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        assert file["pose_m"].shape == (FRAMES, 16, 3)
        assert file["joints"].tolist() == list(H36M16.joints)
        metadata = json.loads(str(file["metadata"]))
    assert metadata["format"] == "wsgcn lifted pose 1"
    assert metadata["checkpoint_sha256"] == "ab12"


def test_thousands_of_picture_names_fit_into_hdf5(tmp_path):
    names = tuple(f"some/long/folder/picture_{t:09}.jpg" for t in range(5000))
    lifted = clip(frames=5000, names=names)
    write_lifted(lifted, tmp_path / "out.h5")
    assert next(read_lifted(tmp_path / "out.h5")).names == names
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["7/pose_m"].shape == (5000, 16, 3)
        assert file.attrs["unit"] == "metre"


def test_json_has_null_where_there_is_nothing(tmp_path):
    lifted = without(clip(names=tuple("abcdefghijklmnopqrst")), 8)
    write_lifted(lifted, tmp_path / "out.json")
    tree = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (tree["unit"], tree["joints"], tree["person"]) == ("metre", list(H36M16.joints), "7")
    assert [pose["frame"] for pose in tree["poses"]] == list(range(100, 120))
    assert tree["poses"][8] == {
        **{"frame": 108, "name": "i", "missing": True, "interpolated": [], "substituted": []},
        **{"pose_m": None, "root_m": None, "keypoints_px": [[5, 5]] * 16},
    }
    assert tree["poses"][3]["interpolated"] == ["RKnee", "LKnee"]
    assert tree["poses"][4]["substituted"] == ["Head"]
    np.testing.assert_allclose(tree["poses"][5]["pose_m"], lifted.pose_m[5], atol=1e-6)
    np.testing.assert_allclose(tree["poses"][5]["root_m"], lifted.root_m[5], atol=1e-6)


def test_json_has_the_2d_with_null_for_a_joint_without(tmp_path):
    lifted = clip()
    lifted.keypoints_px[2, 4] = (12.345678, -1)
    lifted.keypoints_px[2, 5] = np.nan
    write_lifted(lifted, tmp_path / "out.json")
    pose = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["poses"][2]
    assert pose["keypoints_px"][3:6] == [[5, 5], [12.35, -1], None]


def test_csv_has_joint_angles_in_degrees_and_says_their_signs(tmp_path):
    lifted = without(clip(), 8)
    write_lifted(lifted, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert f"# angles: {json.dumps(SIGNS)}" in comments
    rows = list(csv.DictReader(lines[len(comments) :]))
    expected = joint_angles_deg(lifted.pose_m, H36M16, CAMERA_UP)[5]
    np.testing.assert_allclose([float(rows[5][f"{name}_deg"] or "nan") for name in ANGLES], expected, atol=0.006)
    assert {rows[8][f"{name}_deg"] for name in ANGLES} == {""}


def test_csv_has_no_negative_zero(tmp_path):
    lifted = clip()
    lifted.pose_m[:] = -1e-9
    write_lifted(lifted, tmp_path / "out.csv")
    assert not re.search(r",-0\.0+(,|$)", (tmp_path / "out.csv").read_text(encoding="utf-8"), re.MULTILINE)


def test_csv_has_a_row_a_frame_below_the_metadata(tmp_path):
    lifted = without(clip(names=tuple("abcdefghijklmnopqrst")), 8)
    write_lifted(lifted, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert '# unit: "metre"' in comments
    assert '# checkpoint_sha256: "ab12"' in comments
    rows = list(csv.DictReader(lines[len(comments) :]))
    assert len(rows) == FRAMES
    assert (rows[8]["frame"], rows[8]["name"], rows[8]["missing"], rows[8]["Hip_x_m"]) == ("108", "i", "1", "")
    assert rows[3]["interpolated"] == "RKnee;LKnee"
    written = [[float(rows[5][f"{joint}_{axis}_m"]) for axis in "xyz"] for joint in H36M16.joints]
    np.testing.assert_allclose(written, lifted.pose_m[5], atol=1e-6)
    np.testing.assert_allclose([float(rows[5][f"root_{axis}_m"]) for axis in "xyz"], lifted.root_m[5], atol=1e-6)


def test_csv_is_read_by_pandas_as_its_docstring_says(tmp_path):
    pandas = pytest.importorskip("pandas")
    write_lifted(clip(is_absolute=False), tmp_path / "out.csv")
    table = pandas.read_csv(tmp_path / "out.csv", comment="#")
    assert table.shape == (FRAMES, 4 + 48 + 15)
    assert "root_x_m" not in table


# Reading BVH as an animation tool does: a hierarchy of offsets and channels, then angles a frame.


class Bone:
    def __init__(self, name, parent):
        self.name, self.parent, self.offset, self.channels = name, parent, None, []


def parse_bvh(text):
    """The bones in the order of their channels, the motion (T, C), and the seconds a frame."""
    tokens = iter(text.split())
    assert next(tokens) == "HIERARCHY"
    bones, stack = [], []
    for token in tokens:
        match token:
            case "ROOT" | "JOINT":
                bones.append(Bone(next(tokens), stack[-1] if stack else None))
                latest = bones[-1]
            case "End":
                latest = Bone(next(tokens), stack[-1])
            case "{":
                stack.append(latest)
            case "}":
                stack.pop()
            case "OFFSET":
                stack[-1].offset = np.array([float(next(tokens)) for _ in range(3)])
            case "CHANNELS":
                stack[-1].channels = [next(tokens) for _ in range(int(next(tokens)))]
            case "MOTION":
                break
            case _:
                raise AssertionError(token)
    assert not stack
    assert next(tokens) == "Frames:"
    frames = int(next(tokens))
    assert (next(tokens), next(tokens)) == ("Frame", "Time:")
    seconds = float(next(tokens))
    return bones, np.array([float(token) for token in tokens]).reshape(frames, -1), seconds


def turn(axis, degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, zero = np.ones_like(cos), np.zeros_like(cos)
    rows = {
        "X": [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]],
        "Y": [[cos, zero, sin], [zero, one, zero], [-sin, zero, cos]],
        "Z": [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]],
    }[axis]
    return np.moveaxis(np.array(rows), 2, 0)


def forward_kinematics(bones, motion):
    """Where each bone starts, (T, 3) by name."""
    rotations, places, column = {}, {}, 0
    for bone in bones:
        rotation, shift = np.eye(3)[None], np.zeros((len(motion), 3))
        for channel in bone.channels:
            values = motion[:, column]
            if channel.endswith("position"):
                shift[:, "XYZ".index(channel[0])] = values
            else:
                rotation = rotation @ turn(channel[0], values)
            column += 1
        if bone.parent is None:
            places[bone.name], rotations[bone.name] = bone.offset + shift, rotation
        else:
            parent = rotations[bone.parent.name]
            places[bone.name] = places[bone.parent.name] + (parent @ bone.offset) + shift
            rotations[bone.name] = parent @ rotation
    assert column == motion.shape[1]
    return places


BVH_NAMES = {
    **{"Hip": "Hips", "RHip": "RightUpLeg", "RKnee": "RightLeg", "RFoot": "RightFoot", "LHip": "LeftUpLeg"},
    **{"LKnee": "LeftLeg", "LFoot": "LeftFoot", "Spine": "Spine", "Thorax": "Chest", "Neck/Nose": "Neck1"},
    **{"Head": "Head", "LShoulder": "LeftArm", "LElbow": "LeftForeArm", "LWrist": "LeftHand"},
    **{"RShoulder": "RightArm", "RElbow": "RightForeArm", "RWrist": "RightHand"},
}


@pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("is_absolute", [True, False])
def test_forward_kinematics_of_the_bvh_gives_the_positions_back(tmp_path, skeleton, is_absolute):
    lifted = clip(skeleton, is_absolute=is_absolute, rigid=True)
    write_lifted(lifted, tmp_path / "out.bvh")
    bones, motion, seconds = parse_bvh((tmp_path / "out.bvh").read_text(encoding="utf-8"))
    assert (len(motion), seconds) == (FRAMES, 0.04)
    places = forward_kinematics(bones, motion)
    root_m = lifted.root_m[:, None] if is_absolute else 0
    expected_mm = (lifted.pose_m + root_m) * [1000, -1000, -1000]  # y up, z towards the camera
    found_mm = np.stack([places[BVH_NAMES[joint]] for joint in skeleton.joints], axis=1) * 10
    assert np.abs(found_mm - expected_mm).max() < 0.1


def test_bones_that_change_their_length_keep_their_direction(tmp_path):
    lifted = clip(is_absolute=False)
    write_lifted(lifted, tmp_path / "out.bvh")
    bones, motion, _ = parse_bvh((tmp_path / "out.bvh").read_text(encoding="utf-8"))
    places = forward_kinematics(bones, motion)
    for child, parent in H36M16.bones:
        found = places[BVH_NAMES[H36M16.joints[child]]] - places[BVH_NAMES[H36M16.joints[parent]]]
        true = (lifted.pose_m[:, child] - lifted.pose_m[:, parent]) * [1, -1, -1]
        cosine = (found * true).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(true, axis=-1)
        assert cosine.min() > 1 - 1e-6
        lengths = np.linalg.norm(true, axis=-1) * 100
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), np.median(lengths), atol=1e-3)


def test_a_bone_straight_back_and_a_right_angle_about_x_are_turned_too(tmp_path):
    lifted = clip(is_absolute=False, frames=6)
    pose_m = lifted.pose_m.astype(np.float64)
    knee, foot, hip = (H36M16.joints.index(joint) for joint in ("RKnee", "RFoot", "RHip"))
    down = np.array([0.0, 0.45, 0.0])  # in the camera's axes
    for t, direction in enumerate(([0, -1, 0], [0, 0, -1], [0, 0, 1]) * 2):  # the shank up, forwards, backwards
        pose_m[t, knee] = pose_m[t, hip] + down
        pose_m[t, foot] = pose_m[t, knee] + 0.45 * np.array(direction)
    lifted = replace(lifted, pose_m=pose_m)
    write_lifted(lifted, tmp_path / "out.bvh")
    bones, motion, _ = parse_bvh((tmp_path / "out.bvh").read_text(encoding="utf-8"))
    places = forward_kinematics(bones, motion)
    shank_cm = places["RightFoot"] - places["RightLeg"]
    np.testing.assert_allclose(shank_cm, [[0, 45, 0], [0, 0, 45], [0, 0, -45]] * 2, atol=1e-3)


def test_the_rest_pose_is_a_t_pose_facing_the_camera(tmp_path):
    write_lifted(clip(), tmp_path / "out.bvh")
    bones, motion, _ = parse_bvh((tmp_path / "out.bvh").read_text(encoding="utf-8"))
    rest = forward_kinematics(bones, np.zeros_like(motion[:1]))
    assert rest["Head"][0, 1] > rest["Chest"][0, 1] > rest["Hips"][0, 1] > rest["LeftFoot"][0, 1]
    assert rest["LeftHand"][0, 0] > rest["LeftArm"][0, 0] > 0 > rest["RightArm"][0, 0] > rest["RightHand"][0, 0]
    assert np.ptp([rest[name][0, 1] for name in ("LeftHand", "LeftArm", "Chest", "RightHand")]) < 1e-6


def test_beside_the_bvh_lies_what_it_is(tmp_path):
    write_lifted(without(clip(), 0, 1, FRAMES - 1), tmp_path / "out.bvh")
    about = json.loads((tmp_path / "out.bvh.json").read_text(encoding="utf-8"))
    assert (about["unit"], about["frame"]) == ("centimetre", "x right, y up, z towards the camera")
    assert (about["first_frame"], about["frames"], about["checkpoint_sha256"]) == (102, FRAMES - 3, "ab12")
    assert about["joint_of"]["RightLeg"] == "RKnee"


@pytest.mark.parametrize(
    ("lifted", "message"),
    [
        (without(clip(), 8, 9), r"out\.bvh: BVH cannot say that a frame is missing, and 2 are, the first at 108"),
        (replace(clip(), frames=np.arange(FRAMES) * 2), "BVH cannot say that a frame is missing"),
        (replace(clip(), about={"fps": None}), r"out\.bvh: a BVH file needs the frame rate"),
        (replace(clip(), root_m=np.full((FRAMES, 3), np.nan)), "the root's place is not known in frame 100"),
    ],
    ids=range(4),
)
def test_what_bvh_cannot_say_is_one_sentence_and_writes_nothing(tmp_path, lifted, message):
    with pytest.raises(InputError, match=message):
        write_lifted(lifted, tmp_path / "out.bvh")
    assert not list(tmp_path.iterdir())


def test_an_unknown_suffix_is_one_sentence(tmp_path):
    assert SUFFIXES == (".npz", ".json", ".csv", ".h5", ".bvh")
    with pytest.raises(InputError, match=r"out\.fbx: has the suffix '\.fbx', expected one of \.npz, \.json"):
        write_lifted(clip(), tmp_path / "out.fbx")
    with pytest.raises(InputError, match=r"poses are read from \.npz and \.h5"):
        next(read_lifted(tmp_path / "out.csv"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path, suffix):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="could not be written"):
        write_lifted(clip(), tmp_path / "file" / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_what_is_not_lifted_poses_is_not_read(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(InputError, match=r"not found\."):
        next(read_lifted(path))
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="is not a readable"):
        next(read_lifted(path))
    if suffix == ".npz":
        np.savez(path, a=np.zeros(3))
    else:
        with h5py.File(path, "w") as file:
            file["a"] = 1
    with pytest.raises(InputError, match="holds a, expected the output of `wsgcn lift`"):
        next(read_lifted(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_clip_gives_the_same_bytes(tmp_path, suffix):
    write_lifted(clip(), tmp_path / f"a{suffix}")
    write_lifted(clip(), tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


ODD_NAMES = {
    "empty": "",
    "dot": ".",
    "two dots": "..",
    "slash": "/",
    "slashes": "a//b",
    "NUL": "a\0b",
    "lone surrogate": "a\ud800b",
    "300 characters": 300 * "x",
    "line breaks": "a\nb\r=1",
    "formula": "=cmd|'/C calc'!A0",
    "formula behind a comma": 'x,=1+1;  @SUM(A1),"=2',
    "quotes": "\"'</script>",
}


@pytest.mark.parametrize("case", ODD_NAMES)
@pytest.mark.parametrize("suffix", [*SUFFIXES, ".html", ".parquet"])
def test_any_name_survives_or_is_one_sentence(tmp_path, suffix, case):
    """Of the person, of the pictures and of the source."""
    name = ODD_NAMES[case]
    lifted = replace(clip(names=(name,) * FRAMES), person=name)
    lifted = replace(lifted, about={**lifted.about, "source": name})
    path = tmp_path / f"out{suffix}"
    refusal = ""
    try:
        if suffix == ".html":
            write_viewer(path, [lifted_sequence(lifted, path)], title=name)
        elif suffix == ".parquet":
            with parquet.create(path, lifted.metadata, is_absolute=True) as writer:
                writer.add(name, lifted, {})
        else:
            write_lifted(lifted, path)
    except InputError as refused:
        refusal = str(refused)
    if refusal:
        assert (suffix, case) in {
            *((".h5", case) for case in ("empty", "dot", "slash", "slashes", "NUL", "lone surrogate")),
            (".parquet", "lone surrogate"),
        }
        assert refusal.startswith(f"{path}: ")
        assert refusal.isprintable()
        assert list(tmp_path.iterdir()) == []
        return
    match suffix:
        case ".npz" | ".h5":
            [read] = read_lifted(path)
            assert (read.person, read.names) == (name, lifted.names)
        case ".json":
            assert json.loads(path.read_text(encoding="utf-8"))["person"] == name
        case ".bvh":
            assert json.loads((tmp_path / "out.bvh.json").read_text(encoding="utf-8"))["person"] == name
        case ".parquet":
            assert set(parquet.pq.read_table(path)["person"].to_pylist()) == {name}
        case ".csv":
            lines = path.read_text(encoding="utf-8").splitlines()
            assert lines[-1].startswith(str(100 + FRAMES - 1))
            told = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("#"))
            assert json.loads(told["person"]) == json.loads(told["source"]) == name


@pytest.mark.parametrize("case", ODD_NAMES)
def test_no_cell_of_csv_begins_as_a_formula_unless_it_is_a_number(tmp_path, case):
    """The comments are rows to a spreadsheet too."""
    name = ODD_NAMES[case]
    lifted = replace(clip(names=(name,) * FRAMES), person=name)
    write_lifted(replace(lifted, about={**lifted.about, "source": name}), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            for cell in row:
                begin = cell.strip()[:1]
                is_number = cell.strip(" ]").replace(".", "").removeprefix("-").isdigit()
                assert is_number or not begin or begin not in "=+-@\t\r", (row, cell)
