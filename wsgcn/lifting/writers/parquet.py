"""Parquet: a row a person and frame, in batches; joint angles (`wsgcn.lifting.angles`) are columns, RKnee_flexion_deg.

Columns: person, frame, missing, interpolated and substituted (J booleans each), pose_m (3 J numbers, x, y, z of each
joint, null where missing), and with intrinsics root_m (3 numbers). The file's metadata hold, under `wsgcn`, JSON,
and, where there is any, under `wsgcn_people` what is said of single people, such as `warnings`, JSON by person.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wsgcn.base.errors import InputError
from wsgcn.base.files import atomic_path
from wsgcn.base.foreign import shown
from wsgcn.lifting.angles import ANGLES, CAMERA_UP, SIGNS, joint_angles_deg
from wsgcn.lifting.lifted import Rows
from wsgcn.pose.skeleton import Skeleton

# A row group costs some kilobytes in the file's metadata: the people of a street, seen for seconds each, share one.
_GROUP_ROWS = 16384
_GROUP_TABLES = 1024
_MOST_MARKED = 10_000  # people; the metadata are in memory as a whole, whoever reads the file


class ParquetWriter:
    """Such a file under construction; see `create`."""

    def __init__(self, path: Path, writer: pq.ParquetWriter, schema: pa.Schema, skeleton: Skeleton) -> None:
        self._path = path
        self._writer, self._schema, self._skeleton = writer, schema, skeleton
        self._waiting: list[pa.Table] = []
        self._marks: dict[str, Mapping[str, Any]] = {}

    def add(self, person: str, rows: Rows, about: Mapping[str, Any]) -> None:
        """Append the next frames of a person. Raises InputError: their name is no text in UTF-8."""
        if any("\ud800" <= character <= "\udfff" for character in person):
            raise InputError(f"{self._path}: Parquet cannot hold the name {shown(person)} of a person.")
        columns = [
            pa.array([person] * len(rows), pa.string()),
            pa.array(rows.frames),
            pa.array(rows.missing),
            _lists(rows.interpolated),
            _lists(rows.substituted),
            _lists(rows.pose_m.reshape(len(rows), -1), rows.missing),
        ]
        if rows.root_m is not None:
            columns.append(_lists(rows.root_m, np.isnan(rows.root_m).any(-1)))
        angles_TA = joint_angles_deg(rows.pose_m, self._skeleton, CAMERA_UP).astype(np.float32)
        columns += [pa.array(angles_T, from_pandas=True) for angles_T in angles_TA.T]  # NaN becomes null
        self._waiting.append(pa.table(columns, schema=self._schema))
        if sum(len(table) for table in self._waiting) >= _GROUP_ROWS or len(self._waiting) >= _GROUP_TABLES:
            self.flush()

    def mark(self, person: str, about: Mapping[str, Any]) -> None:
        """Say something of a person who was added; of the first 10,000 of them."""
        if len(self._marks) < _MOST_MARKED:
            self._marks[person] = about

    def close(self) -> None:
        """Write what waits, and the metadata of people."""
        self.flush()
        if self._marks:
            self._writer.add_key_value_metadata({"wsgcn_people": json.dumps(self._marks)})

    def flush(self) -> None:
        """Write what waits, as a row group."""
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []


@contextmanager
def create(path: Path, metadata: Mapping[str, Any], *, is_absolute: bool) -> Iterator[ParquetWriter]:
    """Write such a file; it appears when the block ends well. Raises InputError: it cannot be written."""
    fields = [
        ("person", pa.string()),
        ("frame", pa.int64()),
        ("missing", pa.bool_()),
        ("interpolated", pa.list_(pa.bool_())),
        ("substituted", pa.list_(pa.bool_())),
        ("pose_m", pa.list_(pa.float32())),
    ]
    fields += [("root_m", pa.list_(pa.float32()))] if is_absolute else []
    fields += [(f"{name}_deg", pa.float32()) for name in ANGLES]
    schema = pa.schema(fields, metadata={"wsgcn": json.dumps({**metadata, "angles": SIGNS})})
    skeleton = Skeleton(metadata["skeleton"], tuple(metadata["joints"]))
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        content = ParquetWriter(path, writer, schema, skeleton)
        yield content
        content.close()


def _lists(values_TN: np.ndarray, null_T: np.ndarray | None = None) -> pa.Array:
    """A list of N values a row. Not of fixed size, whose nulls Parquet does not give back."""
    there_T = np.ones(len(values_TN), dtype=bool) if null_T is None else ~null_T
    offsets = np.concatenate([[0], np.cumsum(there_T * values_TN.shape[1])]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values_TN[there_T].reshape(-1)), mask=pa.array(~there_T))
