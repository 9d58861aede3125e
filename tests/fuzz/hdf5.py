"""Damage to HDF5 files, through h5py: types, shapes, links, storage, attributes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from tests.fuzz.mutations import Draw


def damaged_hdf5(draw: Draw, content: bytes) -> bytes:
    """The file with one or several of its objects changed."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        for _ in range(draw.few()):
            _damage(draw, file)
    return buffer.getvalue()


def _damage(draw: Draw, file: h5py.File) -> None:
    names = _names(file)
    datasets = [
        name for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink) and _is_dataset(file, name)
    ]
    match draw.below(12):
        case 0 | 1 | 2 | 3 if datasets:
            _replace(draw, file, draw.pick(datasets))
        case 4 | 5 if names:
            _link(draw, file, draw.pick(names), names)
        case 6 if names:
            name = draw.pick(names)
            del file[name]
        case 7 if names:
            name = draw.pick(names)
            parent = name.rpartition("/")[0]
            file.move(name, f"{parent}/{draw.pick(_NAMES)}")
        case 8 if datasets:
            dataset = file[draw.pick(datasets)]
            if dataset.dtype.kind in "fiu" and dataset.size:
                odd = draw.pick([np.nan, np.inf, -np.inf, 1e38, 1e300, -1, 0, 1e-320])
                flat = dataset[()].reshape(-1)
                flat[draw.below(flat.size) :] = np.asarray(odd).astype(flat.dtype)
                dataset[...] = flat.reshape(dataset.shape)
        case _:
            holder = file[draw.pick(["/", *names])]
            _attribute(draw, holder)


_NAMES = ("x", "S", "S99999999999", "S1.5", "Sx", "é", "a\nb\x1b[31m", "cameras", "x" * 2000, ".", "keypoints_px", "S1")


def _names(group: h5py.Group) -> list[str]:
    """Every path in the file, those of links that lead nowhere too."""
    found: list[str] = []

    def visit(group: h5py.Group, prefix: str, depth: int) -> None:
        for name in group:
            path = f"{prefix}/{name}"
            found.append(path)
            if isinstance(group.get(name, getlink=True), h5py.HardLink) and depth < 6:
                child = group[name]
                if isinstance(child, h5py.Group):
                    visit(child, path, depth + 1)

    visit(group, "", 0)
    return found


def _is_dataset(file: h5py.File, name: str) -> bool:
    """Also not one that damage has made: reading a virtual dataset of a file in memory is what ends processes."""
    found = file[name]
    return isinstance(found, h5py.Dataset) and not found.is_virtual and not found.external and (found.size or 0) < 10**6


def _replace(draw: Draw, file: h5py.File, name: str) -> None:
    """A dataset of the same name, but of another type, shape or storage."""
    old = file[name]
    shape = old.shape or (4,)
    values = old[()] if old.dtype.kind in "fiu" else np.zeros(shape)
    attributes = dict(old.attrs)
    del file[name]
    canary = str(draw.canary)
    match draw.below(22):
        case 0:
            file.create_dataset(name, (2**40, *shape[1:]), "f8", chunks=(1, *shape[1:]))
        case 1:
            file.create_dataset(
                name, (*shape[:-1], 2**34), "f4", chunks=(*(1,) * (len(shape) - 1), 1024), compression=9
            )
        case 2:
            file.create_dataset(name, (2**29, *shape[1:]), "f4", chunks=(64, *shape[1:]), fillvalue=7)
        case 3:
            size = int(np.prod(shape)) * 8
            parts = [(f"{canary}/{draw.pick(['secret', 'secret.h5', 'fifo'])}", 0, size)]
            file.create_dataset(name, shape, "f8", external=parts)
        case 4:
            file.create_dataset(name, shape, "f8", external=[(f"{canary}/secret", 2**40, h5py.h5f.UNLIMITED)])
        case 5:
            source = draw.pick([f"{canary}/secret.h5", ".", f"{canary}/absent.h5", f"{canary}/fifo"])
            layout = h5py.VirtualLayout(shape, "f8")
            layout[...] = h5py.VirtualSource(source, draw.pick(["secret", name]), shape)
            file.create_virtual_dataset(name, layout)
        case 6:
            text = np.full(shape, "x", dtype=object)
            file.create_dataset(name, data=text, dtype=h5py.string_dtype())
        case 7:
            file.create_dataset(name, data=np.zeros(shape, [("a", "f4"), ("b", "i8")]))
        case 8:
            file.create_dataset(name, shape, h5py.vlen_dtype(np.float32))
        case 9:
            file.create_dataset(name, shape, h5py.ref_dtype)
        case 10:
            file[name] = h5py.Empty(draw.pick(["f4", "i1"]))
        case 11:
            file[name] = values.reshape(-1)[0] if values.size else 0
        case 12:
            file[name] = values.reshape(-1)
        case 13:
            file[name] = values[..., None]
        case 14:
            file[name] = np.zeros((0, *shape[1:]))
        case 15:
            file[name] = values[..., :-1]
        case 16:
            file[name] = values.astype(draw.pick(["i1", ">f8", "f2", "u8", "bool", "c16", "S3", "f4"]))
        case 17:
            file.create_dataset(name, data=values, dtype=h5py.enum_dtype({"a": 1}, "i4"))
        case 18:
            file.create_group(name)
        case 19:
            file[name] = np.dtype("f4")
        case 20:
            file.create_dataset(name, shape, "V7")
        case _:
            options: dict[str, Any] = draw.pick(
                [
                    {"compression": "lzf"},
                    {"fletcher32": True},
                    {"scaleoffset": 1},
                    {"shuffle": True},
                    {"compression": 9},
                ]
            )
            file.create_dataset(name, data=values, **options)
    if name in file:
        for key, value in attributes.items():
            file[name].attrs[key] = value


def _link(draw: Draw, file: h5py.File, name: str, names: list[str]) -> None:
    """A link of the same name to somewhere else."""
    parent = name.rpartition("/")[0] or "/"
    canary = str(draw.canary)
    holder = file[parent]
    last = name.rpartition("/")[2]
    if draw.chance(0.6):
        del file[name]
    else:
        last = draw.pick(["S7", "more", "confidence", last + "2"])
    match draw.below(7):
        case 0:
            holder[last] = file[parent]  # a group within itself
        case 1:
            holder[last] = h5py.SoftLink(draw.pick([name, "/absent", "/", parent, ".", *names]))
        case 2:
            holder[last] = h5py.ExternalLink(f"{canary}/secret.h5", draw.pick(["/secret", "/", "/absent", name]))
        case 3:
            holder[last] = h5py.ExternalLink(f"{canary}/{draw.pick(['fifo', 'secret', 'absent.h5'])}", "/")
        case 4:
            holder[last] = file["/"]
        case 5:
            holder[last] = h5py.ExternalLink("case.h5", "/")
        case _:
            holder[last] = file[draw.pick(["/", *(each for each in names if each in file)])]


def _attribute(draw: Draw, holder: Any) -> None:
    """An attribute of another type, another shape, gone, or one more."""
    name = draw.pick([*holder.attrs, "x"])
    match draw.below(12):
        case 0 if name in holder.attrs:
            del holder.attrs[name]
        case 1:
            holder.attrs[name] = h5py.Empty("f4")
        case 2:
            holder.attrs.create(name, holder.ref, dtype=h5py.ref_dtype)
        case 3:
            holder.attrs[name] = np.zeros(draw.pick([(0,), (2, 2), (9,), (1, 1, 1), (5000,)]))
        case 4:
            holder.attrs[name] = np.zeros(2, [("a", "f4"), ("b", "S2")])
        case 5:
            holder.attrs.create(name, [np.arange(3)], dtype=h5py.vlen_dtype("f4"))
        case 6:
            holder.attrs.create(name, b"\xff\xfe\x00x", dtype="S4")
        case 7:
            holder.attrs[name] = ["a", "b\nc\x1b[31m", "é"]
        case 8:
            holder.attrs.create(name, b"\xff\xfe", dtype=h5py.string_dtype())
        case 9:
            holder.attrs[name] = "x" * 20_000
        case _:
            holder.attrs[name] = draw.pick([np.nan, np.inf, -1, 0, 1e300, 2**63, True, "x", b"x", 1j, [], -5.5])
