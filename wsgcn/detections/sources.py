"""The reader of each value of `detections.source` whose detections lie in files; a new format is a line here."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from wsgcn.detections.base import DetectionReader
from wsgcn.detections.hourglass import open_finetuned, open_pretrained
from wsgcn.detections.videopose3d import open_npz

# source -> how to open the file or folder that detections.path names; raises InputError where it cannot be read
OPEN: dict[str, Callable[[Path], DetectionReader]] = {
    "hourglass_pretrained": open_pretrained,
    "hourglass_finetuned": open_finetuned,
    "cpn": partial(open_npz, detector="cpn"),
    "detectron": partial(open_npz, detector="detectron"),
    "hrnet": partial(open_npz, detector="hrnet"),
}
