"""Ultralytics' poses: what `to_json` and `summary` give, a list of frames or one frame, and folders of label files.

JSON: a frame is a list of {name, confidence, keypoints: {x, y, visible}, track_id}; also as text in the list, as
`to_json` returns it. Label files (`save_txt`): one a frame, one line a person: class, box (x, y, w, h), then x, y and,
where the model has it, a score for each joint, all parts of the picture; then the person's confidence and the track's
number, if they were wanted. 17 joints are COCO's. A joint at 0, 0 is missing. The frame number is the place in the
list, or the last number in the label file's name; a frame without anybody has no label file.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base import limits
from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, reading
from wsgcn.detections.joint_orders import COCO, JointOrder
from wsgcn.lifting.keypoints.base import frame_numbers, joint_order, plain_text
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline
from wsgcn.lifting.keypoints.json_file import LONGEST_ENTRY, entries, sections
from wsgcn.lifting.keypoints.points import id_of, score_of, triples_of

FORMAT, LABELS = "ultralytics", "ultralytics_labels"
_BOX = 5  # the class and the box, before a person's joints
_EXTRAS = 2  # numbers behind them at most


def matches(entry: Any) -> bool:
    """Whether it is a frame with somebody in it, or somebody of the one frame."""
    return any(isinstance(person.get("keypoints"), dict) for person in _people(entry) or ())


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: an entry is not of this form, has another number of joints, or nobody is in any frame."""
    instances, frames = Instances(path), 0
    for _, section in sections(path):
        for index, entry in enumerate(entries(path, section, "the frames")):
            is_frame = not isinstance(entry, dict)  # one frame alone is a list of people
            people = _people(entry)
            if people is None:
                raise InputError(
                    f"{path}: frame {index} is {brief(entry, 40)}, expected a list of Ultralytics' people."
                )
            for person in people:
                _add(instances, index if is_frame else 0, person)
            frames = index + 1 if is_frame else 1
    order = joint_order(path, instances.joints, order, (COCO,), "the format")
    return InstanceFile(FORMAT, order, instances, instances.tracks(Timeline(np.arange(frames))))


def _people(entry: Any) -> list[dict[str, Any]] | None:
    if isinstance(entry, str) and len(entry) <= LONGEST_ENTRY:
        try:
            entry = json.loads(entry)
        except (ValueError, RecursionError):
            return None
    people = [entry] if isinstance(entry, dict) else [] if entry is None else entry
    if not isinstance(people, list) or not all(isinstance(person, dict) or person is None for person in people):
        return None
    return [person for person in people if person is not None]


def _add(instances: Instances, frame: int, person: dict[str, Any]) -> None:
    points = person.get("keypoints")
    triples = triples_of(points)
    if points and triples is None:
        raise InputError(f"{instances.origin}: frame {frame} has keypoints other than {{x, y, visible}}.")
    triples = _without_origin(triples or [])
    instances.add(frame, triples, score_of(person, triples), id_of(person))


def _without_origin(triples: list[Any]) -> list[Any]:
    """Joints that are not sure enough are put at 0, 0."""
    for start in range(0, len(triples), 3):
        if triples[start] == triples[start + 1] == 0:
            triples[start + 2] = 0
    return triples


def read_labels(path: Path, names: list[str], order: JointOrder | None) -> InstanceFile:
    """A folder of label files.

    Raises:
        InputError: a line is none of numbers, has no joints, or another number of them; or nobody is in any file.
    """
    rows_of = {name: _rows(path / name) for name in names}
    widths = {rows.shape[1] for rows in rows_of.values() if len(rows)}
    if not widths:
        raise InputError(f"{path}: has nobody in any of its {len(names)} label files.")
    width = widths.pop()
    if widths:
        raise InputError(f"{path}: has lines of {width} and of {widths.pop()} numbers, expected the same in each file.")
    joints, channels, extras = _shape(path, width, order)
    # of a single number more, the tracks' are whole and from 1
    last = np.concatenate([rows[:, -1] for rows in rows_of.values() if len(rows)])
    has_ids = extras == _EXTRAS or (extras == 1 and bool(((last == np.floor(last)) & (last >= 1)).all()))
    instances, number_of = Instances(path), frame_numbers(names)
    behind = _BOX + joints * channels
    for name, rows in rows_of.items():
        for row in rows.tolist():
            triples = _without_origin(triples_of(row[_BOX:behind], None, joints) or [])
            person = {"score": row[behind]} if extras - has_ids else {}
            instances.add(number_of[name], triples, score_of(person, triples), row[-1] if has_ids else None, name)
    known = joint_order(path, joints, order, (COCO,), "the format")
    timeline = Timeline(
        Timeline().of(list(number_of.values())), {n: plain_text(path, name) for name, n in number_of.items()}
    )
    return InstanceFile(LABELS, known, instances, instances.tracks(timeline))


def _rows(path: Path) -> np.ndarray:
    """(people, numbers) of one file."""
    content = limits.read_file(path, limits.LABELS_BYTES)
    with reading(path, "label file of numbers"):
        rows = [[float(number) for number in line.split()] for line in content.decode("utf-8-sig").splitlines()]
        rows = [row for row in rows if row]
        return np.array(rows, dtype=np.float64) if rows else np.empty((0, 0))


def _shape(path: Path, width: int, order: JointOrder | None) -> tuple[int, int, int]:
    """Joints, numbers a joint, and how many numbers stand behind them."""
    joints = len((order or COCO).joints)
    for channels in (3, 2):
        extras = width - _BOX - joints * channels
        if 0 <= extras <= _EXTRAS:
            return joints, channels, extras
    if width <= _BOX + 2:
        raise InputError(f"{path}: has label files of {width} numbers a line, boxes without joints; use a pose model.")
    raise InputError(
        f"{path}: has label files of {width} numbers a line, which are no box and {joints} joints with 2 or 3 numbers "
        f"each, as {(order or COCO).name} has; name the order by joints."
    )
