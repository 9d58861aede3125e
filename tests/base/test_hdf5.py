"""Files that point at other files or declare more than they hold: each ends in one sentence, and nothing is opened.

What once ended the process or never came back is read in a child process, with limits on its time and memory.
"""

import io
import os
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from tests.memory import PEAK_BYTES
from wsgcn.base.errors import InputError
from wsgcn.base.hdf5 import ForeignHdf5
from wsgcn.captures.human36m.cameras import SERIALS
from wsgcn.captures.human36m.mat import decode_mat
from wsgcn.captures.layouts import find_capture
from wsgcn.detections.hourglass import open_pretrained
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.writers import h5
from wsgcn.pose.skeleton import H36M16
from wsgcn.pose.store import Detections, Poses, Sequence2D, create_detections, create_poses

ROOT = Path(__file__).resolve().parents[2]
SECRET = 8242.0
GIB = 1024**3
MANY = 2**36  # numbers

Build = Callable[[h5py.File, str, Path], None]


def secret(folder: Path) -> Path:
    """A file that none of the others may bring to light, as raw numbers and as HDF5."""
    (folder / "secret.raw").write_bytes(np.full(96 * 50, SECRET).tobytes())
    with h5py.File(folder / "secret.h5", "w") as file:
        file["x"] = np.full((96, 50), SECRET)
    return folder


def external_storage(file: h5py.File, name: str, folder: Path) -> None:
    raw = str(secret(folder) / "secret.raw")
    file.create_dataset(name, shape=(96, 50), dtype="f8", external=[(raw, 0, h5py.h5f.UNLIMITED)])


def external_link(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = h5py.ExternalLink(str(secret(folder) / "secret.h5"), "/x")


def soft_link(file: h5py.File, name: str, folder: Path) -> None:
    file["other"] = np.zeros((96, 5))
    file[name] = h5py.SoftLink("/other")


def soft_link_to_an_external_one(file: h5py.File, name: str, folder: Path) -> None:
    file["away"] = h5py.ExternalLink(str(secret(folder) / "secret.h5"), "/")
    file[name] = h5py.SoftLink("/away/x")


def virtual(source: str) -> Build:
    def build(file: h5py.File, name: str, folder: Path) -> None:
        layout = h5py.VirtualLayout(shape=(96, 50), dtype="f8")
        elsewhere = str(secret(folder) / "secret.h5") if source == "path" else source
        layout[:] = h5py.VirtualSource(elsewhere, "x", shape=(96, 50))
        file["x"] = np.zeros((96, 50))
        file.create_virtual_dataset(name, layout)

    return build


def virtual_without_end(file: h5py.File, name: str, folder: Path) -> None:
    """Its shape is that of its source, which is opened to tell it."""
    layout = h5py.VirtualLayout(shape=(96, 50), maxshape=(96, None), dtype="f8")
    source = h5py.VirtualSource(str(secret(folder) / "secret.h5"), "x", shape=(96, 50), maxshape=(96, None))
    layout[:, 0 : h5py.h5s.UNLIMITED] = source[:, 0 : h5py.h5s.UNLIMITED]
    file.create_virtual_dataset(name, layout)


def unwritten(file: h5py.File, name: str, folder: Path) -> None:
    file.create_dataset(name, shape=(96, MANY), dtype="f8")


def unwritten_chunks(file: h5py.File, name: str, folder: Path) -> None:
    file.create_dataset(name, shape=(96, MANY), dtype="f8", chunks=(96, 10), compression="gzip")[0, 0] = 1


def giant_chunk(file: h5py.File, name: str, folder: Path) -> None:
    dataset = file.create_dataset(name, shape=(96, 5), maxshape=(96, None), dtype="f8", chunks=(96, 5 * 10**6))
    assert dataset.id.get_storage_size() == 0


def chunk(file: h5py.File, name: str, packed: bytes, rows: int, **options: object) -> None:
    dataset = file.create_dataset(name, shape=(96, rows), dtype="f8", chunks=(96, rows), compression="gzip", **options)
    dataset.id.write_direct_chunk((0, 0), packed)


@cache
def zeros(megabytes: int, before: bytes = b"") -> bytes:
    """Zeros, deflated. A block of them is packed once and repeated, so that the checksum at the end is wrong."""
    deflate = zlib.compressobj()
    start = deflate.compress(before) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(10**6)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return start + block * megabytes + deflate.flush()


def inflating_chunk(file: h5py.File, name: str, folder: Path) -> None:
    """A chunk of 4 kB that inflates to 400 MB; libhdf5 goes to the end before it compares."""
    chunk(file, name, zeros(400), 5)


def inflating_shape(file: h5py.File, name: str, folder: Path) -> None:
    """384 MB of zeros, as declared."""
    chunk(file, name, zeros(384), 500_000)


def variable_length(file: h5py.File, name: str, folder: Path) -> None:
    file.create_dataset(name, data=["a", "b"], dtype=h5py.string_dtype())


def variable_numbers(file: h5py.File, name: str, folder: Path) -> None:
    file.create_dataset(name, shape=(2,), dtype=h5py.vlen_dtype(np.float64))[0] = [1.0, 2.0]


def compound(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = np.zeros(3, dtype=[("x", "f8"), ("y", "i4")])


def reference(file: h5py.File, name: str, folder: Path) -> None:
    file.create_dataset(name, data=[file.ref, file.ref], dtype=h5py.ref_dtype)


def group(file: h5py.File, name: str, folder: Path) -> None:
    file.create_group(name)["x"] = np.zeros((96, 5))


def named_type(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = np.dtype("f8")


def cyclic(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = file["/"]


def nothing_in_it(file: h5py.File, name: str, folder: Path) -> None:
    file[name] = h5py.Empty("f8")


def other_filter(file: h5py.File, name: str, folder: Path) -> None:
    file.create_dataset(name, data=np.zeros((96, 5)), compression="lzf")


HOSTILE: dict[str, tuple[Build, str]] = {
    "external storage": (external_storage, r"keeps its numbers in .*secret\.raw \(external storage\)"),
    "external link": (external_link, r"is an external link to /x in .*secret\.h5, which is not followed"),
    "soft link": (soft_link, r"is a soft link to /other, which is not followed"),
    "soft link to an external one": (soft_link_to_an_external_one, r"is a soft link to /away/x"),
    "virtual, of a path": (virtual("path"), "is a virtual dataset"),
    "virtual, of itself": (virtual("."), "is a virtual dataset"),
    "virtual, without end": (virtual_without_end, "is a virtual dataset"),
    "never written": (unwritten, r"declares 52,776,558,133,248 bytes and stores 0"),
    "hardly written": (unwritten_chunks, r"declares 52,776,558,133,248 bytes and stores \d+,"),
    "giant chunk": (giant_chunk, r"declares 3,840,000,000 bytes and stores 0"),
    "inflating chunk": (inflating_chunk, r"has a chunk that inflates to more than its 3,840 bytes"),
    "inflating shape": (inflating_shape, r"declares 384,000,000 bytes and stores .*up to 268,435,456 are read"),
    "variable length": (variable_length, "holds an array of object"),
    "variable numbers": (variable_numbers, "holds an array of object"),
    "compound": (compound, r"holds an array of \[\('x', '<f8'\)"),
    "reference": (reference, "holds an array of object"),
    "group": (group, "has no dataset"),
    "named type": (named_type, "is a named datatype"),
    "cyclic": (cyclic, "is the same object as the root"),
    "empty": (nothing_in_it, "is empty"),
    "another filter": (other_filter, "is packed with the filters lzf; only gzip is read"),
}


def hostile(kind: str, name: str, folder: Path) -> bytes:
    path = folder / "hostile.h5"
    with h5py.File(path, "w") as file:
        HOSTILE[kind][0](file, name, folder)
    return path.read_bytes()


def said(error: InputError) -> str:
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return str(error)


# Each is read by a child of its own: some once ended the process, or took all of the memory.
CHILD = (
    PEAK_BYTES
    + """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from wsgcn.base.errors import InputError
from wsgcn.base.hdf5 import ForeignHdf5
for path in map(Path, sys.argv[1:]):
    for content in (path, path.read_bytes()):
        try:
            with ForeignHdf5(content, path) as file:
                print(path, "was read:", file.read("a/x").max())
        except InputError as error:
            print(error)
print("peak of", peak_bytes() // 2**20, "MB")
"""
)


def child(code: str, *arguments: object) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_hostile_datasets_are_one_sentence_each_from_a_path_and_from_memory(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"{kind.replace(' ', '_').replace(',', '')}.h5" for kind in HOSTILE}
    for kind, path in paths.items():
        path.write_bytes(hostile(kind, "a/x", tmp_path))
    *sentences, peak = child(CHILD, *paths.values())
    assert len(sentences) == 2 * len(paths)
    for (kind, path), from_path, from_memory in zip(paths.items(), sentences[::2], sentences[1::2], strict=True):
        assert re.match(rf"{path}: .*{HOSTILE[kind][1]}", from_path)
        assert from_path == from_memory
        assert len(from_path) < 500
    assert int(peak.split()[2]) < 150


def test_a_group_that_is_a_link_is_refused_on_the_way(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["away"] = h5py.ExternalLink(str(secret(tmp_path) / "secret.h5"), "/")
    with ForeignHdf5(tmp_path / "a.h5", "a.h5") as file:
        assert file.names() == ["away"]
        for ask in (file.read, file.holds, file.is_dataset):
            with pytest.raises(InputError, match=r"^a\.h5: away: is an external link to / in .*secret\.h5"):
                ask("away/x")
        with pytest.raises(InputError, match="is an external link"):
            list(file.groups_with("x"))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    code = """
import sys
from pathlib import Path
from wsgcn.base.errors import InputError
from wsgcn.base.hdf5 import ForeignHdf5
from wsgcn.pose.store import Detections
from wsgcn.lifting.writers import h5
from wsgcn.rendering.lifted_files import is_lifted
path = Path(sys.argv[1])
assert not is_lifted(path)
for read in (lambda: ForeignHdf5(path, path), lambda: Detections(path), lambda: next(h5.read(path))):
    try:
        read()
    except InputError as error:
        print(error)
"""
    expected = f"{tmp_path / 'pipe.h5'}: is no regular file, expected an HDF5 file."
    assert child(code, tmp_path / "pipe.h5") == [expected] * 3


# Groups


def test_hard_links_in_circles_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/b/c"] = 1
        file["a/b/back"] = file["a"]
    with (
        ForeignHdf5(tmp_path / "a.h5", "a.h5") as file,
        pytest.raises(InputError, match=r"a/b/back: is the same object as a, by a second link"),
    ):
        list(file.groups_with("pose_m"))


def test_one_group_under_a_million_paths_is_refused(tmp_path: Path) -> None:
    """A thousand links to one group in each of three levels."""
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.attrs.update({"content": "detections", "source": "x", "joints": ["a"]})
        below = file.create_group("end")
        below["keypoints_px"] = np.zeros((1, 1, 2))
        for level in range(2):
            above = file.create_group(f"level{level}")
            for number in range(1000):
                above[f"{number}"] = below
            below = above
        for number in range(1000):
            file[f"S{number}"] = below
        for name in ("end", "level0", "level1"):
            del file[name]
    with pytest.raises(InputError, match="is the same object as S0/0"):
        open_keypoints(tmp_path / "d.h5")


def test_groups_nested_without_end_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("/".join(["g"] * 500))
    with (
        ForeignHdf5(tmp_path / "a.h5", "a.h5") as file,
        pytest.raises(InputError, match="deeper than 32 groups") as caught,
    ):
        list(file.groups_with("x"))
    said(caught.value)


# Attributes


def with_attribute(folder: Path, write: Callable[[h5py.File], None], libver: str = "earliest") -> Path:
    with h5py.File(folder / "a.h5", "w", libver=libver) as file:
        write(file)
    return folder / "a.h5"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.zeros(3, dtype=[("x", "f8")]), "holds .*, expected numbers or text"),
        (h5py.Empty("f8"), "holds float64, expected numbers or text"),
        (np.zeros(200_000), "declares 1,600,000 bytes, more than 1,048,576"),
    ],
)
def test_an_attribute_of_another_kind_is_one_sentence(value: object, sentence: str, tmp_path: Path) -> None:
    path = with_attribute(tmp_path, lambda file: file.attrs.create("content", value), "latest")
    with ForeignHdf5(path, "a.h5") as file:
        for ask in (lambda: file.attribute("content"), file.attributes):
            with pytest.raises(InputError, match=rf"^a\.h5: the attribute content {sentence}"):
                ask()
    with pytest.raises(InputError, match="the attribute content"):
        Detections(path)


def test_attributes_without_number_are_refused(tmp_path: Path) -> None:
    path = with_attribute(tmp_path, lambda file: file.attrs.update({f"a{number}": 1 for number in range(300)}))
    with ForeignHdf5(path, "a.h5") as file, pytest.raises(InputError, match="has more than 256 attributes"):
        file.attributes()


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
@pytest.mark.parametrize("others", [0, 20], ids=["few", "many"])  # many are stored elsewhere
def test_attributes_come_back_as_they_were_written(libver: str, others: int, tmp_path: Path) -> None:
    values = {"content": "poses", "joints": ["Hip", "Knée"], "fps": 50.0, "ok": True, "sizes": [1, 2], "none": ""}
    values |= {f"other{number}": "text" for number in range(others)}
    path = with_attribute(tmp_path, lambda file: file.attrs.update(values), libver)
    for source in (path, path.read_bytes()):
        with ForeignHdf5(source, "a.h5") as file:
            assert file.attributes() == values
            assert file.attribute("nowhere") is None


def test_text_of_fixed_length_is_text_too(tmp_path: Path) -> None:
    values = {"content": np.bytes_(b"poses"), "joints": np.array([b"Hip", b"Knee"])}
    path = with_attribute(tmp_path, lambda file: file.attrs.update(values))
    with ForeignHdf5(path, "a.h5") as file:
        assert file.attributes() == {"content": "poses", "joints": ["Hip", "Knee"]}


TEXTS = (
    PEAK_BYTES
    + """
import sys
from pathlib import Path
from wsgcn.base.errors import InputError
from wsgcn.base.hdf5 import ForeignHdf5
for content in (Path(sys.argv[1]), Path(sys.argv[1]).read_bytes()):
    try:
        with ForeignHdf5(content, "a.h5") as file:
            print(getattr(file, sys.argv[2])(sys.argv[3]))
    except InputError as error:
        print(error)
print(peak_bytes() // 2**20)
"""
)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("ask", ["attribute", "read_texts"])
def test_a_text_that_declares_gigabytes_costs_nothing(ask: str, libver: str, tmp_path: Path) -> None:
    """Four bytes say how long it is; libhdf5 takes and clears as much memory before it looks for the text."""
    text = "x" * 77

    def write(file: h5py.File) -> None:
        file.attrs["content"] = text
        file.create_dataset("names", data=[text], dtype=h5py.string_dtype())

    path = with_attribute(tmp_path, write, libver)
    content = path.read_bytes()
    heap = struct.pack("<Q", content.index(b"GCOL"))
    assert content.count(struct.pack("<I", 77) + heap) == 2
    path.write_bytes(content.replace(struct.pack("<I", 77) + heap, struct.pack("<I", 2**32 - 16) + heap))
    if libver == "latest":  # its checksum tells it as well, and either sentence will do
        expected = r"a\.h5.*(declares texts|is not a readable HDF5 file)"
    else:
        expected = rf"a\.h5.* declares texts of 4,294,967,280 bytes in a file of {len(content):,}"
    *sentences, peak = child(TEXTS, path, ask, "content" if ask == "attribute" else "names")
    for sentence in sentences:
        assert re.match(expected, sentence)
    assert int(peak) < 150


@pytest.mark.parametrize("ask", ["attribute", "read_texts", "read"])
def test_a_heap_with_a_free_space_of_nothing_ends(ask: str, tmp_path: Path) -> None:
    """libhdf5 steps over it by 0 bytes, again and again."""

    def write(file: h5py.File) -> None:
        file.attrs["content"] = "poses"
        file.create_dataset("names", data=["poses"], dtype=h5py.string_dtype())
        virtual(".")(file, "virtual", tmp_path)

    path = with_attribute(tmp_path, write)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    free = heap + 16
    while index := content[free]:  # behind what is in it
        assert index < 4
        free += 16 + -(-struct.unpack_from("<Q", content, free + 8)[0] // 8) * 8
    assert struct.unpack_from("<Q", content, free + 8) == (4096 - (free - heap),)
    content[free + 8 : free + 16] = bytes(8)
    path.write_bytes(content)
    *sentences, _ = child(TEXTS, path, ask, {"attribute": "content", "read_texts": "names", "read": "virtual"}[ask])
    assert len(sentences) == 2
    for sentence in sentences:
        assert re.match(r"a\.h5: is not a readable HDF5 file, truncated or damaged \(its global heap at", sentence)


def test_one_text_named_a_thousand_times_is_refused(tmp_path: Path) -> None:
    """A thousand elements that share one text of 100 kB."""
    text = "x" * 100_000

    def write(file: h5py.File) -> None:
        file.create_dataset("names", data=[text] + ["y"] * 999, dtype=h5py.string_dtype())

    path = with_attribute(tmp_path, write)
    with h5py.File(path) as file:
        start = file["names"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[start : start + 16_000] = content[start : start + 16] * 1000
    path.write_bytes(content)
    with (
        ForeignHdf5(path, "a.h5") as file,
        pytest.raises(InputError, match="names declares texts of 200,000 bytes in a file"),
    ):
        file.read_texts("names")


# What honest files do


def test_compressed_checksummed_and_shuffled_data_are_read_and_in_slices(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(1000, 16, 2)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, options in {
            "plain": {},
            "chunks": {"chunks": (64, 16, 2)},
            "all": {"chunks": (64, 16, 2), "compression": "gzip", "shuffle": True, "fletcher32": True},
            "sums": {"fletcher32": True},
        }.items():
            file.create_dataset(name, data=numbers, **options)
        file["flags"] = numbers[:, 0] > 0
        file["nobody"] = np.zeros((0, 16, 2))
    for source in (tmp_path / "a.h5", (tmp_path / "a.h5").read_bytes()):
        with ForeignHdf5(source, "a.h5") as file:
            for name in ("plain", "chunks", "all", "sums"):
                np.testing.assert_array_equal(file.read(name), numbers)
                np.testing.assert_array_equal(file.dataset(name).read(slice(60, 70)), numbers[60:70])
            assert file.read("flags").dtype == bool
            assert file.read("nobody").shape == (0, 16, 2)


def test_hours_of_nothing_in_few_bytes_are_read(tmp_path: Path) -> None:
    """An hour without anybody, which deflate packs by a factor of a thousand."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "x", data=np.full((180_000, 17, 3), np.nan, np.float32), compression="gzip", chunks=(1024, 17, 3)
        )
    assert (tmp_path / "a.h5").stat().st_size < 400_000
    with ForeignHdf5(tmp_path / "a.h5", "a.h5") as file:
        assert np.isnan(file.read("x")).all()


# Through the readers


@pytest.mark.parametrize(
    "kind", ["external storage", "external link", "virtual, of a path", "inflating chunk", "never written"]
)
def test_a_hostile_member_of_h36m_zip_is_refused_by_both_readers(kind: str, tmp_path: Path) -> None:
    def read_3d(archive: Path) -> None:
        [recording] = find_capture(archive).recordings()
        recording.read()

    def read_2d(archive: Path) -> None:
        list(open_pretrained(archive).sequences(lambda *_: True))

    for name, dataset, read in (
        ("S1/MyPoses/3D_positions/Eating.h5", "3D_positions", read_3d),
        (f"S1/StackedHourglass/Eating.{SERIALS[0]}.h5", "poses", read_2d),
    ):
        archive = tmp_path / "h36m.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(f"h36m/{name}", hostile(kind, dataset, tmp_path))
        with pytest.raises(InputError, match=rf"^{archive}: h36m/{name}: .*{HOSTILE[kind][1]}"):
            read(archive)


def detections(folder: Path, replace: Callable[[h5py.File, str], None]) -> Path:
    path = folder / "detections.h5"
    with create_detections(path, "x", "whatever", H36M16.joints) as writer:
        writer.add(Sequence2D("S9", "Eating", SERIALS[0], np.ones((5, 16, 2), np.float32), np.ones((5, 16))))
    with h5py.File(path, "a") as file:
        replace(file, f"S9/Eating/{SERIALS[0]}")
    return path


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", ["keypoints_px", "confidence"])
def test_hostile_detections_are_refused_whole_and_in_slices(kind: str, name: str, tmp_path: Path) -> None:
    def replace(file: h5py.File, place: str) -> None:
        del file[f"{place}/{name}"]
        HOSTILE[kind][0](file, f"{place}/{name}", tmp_path)

    with Detections(detections(tmp_path, replace)) as file:
        for frames in (None, 2):
            with pytest.raises(InputError, match=HOSTILE[kind][1]) as caught:
                list(file.slices("S9", "Eating", SERIALS[0], frames))
            said(caught.value)


@pytest.mark.parametrize(
    ("replace", "sentence"),
    [
        (
            lambda file, place: file.move("S9", " nobody"),
            r"is HDF5, but not detections of this project \(it has nobody\)",
        ),
        (lambda file, place: file.attrs.__delitem__("joints"), "has no joints, expected a list of names"),
        (lambda file, place: file.attrs.__setitem__("joints", 5), "has no joints, expected a list of names"),
        (lambda file, place: file[place].move("confidence", "keypoints"), None),
    ],
)
def test_detections_that_lack_something_are_one_sentence(
    replace: Callable[[h5py.File, str], None], sentence: str | None, tmp_path: Path
) -> None:
    path = detections(tmp_path, replace)
    if sentence is None:
        assert [person.name for person in open_keypoints(path).people] == [f"S9/Eating/{SERIALS[0]}"]
        return
    with pytest.raises(InputError, match=rf"^{path}: {sentence}"):
        open_keypoints(path)


def test_lengths_of_keypoints_and_confidence_that_differ_are_one_sentence(tmp_path: Path) -> None:
    def replace(file: h5py.File, place: str) -> None:
        del file[f"{place}/confidence"]
        file[f"{place}/confidence"] = np.ones((4, 16))

    with (
        Detections(detections(tmp_path, replace)) as file,
        pytest.raises(InputError, match="has keypoints and confidence of different shapes"),
    ):
        file.sequence("S9", "Eating", SERIALS[0])


def test_a_camera_of_other_parameters_is_one_sentence(tmp_path: Path) -> None:
    def replace(file: h5py.File, place: str) -> None:
        file.create_group(f"cameras/S9/{SERIALS[0]}").attrs["__class__"] = 1.0

    file = open_keypoints(detections(tmp_path, replace))
    with pytest.raises(InputError, match=rf"cameras/S9/{SERIALS[0]} has not a camera's parameters: width_px"):
        file.track(f"S9/Eating/{SERIALS[0]}")


def test_poses_by_an_external_link_are_refused(tmp_path: Path) -> None:
    with create_poses(tmp_path / "poses.h5", ["Eating"]) as writer:
        writer.add("S1", "Eating", np.zeros((3, 17, 3)), "Eating", 50.0)
    with h5py.File(tmp_path / "poses.h5", "a") as file:
        del file["S1/Eating/positions_m"]
        external_link(file, "S1/Eating/positions_m", tmp_path)
    with Poses(tmp_path / "poses.h5") as poses, pytest.raises(InputError, match="is an external link"):
        poses.positions_m("S1", "Eating")


def test_lifted_poses_by_an_external_link_are_refused(tmp_path: Path) -> None:
    with h5.create(tmp_path / "lifted.h5", {"format": "wsgcn lifted pose 1"}):
        pass
    with h5py.File(tmp_path / "lifted.h5", "a") as file:
        external_link(file, "7", tmp_path)
    with pytest.raises(InputError, match=r"lifted\.h5: 7: is an external link"):
        list(h5.read(tmp_path / "lifted.h5"))


# MATLAB


def mat5(value: object, **options: object) -> bytes:
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = value
    content = io.BytesIO()
    scipy.io.savemat(content, {"other": np.zeros(3), "data": cell}, **options)
    return content.getvalue()


def test_only_the_wanted_variable_of_a_mat5_file_is_read() -> None:
    positions = np.random.default_rng(0).normal(size=(4, 96))
    for compressed in (True, False):
        content = mat5(positions, do_compression=compressed)
        np.testing.assert_array_equal(decode_mat(content, "x.mat").reshape(4, 96), positions)


@pytest.mark.parametrize("value", [{"a": 1}, "text", np.array([["x"]], dtype=object)], ids=["struct", "text", "cell"])
def test_a_mat5_cell_of_anything_but_numbers_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^x\.mat: has no 1x1 cell named data\.$"):
        decode_mat(mat5(value), "x.mat")


def test_a_mat5_file_that_declares_more_than_it_holds_is_refused() -> None:
    content = mat5(np.zeros((7, 96)))
    shape = struct.pack("<2i", 7, 96)
    assert content.count(shape) == 1
    for frames in (2**31 - 1, 8, 6):
        with pytest.raises(InputError, match=r"^x\.mat: is not a readable MATLAB file, truncated or damaged"):
            decode_mat(content.replace(shape, struct.pack("<2i", frames, 96)), "x.mat")


def test_a_mat5_variable_that_inflates_without_end_is_refused_without_the_memory() -> None:
    content = mat5(np.zeros((4, 96)), do_compression=False)
    start = content.index(b"data") - 44  # the tag of the matrix, whose name it is
    packed = zeros(400, content[start:])
    content = content[:start] + struct.pack("<2I", 15, len(packed)) + packed
    assert len(content) < 500_000
    tracemalloc.start()
    with pytest.raises(InputError, match=r"^x\.mat: data inflates from 39.* bytes to more than 268,435,456"):
        decode_mat(content, "x.mat")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * GIB


def mat73(folder: Path, write: Callable[[h5py.File], object]) -> bytes:
    with h5py.File(folder / "m.mat", "w", userblock_size=512) as file:
        target = write(file)
        file.create_dataset("data", data=[[target.ref]], dtype=h5py.ref_dtype)
    return b"MATLAB 7.3 MAT-file" + (folder / "m.mat").read_bytes()[19:]


@pytest.mark.parametrize("kind", ["external storage", "never written", "hardly written", "compound", "inflating chunk"])
def test_a_hostile_array_in_a_matlab_7_3_cell_is_refused(kind: str, tmp_path: Path) -> None:
    def write(file: h5py.File) -> object:
        HOSTILE[kind][0](file, "a/x", tmp_path)
        return file["a/x"]

    with pytest.raises(InputError, match=rf"^x\.mat: .*{HOSTILE[kind][1]}"):
        decode_mat(mat73(tmp_path, write), "x.mat")


def test_a_matlab_7_3_cell_of_a_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^x\.mat: has no 1x1 cell named data\.$"):
        decode_mat(mat73(tmp_path, lambda file: file.create_group("a")), "x.mat")
