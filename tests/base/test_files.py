import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wsgcn.base.errors import InputError
from wsgcn.base.files import atomic_folder, atomic_path, remove_abandoned, write_atomically

ROOT = Path(__file__).resolve().parents[2]

# A limit on the size of files stands in for a full disk: the write that crosses it fails in the same place. SIGXFSZ
# would end the process before the write could fail.
LIMITED = """
import resource, signal, sys
from pathlib import Path
from wsgcn.base.errors import InputError
from wsgcn.base.files import atomic_folder, atomic_path, write_atomically

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    {write}
except InputError as error:
    print(error)
    sys.exit(1)
"""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_limited(write: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LIMITED.format(write=write)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("content", ["für\n", b"\x00\xff" * 1000, "", b""])
def test_what_is_written_is_read(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "deeper" / "file.json"
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode("utf-8") if isinstance(content, str) else content)
    assert names_in(path.parent) == ["file.json"]


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "file"), "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file.json", "{}")
        assert os.umask(umask) == umask, "it is put back"
    finally:
        os.umask(before)
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == mode


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text("old")
    (tmp_path / "file.json").chmod(0o640)
    write_atomically(tmp_path / "file.json", "new")
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == 0o640


def test_the_temporary_file_lies_beside_the_target_and_keeps_its_suffix(tmp_path: Path) -> None:
    target = tmp_path / "poses.h5"
    with atomic_path(target) as temporary:
        assert temporary != target
        assert temporary.parent == target.parent
        assert temporary.suffix == ".h5"
        assert temporary.name.startswith(".")


def test_until_the_block_ends_a_reader_sees_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"half of the n"


def test_until_the_block_ends_a_new_file_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
    assert path.exists()


def test_a_reader_at_the_same_time_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    contents = {bytes([letter]) * 300_000 for letter in b"ab"}
    write_atomically(path, min(contents))
    seen: set[bytes] = set()
    done = threading.Event()

    def read_on() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        for _ in range(10):
            for content in sorted(contents):
                write_atomically(path, content)
    finally:
        done.set()
        reader.join()
    assert seen <= contents
    assert seen


def write_half_and_raise(path: Path, error: type[BaseException]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
@pytest.mark.parametrize("existed", [True, False])
def test_an_exception_leaves_the_old_file_and_no_temporary(
    error: type[BaseException], existed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file.bin"
    if existed:
        path.write_bytes(b"old")
    with pytest.raises(error):
        write_half_and_raise(path, error)
    assert names_in(tmp_path) == (["file.bin"] if existed else [])
    assert not existed or path.read_bytes() == b"old"


def test_an_input_error_of_the_block_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^h36m\.zip: is truncated\.$"), atomic_path(tmp_path / "poses.h5"):
        raise InputError("h36m.zip: is truncated.")
    assert names_in(tmp_path) == []


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    write = "with atomic_path('file.bin') as temporary: temporary.write_bytes(b'half'); import os; os._exit(9)"
    assert run_limited(write, tmp_path).returncode == 9
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    "write",
    [
        pytest.param("write_atomically('out/file.bin', b'x' * 1_000_000)", id="bytes"),
        pytest.param("write_atomically('out/file.bin', 'x' * 1_000_000)", id="text"),
        pytest.param(
            "with atomic_path('out/file.bin') as t, t.open('wb') as f: [f.write(b'x' * 1000) for _ in range(1000)]",
            id="in pieces",
        ),
    ],
)
@pytest.mark.parametrize("existed", [True, False])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(write: str, existed: bool, tmp_path: Path) -> None:
    path = tmp_path / "out" / "file.bin"
    path.parent.mkdir()
    if existed:
        path.write_bytes(b"old")
    result = run_limited(write, tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith("out/file.bin: could not be written (File too large)")
    assert names_in(path.parent) == (["file.bin"] if existed else [])
    assert not existed or path.read_bytes() == b"old"


def test_a_file_that_fits_is_written_under_the_same_limit(tmp_path: Path) -> None:
    result = run_limited("write_atomically('file.bin', b'x' * 100_000)", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "file.bin").stat().st_size == 100_000


def test_a_file_in_the_folders_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file")
    with pytest.raises(InputError, match=r"data/poses\.h5: could not be written \(") as caught:
        write_atomically(tmp_path / "data" / "poses.h5", b"new")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "data").read_bytes() == b"a file"


def test_a_folder_in_the_files_place_is_one_sentence_and_stays(tmp_path: Path) -> None:
    (tmp_path / "poses.h5").mkdir()
    with pytest.raises(InputError, match=r"poses\.h5: could not be written \(") as caught:
        write_atomically(tmp_path / "poses.h5", b"new")
    assert "\n" not in str(caught.value)
    assert names_in(tmp_path) == ["poses.h5"]


@pytest.mark.parametrize("is_relative", [True, False])
@pytest.mark.parametrize("links", [1, 3])
def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path, is_relative: bool, links: int) -> None:
    """The file lies in another folder, where the temporary one lies too: both folders then hold what they held."""
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    target = elsewhere / "target.json"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    last = target
    for number in range(links):
        link = here / f"{number}.json"
        link.symlink_to(Path("..") / last.relative_to(tmp_path) if is_relative else last)
        last = link
    with atomic_path(last) as temporary:
        assert temporary.parent == elsewhere
        assert temporary.suffix == ".json"
        temporary.write_text("new", encoding="utf-8")
        assert target.read_text(encoding="utf-8") == "old"
    assert target.read_text(encoding="utf-8") == "new"
    assert not target.is_symlink()
    assert all(path.is_symlink() for path in here.iterdir())
    assert target.stat().st_mode & 0o777 == 0o640
    assert names_in(elsewhere) == ["target.json"]
    assert names_in(here) == [f"{number}.json" for number in range(links)]


def test_a_link_whose_writing_fails_leaves_its_file_as_it_was(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)

    def broken_off() -> None:
        with atomic_path(link) as temporary:
            temporary.write_text("part", encoding="utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert target.read_text(encoding="utf-8") == "old"
    assert names_in(tmp_path) == ["link", "target"]


@pytest.mark.parametrize(
    ("leads_to", "said"),
    [
        ("nothing", "is a symbolic link to nothing, where nothing is; remove it to write a file."),
        ("folder", "is a symbolic link to {folder}/folder, a folder; expected one to a file."),
        ("pipe", "is a symbolic link to {folder}/pipe, a pipe, socket or device; expected one to a file."),
        ("link", "could not be written (Too many levels of symbolic links); what stood there before is untouched."),
    ],
)
def test_a_link_to_what_is_no_file_is_one_sentence(tmp_path: Path, leads_to: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    link = tmp_path / "link"
    link.symlink_to(leads_to)
    before = names_in(tmp_path)
    with pytest.raises(InputError) as refused:
        write_atomically(link, "new")
    assert str(refused.value) == f"{link}: {said.format(folder=tmp_path.resolve())}"
    assert names_in(tmp_path) == before
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe, socket or device, expected a file to replace"):
        write_atomically(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
@pytest.mark.parametrize("cache", [".dvc/cache/files/md5", "shared/cache/files/md5", ".dvc/cache"])
def test_a_link_of_dvcs_into_its_cache_gives_way_and_the_cache_stays(tmp_path: Path, kind: str, cache: str) -> None:
    cached = tmp_path / cache / "5d" / "41402abc4b2a76b9719d911017c592"
    cached.parent.mkdir(parents=True)
    cached.write_text("hello", encoding="utf-8")
    cached.chmod(0o444)
    out = tmp_path / "weak.pt"
    out.symlink_to(cached) if kind == "symlink" else out.hardlink_to(cached)
    write_atomically(out, "new")
    assert not out.is_symlink()
    assert out.read_text(encoding="utf-8") == "new"
    assert cached.read_text(encoding="utf-8") == "hello"
    assert names_in(cached.parent) == [cached.name]


def test_a_file_in_the_place_of_a_link_into_the_cache_may_be_written(tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "files" / "md5" / "5d" / "41402abc4b2a76b9719d911017c592"
    cached.parent.mkdir(parents=True)
    cached.write_text("hello", encoding="utf-8")
    cached.chmod(0o444)
    (tmp_path / "out").symlink_to(cached)
    write_atomically(tmp_path / "out", "new")
    assert (tmp_path / "out").stat().st_mode & 0o200


KILLED = {
    "file.bin": "with atomic_path('file.bin') as temporary: temporary.write_bytes(b'half'); import os; os._exit(9)",
    "no suffix": "with atomic_path('no suffix') as temporary: temporary.write_bytes(b'half'); import os; os._exit(9)",
    "folder": "with atomic_folder('folder') as new: (new / 'a').write_bytes(b'half'); import os; os._exit(9)",
}


@pytest.mark.parametrize("name", KILLED)
def test_what_a_killed_writer_left_is_removed_and_nothing_else(name: str, tmp_path: Path) -> None:
    others = [".file-backup01.bin", ".other-abcdefgh.part.bin", "file-abcdefgh.part.bin", ".file-abcdefghi.part.bin"]
    for other in others:
        (tmp_path / other).write_bytes(b"of somebody else")
    assert run_limited(KILLED[name], tmp_path).returncode == 9
    assert len(names_in(tmp_path)) == len(others) + 1
    remove_abandoned(tmp_path, [name])
    assert names_in(tmp_path) == sorted(others)


def test_what_a_living_writer_is_writing_stays(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "file.bin") as temporary, atomic_folder(tmp_path / "folder") as new:
        temporary.write_bytes(b"new")
        (new / "a").write_bytes(b"new")
        remove_abandoned(tmp_path)
    assert names_in(tmp_path) == ["file.bin", "folder"]


def test_all_that_was_left_is_removed_where_no_name_is_given(tmp_path: Path) -> None:
    for write in KILLED.values():
        run_limited(write, tmp_path)
    assert len(names_in(tmp_path)) == 3
    remove_abandoned(tmp_path)
    assert names_in(tmp_path) == []
    remove_abandoned(tmp_path / "no folder")


def test_a_folder_takes_the_place_of_the_old_one_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "folder"
    for content in ("first", "second"):
        with atomic_folder(path) as new:
            assert not list(new.iterdir())
            (new / content).write_text(content)
            assert not (path / content).exists()
        assert names_in(path) == [content]
    assert names_in(path.parent) == ["folder"]


def test_an_exception_leaves_the_old_folder_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path) as new:
        (new / "old").write_text("old")

    def broken_off() -> None:
        with atomic_folder(path) as new:
            (new / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert (names_in(tmp_path), names_in(path)) == (["folder"], ["old"])


def test_a_full_disk_is_one_sentence_and_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    result = run_limited("with atomic_folder('folder') as new: (new / 'a').write_bytes(b'x' * 1_000_000)", tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("folder: could not be written (File too large)")
    assert names_in(tmp_path) == ["folder"]
