"""Clips as GIF (Pillow) or MP4 (ffmpeg)."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.base.files import atomic_path
from wsgcn.base.run import Bars, no_bars, track
from wsgcn.rendering import palette
from wsgcn.rendering.painter import HEIGHT_PX, WIDTH_PX, ClipPainter
from wsgcn.rendering.sequences import PoseSequence


def clip_of(sequence: PoseSequence, seconds: float, fps: float, start_s: float = 0.0) -> PoseSequence:
    """The frames that a clip of at most `seconds` at `fps` shows, from `start_s` on.

    Raises:
        InputError: the clip would be empty, or `fps` is more than the sequence has.
    """
    if not 0 < fps <= sequence.fps:
        raise InputError(f"fps: is {fps:g}, but must be above 0 and at most the {sequence.fps:g} of the sequence.")
    if not seconds > 0:
        raise InputError(f"seconds: is {seconds:g}, but must be above 0.")
    frames = np.round((start_s + np.arange(round(seconds * fps)) / fps) * sequence.fps).astype(int)
    frames = frames[(frames >= 0) & (frames < len(sequence))]
    if not len(frames):
        raise InputError(
            f"{sequence.title}: has no frame between {start_s:g} s and {start_s + seconds:g} s; "
            f"it lasts {len(sequence) / sequence.fps:.1f} s."
        )
    return sequence.resampled(frames, fps)


def write_clip(
    path: Path | str,
    sequence: PoseSequence,
    *,
    seconds: float,
    fps: float,
    start_s: float = 0.0,
    bars: Bars = no_bars,
) -> int:
    """Write a clip to `path`, a .gif or an .mp4, and return its number of frames.

    The same sequence gives the same bytes (of an MP4: with the same ffmpeg).

    Raises:
        InputError: another suffix, an empty clip, no ffmpeg for an MP4, or a file that could not be written.
    """
    path = Path(path)
    write = {".gif": _write_gif, ".mp4": _write_mp4}.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path}: has the suffix '{path.suffix}'; expected .gif or .mp4.")
    if write is _write_mp4 and shutil.which("ffmpeg") is None:
        raise InputError(f"{path}: MP4 needs ffmpeg, which is not on PATH; install it, or write a .gif.")
    clip = clip_of(sequence, seconds, fps, start_s)
    painter = ClipPainter(clip)
    frames = track((painter.frame(index) for index in range(len(clip))), bars, path.name, len(clip), "frames")
    try:
        with atomic_path(path) as temporary:
            write(temporary, frames, fps)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it does not say why"]
        raise InputError(f"{path}: ffmpeg could not write it ({reason[0]}).") from error
    return len(clip)


def _write_gif(path: Path, frames: Iterator[Image.Image], fps: float) -> None:
    """The palette is the same for all clips, so that nothing flickers and identical frames are identical bytes."""
    colours, transparent = _gif_palette()
    pictures = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    # GIF counts in hundredths of a second: rounded so that the whole lasts as long as it should.
    ends_cs = [round(100 * index / fps) for index in range(len(pictures) + 1)]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=[10 * (end - start) for start, end in pairwise(ends_cs)],
        loop=0,
        optimize=True,
        transparency=transparent,
        disposal=1,
    )


def _gif_palette() -> tuple[Image.Image, int]:
    """A picture with the palette, and the index of a colour that no frame uses."""
    shades: list[tuple[int, ...]] = []
    for paper in (palette.PANEL, palette.PAGE):
        inks = [palette.LEFT, palette.RIGHT, palette.MIDDLE, palette.TEXT, palette.QUIET]
        inks += [palette.GRID, palette.SHADOW] if paper == palette.PANEL else []
        low = np.array(_rgb(paper))
        for ink in inks:
            steps = np.linspace(0, 1, 3 if ink in (palette.GRID, palette.SHADOW) else 5)
            shades += [tuple((low + share * (np.array(_rgb(ink)) - low)).round().astype(int)) for share in steps]
    shades = list(dict.fromkeys(shades))
    image = Image.new("P", (1, 1))
    image.putpalette([int(value) for shade in shades for value in shade])
    return image, len(shades)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def _write_mp4(path: Path, frames: Iterator[Image.Image], fps: float) -> None:
    command = ["ffmpeg", "-y", "-loglevel", "error"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH_PX}x{HEIGHT_PX}", "-r", f"{fps:g}", "-i", "-"]
    # bitexact leaves out the encoder's name; the pixel format is the one that every player can show.
    command += ["-an", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    command += ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # ffmpeg has ended; it says why
            for frame in frames:
                process.stdin.write(frame.tobytes())
        _, message = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "ffmpeg", stderr=message)
