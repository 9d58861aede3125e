"""Frames of a video file, by PyAV where it is installed, otherwise by a pipe from ffmpeg.

A frame's number is how many are decoded before it, whatever the times in the file say: so detectors count. Frames are
upright, as players show them.
"""

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.base.files import regular_file
from wsgcn.base.foreign import brief, reading

MOST_PIXELS = 2**25  # of a frame; 8K fits just so

# What is one file and needs no other: a playlist could name any file, or the network.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif",
}


def has_decoder() -> bool:
    """Whether videos can be read on this machine."""
    return find_spec("av") is not None or shutil.which("ffmpeg") is not None


def read_frames(path: Path | str, first: int = 0, step: int = 1) -> Iterator[Image.Image]:
    """Every `step`-th frame from the frame `first` on, as RGB pictures.

    Raises:
        InputError: the file is missing or is no readable video, its frames are too large, or there is neither PyAV nor
            ffmpeg.
    """
    path = regular_file(path)
    if find_spec("av") is not None:
        return _by_pyav(path, first, step)
    if shutil.which("ffmpeg") is not None:
        return _by_ffmpeg(path, first, step)
    raise InputError(f"{path}: a video is read by PyAV or ffmpeg, and neither is here; `pip install av` is enough.")


def _by_pyav(path: Path, first: int, step: int) -> Iterator[Image.Image]:
    av = importlib.import_module("av")
    with reading(path, "video"):
        container = av.open(str(path), options=_OPEN_OPTIONS)
    with closing(container):
        if not container.streams.video:
            raise InputError(f"{path}: has no video in it.")
        with reading(path, "video"):
            container.streams.video[0].thread_type = "AUTO"
            container.streams.video[0].codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            frames = container.decode(video=0)
        number = 0
        while True:
            with reading(path, "video"):
                frame = next(frames, None)
            if frame is None:
                return
            if number >= first and (number - first) % step == 0:
                _check_size(path, frame.width, frame.height)
                with reading(path, "video"):
                    picture = frame.to_image()
                # degrees counter-clockwise that show it upright; PyAV before 14 does not know them
                yield _turned(picture, round(getattr(frame, "rotation", 0)))
            number += 1


def _turned(picture: Image.Image, degrees: int) -> Image.Image:
    turns = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    turn = turns.get(degrees % 360)
    return picture if turn is None else picture.transpose(turn)


def _by_ffmpeg(path: Path, first: int, step: int) -> Iterator[Image.Image]:
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-max_pixels", str(MOST_PIXELS)]
    for name, value in _OPEN_OPTIONS.items():
        command += [f"-{name}", value]
    # Times of its own for each frame, or ffmpeg would double and drop some to reach a constant rate.
    chosen = f"select='gte(n,{first})*not(mod(n-{first},{step}))',setpts=N/25/TB"
    command += ["-i", f"file:{path}", "-map", "0:v:0", "-vf", chosen, "-r", "25"]
    command += ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages) as process,
    ):
        assert process.stdout is not None
        try:
            while (picture := _next_ppm(path, process.stdout)) is not None:
                yield picture
            process.wait()
        finally:
            process.kill()  # who asks for no more frames does not wait for them
        if process.returncode:
            messages.seek(0)
            reasons = messages.read(4096).decode(errors="replace").strip().splitlines() or ["it does not say why"]
            raise InputError(f"{path}: is not a readable video (ffmpeg: {brief(reasons[-1], 160)}).")


def _next_ppm(path: Path, stream: IO[bytes]) -> Image.Image | None:
    """The next picture of a stream of PPM, as ffmpeg writes it; None at its end."""
    if not (magic := stream.readline(16)):
        return None
    sides = stream.readline(32).split()
    assert (magic, len(sides), stream.readline(16)) == (b"P6\n", 2, b"255\n"), "ffmpeg writes PPM another way"
    width, height = int(sides[0]), int(sides[1])
    _check_size(path, width, height)
    content = stream.read(3 * width * height)
    return Image.frombytes("RGB", (width, height), content) if len(content) == 3 * width * height else None


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(f"{path}: has frames of {width}x{height} px; the limit is {MOST_PIXELS:,} in all.")
