"""Plain arrays: npy, or npz with `keypoints` and, if you like, `scores` (T, K) and `joints`.

Keypoints are (T, K, 2) pixels, or (T, K, 3) with a score; a single frame may leave T out, and a row may hold a frame as
it is, (T, 2 K) or (T, 3 K). The joint order must be
named, by the caller or by `joints` in the npz, which is an order's name or the list of its joints. An npz whose arrays
have other names may hold one of the named order's shape. Frames are counted
from 0. NaN or a score of 0 marks a missing joint.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief, enumerated
from wsgcn.detections.joint_orders import JOINT_ORDERS, JointOrder
from wsgcn.lifting.keypoints.base import Track, Tracks, joint_order, order_of_names, split_triples

FORMAT = "arrays"


def read_npz(path: Path, content: Mapping[str, object], order: JointOrder | None) -> Tracks:
    """Raises InputError: there are no keypoints, of another shape, or the joint order is neither named nor known."""
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    fitting = [value for value in arrays.values() if order is not None and _fits(value, len(order.joints))]
    if "keypoints" in arrays:
        keypoints = arrays["keypoints"]
    elif len(fitting) == 1 or len(arrays) == 1:
        keypoints = (fitting or list(arrays.values()))[0]
    else:
        held = [f"{brief(name, 20)} {arrays[name].shape if name in arrays else ''}".strip() for name in content]
        raise InputError(f"{path}: holds {enumerated(held)}, expected an array called keypoints.")
    return read_array(path, keypoints, order or _own_order(path, content.get("joints")), arrays.get("scores"))


def read_array(path: Path, array: np.ndarray, order: JointOrder | None, scores: np.ndarray | None = None) -> Tracks:
    """Raises InputError: it has another shape or no numbers, or the joint order is not named."""
    keypoints = _by_joint(array, order)
    expected = "expected (frames, joints, 2 or 3) numbers"
    if keypoints.dtype.kind in "fiu" and keypoints.ndim == 4 and keypoints.shape[3] in (2, 3):
        first = f"np.load({path.name!r})[0]" if path.suffix == ".npy" else "its first, array[0]"
        raise InputError(
            f"{path}: has the shape {array.shape}, {expected}; if the first axis is cameras or people, save one of "
            f"them alone, such as {first}."
        )
    if keypoints.dtype.kind not in "fiu" or keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3):
        raise InputError(f"{path}: has the shape {array.shape} of {array.dtype}, {expected}.")
    if not keypoints.size:
        raise InputError(f"{path}: has the shape {array.shape}, in which there is nothing, {expected}.")
    order = joint_order(path, keypoints.shape[1], order)
    if scores is None:
        scores = keypoints[..., 2] if keypoints.shape[2] == 3 else np.ones(keypoints.shape[:2])
    if scores.size != keypoints[..., 0].size or scores.dtype.kind not in "fiu":
        raise InputError(f"{path}: has scores of shape {scores.shape}, expected {keypoints.shape[:2]}.")
    with np.errstate(over="ignore"):  # what is not finite is reported with its frame
        triples = np.concatenate([keypoints[..., :2], scores.reshape(*keypoints.shape[:2], 1)], axis=-1)
        points, scores = split_triples(triples)
    return Tracks(path, FORMAT, order, (Track("1", np.arange(len(points)), points, scores),))


def _fits(array: np.ndarray, joints: int) -> bool:
    return array.ndim == 3 and array.shape[1] == joints and array.shape[2] in (2, 3) and array.dtype.kind in "fiu"


def _by_joint(array: np.ndarray, order: JointOrder | None) -> np.ndarray:
    """A single frame (joints, channels) with its axis of frames; (frames, joints x channels) with one of joints."""
    if array.ndim != 2:
        return array
    channels = array.shape[1] / len(order.joints) if order else 0
    return array.reshape(len(array), -1, int(channels)) if channels in (2, 3) else array[None]


def _own_order(path: Path, joints: object) -> JointOrder | None:
    if joints is None:
        return None
    listed = joints.ravel().tolist() if isinstance(joints, np.ndarray) else joints
    names = [str(name) for name in listed] if isinstance(listed, list | tuple) else [str(listed)]
    order = JOINT_ORDERS.get(names[0]) if len(names) == 1 else order_of_names(names)
    if order is None:
        raise InputError(f"{path}: has joints that are no known order; known are {', '.join(JOINT_ORDERS)}.")
    return order
