"""HDF5: our own files are written whole or not at all; anybody's files are read without trust.

HDF5 can point at other files (external storage, soft and external links, virtual datasets) and declare more than it
holds. `ForeignHdf5` opens a file, or one that lies in memory, and is the only way in: it follows hard links alone, and
looks at what a dataset or an attribute declares before a number is read.

Limits, for one dataset: 2 GiB; without compression no more than the file really stores, with it 256 MiB or a hundred
times what is stored. For the attributes of an object: 256 of up to 1 MiB.
"""

import io
import math
import mmap
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import h5py
import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import atomic_path
from wsgcn.base.foreign import brief, enumerated, reading

# An hour of Human3.6M is 138 MB (96 float64, 50 frames a second), so this is 15 hours in one dataset.
_LARGEST_DATASET = 2 * 1024**3  # bytes
# Deflate reaches 1032 to 1, which frames without anybody in them do. Real coordinates stay under 10 to 1, so that the
# full ratio is wanted for small datasets only: 256 MiB are almost two hours of Human3.6M.
_ALWAYS_INFLATED = 256 * 1024**2  # bytes
_INFLATED_RATIO = 100
_LARGEST_ATTRIBUTE = 1024**2  # bytes
_MOST_ATTRIBUTES = 256  # of one object
_DEEPEST = 32  # groups in groups

_NUMBERS_AND_TEXT = "biufS"  # dtype kinds
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_CHECKSUM_BYTES = 4  # that Fletcher32 adds to a chunk
_REFERENCE = struct.Struct("<IQI")  # of a variable-length element: its length, the address of its heap, its place there
_HEAP_OBJECT = struct.Struct("<H6xQ")  # of a text in a heap: its place and its length
_SMALLEST_HEAP = 4096  # bytes of a collection of texts
_VARIABLE_LENGTH = 9  # HDF5's class of datatypes


def most_inflated(stored: int) -> int:
    """How many bytes `stored` bytes of deflated numbers may become."""
    return min(max(_ALWAYS_INFLATED, _INFLATED_RATIO * stored), _LARGEST_DATASET)


class ForeignDataset:
    """A dataset that has passed the checks; see `ForeignHdf5.dataset`."""

    def __init__(self, dataset: h5py.Dataset, where: str) -> None:
        self._dataset = dataset
        self._where = where
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype = dataset.dtype

    def read(self, rows: slice | None = None) -> np.ndarray:
        """All of it, or rows of its first axis.

        Raises:
            InputError: it is damaged.
        """
        with reading(self._where, "HDF5 file"):
            return np.asarray(self._dataset[() if rows is None else rows])


class ForeignHdf5:
    """An HDF5 file from anywhere, open for reading; closed at the end of a `with` block.

    Paths are names with slashes between; "" is the root. Everything raises InputError for what is damaged, refused or
    not there.

    Args:
        source: a path, or what the file holds.
        origin: how messages name it.

    Raises:
        InputError: it is missing, no regular file, or no HDF5.
    """

    def __init__(self, source: Path | bytes, origin: Path | str) -> None:
        self.origin = str(origin)
        self._source = source
        with reading(self.origin, "HDF5 file"):
            if isinstance(source, Path):
                status = source.stat()
                if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
                    raise InputError(f"{self.origin}: is no regular file, expected an HDF5 file.")
                self._size = status.st_size
                self._file = h5py.File(source, "r")
            else:
                self._size = len(source)
                self._file = h5py.File(io.BytesIO(source), "r")
            created = self._file.id.get_create_plist()
            self._base = created.get_userblock()  # where addresses count from
            if created.get_sizes() != (8, 8):
                raise InputError(f"{self.origin}: is HDF5 with addresses of other than 8 bytes, which is not read.")
            root = h5py.h5g.get_objinfo(self._file.id).objno[0]
        self._objects = {root: ""}  # the path by which each object was reached, by address
        try:
            self._heaps = self._read_heaps()
        except InputError:
            self._file.close()
            raise
        self._checked: set[str] = set()  # names of attributes whose texts were measured

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    # Groups

    def names(self, path: str = "") -> list[str]:
        """What a group holds, by name; nothing is followed."""
        group = self._group(path)
        with reading(self.origin, "HDF5 file"):
            return [_text(name) for name in group]

    def holds(self, path: str) -> bool:
        """Whether there is a group or dataset of this path."""
        return self._find(path) is not None

    def is_dataset(self, path: str) -> bool:
        return isinstance(self._find(path), h5py.Dataset)

    def groups_with(self, name: str) -> Iterator[str]:
        """The paths of the groups that hold `name`, in the order of the file; groups in them are passed over."""
        waiting = [""]
        while waiting:
            path = waiting.pop()
            names = self.names(path)
            if name in names:
                yield path
            elif path.count("/") < _DEEPEST:
                inner = [f"{path}/{each}".lstrip("/") for each in names]
                waiting += [each for each in reversed(inner) if not self.is_dataset(each)]
            else:
                raise InputError(f"{self.origin}: {brief(path, 80)} lies deeper than {_DEEPEST} groups.")

    # Datasets

    def dataset(self, path: str) -> ForeignDataset:
        """A dataset of numbers or of text of fixed length."""
        found = self._find(path)
        if not isinstance(found, h5py.Dataset):
            raise InputError(f"{self.origin}: has no dataset {brief(path, 80)} (it has {enumerated(self.names())}).")
        return self._checked_dataset(found, path)

    def read(self, path: str) -> np.ndarray:
        """The whole of a dataset of numbers or of text of fixed length."""
        return self.dataset(path).read()

    def read_texts(self, path: str) -> list[str]:
        """A dataset (N,) of texts of any length."""
        found = self._find(path)
        where = f"{self.origin}: {brief(path, 80)}"
        with reading(where, "HDF5 file"):
            if not isinstance(found, h5py.Dataset):
                raise InputError(f"{where}: is no dataset, expected one of texts.")
            self._check_storage(found, where)
            is_listed = len(found.shape or ()) == 1 and h5py.check_string_dtype(found.dtype) is not None
            layout = found.id.get_create_plist().get_layout()
            if not is_listed or found.dtype.kind != "O" or layout != h5py.h5d.CONTIGUOUS:
                raise InputError(f"{where}: holds {brief(found.dtype, 60)}, expected a list of texts.")
            if found.shape[0] == 0:
                return []
            with self._content() as content:
                start = found.id.get_offset()
                texts = content[start : start + found.shape[0] * _REFERENCE.size]
                self._check_texts(texts, found.shape[0], self._size, where)
            return list(found.asstr()[()])

    def referenced(self, path: str) -> np.ndarray | None:
        """What a MATLAB 7.3 cell of one element holds; None unless the dataset is such a cell.

        A reference leads to an object of the same file.
        """
        cell = self._find(path)
        where = f"{self.origin}: {brief(path, 80)}"
        with reading(where, "HDF5 file"):
            if not isinstance(cell, h5py.Dataset):
                return None
            self._check_storage(cell, where)
            if cell.dtype != h5py.ref_dtype or cell.shape != (1, 1):
                return None
            found = h5py.h5r.dereference(cell[0, 0], self._file.id)
            if not isinstance(found, h5py.h5d.DatasetID):
                return None
            dataset = h5py.Dataset(found)
        return self._checked_dataset(dataset, path).read()

    # Attributes

    def attributes(self, path: str = "") -> dict[str, Any]:
        """The attributes of a group or dataset, by name: text, plain numbers, and lists of them."""
        found = self._required(path)
        where = self._where(path)
        with reading(where, "HDF5 file"):
            if h5py.h5a.get_num_attrs(found.id) > _MOST_ATTRIBUTES:
                raise InputError(f"{where}: has more than {_MOST_ATTRIBUTES} attributes.")
            return {name: self._attribute(found, name, where) for name in map(_text, found.attrs)}

    def attribute(self, name: str, path: str = "") -> Any:
        """One attribute, None if there is none of the name."""
        found = self._required(path)
        where = self._where(path)
        with reading(where, "HDF5 file"):
            return self._attribute(found, name, where) if name in found.attrs else None

    def _attribute(self, found: h5py.Group | h5py.Dataset, name: str, where: str) -> Any:
        where = f"{where}: the attribute {brief(name, 40)}"
        attribute = h5py.h5a.open(found.id, name.encode("utf-8", "surrogateescape"))
        dtype = attribute.dtype
        is_text = h5py.check_string_dtype(dtype) is not None
        if attribute.shape is None or not (dtype.kind in _NUMBERS_AND_TEXT or (is_text and dtype.kind == "O")):
            raise InputError(f"{where} holds {brief(dtype, 60)}, expected numbers or text.")
        declared = math.prod(attribute.shape) * attribute.get_type().get_size()
        if declared > _LARGEST_ATTRIBUTE:
            raise InputError(f"{where} declares {declared:,} bytes, more than {_LARGEST_ATTRIBUTE:,}.")
        if dtype.kind == "O" and name not in self._checked:
            self._check_texts_named(name, where)
            self._checked.add(name)
        value = found.attrs[name]
        if dtype.kind == "S":
            value = np.char.decode(value, "utf-8", "replace")
        return value.tolist() if hasattr(value, "tolist") else value

    # Checks

    def _find(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """The object of a path, each step of which is looked at before it is taken: h5py itself follows any link."""
        found = self._file
        steps = [step for step in path.split("/") if step]
        if len(steps) > _DEEPEST + 1:
            raise InputError(f"{self.origin}: {brief(path, 80)} lies deeper than {_DEEPEST} groups.")
        for count, step in enumerate(steps, 1):
            here = "/".join(steps[:count])
            where = f"{self.origin}: {brief(here, 80)}"
            with reading(where, "HDF5 file"):
                name = step.encode("utf-8", "surrogateescape")
                if not isinstance(found, h5py.Group) or not found.id.links.exists(name):
                    return None
                link = found.id.links.get_info(name)
                if link.type != h5py.h5l.TYPE_HARD:
                    raise InputError(f"{where}: is {_described(found, name, link.type)}, which is not followed.")
                opened = h5py.h5o.open(found.id, name)
                if isinstance(opened, h5py.h5g.GroupID):
                    found = h5py.Group(opened)
                elif isinstance(opened, h5py.h5d.DatasetID):
                    found = h5py.Dataset(opened)
                else:
                    raise InputError(f"{where}: is a named datatype, expected a group or a dataset.")
                known = self._objects.setdefault(link.u, here)
            if known != here:
                raise InputError(f"{where}: is the same object as {brief(known, 80) or 'the root'}, by a second link.")
        return found

    def _required(self, path: str) -> h5py.Group | h5py.Dataset:
        found = self._find(path)
        if found is None:
            raise InputError(f"{self.origin}: has no {brief(path, 80)} (it has {enumerated(self.names())}).")
        return found

    def _group(self, path: str) -> h5py.Group:
        found = self._required(path)
        if not isinstance(found, h5py.Group):
            raise InputError(f"{self.origin}: {brief(path, 80)} is a dataset, expected a group.")
        return found

    def _where(self, path: str) -> str:
        return f"{self.origin}: {brief(path, 80)}" if path else self.origin

    def _checked_dataset(self, dataset: h5py.Dataset, path: str) -> ForeignDataset:
        where = f"{self.origin}: {brief(path, 80)}"
        with reading(where, "HDF5 file"):
            self._check_storage(dataset, where)
            if dataset.dtype.kind not in _NUMBERS_AND_TEXT:
                holder = where if "/" in path else self.origin
                raise InputError(
                    f"{holder}: holds an array of {brief(dataset.dtype, 60)}, expected an array of numbers."
                )
            self._check_chunks(dataset, where)
        return ForeignDataset(dataset, where)

    def _check_storage(self, dataset: h5py.Dataset, where: str) -> None:
        """What can be told without reading. The shape comes late: asking a virtual dataset for its own opens files."""
        created = dataset.id.get_create_plist()
        layout = created.get_layout()
        if created.get_external_count():
            elsewhere = brief(created.get_external(0)[0].decode("utf-8", "replace"), 80)
            raise InputError(f"{where}: keeps its numbers in {elsewhere} (external storage), which is not opened.")
        if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            raise InputError(f"{where}: is a virtual dataset, put together from other files, which are not opened.")
        filters = _filters(created)
        deflates = filters.count(h5py.h5z.FILTER_DEFLATE)
        after = filters[filters.index(h5py.h5z.FILTER_DEFLATE) + 1 :] if deflates else []
        if not set(filters) <= _FILTERS or deflates > 1 or h5py.h5z.FILTER_SHUFFLE in after:
            names = (created.get_filter(index)[3].decode("latin-1") for index in range(len(filters)))
            raise InputError(f"{where}: is packed with the filters {enumerated(names)}; only gzip is read.")
        if dataset.shape is None:
            raise InputError(f"{where}: is empty, expected an array.")
        is_variable = dataset.dtype.kind == "O" and h5py.check_ref_dtype(dataset.dtype) is None
        item = _REFERENCE.size if is_variable else dataset.id.get_type().get_size()
        stored = dataset.id.get_storage_size()
        declared = math.prod(dataset.shape) * item
        largest = max(declared, math.prod(created.get_chunk()) * item) if layout == h5py.h5d.CHUNKED else declared
        limit = min(most_inflated(stored) if deflates and stored else stored, _LARGEST_DATASET)
        if stored > self._size or (declared and largest > limit):
            raise InputError(
                f"{where}: declares {largest:,} bytes and stores {stored:,}, in a file of {self._size:,}; "
                f"up to {limit:,} are read."
            )

    def _check_chunks(self, dataset: h5py.Dataset, where: str) -> None:
        """No chunk inflates to more than its shape: libhdf5 would inflate all of it before it noticed."""
        created = dataset.id.get_create_plist()
        if created.get_layout() != h5py.h5d.CHUNKED:
            return
        filters = _filters(created)
        if h5py.h5z.FILTER_DEFLATE not in filters:
            return
        place = filters.index(h5py.h5z.FILTER_DEFLATE)
        size = math.prod(created.get_chunk()) * dataset.id.get_type().get_size()
        size += _CHECKSUM_BYTES * filters[:place].count(h5py.h5z.FILTER_FLETCHER32)
        after = _CHECKSUM_BYTES * filters[place:].count(h5py.h5z.FILTER_FLETCHER32)
        for chunk in self._chunks(dataset, where):
            if chunk.filter_mask & (1 << place):
                continue  # this one is stored as it is
            _, packed = dataset.id.read_direct_chunk(chunk.chunk_offset)
            if len(zlib.decompressobj().decompress(packed[: len(packed) - after], size + 1)) > size:
                raise InputError(f"{where}: has a chunk that inflates to more than its {size:,} bytes.")

    def _chunks(self, dataset: h5py.Dataset, where: str) -> list[Any]:
        """Where each chunk lies (h5py's StoreInfo), if they fit into the file."""
        found: list[Any] = []
        total = 0

        def add(chunk: Any) -> bool | None:
            nonlocal total
            total += max(chunk.size, 1)
            found.append(chunk)
            return True if total > self._size else None  # anything but None ends the iteration

        dataset.id.chunk_iter(add)
        if total > self._size:
            raise InputError(f"{where}: has chunks of more bytes than the file of {self._size:,} holds.")
        return found

    @contextmanager
    def _content(self) -> Iterator[bytes | mmap.mmap]:
        if isinstance(self._source, bytes):
            yield self._source
        else:
            with _mapped(self._source) as content:
                yield content

    def _places(self, needle: bytes) -> tuple[int, ...]:
        """Where some bytes stand in the file."""
        if isinstance(self._source, bytes):
            return _places_in(self._source, needle)
        status = self._source.stat()
        return _places_at(self._source, needle, status.st_ino, status.st_size, status.st_mtime_ns)

    def _read_heaps(self) -> dict[int, dict[int, int]]:
        """The sizes of the texts in each global heap collection, by its address and the text's index.

        libhdf5 does not come back from a collection with an object of 0 bytes; virtual datasets have theirs read when
        they are opened, so that this comes before anything is.
        """
        heaps = {}
        if places := self._places(b"GCOL\x01"):
            with self._content() as content:
                for place in places:
                    sizes = _heap_sizes(content, place)
                    if sizes is None:
                        raise InputError(
                            f"{self.origin}: is not a readable HDF5 file, truncated or damaged "
                            f"(its global heap at {place:,})."
                        )
                    heaps[place - self._base] = sizes
        return heaps

    def _check_texts_named(self, name: str, where: str) -> None:
        """The texts of all attributes of this name are as long as they declare.

        libhdf5 takes the memory for the length that an element declares, up to 4 GiB, before it looks for the text, and
        does not say the length. So the attributes' messages are looked up in the file itself.
        """
        wanted = name.encode("utf-8", "surrogateescape") + b"\0"
        is_found = False
        with self._content() as content:
            for place in self._places(wanted):
                for texts, count in _attribute_texts(content, place, len(wanted)):
                    is_found = True
                    self._check_texts(texts, count, _LARGEST_ATTRIBUTE, where)
        if not is_found:
            raise InputError(f"{where} is stored in a way that is not read.")

    def _check_texts(self, references: bytes, count: int, most: int, where: str) -> None:
        """Each reference of a variable-length element leads to a text of the length that it declares."""
        if len(references) != count * _REFERENCE.size:
            raise InputError(f"{where} has texts beyond the end of the file.")
        declared = 0
        for length, address, index in _REFERENCE.iter_unpack(references):
            declared += length
            if declared > min(most, self._size):
                raise InputError(f"{where} declares texts of {declared:,} bytes in a file of {self._size:,}.")
            if length and self._heaps.get(address, {}).get(index) != length:
                raise InputError(f"{where} declares a text of {length:,} bytes where there is none.")


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


@lru_cache(maxsize=64)
def _places_at(path: Path, needle: bytes, *version: int) -> tuple[int, ...]:
    """Kept, since a file is opened for each of its people, and looking through 400 MB takes a second."""
    with _mapped(path) as content:
        return _places_in(content, needle)


def _places_in(content: bytes | mmap.mmap, needle: bytes) -> tuple[int, ...]:
    places = []
    start = content.find(needle)
    while start >= 0:
        places.append(start)
        start = content.find(needle, start + 1)
    return tuple(places)


def _heap_sizes(content: bytes | mmap.mmap, start: int) -> dict[int, int] | None:
    """The size of each object of a global heap collection, by its index; None if it is damaged, {} if it is none.

    See "Global Heap" in the HDF5 File Format Specification.
    """
    if start + _HEAP_OBJECT.size > len(content):
        return {}
    (size,) = struct.unpack_from("<Q", content, start + 8)
    end = start + size
    if size < _SMALLEST_HEAP or end > len(content):
        return {}  # libhdf5 refuses these; or numbers that look like the beginning of one
    sizes = {}
    place = start + 16
    while place + _HEAP_OBJECT.size <= end:
        index, size = _HEAP_OBJECT.unpack_from(content, place)
        step = _HEAP_OBJECT.size + _rounded_up(size, 8) if index else size
        if step < _HEAP_OBJECT.size or place + step > end:
            return None
        sizes[index] = size
        place += step
    return sizes


def _text(name: str | bytes) -> str:
    """A name as h5py gives it, which is bytes where it is no UTF-8."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def _filters(created: h5py.h5p.PropDCID) -> list[int]:
    return [created.get_filter(index)[0] for index in range(created.get_nfilters())]


def _described(group: h5py.Group, name: bytes, link_type: int) -> str:
    if link_type == h5py.h5l.TYPE_SOFT:
        return f"a soft link to {brief(group.id.links.get_val(name).decode('utf-8', 'replace'), 80)}"
    if link_type == h5py.h5l.TYPE_EXTERNAL:
        file, path = (each.decode("utf-8", "replace") for each in group.id.links.get_val(name))
        return f"an external link to {brief(path, 60)} in {brief(file, 80)}"
    return f"a link of the unknown type {link_type}"


def _attribute_texts(content: bytes | mmap.mmap, name_start: int, name_size: int) -> Iterator[tuple[bytes, int]]:
    """The references of variable-length attributes whose name begins there, if it is the name of any, and their number.

    "Attribute Message" in the HDF5 File Format Specification, versions 1 to 3.
    """
    for version, header_size in ((1, 8), (2, 8), (3, 9)):
        header = name_start - header_size
        if header < 0 or content[header] != version:
            continue
        flags, found_size, type_size, space_size = struct.unpack_from("<xBHHH", content, header)
        if found_size != name_size:
            continue
        unit = 8 if version == 1 else 1  # the first version rounds everything up
        type_start = name_start + _rounded_up(name_size, unit)
        space_start = type_start + _rounded_up(type_size, unit)
        start = space_start + _rounded_up(space_size, unit)
        if start >= len(content):
            continue
        if version > 1 and flags & 3:  # its type or shape is shared, and stands elsewhere
            yield b"", 1
        elif content[type_start] & 0x0F == _VARIABLE_LENGTH:
            rank = content[space_start + 1]
            sizes_start = space_start + (8 if content[space_start] == 1 else 4)
            count = math.prod(struct.unpack(f"<{rank}Q", content[sizes_start : sizes_start + 8 * rank]))
            yield content[start : start + count * _REFERENCE.size], count


def _rounded_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


class _Storage:
    """The file that h5py writes to. Errors are kept until h5py has closed: it does not survive them (it segfaults)."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        if self.error is None:
            try:
                self._raw.write(content)
            except OSError as error:
                self.error = error
        return len(content)

    def flush(self) -> None:
        if self.error is None:
            try:
                self._raw.flush()
            except OSError as error:
                self.error = error

    def truncate(self, size: int) -> int:
        return size if self.error else self._raw.truncate(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)

    def readinto(self, buffer: bytearray) -> int:
        return self._raw.readinto(buffer)  # type: ignore[attr-defined]


@contextmanager
def new_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """Write an HDF5 file, which appears when the block ends well; the same content gives the same bytes.

    Raises:
        InputError: the file could not be written, for example because the disk is full.
    """
    # Unbuffered, so that a write fails where it happens and closing has nothing left to write.
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        storage = _Storage(raw)
        try:
            with h5py.File(storage, "w") as file:
                yield file
        except Exception:
            if storage.error is None:
                raise
        if storage.error is not None:
            raise storage.error


def hdf5_bytes(datasets: Mapping[str, np.ndarray]) -> bytes:
    """An HDF5 file of a few arrays, by name; the same arrays give the same bytes."""
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        for name, values in datasets.items():
            file.create_dataset(name, data=values)
        file.flush()
        return file.id.get_file_image()
