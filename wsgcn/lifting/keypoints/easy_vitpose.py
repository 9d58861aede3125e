"""easy_ViTPose's JSON: {keypoints: [{person: [[y, x, score], ...]}, ...], skeleton: {"0": "nose", ...}}.

One entry of `keypoints` a frame, counted from 0; y stands before x. The joints are those that `skeleton` names.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.detections.joint_orders import JointOrder
from wsgcn.lifting.keypoints.base import joint_order, order_of_names
from wsgcn.lifting.keypoints.instances import InstanceFile, Instances, Timeline, mean_score
from wsgcn.lifting.keypoints.json_file import entries, sections
from wsgcn.lifting.keypoints.points import triples_of, whole

FORMAT = "easy_vitpose"


def matches(entry: Any) -> bool:
    """Whether what stands under a key of the object at the top is the skeleton's names by number."""
    return (
        isinstance(entry, dict)
        and bool(entry)
        and all(whole(number) is not None and isinstance(name, str) for number, name in entry.items())
    )


def read(path: Path, order: JointOrder | None) -> InstanceFile:
    """Raises InputError: a part is missing or of another form, or the names make no body."""
    instances, frames, names = Instances(path), 0, None
    for key, section in sections(path):
        if key == "keypoints":
            for frame, entry in enumerate(entries(path, section, key)):
                people = entry.items() if isinstance(entry, dict) else () if entry in (None, []) else None
                if people is None:
                    raise InputError(f"{path}: frame {frame} is {brief(entry, 40)}, expected people by their number.")
                for person, points in people:
                    _add(instances, frame, person, points)
                frames = frame + 1
        elif key == "skeleton":
            names = _names(section)
    if not len(instances):
        raise InputError(f"{path}: has nobody in any of its {frames} frames.")
    known = order_of_names(names, FORMAT) if names else None
    if known is None and order is None and names:
        raise InputError(f"{path}: its skeleton names {enumerated(names)}, which lack a limb of Human3.6M's.")
    order = joint_order(path, instances.joints, order, [known] if known else [], "its skeleton")
    return InstanceFile(FORMAT, order, instances, instances.tracks(Timeline(np.arange(frames))))


def _add(instances: Instances, frame: int, person: str, points: Any) -> None:
    triples = triples_of(points) if points else []
    if triples is None:
        raise InputError(f"{instances.origin}: frame {frame} has keypoints other than [y, x, score].")
    triples[::3], triples[1::3] = triples[1::3], triples[::3]
    instances.add(frame, triples, mean_score(triples[2::3]), person)


def _names(skeleton: Any) -> list[str]:
    if isinstance(skeleton, dict):
        return [str(skeleton.get(str(number))) for number in range(len(skeleton))]
    return [str(name) for name in skeleton] if isinstance(skeleton, list) or hasattr(skeleton, "__next__") else []
