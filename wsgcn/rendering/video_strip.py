"""Pictures of a video, to lie behind the 2D in the viewer: a few hundred small JPEGs, which fit into the page."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.rendering.sequences import PoseSequence
from wsgcn.video.frames import Frame, Video

MOST_PICTURES = 400  # of all sequences together: every frame of 13 s at 30 frames a second, 5 MB in the page
_LONGER_SIDE_PX = 360
_QUALITY = 60
_SAME_SHAPE = 0.02  # how far width over height may be off: encoders round sides to even numbers
_NEAR = 0.5  # frames beyond the last one, for which it still stands

Box = tuple[float, float, float, float]  # left, top, right, bottom, px


@dataclass(frozen=True)
class Strip:
    """Pictures of every `step`-th frame number of a video from `first` on, JPEG."""

    first: int
    step: int
    pictures: tuple[bytes, ...]


def cut_strips(
    video: Path | str, sequences: Sequence[PoseSequence], boxes_px: Sequence[Box], most: int = MOST_PICTURES
) -> list[Strip]:
    """A strip for each sequence, all of one video, which is read once, and frame numbers of one kind.

    Args:
        boxes_px: what to show of the picture, for each sequence.
        most: pictures in all strips together, but for one more a sequence.

    Raises:
        InputError: the video cannot be read (see `wsgcn.video.frames.Video`), ends before the sequences begin, or has
            another shape than their pictures, with square pixels or its own; or a sequence does not know its frames'
            numbers.
    """
    spans = []
    for sequence in sequences:
        if sequence.frames is None:
            raise InputError(
                f"{video}: nothing says which of its frames belong to {sequence.title}; a video goes with what "
                "`wsgcn lift` writes."
            )
        spans.append((int(sequence.frames.min()), int(sequence.frames.max())))
    begin, end = max(min(first for first, _ in spans), 0), max(last for _, last in spans)
    step = -(-sum(last - first + 1 for first, last in spans) // most)
    firsts = [begin + max(first - begin, 0) // step * step for first, _ in spans]
    pictures: list[list[bytes]] = [[] for _ in sequences]
    with Video(video) as film:
        for number, frame in _nearest(range(begin, end + 1, step), film, sequences[0].frames_fps):
            picture = Image.fromarray(np.ascontiguousarray(frame.picture_HWC))
            for index, (sequence, (_, last), box_px) in enumerate(zip(sequences, spans, boxes_px, strict=True)):
                if firsts[index] <= number <= last:
                    _check_shape(film, sequence)
                    pictures[index].append(_jpeg(picture, sequence.size_px or picture.size, box_px))
    if not any(pictures):
        raise InputError(f"{video}: ends before frame {begin}, with which {sequences[0].title} begins.")
    return [Strip(first, step, tuple(each)) for first, each in zip(firsts, pictures, strict=True)]


def _nearest(numbers: Sequence[int], frames: Iterable[Frame], fps: float | None) -> Iterator[tuple[int, Frame]]:
    """Each frame number, as far as the frames go, and the frame that is nearest to it.

    Args:
        numbers: ascending.
        fps: the constant rate at which they number the time from the first frame on; None if frames are counted.
    """
    done, first_s = 0, 0.0
    before: tuple[float, Frame] | None = None
    for count, frame in enumerate(frames):
        place = float(count)
        if fps is not None and frame.time_s is not None:
            first_s = frame.time_s if before is None else first_s
            place = (frame.time_s - first_s) * fps
        while done < len(numbers) and numbers[done] <= place:
            number = numbers[done]
            is_nearer = before is not None and number - before[0] < place - number
            yield number, before[1] if before is not None and is_nearer else frame
            done += 1
        if done == len(numbers):
            return
        before = place, frame
    if before is not None and numbers[done] <= before[0] + _NEAR:
        yield numbers[done], before[1]


def note_on_pixels(video: Path | str, sequences: Sequence[PoseSequence]) -> str | None:
    """A sentence if the keypoints of a sequence lie in the video's stored pixels, which are not square; or None.

    Raises:
        InputError: the video cannot be read.
    """
    with Video(video) as film:
        sizes = [sequence.size_px for sequence in sequences if sequence.size_px is not None]
        if not any(_is_shape(size, film.stored_size) and not _is_shape(size, film.size) for size in sizes):
            return None
        aspect = f"{film.pixel_aspect.numerator}:{film.pixel_aspect.denominator}"
        return (
            f"{Path(video).name} has pixels of {aspect}, and the keypoints lie in them as if they were square; lift "
            f"them again with --pixel-aspect {aspect}, unless it was done with a calibration of such pixels"
        )


def _is_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= _SAME_SHAPE


def _check_shape(film: Video, sequence: PoseSequence) -> None:
    size_px = sequence.size_px
    if size_px is None or _is_shape(size_px, film.size) or _is_shape(size_px, film.stored_size):
        return
    raise InputError(
        f"{film.path}: has frames of {film.size[0]}x{film.size[1]} px, but the keypoints of {sequence.title} lie in a "
        f"picture of {size_px[0]}x{size_px[1]} px; expected the video that they were found in."
    )


def _jpeg(picture: Image.Image, size_px: tuple[int, int], box_px: Box) -> bytes:
    x, y = picture.width / size_px[0], picture.height / size_px[1]
    left, top, right, bottom = box_px[0] * x, box_px[1] * y, box_px[2] * x, box_px[3] * y
    scale = min(1.0, _LONGER_SIDE_PX / max(right - left, bottom - top))
    small = picture.resize(
        (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))),
        Image.Resampling.BILINEAR,
        (max(left, 0), max(top, 0), min(right, picture.width), min(bottom, picture.height)),
    )
    content = io.BytesIO()
    small.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()
