import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.containers.archives import has_member, iter_tar, iter_zip

_NOISE = np.random.default_rng(0).bytes(40_000)  # does not compress, so that a cut anywhere cuts a member
_FILES = {"S1/b.cdf": _NOISE, "S1/a.cdf": b"first", "S1/notes.txt": b"notes", "S5/empty.cdf": b""}


def _tar(path: Path, files: dict[str, bytes], mode: str = "w:gz", links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _read(path: Path) -> list[tuple[str, bytes]]:
    return list(iter_tar(path) if ".t" in path.name else iter_zip(path))


@pytest.mark.parametrize(("name", "mode"), [("x.tgz", "w:gz"), ("x.tar.gz", "w:gz"), ("x.tar", "w")])
def test_a_tar_gives_its_files_in_its_order(tmp_path: Path, name: str, mode: str) -> None:
    assert list(iter_tar(_tar(tmp_path / name, _FILES, mode))) == list(_FILES.items())


def test_a_zip_gives_its_files_sorted_by_name(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", {"S1/": b"", **_FILES})
    assert list(iter_zip(path)) == sorted(_FILES.items())


def test_only_the_wanted_members_are_given(tmp_path: Path) -> None:
    def is_text(name: str) -> bool:
        return name.endswith(".txt")

    assert list(iter_tar(_tar(tmp_path / "x.tgz", _FILES), is_text)) == [("S1/notes.txt", b"notes")]
    assert list(iter_zip(_zip(tmp_path / "x.zip", _FILES), is_text)) == [("S1/notes.txt", b"notes")]


def test_nothing_is_written_beside_an_archive(tmp_path: Path) -> None:
    path = _tar(tmp_path / "x.tgz", _FILES)
    list(iter_tar(path))
    assert list(tmp_path.iterdir()) == [path]


def test_links_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    path = _tar(tmp_path / "x.tgz", {"a": b"content"}, links={"passwords": "/etc/passwd", "again": "a"})
    assert list(iter_tar(path)) == [("a", b"content")]


def test_links_in_a_zip_are_passed_over(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("passwords")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a", b"content")
    assert list(iter_zip(tmp_path / "x.zip")) == [("a", b"content")]


@pytest.mark.parametrize("name", ["/etc/S1.cdf", "../S1.cdf", "S1/../../S5.cdf", "S1\\..\\S5.cdf", "C:\\S1.cdf", ".."])
def test_a_member_that_points_outside_is_refused_naming_archive_and_member(tmp_path: Path, name: str) -> None:
    files = {"S1/a.cdf": b"first", name: b"second"}
    for path in (_tar(tmp_path / "bad.tgz", files), _zip(tmp_path / "bad.zip", files)):
        with pytest.raises(InputError) as caught:
            _read(path)
        assert str(caught.value).startswith(f"{path}: the member {name!r} points outside the archive")
        with pytest.raises(InputError, match="points outside the archive"):
            list(iter_tar(path, lambda _: False) if path.suffix == ".tgz" else iter_zip(path, lambda _: False))


def test_names_with_dots_in_them_are_fine(tmp_path: Path) -> None:
    files = {"./S1/Eating 2..cdf": b"1", "...": b"2"}
    assert dict(iter_tar(_tar(tmp_path / "x.tgz", files))) == files
    assert dict(iter_zip(_zip(tmp_path / "x.zip", files))) == files


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["cut.tgz", "cut.tar", "cut.zip"])
def test_a_truncated_archive_is_one_sentence_naming_the_file(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    files = {**_FILES, "last": _NOISE}
    if name == "cut.zip":
        _zip(path, files)
    else:
        # Python's tar pads with kilobytes of zeros, whose loss loses nothing
        _tar(path, files, "w:gz" if name == "cut.tgz" else "w")
    whole = path.read_bytes().rstrip(b"\0") if name == "cut.tar" else path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=rf"{name}: is not a readable \w+ archive, truncated or damaged"):
        _read(path)


def test_a_tar_that_is_cut_between_two_members_is_found_out(tmp_path: Path) -> None:
    whole = _tar(tmp_path / "whole.tar", {"a": b"1", "b": b"2"}, "w").read_bytes()
    for name, content in (("cut.tar", whole[:1024]), ("cut.tgz", gzip.compress(whole[:1024]))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: .*no closing block"):
            list(iter_tar(tmp_path / name))


def test_a_damaged_header_in_the_middle_does_not_end_a_tar_silently(tmp_path: Path) -> None:
    content = bytearray(_tar(tmp_path / "x.tar", {"a": b"1", "b": b"2"}, "w").read_bytes())
    content[1024] ^= 1
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.tar: "):
        list(iter_tar(tmp_path / "x.tar"))


@pytest.mark.parametrize("name", ["bits.tgz", "bits.zip"])
def test_a_flipped_bit_fails_the_checksum(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _zip(path, _FILES) if name == "bits.zip" else _tar(path, _FILES)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=rf"{name}: is not a readable \w+ archive"):
        _read(path)


def test_something_else_under_an_archives_name_is_named(tmp_path: Path) -> None:
    for name in ("page.tgz", "page.zip"):
        (tmp_path / name).write_text("<html>please sign in</html>" * 100)
        with pytest.raises(InputError, match=rf"{name}: is a web page, expected a readable (tar|zip) archive"):
            _read(tmp_path / name)


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    content = bytearray(_zip(tmp_path / "locked.zip", {"a": b"1"}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"locked\.zip: .*encrypted"):
        _read(tmp_path / "locked.zip")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    for name in ("absent.tgz", "absent.zip"):
        with pytest.raises(InputError, match=rf"{name}: not found"):
            _read(tmp_path / name)


def test_a_member_is_looked_for_by_its_name_alone(tmp_path: Path) -> None:
    zipped, tarred = _zip(tmp_path / "x.zip", _FILES), _tar(tmp_path / "x.tgz", _FILES)
    for path, read in ((zipped, iter_zip), (tarred, iter_tar)):
        assert has_member(path, read, lambda name: name.endswith("b.cdf"))
        assert not has_member(path, read, lambda name: name.endswith(".bvh"))
