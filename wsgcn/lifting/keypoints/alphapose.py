"""AlphaPose's results, in its three forms, and what its trackers make of them.

`default`: a flat list of {image_id, category_id, keypoints, score}, `image_id` being a file name. `cmu` and `open`: an
object of pictures by name, {bodies: [{joints}]} or {people: [{pose_keypoints_2d}]}; tracked by PoseFlow {"0.jpg":
[{keypoints, scores, idx}]}. Tracked people: {person: {frame: {keypoints, scores}}}.

17 joints are COCO's, 26 and 136 Halpe's, 133 COCO-WholeBody's. 18 are OpenPose's COCO-18, or, where the ninth lies
between the hips, the first of its BODY_25. With its tracker each entry has `idx`,
the person; without, `idx` may be there too and mean nothing: 0 for everybody, some in nested lists. The frame number is
the last number in the picture's name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.detections.joint_orders import (
    BODY_25_FIRST_18,
    COCO,
    COCO_18,
    COCO_WHOLEBODY,
    HALPE_26,
    HALPE_136,
    JointOrder,
)
from wsgcn.lifting.keypoints import openpose
from wsgcn.lifting.keypoints.base import joint_order
from wsgcn.lifting.keypoints.frames import Frames, is_frame_name
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import sections
from wsgcn.lifting.keypoints.points import id_of, whole

FORMAT, TRACKED = "alphapose", "tracked_people"
_ORDERS: tuple[JointOrder, ...] = (COCO, COCO_18, HALPE_26, HALPE_136, COCO_WHOLEBODY)
_PEOPLE = ("bodies", "people")  # of a picture
_KEYPOINTS = ("keypoints", "joints", "pose_keypoints_2d")  # of a person


def matches(entry: Any) -> bool:
    return isinstance(entry, dict) and "keypoints" in entry and isinstance(entry.get("image_id"), str)


def matches_picture(entry: Any) -> bool:
    """Whether what stands under the name of a picture, or an entry of a list there, is of the forms by picture."""
    if not isinstance(entry, dict):
        return False
    if any(isinstance(entry.get(key), list) for key in _PEOPLE):
        return True
    return "keypoints" in entry and "idx" in entry


def matches_tracked(entry: Any) -> bool:
    """Whether what stands under the name of a person is their frames."""
    frame = next(iter(entry.items()), None) if isinstance(entry, dict) else None
    return frame is not None and whole(frame[0]) is not None and isinstance(frame[1], dict) and "keypoints" in frame[1]


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of these forms, or has another number of joints."""
    instances = Instances(path)
    pictures = Frames(path)

    def add(name: object, person: Any, id: Any) -> None:
        if not isinstance(name, str):
            raise InputError(f"{path}: has an entry without the name of its picture (image_id).")
        picture = pictures.place(name)
        if person is not None:
            keypoints = next((person[key] for key in _KEYPOINTS if key in person), None)
            score = person.get("score", person.get("scores"))
            if score is None:
                score = mean_score(keypoints[2::3]) if isinstance(keypoints, list) else 0
            instances.add(picture, keypoints, score, id, place=name)

    for key, section in sections(path):
        if key is not None:
            is_picture = is_frame_name(key) or Path(key).suffix != ""
            if is_picture:
                add(key, None, None)
            for person in _of_picture(path, key, section):
                if not is_picture:
                    raise InputError(f"{path}: has people under {brief(key, 40)!r}, expected the names of pictures.")
                add(key, person, id_of(person))
            continue
        for entry in section:
            if not isinstance(entry, dict):
                raise InputError(f"{path}: has an entry without the name of its picture (image_id).")
            add(entry.get("image_id"), entry, entry.get("idx"))
    known = _ORDERS
    if instances.joints == len(COCO_18.joints) and openpose.is_body_25(openpose.some_points(instances)):
        known = (BODY_25_FIRST_18,)
    order = joint_order(path, instances.joints, order, known, "the format")
    tracks = instances.tracks(pictures.timeline(are_all=False), pictures.numbers[instances.frames], repeats=True)
    return InstanceFile(FORMAT, order, instances, tracks)


def _of_picture(path: Path, name: str, picture: Any) -> Iterator[dict[str, Any]]:
    """The people under the name of a picture; null is nobody."""
    if isinstance(picture, dict):
        picture = next((picture[key] for key in _PEOPLE if key in picture), None)
    for person in picture if isinstance(picture, list | Iterator) else ():
        if isinstance(person, dict):
            yield person
        elif person is not None:
            raise InputError(f"{path}: the picture {brief(name, 40)} has {brief(person, 40)}, expected a person.")


def read_tracked(path: Path, order: JointOrder | None) -> InstanceFile:
    """{person: {frame: {keypoints, scores}}}. Raises InputError: it is of another form."""
    instances = Instances(path)
    for person, frames in sections(path):
        for name, entry in frames.items() if isinstance(frames, dict) else ():
            number = whole(name)
            if number is None or not (entry is None or isinstance(entry, dict)):
                found = f"the person {brief(person, 40)} has {brief(name, 40)}"
                raise InputError(f"{path}: {found}, expected frames by number, each with keypoints.")
            if entry is not None:
                keypoints, score = entry.get("keypoints"), entry.get("scores", entry.get("score"))
                if isinstance(score, list | None):
                    score = mean_score(keypoints[2::3]) if isinstance(keypoints, list) else 0
                instances.add(number, keypoints, score, person)
    order = joint_order(path, instances.joints, order, _ORDERS, "the format")
    return InstanceFile(TRACKED, order, instances, instances.tracks(Timeline()))
