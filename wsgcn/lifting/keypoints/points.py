"""One person's keypoints as JSON writes them, in any of the usual ways, as x, y, score, x, y, score, ...

Known are a flat list of numbers; a list of [x, y], [x, y, score] or [x, y, z, visibility]; a list of objects {x, y}
with a score by any of the names below; and an object of lists {x, y}. null is a joint that is missing.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from wsgcn.lifting.keypoints.instances import LARGEST_FRAME, mean_score

SCORES = ("visibility", "score", "visible", "confidence", "conf", "likelihood", "presence")  # of one joint
_SCORE_LISTS = ("keypoint_scores", "scores", "score", "keypoints_scores", "confidences", "confidence")  # of all joints
_PERSONS_SCORES = ("bbox_score", "score", "confidence", "conf", "scores")
_IDS = ("track_id", "person_id", "trackId", "idx", "tid", "pid", "track", "id")
_FRAMES = ("frame_id", "frame_index", "frame", "frame_number", "frame_idx", "frameIndex", "frameNumber", "frame_num")
_DEEPEST = 6  # lists and objects between a frame and a person's numbers

_MISSING = (math.nan, math.nan, 0)


def whole(value: Any) -> int | None:
    """A whole number as a file has it, also as 3.0 or "3"; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST_FRAME <= value <= LARGEST_FRAME:
        return None
    return int(value) if value == int(value) else None


def frame_of(entry: Any, index: int) -> int:
    """The number of a frame as it says itself, or its place in the file."""
    said = (whole(entry[key]) for key in _FRAMES if key in entry) if isinstance(entry, dict) else iter(())
    return next((number for number in said if number is not None), index)


def id_of(person: Mapping[str, Any]) -> Any:
    """The track of a person, None where there is none; OpenPose says -1."""
    found = next((person[key] for key in _IDS if person.get(key) is not None), None)
    return None if found in (-1, [-1]) else found


def score_of(person: Mapping[str, Any], triples: list[Any]) -> float:
    """The score of a whole person, or the mean of the joints' where the file has none."""
    for key in _PERSONS_SCORES:
        found = person.get(key)
        found = found[0] if isinstance(found, list) and len(found) == 1 else found
        if isinstance(found, int | float) and not isinstance(found, bool):
            return found
    return mean_score(triples[2::3])


def scores_beside(person: Mapping[str, Any]) -> Any:
    """The list of the joints' scores that stands beside their places; None if there is none."""
    return next((person[key] for key in _SCORE_LISTS if isinstance(person.get(key), list)), None)


def triples_of(points: Any, scores: Any = None, joints: int | None = None) -> list[Any] | None:
    """x, y, score of each joint; None if these are no keypoints of one person.

    Args:
        scores: of the joints, where they stand beside the points; also as [[score], ...].
        joints: how many there must be; without it a flat list has three numbers a joint, or two where there are scores.
    """
    if isinstance(points, dict):
        points, scores = _columns(points, scores)
    if not isinstance(points, list) or not points:
        return None
    if isinstance(scores, list):
        scores = [score[0] if isinstance(score, list) and len(score) == 1 else score for score in scores]
    if all(_is_number(value) for value in points):
        width = 2 if isinstance(scores, list) and len(points) == 2 * len(scores) else 3
        if joints is not None:
            width, rest = divmod(len(points), joints)
            if rest or width not in (2, 3):
                return None
        if len(points) % width:
            return None
        points = [points[start : start + width] for start in range(0, len(points), width)]
    if joints is not None and len(points) != joints:
        return None
    triples: list[Any] = []
    for number, point in enumerate(points):
        triple = _triple(point)
        if triple is None:
            return None
        if isinstance(scores, list) and len(scores) == len(points):
            triple = (*triple[:2], scores[number] if triple[0] is not None else 0)
        triples += triple
    return triples


def people_of(frame: Any, joints: int, id: Any = None, deep: int = 0) -> Iterator[tuple[list[Any], float, Any]]:
    """Everybody in a frame of any form, with their score and the id of their track.

    A person is what is, or holds, keypoints of so many joints. Where people stand under names, those are their ids.
    """
    if deep > _DEEPEST or not isinstance(frame, dict | list):
        return
    if (triples := triples_of(frame, None, joints)) is not None:
        yield triples, mean_score(triples[2::3]), id
        return
    if isinstance(frame, list):
        for person in frame:
            yield from people_of(person, joints, None, deep + 1)
        return
    scores = scores_beside(frame)
    for value in frame.values():
        if (triples := triples_of(value, scores, joints)) is not None and not _are_ids(frame):
            own_id = id_of(frame)
            yield triples, score_of(frame, triples), id if own_id is None else own_id
            return
    for name, value in frame.items():
        yield from people_of(value, joints, name if _are_ids(frame) else None, deep + 1)


def _are_ids(people: Mapping[str, Any]) -> bool:
    return all(whole(name) is not None for name in people)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _columns(points: Mapping[str, Any], scores: Any) -> tuple[Any, Any]:
    """{x: [...], y: [...]} as a list of points, and the scores that stand there."""
    xs, ys = points.get("x"), points.get("y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        return None, None
    there = next((points[key] for key in SCORES if isinstance(points.get(key), list)), scores)
    return [[x, y] for x, y in zip(xs, ys, strict=True)], there


def _triple(point: Any) -> tuple[Any, Any, Any] | None:
    """x, y, score of one joint, the score 1 if it has none; None if it is no joint."""
    if point is None:
        return _MISSING
    if isinstance(point, dict):
        x, y = (point.get(key, point.get(key.upper())) for key in "xy")
        if not ("x" in point or "X" in point) or not _is_number(x) or not _is_number(y):
            return None
        score = next((point[key] for key in SCORES if key in point), 1)
        return (x, y, score) if _is_number(score) else None
    if not isinstance(point, list) or not 2 <= len(point) <= 4 or not all(map(_is_number, point)):
        return None
    return point[0], point[1], point[-1] if len(point) > 2 else 1
