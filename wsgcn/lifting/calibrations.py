"""Files of calibration tools: a camera's matrix with its distortion, under any of the usual names.

OpenCV's FileStorage in YAML, ROS's camera_info, Pose2Sim's and Anipose's toml (a section a camera), npz as OpenCV's
tutorial saves it, and JSON. Distortion is in OpenCV's order: k1, k2, p1, p2, k3.
"""

import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated, reading, shown
from wsgcn.base.signatures import kind_of
from wsgcn.containers.npz import load_npz

# Names as `_plain` has them, the likeliest first.
_MATRIX = (
    *("k", "mtx", "cameramatrix", "intrinsicmatrix", "intrinsics", "intrinsic", "matrix", "cammatrix", "kmatrix"),
    *("calibrationmatrix", "intrinsicsmatrix", "cameraintrinsics", "newcameramatrix", "intrinsicmat", "mint"),
)
_DISTORTION = (
    *("d", "dist", "distcoeffs", "distcoeff", "distcoefs", "distcoef", "distortion", "distortions", "coeffs"),
    *("distortioncoefficients", "distortioncoeffs", "distortioncoeff", "distortionparams", "distcoefficients"),
)
_FOCAL = (("fx", "fy"), ("focalx", "focaly"))
_CENTRE = (("cx", "cy"), ("ppx", "ppy"), ("x0", "y0"))
_SIZE = (("width", "height"), ("imagewidth", "imageheight"), ("w", "h"), ("imgwidth", "imgheight"))
_FISHEYE = ("equidistant", "fisheye", "kannalabrandt")
# OpenCV's numbers of coefficients; those behind the fifth are of models that are not read, and may be zero
_COUNTS = (0, 1, 2, 4, 5, 8, 12, 14)
_READ = 5
_MOST_NUMBERS = 100  # in one value
_LARGEST = 1e12


@dataclass(frozen=True)
class Calibration:
    """What a file says of one camera.

    Attributes:
        matrix: (3, 3) float64, pixels.
        distortion: k1, k2, p1, p2, k3, OpenCV's; zero where there is none.
        size: of the pictures that it is for, where the file says it, px.
    """

    matrix: np.ndarray
    distortion: tuple[float, ...] = (0.0,) * _READ
    size: tuple[float, float] | None = None


def read_calibration(path: Path, camera: str | None = None) -> Calibration:
    """The camera in a file, or the one of that name.

    Args:
        path: npz, JSON, toml, YAML, or text with a 3x3 matrix alone.

    Raises:
        InputError: the file cannot be read or has no camera; it has several and none is named; the named one is not
            there; or the camera is a fisheye or has a distortion of more than OpenCV's first five coefficients.
    """
    tree = _read(path)
    if not isinstance(tree, Mapping):
        return Calibration(_matrix(tree, str(path)))
    cameras = dict(_cameras(tree))
    if not cameras:
        raise InputError(
            f"{path}: has no camera matrix under any of the usual names ({enumerated(_MATRIX, 5)}); it has "
            f"{enumerated(tree)}."
        )
    if camera is None and len(cameras) == 1:
        [camera] = cameras
    if camera not in cameras:
        which = "choose one, such as" if camera is None else f"but no {brief(camera, 40)!r}; choose"
        raise InputError(
            f"{path}: has the cameras {enumerated(cameras)}, {which} {path.name}:{brief(next(iter(cameras)), 40)}."
        )
    return _calibration(cameras[camera], f"{path}: {brief(camera, 40)}" if camera else str(path))


def _read(path: Path) -> Any:
    content = limits.read_file(path, limits.INTRINSICS_BYTES)
    kind = kind_of(content)
    if kind == "a zip archive":
        return load_npz(path)
    if kind is not None:
        raise InputError(
            f"{path}: is {kind}, expected a camera's intrinsics: a matrix in text, JSON, YAML, toml or npz."
        )
    with reading(path, "text"):
        text = content.decode("utf-8-sig")
    suffix = path.suffix.lower()
    if suffix == ".toml":
        with reading(path, "toml file"):
            return tomllib.loads(text)
    if suffix in (".yml", ".yaml") or text.startswith("%YAML"):
        with reading(path, "YAML file"):
            return yaml.load(re.sub(r"\A%YAML[: ].*", "", text), Loader=_Loader)
    if text.lstrip().startswith(("[", "{")):
        with reading(path, "JSON file"):
            return json.loads(text)
    with reading(path, "3x3 matrix"):
        rows = [_numbers_of(line) for line in io.StringIO(text)]
        return [row for row in rows if row]


class _Loader(yaml.SafeLoader):
    """With OpenCV's tag for a matrix, whose mapping is kept as it is."""


def _opencv_matrix(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _opencv_matrix)


def _numbers_of(line: str) -> list[float]:
    return [float(number) for number in line.replace(",", " ").replace(";", " ").split()]


def _cameras(tree: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The camera in an object, or those in its sections, by name, with plain keys."""
    plain = _plain(tree)
    if _value(plain, _MATRIX) is not None or _pair(plain, _FOCAL) is not None:
        inside = _value(plain, _MATRIX)
        # {"intrinsics": {"fx": ...}} and {"camera": {"K": ..., "D": ...}} have the camera one level below
        is_camera = isinstance(inside, Mapping) and "data" not in _plain(inside)
        yield "", (plain | _plain(inside) if is_camera else plain)
        return
    for name, section in tree.items():
        if isinstance(section, Mapping):
            plain = _plain(section)
            if _value(plain, _MATRIX) is not None or _pair(plain, _FOCAL) is not None:
                yield str(name), plain


def _plain(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """With keys in small letters, without what separates words."""
    return {re.sub(r"[^a-z0-9]", "", str(key)[:64].lower()): value for key, value in tree.items()}


def _calibration(camera: Mapping[str, Any], origin: str) -> Calibration:
    model = camera.get("distortionmodel", camera.get("model"))
    if camera.get("fisheye") is True or (isinstance(model, str) and model.lower().replace("_", "") in _FISHEYE):
        raise InputError(f"{origin}: is a fisheye camera, expected one with OpenCV's usual distortion.")
    focal, centre = _pair(camera, _FOCAL), _pair(camera, _CENTRE)
    if focal is not None and centre is not None:
        matrix = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
    else:
        matrix = _matrix(_value(camera, _MATRIX), origin)
    return Calibration(matrix, _distortion(camera, origin), _pair(camera, _SIZE) or _sides(camera.get("size")))


def _value(camera: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((camera[name] for name in names if camera.get(name) is not None), None)


def _pair(camera: Mapping[str, Any], names: tuple[tuple[str, str], ...]) -> tuple[float, float] | None:
    for first, second in names:
        values = _flat([camera.get(first), camera.get(second)])
        if values is not None:
            return values[0], values[1]
    return None


def _sides(size: Any) -> tuple[float, float] | None:
    values = _flat(size)
    return (values[0], values[1]) if values is not None and len(values) == 2 else None


def _matrix(value: Any, origin: str) -> np.ndarray:
    """(3, 3) float64 from rows, nine numbers, or {data: nine numbers}; Open3D's nine go down the columns."""
    inside = _plain(value).get("data", value) if isinstance(value, Mapping) else value
    numbers = _flat(inside)
    if numbers is None or len(numbers) != 9:
        found = f"{len(numbers)} numbers" if numbers is not None else shown(inside)
        raise InputError(f"{origin}: has {found} as camera matrix, expected a 3x3 matrix of numbers.")
    matrix = np.array(numbers).reshape(3, 3)
    is_flat = isinstance(inside, list) and not isinstance(inside[0], list)
    return matrix.T if is_flat and (matrix[:2, 2] == 0).all() and matrix[2, :2].all() else matrix


def _distortion(camera: Mapping[str, Any], origin: str) -> tuple[float, ...]:
    value = _value(camera, _DISTORTION)
    inside = _plain(value).get("data", value) if isinstance(value, Mapping) else value
    if inside is None:
        inside = [camera.get(name, 0) for name in ("k1", "k2", "p1", "p2", "k3")]
    numbers = _flat(inside)
    if numbers is None or len(numbers) not in _COUNTS:
        found = f"{len(numbers)} coefficients" if numbers is not None else shown(inside)
        raise InputError(f"{origin}: has {found} as distortion, expected OpenCV's k1, k2, p1, p2, k3.")
    if any(numbers[_READ:]):
        raise InputError(f"{origin}: has more than OpenCV's five coefficients of distortion; calibrate with k1 to k3.")
    return (*numbers[:_READ], *[0.0] * (_READ - len(numbers)))


def _flat(value: Any) -> list[float] | None:
    """The numbers in an array or a list, or in lists in a list; None if there is anything else."""
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.size <= _MOST_NUMBERS and value.dtype.kind in "fiu" else None
    if not isinstance(value, list):
        return None
    numbers: list[float] = []
    for item in value:
        for number in item if isinstance(item, list) else (item,):
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not (number != number or abs(number) < _LARGEST) or len(numbers) == _MOST_NUMBERS:
                return None
            numbers.append(float(number))
    return numbers
