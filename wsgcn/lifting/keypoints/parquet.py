"""Keypoints as Parquet, for millions of frames: a row a person and frame, read in batches.

Columns: `frame` (integer), `keypoints_px` (a list of 2 K numbers, x0, y0, x1, y1, ...; null where nobody is seen, NaN
for a missing joint), and if you like `scores` (K numbers) and `person` (text or integer). The rows of a person stand
together, frames ascending. The file's metadata may name `joints` (the order), `width` and `height`.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated, reading
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints.base import Size, Track, named_order, picture_size_of, plain_text, split_triples
from wsgcn.lifting.keypoints.instances import LARGEST_FRAME

FORMAT = "parquet"
_ONE_PERSON = "1"
_KIND = "Parquet file"
# What a file declares. An honest row takes at least a byte for the number of its frame, mostly a hundred; the rest
# allows for compression. Row groups have a million rows by default, 600 MB with 136 joints.
MOST_ROWS_PER_BYTE = 16
LARGEST_ROW_GROUP = 2**30  # bytes, uncompressed


class ParquetFile:
    """Such a file.

    Raises:
        InputError: it is missing, truncated or no Parquet, lacks a column or has one of another type, declares more
            than its bytes can hold, or the joint order is not known.
    """

    format = FORMAT

    def __init__(self, path: Path, order: JointOrder | None = None) -> None:
        self.origin = path
        with self._open([]) as file:
            with reading(path, _KIND):
                schema, self._about = file.schema_arrow, file.metadata
                metadata = {
                    key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
                    for key, value in (schema.metadata or {}).items()
                }
                size = path.stat().st_size
            self.rows = self._about.num_rows
            if not 0 <= self.rows <= MOST_ROWS_PER_BYTE * size:
                raise InputError(f"{path}: declares {self.rows} rows in {size} bytes, which cannot hold them.")
            if missing := {"frame", "keypoints_px"} - set(schema.names):
                raise InputError(
                    f"{path}: has the columns {enumerated(schema.names)}, but no {', '.join(sorted(missing))}."
                )
            self._columns = [name for name in ("frame", "keypoints_px", "scores", "person") if name in schema.names]
            for name in self._columns:
                self._check_type(name, schema)
        own = order or named_order(metadata.get("joints"), f"{path}: joints")
        if own is None:
            raise InputError(f"{path}: does not say the order of its joints; name it by joints.")
        self.order = own
        self.size = _size(path, metadata)

    def _open(self, dictionaries: list[str]) -> pq.ParquetFile:
        with reading(self.origin, _KIND):
            return pq.ParquetFile(self.origin, read_dictionary=dictionaries)

    def _check_type(self, name: str, schema: pa.Schema) -> None:
        if schema.names.count(name) > 1:
            raise InputError(f"{self.origin}: has the column {name} more than once.")
        type = schema.field(name).type
        if not _EXPECTED[name][0](type):
            expected = _EXPECTED[name][1]
            raise InputError(
                f"{self.origin}: the column {name} is {expected[0]} ({brief(type, 60)}), expected {expected[1]}."
            )

    def pieces(self, frames: int) -> Iterator[Track]:
        """The tracks in pieces of at most so many frames, each read when its turn comes.

        Raises:
            InputError: a page is damaged; a row has another number of keypoints or scores, or the rows of a person do
                not stand together with ascending frames.
        """
        seen: set[str] = set()
        person, last = None, 0
        # a name that all rows share is in memory once
        with self._open(["person"] if "person" in self._columns else []) as file:
            for batch in self._batches(file, frames):
                frames_T, points, scores = self._arrays(batch)
                for start, stop, name in self._runs(batch):
                    rows = slice(start, stop)
                    track = Track(name, frames_T[rows], points[rows], scores[rows], size=self.size)
                    shown = brief(name, 40)
                    if name != person and name in seen:
                        raise InputError(f"{self.origin}: the rows of person {shown} do not stand together.")
                    if (np.diff(track.frames) <= 0).any() or (name == person and track.frames[0] <= last):
                        raise InputError(f"{self.origin}: the frames of person {shown} are not ascending.")
                    seen.add(name)
                    person, last = name, int(track.frames[-1])
                    yield track

    def _batches(self, file: pq.ParquetFile, frames: int) -> Iterator[Any]:
        # One row group at a time: an iteration keeps the buffers of all the groups that it has read.
        for group in range(self._about.num_row_groups):
            self._check_group(group)
            with reading(self.origin, _KIND):
                batches = iter(file.iter_batches(batch_size=frames, row_groups=[group], columns=self._columns))
            while True:
                with reading(self.origin, _KIND):
                    batch = next(batches, None)
                    if batch is not None:
                        batch.validate(full=True)
                if batch is None:
                    break
                if len(batch):
                    yield batch

    def _check_group(self, group: int) -> None:
        """What a row group declares is what its rows need."""
        with reading(self.origin, _KIND):
            about = self._about.row_group(group)
            rows, size = about.num_rows, about.total_byte_size
            values = {
                about.column(c).path_in_schema.split(".")[0]: about.column(c).num_values
                for c in range(about.num_columns)
            }
        if size > LARGEST_ROW_GROUP:
            raise InputError(
                f"{self.origin}: declares a row group of {size} bytes, expected at most {LARGEST_ROW_GROUP}; write "
                "smaller row groups."
            )
        for name, width in self._widths.items():
            if name in values and values[name] > rows * width:
                raise InputError(f"{self.origin}: declares {values[name]} numbers in {name} for {rows} rows.")

    @property
    def _widths(self) -> dict[str, int]:
        """How many numbers a row has in each column of lists."""
        joints = len(self.order.joints)
        return {"keypoints_px": 2 * joints, "scores": joints}

    def _arrays(self, batch: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The frames, points and scores of a batch, as `Track` has them."""
        joints = len(self.order.joints)
        points = self._rows(batch, "keypoints_px").reshape(-1, joints, 2)
        if "scores" in self._columns:
            scores = np.nan_to_num(self._rows(batch, "scores"), nan=0)
        else:
            scores = np.ones(points.shape[:2], np.float32)
        with reading(self.origin, _KIND):
            frames = batch.column("frame").to_numpy(zero_copy_only=False)
        if frames.dtype.kind not in "iu":
            raise InputError(f"{self.origin}: the column frame has {frames.dtype} or null, expected whole numbers.")
        if frames.min() < -LARGEST_FRAME or frames.max() > LARGEST_FRAME:
            raise InputError(f"{self.origin}: the column frame has a number beyond {LARGEST_FRAME}.")
        return frames.astype(np.int64), *split_triples(np.concatenate([points, scores[..., None]], axis=-1))

    def _rows(self, batch: Any, name: str) -> np.ndarray:
        """(T, width) float32; rows that are null are NaN."""
        width = self._widths[name]
        with reading(f"{self.origin}: the column {name}", "list of numbers"):
            column = batch.column(name)
            valid = column.is_valid().to_numpy(zero_copy_only=False)
            lengths = pc.list_value_length(column.drop_null()).to_numpy(zero_copy_only=False)
            values = pc.list_flatten(column.drop_null()).cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
        if (lengths != width).any():
            found = int(lengths[lengths != width][0])
            raise InputError(
                f"{self.origin}: has a row with {found} numbers in {name}, expected {width} for the joint order "
                f"{self.order.name}."
            )
        rows = np.full((len(column), width), np.nan, dtype=np.float32)
        rows[valid] = values.reshape(-1, width)
        return rows

    def _runs(self, batch: Any) -> Iterator[tuple[int, int, str]]:
        """The pieces (start, stop, person) of a batch with one person each."""
        if "person" not in self._columns:
            yield 0, len(batch), _ONE_PERSON
            return
        with reading(self.origin, _KIND):
            column = batch.column("person")
            column = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
            has_null = column.null_count or column.dictionary.null_count
            codes = column.indices.to_numpy(zero_copy_only=False)
            used = np.unique(codes)
        if has_null:
            raise InputError(f"{self.origin}: has a row without a person in the column person.")
        with reading(self.origin, _KIND):
            names = {code: column.dictionary[int(code)].as_py() for code in used.tolist()}
        starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        for start, stop in pairwise(starts):
            yield start, stop, plain_text(self.origin, str(names[codes[start]]))


def _is_list(type: pa.DataType) -> bool:
    is_list = pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type)
    return is_list and (pa.types.is_floating(type.value_type) or pa.types.is_integer(type.value_type))


def _is_name(type: pa.DataType) -> bool:
    type = type.value_type if pa.types.is_dictionary(type) else type
    return pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_integer(type)


# by column: whether a type is right, what another is, and what was expected
_EXPECTED = {
    "frame": (pa.types.is_integer, ("no whole number", "whole numbers")),
    "keypoints_px": (_is_list, ("no list of numbers", "a list of numbers")),
    "scores": (_is_list, ("no list of numbers", "a list of numbers")),
    "person": (_is_name, ("no name", "text or whole numbers")),
}


def _size(path: Path, metadata: Mapping[str, str]) -> Size | None:
    if not {"width", "height"} <= metadata.keys():
        return None
    # more digits than nine are no side of a picture, and not worth the conversion
    texts = (metadata["width"], metadata["height"])
    width, height = (int(text) if text.isdecimal() and len(text) < 10 else text for text in texts)
    return picture_size_of(path, width, height)
