"""Folders with a file a frame: OpenPose's JSON, Ultralytics' label files, and any JSON whose joint order is named."""

from dataclasses import dataclass
from pathlib import Path

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated, reading
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints import any_json, openpose, ultralytics
from wsgcn.lifting.keypoints.instances import InstanceFile
from wsgcn.lifting.keypoints.json_file import load_json

_LOOKED_AT = 10_000  # entries of a folder, for a message


@dataclass(frozen=True)
class Found:
    """What lies in a folder: the format that its files look like, and their names."""

    format: str
    names: list[str]


def look_into(path: Path) -> Found:
    """Raises InputError: there is neither a JSON file nor a label file; it says what there is."""
    for format, ending in ((openpose.FORMAT, "json"), (ultralytics.LABELS, "txt")):
        with reading(path, "folder"):
            names = sorted(file.name for file in path.glob(f"*.{ending}") if not file.name.startswith("."))
        if names:
            return Found(format, names)
    raise InputError(_nothing(path))


def read(path: Path, found: Found, format: str | None, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: see the readers; or a JSON file is no frame of OpenPose, and no order is named."""
    if found.format == ultralytics.LABELS:
        return ultralytics.read_labels(path, found.names, order)
    is_openpose = any(_is_openpose(path / name) for name in found.names[:2])
    if format != any_json.FORMAT and (is_openpose or order is None or format == openpose.FORMAT):
        if not is_openpose and len(found.names) == 1:
            raise InputError(f"{path}: holds {found.names[0]}, which is no frame of OpenPose; give the file itself.")
        return openpose.read_folder(path, found.names, order)
    assert order is not None
    return any_json.read_folder(path, found.names, order)


def _is_openpose(path: Path) -> bool:
    try:
        tree = load_json(path)
    except InputError:  # who reads it says what is wrong with it
        return True
    return isinstance(tree, dict) and any(key in tree for key in openpose.KEYS)


def _nothing(path: Path) -> str:
    """What lies in a folder without a file to read, and the nearest miss."""
    expected = "expected OpenPose's JSON or Ultralytics' label files, one a frame"
    with reading(path, "folder"):
        below = [
            (folder.name, len(list(folder.glob("*.json")))) for folder in sorted(path.iterdir()) if folder.is_dir()
        ]
        files = sorted(file.name for _, file in zip(range(_LOOKED_AT), path.iterdir(), strict=False) if file.is_file())
    nearest = [f"{brief(name, 40)} with {count}" for name, count in below if count]
    if nearest:
        listed = ", ".join(nearest[:4])
        return f"{path}: is a folder without a JSON file, but with folders that hold some ({listed}); give one of them."
    archives = [name for name in files if name.lower().endswith((".zip", ".tar", ".tgz", ".gz", ".7z"))]
    if archives:
        return f"{path}: is a folder without a JSON file, but with {brief(archives[0], 60)}; unpack it, {expected}."
    readable = [name for name in files if name.lower().endswith((".npz", ".npy", ".h5", ".parquet"))]
    if readable:
        return f"{path}: is a folder without a JSON file, but with {enumerated(readable, 4)}; give a file itself."
    return f"{path}: is a folder without a JSON file (it holds {enumerated(files, 4)}), {expected}."
