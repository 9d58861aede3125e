"""Keypoints as Parquet, for millions of frames: a row a person and frame, read in batches.

Columns: `frame` (integer), `keypoints_px` (a list of 2 K numbers, x0, y0, x1, y1, ...; null where nobody is seen, NaN
for a missing joint), and if you like `scores` (K numbers) and `person` (text or integer). The rows of a person stand
together, frames ascending. The file's metadata may name `joints` (the order), `width` and `height`.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wsgcn.errors import InputError
from wsgcn.readers.joint_orders import JointOrder
from wsgcn.readers.keypoints.base import Size, Track, named_order, split_triples

FORMAT = "parquet"
_ONE_PERSON = "1"


class ParquetFile:
    """Such a file.

    Raises:
        InputError: it is missing, truncated or no Parquet, lacks a column, or the joint order is not known.
    """

    format = FORMAT

    def __init__(self, path: Path, order: JointOrder | None = None) -> None:
        self.origin = path
        try:
            schema = pq.read_schema(path)
            self.rows = pq.read_metadata(path).num_rows
        except FileNotFoundError:
            raise InputError(f"{path}: not found.") from None
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: is not a readable Parquet file, truncated or damaged ({error}).") from error
        if missing := {"frame", "keypoints_px"} - set(schema.names):
            raise InputError(f"{path}: has the columns {', '.join(schema.names)}, but no {', '.join(sorted(missing))}.")
        metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        own = order or named_order(metadata.get("joints"))
        if own is None:
            raise InputError(f"{path}: does not say the order of its joints; name it by joints.")
        self.order = own
        self.size = _size(path, metadata)
        self._columns = [name for name in ("frame", "keypoints_px", "scores", "person") if name in schema.names]

    def pieces(self, frames: int) -> Iterator[Track]:
        """The tracks in pieces of at most so many frames, each read when its turn comes.

        Raises:
            InputError: a row has another number of keypoints or scores, or the rows of a person do not stand together
                with ascending frames.
        """
        seen: set[str] = set()
        person, last = None, 0
        with pq.ParquetFile(self.origin) as file:
            for batch in self._batches(file, frames):
                for start, stop, name in _runs(batch):
                    track = self._track(batch.slice(start, stop - start), name)
                    if name != person and name in seen:
                        raise InputError(f"{self.origin}: the rows of person {name} do not stand together.")
                    if (np.diff(track.frames) <= 0).any() or (name == person and track.frames[0] <= last):
                        raise InputError(f"{self.origin}: the frames of person {name} are not ascending.")
                    seen.add(name)
                    person, last = name, int(track.frames[-1])
                    yield track

    def _batches(self, file: pq.ParquetFile, frames: int) -> Iterator[Any]:
        # One row group at a time: an iteration keeps the buffers of all the groups that it has read.
        for group in range(file.num_row_groups):
            yield from file.iter_batches(batch_size=frames, row_groups=[group], columns=self._columns)

    def _track(self, batch: Any, person: str) -> Track:
        joints = len(self.order.joints)
        points = self._rows(batch, "keypoints_px", 2 * joints).reshape(-1, joints, 2)
        if "scores" in self._columns:
            scores = np.nan_to_num(self._rows(batch, "scores", joints), nan=0)
        else:
            scores = np.ones(points.shape[:2], np.float32)
        frames = batch.column("frame").to_numpy(zero_copy_only=False)
        if frames.dtype.kind not in "iu":
            raise InputError(f"{self.origin}: the column frame has {frames.dtype} or null, expected whole numbers.")
        points, scores = split_triples(np.concatenate([points, scores[..., None]], axis=-1))
        return Track(person, frames.astype(np.int64), points, scores, size=self.size)

    def _rows(self, batch: Any, name: str, width: int) -> np.ndarray:
        """(T, width) float32; rows that are null are NaN."""
        column = batch.column(name)
        rows = np.full((len(column), width), np.nan, dtype=np.float32)
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        try:
            lengths = pc.list_value_length(column.drop_null()).to_numpy(zero_copy_only=False)
            values = pc.list_flatten(column.drop_null()).cast(pa.float32())
        except pa.ArrowException as error:
            raise InputError(f"{self.origin}: the column {name} is no list of numbers ({error}).") from error
        if (lengths != width).any():
            found = int(lengths[lengths != width][0])
            raise InputError(
                f"{self.origin}: has a row with {found} numbers in {name}, expected {width} for the joint order "
                f"{self.order.name}."
            )
        rows[valid] = values.to_numpy(zero_copy_only=False).reshape(-1, width)
        return rows


def _runs(batch: Any) -> Iterator[tuple[int, int, str]]:
    """The pieces (start, stop, person) of a batch with one person each."""
    if not len(batch):
        return
    if "person" not in batch.schema.names:
        yield 0, len(batch), _ONE_PERSON
        return
    people = [str(person) for person in batch.column("person").to_pylist()]
    starts = [0, *(row for row in range(1, len(people)) if people[row] != people[row - 1]), len(people)]
    for start, stop in pairwise(starts):
        yield start, stop, people[start]


def _size(path: Path, metadata: dict[str, str]) -> Size | None:
    if not {"width", "height"} <= metadata.keys():
        return None
    try:
        return int(metadata["width"]), int(metadata["height"])
    except ValueError:
        raise InputError(
            f"{path}: says width {metadata['width']!r} and height {metadata['height']!r}, expected whole numbers."
        ) from None
