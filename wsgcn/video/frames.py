"""The frames of a film or of an animated GIF, upright and with square pixels, and when each of them is shown.

A film is foreign input: it is opened by its content as one of the usual containers, never as a playlist, which could
name other files; its frames are decoded one by one, and what it may cost is bounded (docs/limits.md).
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.files import regular_file
from wsgcn.base.foreign import reading
from wsgcn.base.limits import check_count, check_file
from wsgcn.video import limits
from wsgcn.video.extra import extra

_KIND = "video"
KINDS = "MP4, MOV, Matroska, WebM, AVI, MPEG, MTS, Ogg, FLV, WMV, GIF"
# What is read: FFmpeg's names of the containers, by the bytes at a file's start.
_CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "ogg", "flv", "asf", "gif")
_STARTS = (
    b"GIF87a",
    b"GIF89a",
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
)
_PICTURES = (b"heic", b"heix", b"mif1", b"avif")  # brands of the same container that hold no film
_LOOKED_AT = 256  # bytes
SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".ogv", ".flv", ".wmv", ".asf", ".gif"),
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # an MP4 or MOV's first, after its size
# A transport stream's packets, in bytes, each begin with a G; cameras (MTS) and Blu-rays put a time before it.
_TS_PACKETS = ((188, 0), (192, 4))


@dataclass(frozen=True)
class Frame:
    """A frame.

    Attributes:
        time_s: when it is shown; None where the film does not say.
        picture_HWC: RGB, uint8, upright.
    """

    time_s: float | None
    picture_HWC: np.ndarray


def is_video(path: Path | str) -> bool:
    """Whether a file begins like a film; False for what is no readable file."""
    try:
        with regular_file(path).open("rb") as file:
            start = file.read(_LOOKED_AT)
    except (InputError, OSError):
        return False
    is_transport_stream = any(start[at : at + length + 1 : length] == b"GG" for length, at in _TS_PACKETS)
    is_avi = start[:4] == b"RIFF" and start[8:12] == b"AVI "
    is_mp4 = start[4:8] in _BOXES and start[8:12] not in _PICTURES
    return is_mp4 or start.startswith(_STARTS) or is_avi or is_transport_stream


class Video:
    """A film that is open. Its frames can be gone through once.

    Attributes:
        path: the file.
        size: width and height of the upright picture, px.
        stored_size: the same before its pixels were made square, as tools have it that do not do so.
        pixel_aspect: width over height of those pixels.
        rate: frames a second as the film declares them; None if it does not.
        frames: how many it declares or its length suggests, 0 if neither; for a progress bar.
        declared: how many frames its index lists, 0 if it does not say; one that is cut off has fewer.
        damaged: packets and frames that could not be decoded, or not wholly, so far.

    Raises:
        InputError: the extra is not installed; the file is missing, no film, damaged, has no picture, or is beyond a
            limit.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with extra(str(path)):
            import av
        check_file(regular_file(path), limits.FILE_BYTES)
        if not is_video(path):
            raise InputError(f"{path}: is no video of a known kind ({KINDS}).")
        self.damaged, self.stored_size, self.pixel_aspect = 0, (0, 0), Fraction(1)
        with ExitStack() as stack:
            with reading(path, _KIND):
                # Playlists and lists of parts are no containers here; what they would name is not opened.
                options = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file"}
                self._container = stack.enter_context(av.open(str(self.path), options=options))
                streams, count = self._container.streams.video, len(self._container.streams)
            if not count:
                raise InputError(f"{path}: is not a readable video, truncated or damaged (it has no index).")
            pictures = [stream for stream in streams if not _is_cover(stream)]
            if not pictures:
                raise InputError(f"{path}: has no picture, only sound or data.")
            with reading(path, _KIND):
                self._stream = pictures[0]
                self._stream.thread_type = "AUTO"
                self._stream.codec_context.options = {"max_pixels": str(limits.PIXELS)}
                rate, count, duration_s = _declared(self._stream, self._container)
            self._check_pixels(self._stream.codec_context)
            self.rate, self.declared = rate, count
            self.frames = min(count or round((duration_s or 0) * (rate or 0)), limits.FRAMES)
            self._decoded = self._decode()
            first = next(self._decoded, None)
            if first is None:
                raise InputError(f"{path}: has no frame that can be decoded.")
            self._first: Frame | None = first
            self.size = first.picture_HWC.shape[1], first.picture_HWC.shape[0]
            self._opened = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames in the order in which they are shown.

        Raises:
            InputError: the film is damaged in more than single packets, or has more frames than it may have.
        """
        assert self._first is not None, "gone through before"
        first, self._first = self._first, None
        for number, frame in enumerate(chain([first], self._decoded), 1):
            check_count(self.path, "frames", number, limits.FRAMES)
            yield frame

    def _check_pixels(self, sized: Any) -> None:
        check_count(self.path, "pixels in a frame", sized.width * sized.height, limits.PIXELS)

    def _decode(self) -> Iterator[Frame]:
        import av

        size, turns = None, 0
        with reading(self.path, _KIND):
            packets = self._container.demux(self._stream)
        while True:
            with reading(self.path, _KIND):
                packet = next(packets, None)
                if packet is None:
                    return
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:  # players go on after it, and so do others that lift the film
                    frames = []
                    self.damaged += 1
            check_count(self.path, "damaged packets or frames", self.damaged, limits.DAMAGED)
            for frame in frames:
                self._check_pixels(frame)
                self.damaged += frame.is_corrupt
                if size is None:  # what the first frame is, all are
                    aspect = _aspect(self._stream.sample_aspect_ratio)
                    size = max(1, round(frame.width * aspect)), frame.height
                    turns = round(frame.rotation / 90) % 4
                    is_on_its_side = bool(turns % 2)
                    self.stored_size = (frame.width, frame.height)[:: -1 if is_on_its_side else 1]
                    self.pixel_aspect = 1 / aspect if is_on_its_side else aspect
                with reading(self.path, _KIND):
                    picture = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
                yield Frame(frame.time, np.rot90(picture, turns))


def _is_cover(stream: Any) -> bool:
    """Whether it is the picture of an album or the like."""
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _declared(stream: Any, container: Any) -> tuple[float | None, int, float | None]:
    """Rate, number of frames and length in seconds, as far as the film says so."""
    rate = stream.average_rate or stream.guessed_rate
    duration_s = None
    if stream.duration and stream.time_base:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / 1e6
    return (float(rate) if rate and rate > 0 else None), max(stream.frames, 0), duration_s


def _aspect(declared: Fraction | None) -> Fraction:
    """Width over height of a pixel: films for television and some cameras have wide or narrow ones."""
    is_one = declared and Fraction(1, 5) <= declared <= 5
    return Fraction(declared) if declared and is_one else Fraction(1)
