"""Damage to Parquet files and to checkpoints, through the libraries that write them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from tests.fuzz.mutations import Draw


def damaged_parquet(draw: Draw, content: bytes) -> bytes:
    """The table with another schema, other metadata or other values."""
    table = pq.read_table(io.BytesIO(content))
    metadata = dict(table.schema.metadata or {})
    for _ in range(draw.few()):
        if draw.chance(0.3):
            metadata[draw.pick([b"joints", b"width", b"height", b"x"])] = draw.pick(_METADATA)
        else:
            table = _changed(draw, table)
    buffer = io.BytesIO()
    options: dict[str, Any] = {
        "row_group_size": draw.pick([1, 3, 10_000]),
        "compression": draw.pick(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]),
        "use_dictionary": draw.chance(0.5),
        "data_page_version": draw.pick(["1.0", "2.0"]),
        "store_schema": draw.chance(0.7),
    }
    if draw.chance(0.05):
        options["store_schema"] = False
        metadata[b"ARROW:schema"] = draw.pick([b"x", b"", base64.b64encode(draw.bytes(200))])
    pq.write_table(table.replace_schema_metadata(metadata), buffer, **options)
    return buffer.getvalue()


_METADATA = (
    b"",
    b"x",
    b"\xff\xfe",
    b"0",
    b"-5",
    b"9" * 400,
    b"9" * 5000,
    b"1e3",
    b"coco",
    b"h36m17",
    b"x" * 20_000,
    b"a\nb",
)


def _changed(draw: Draw, table: pa.Table) -> pa.Table:
    if not table.num_columns:
        return table
    index = draw.below(table.num_columns)
    name = table.schema.names[index]
    rows = table.num_rows
    match draw.below(6):
        case 0:
            return table.drop_columns([name]) if draw.chance(0.5) else table.append_column(name, table.column(index))
        case 1:
            odd = draw.pick(["x", "", "person", "frame", "scores", "é\n", "x" * 3000])
            return table.rename_columns([odd if each == name else each for each in table.schema.names])
        case 2:
            return table.slice(0, 0) if draw.chance(0.3) else pa.concat_tables([table] * draw.pick([2, 3]))
        case 3:
            return table.set_column(index, name, table.column(index).cast(draw.pick(_TYPES), safe=False))
        case _:
            return table.set_column(index, name, _column(draw, rows))


_TYPES = (
    pa.string(),
    pa.float64(),
    pa.int8(),
    pa.uint64(),
    pa.large_list(pa.float64()),
    pa.list_(pa.string()),
    pa.int64(),
)


def _column(draw: Draw, rows: int) -> pa.Array:
    values: list[Any] = draw.pick(
        [
            [None] * rows,
            list(range(rows)),
            [2**63 - 1 - row for row in reversed(range(rows))],
            [-(2**63) + row for row in range(rows)],
            [0.5] * rows,
            ["x\n\x1b[31m"] * rows,
            [b"\xff"] * rows,
            [{"a": 1}] * rows,
            [[1.0] * 34] * rows,
            [[np.nan] * 34] * rows,
            [[1e300] * 34] * rows,
            [[None] * 34] * rows,
            [[[1.0] * 34]] * rows,
            [[]] * rows,
            [["1"] * 34] * rows,
            [[1] * 17] * rows,
            [[True] * 34] * rows,
            [True] * rows,
            ["x" * 100_000] * rows,
        ]
    )
    array = pa.array(values)
    return array.dictionary_encode() if draw.chance(0.1) else array


def damaged_checkpoint(draw: Draw, content: bytes) -> bytes:
    """The dictionary in a checkpoint with something in it of another kind."""
    import torch  # here, since it takes seconds

    from tests.fuzz.mutations import _ODD, changed

    tensors = [
        torch.zeros(3),
        torch.zeros(0),
        torch.tensor(1.0),
        torch.zeros(2, 2, dtype=torch.int64),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(1).expand(10**9),
        torch.zeros(1).expand(10**5, 10**5),
        torch.full((8,), float("nan")),
        torch.eye(3).to_sparse(),
        torch.zeros(4, dtype=torch.bool),
        torch.zeros(3, dtype=torch.float16),
        torch.zeros(3, device="meta"),
        torch.float32,
        torch.Size([1, 2]),
        torch.device("cpu"),
        (1, 2),
        {1: 2},
        {None: 1},
        {(1,): 1},
        10**9,
        b"x",
        1j,
        set(),
    ]
    tree = torch.load(io.BytesIO(content), weights_only=True)
    plain = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    buffer = io.BytesIO()
    torch.save(changed(draw, plain, [*_ODD, *tensors]), buffer)
    return buffer.getvalue()
