"""Tiny videos for tests: GIFs, which need no encoder, whose frames are told apart by their grey."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image


def grey_of(number: int) -> int:
    """The grey of a frame, far from those of its neighbours."""
    return 20 + 47 * number % 211


def write_gif(path: Path, frames: int, size: tuple[int, int] = (64, 48), durations_ms: Sequence[int] = (40,)) -> Path:
    """A GIF whose frame n is all `grey_of(n)`; frames last as long as `durations_ms` says, again and again."""
    pictures = [Image.new("L", size, grey_of(number)) for number in range(frames)]
    durations = [durations_ms[number % len(durations_ms)] for number in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return path
