"""Archives that would unpack to gigabytes, in a child process that has little memory."""

import io
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bombs import deflated_zeros, gzip_of, read_in_little_memory, zip_of
from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.containers.archives import iter_tar, iter_zip

IMPORTS = "from wsgcn.containers.archives import iter_tar, iter_zip"


def header(name: str, size: int, **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse_header(real_size: int) -> bytes:
    """A member of GNU's sparse kind, with nothing stored."""
    block = bytearray(header("S1/a.cdf", 0, type=tarfile.GNUTYPE_SPARSE))
    block[483:495] = b"%011o\0" % real_size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(2 * tarfile.BLOCKSIZE)
TARS = {
    "a member of 4 GB": (gzip_of(deflated_zeros(before=header("S1/a.cdf", 2**32 - 1))), "S1/a.cdf|the archive"),
    "a member of 4 GB that nobody wants": (
        gzip_of(deflated_zeros(before=header("unwanted", 2**32 - 1))),
        "the archive",
    ),
    "a PAX header of 4 GB": (
        gzip_of(deflated_zeros(before=header("x", 2**32 - 1, type=tarfile.XHDTYPE))),
        "wants 4.29 GB",
    ),
    "a long name of 4 GB": (
        gzip_of(deflated_zeros(before=header("x", 2**32 - 1, type=tarfile.GNUTYPE_LONGNAME))),
        "wants 4.29 GB",
    ),
    "4 GB behind the end": (gzip_of(deflated_zeros()), "stand behind its closing block"),
    "a sparse member of 8 GB": (sparse_header(2**33 - 1) + END, "8.59 GB|sparse"),
    "a sparse member of nothing": (sparse_header(0) + END, "is a sparse file"),
}


@pytest.mark.parametrize("name", TARS)
def test_a_tar_bomb_ends_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, message = TARS[name]
    path = tmp_path / "bomb.tgz"
    path.write_bytes(content)
    assert len(content) < 6 * 2**20
    [sentence] = read_in_little_memory(IMPORTS, "list(iter_tar(path, lambda name: name != 'unwanted'))", path)
    assert sentence.startswith(f"{path}: ")
    assert any(part in sentence for part in message.split("|")), sentence


ZIPS = {
    "a member of 4 GB": (lambda: zip_of("a", deflated_zeros(), 2**32 - 1), "a unpacks from 4.1"),
    "a member of 4 GB that declares 100 bytes": (lambda: zip_of("a", deflated_zeros(), 100), "is not a readable zip"),
    "the same 250 MB a hundred times": (
        lambda: zip_of("a", deflated_zeros(2**28 - 2**26), 2**28 - 2**26, 100),
        "the archive unpacks from",
    ),
    "a directory of 20 MB": (lambda: zip_of("a", b"", 0, 400_000), "wants 18.8 MB read"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_bomb_ends_in_one_sentence(tmp_path: Path, name: str) -> None:
    make, message = ZIPS[name]
    path = tmp_path / "bomb.zip"
    path.write_bytes(make())
    [sentence] = read_in_little_memory(IMPORTS, "list(iter_zip(path))", path)
    assert sentence.startswith(f"{path}: ")
    assert message in sentence


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_members_that_unpack_without_a_bound_are_not_read(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("a", b"content")
    with pytest.raises(InputError, match=r"x\.zip: .*'a' is compressed in another way than deflate"):
        list(iter_zip(tmp_path / "x.zip"))


def test_what_compresses_well_is_read_where_it_is_small(tmp_path: Path) -> None:
    content = bytes(100 * 2**20)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", content)
    assert (tmp_path / "x.zip").stat().st_size * 900 < len(content)
    [(_, found)] = iter_zip(tmp_path / "x.zip")
    assert found == content


def test_too_many_members_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_MEMBERS", 3)
    with tarfile.open(tmp_path / "x.tar", "w") as tar, zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in "abcd":
            tar.addfile(tarfile.TarInfo(name))
            archive.writestr(name, b"")
    with pytest.raises(InputError, match=r"x\.tar: has more than 3 members; that is the limit"):
        list(iter_tar(tmp_path / "x.tar"))
    with pytest.raises(InputError, match=r"x\.zip: has more than 3 members; that is the limit"):
        list(iter_zip(tmp_path / "x.zip"))


@pytest.mark.parametrize("name", ["S1/a\nb.cdf", "S1/\x1b[31mred", "a" * 5000, "../" + "\x07" * 3000])
def test_an_odd_name_is_one_printable_line(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar, zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"1"))
        archive.writestr(name, b"1")
    for read, path in ((iter_tar, tmp_path / "x.tar"), (iter_zip, tmp_path / "x.zip")):
        with pytest.raises(InputError) as caught:
            list(read(path))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500
        if ".." not in name:
            assert list(read(path, lambda _: False)) == []


@pytest.mark.parametrize(
    ("headers", "name"),
    [({"size": "-1"}, "a"), ({"size": "1" * 5000}, "a"), ({"mtime": "1e400"}, "a"), ({"GNU.sparse.map": "x"}, "a")],
    ids=str,
)
def test_pax_headers_that_say_nonsense_are_one_sentence_or_read(
    tmp_path: Path, headers: dict[str, str], name: str
) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        archive.addfile(tarfile.TarInfo(name))
    with suppress(InputError):
        assert list(iter_tar(path)) == [(name, b"")]
        return
    with pytest.raises(InputError, match=r"^[^\n]*x\.tar: [^\n]{1,400}$"):
        list(iter_tar(path))


def test_a_member_without_a_name_is_none_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of("", b"\x03\x00", 0))
    assert list(iter_zip(tmp_path / "x.zip", lambda name: name == "a")) == []


def test_what_the_consumer_raises_is_left_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", b"1")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    for members in (iter_zip(tmp_path / "x.zip"), iter_tar(tmp_path / "x.tar")):
        next(members)
        with pytest.raises(KeyError, match="mine"):
            members.throw(KeyError("mine"))  # type: ignore[attr-defined]
