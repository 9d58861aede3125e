"""Any JSON in which the joints' order is named: keypoints of so many joints are looked for wherever they stand.

At the top may be a list of frames, an object of frames by number or by picture ("12", "walk_0012.jpg"), or an object
with either under some key. A frame holds people in lists or under names, at any depth; a person is, or has under any
key, keypoints as `wsgcn.lifting.keypoints.points` reads them. A frame's number is what it says itself, or its place.
"""

from pathlib import Path
from typing import Any

from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints.frames import Frames, frames_in
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances
from wsgcn.lifting.keypoints.json_file import LONGEST_ENTRY, load_json, sections, size_of_file
from wsgcn.lifting.keypoints.points import people_of

FORMAT = "json"


def read(path: Path, order: JointOrder) -> InstanceFile:
    """A file. Raises InputError: nobody of so many joints is in it."""
    instances, frames = Instances(path), Frames(path)
    for key, section in sections(path):
        for frame, entry in frames_in(path, key, section):
            _add(instances, frames.place(frame), entry, order)
    if not len(instances) and size_of_file(path) <= LONGEST_ENTRY:  # one frame alone
        _add(instances, frames.place(0), load_json(path), order)
    return _file(path, instances, frames, order)


def read_folder(path: Path, names: list[str], order: JointOrder) -> InstanceFile:
    """A folder with a file a frame. Raises InputError: nobody of so many joints is in any."""
    instances, frames = Instances(path), Frames(path)
    for name in names:
        _add(instances, frames.place(name), load_json(path / name), order)
    return _file(path, instances, frames, order)


def _add(instances: Instances, place: int, entry: Any, order: JointOrder) -> None:
    for triples, score, id in people_of(entry, len(order.joints)):
        instances.add(place, triples, score, id)


def _file(path: Path, instances: Instances, frames: Frames, order: JointOrder) -> InstanceFile:
    if not len(instances):
        raise InputError(
            f"{path}: has nobody with the {len(order.joints)} joints of {order.name} in any of {len(frames)} frames."
        )
    tracks = instances.tracks(frames.timeline(), frames.numbers[instances.frames], repeats=True)
    return InstanceFile(FORMAT, order, instances, tracks)
