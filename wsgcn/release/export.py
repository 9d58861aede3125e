"""ONNX export: the network of a checkpoint as one file that runs without this project, and without torch.

The graph takes what a detector gives and returns what a user wants: pixels in, metres out. Normalisation and the
subtraction of the root are inside, because a division by the wrong side of the picture looks like a poor network; it is
`wsgcn.pose.camera.screen_units`, as in `wsgcn lift`. Its
inputs and output, B >= 1 poses at a time:

    keypoints_px (B, J, 2) float32: pixels, x right, y down, in the order of the metadata's `joints`
    size_px      (B, 2) or (1, 2) float32: width and height of the picture of each pose, or of all of them
    pose_m       (B, J, 3) float32: metres, camera axes (x right, y down, z forward), minus joint 0 (Hip)

A network over time takes sequences, one or several at a time: keypoints_px (B, T, J, 2), from one window of its frames
on, and gives the frames that have all their context, pose_m (B, T - context, J, 3); the metadata's `frames_before` and
`frames_after` are the context. At the ends of a clip repeat the first and the last frame so many times.
"""

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from wsgcn.base.errors import InputError
from wsgcn.base.files import file_sha256, write_atomically
from wsgcn.model.checkpoint import NORMALISATION, Checkpoint, load_checkpoint
from wsgcn.model.context import ALONE, Context, context_of
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import context_of_model, describe_network
from wsgcn.model.predict import predict
from wsgcn.pose.camera import screen_units

LARGEST_DEVIATION_M = 1e-5

_OPSET = 17  # old enough for the runtimes of browsers and phones; nothing here needs a newer one

# A person who stands upright and looks into the camera, in a picture of 1000 x 1000 pixels.
_STANDING_PX = {
    "Hip": (500, 500),
    "RHip": (470, 502),
    "RKnee": (468, 603),
    "RFoot": (468, 699),
    "LHip": (530, 502),
    "LKnee": (532, 603),
    "LFoot": (532, 699),
    "Spine": (500, 447),
    "Thorax": (500, 390),
    "Neck/Nose": (500, 365),
    "Head": (500, 340),
    "LShoulder": (534, 397),
    "LElbow": (557, 454),
    "LWrist": (564, 500),
    "RShoulder": (466, 397),
    "RElbow": (443, 454),
    "RWrist": (436, 500),
}


@dataclass(frozen=True)
class Export:
    """A written ONNX file."""

    path: Path
    deviation_m: float  # the largest difference from torch that the check found, for a pose within 1 m
    example: Mapping[str, np.ndarray]  # inputs by name: one standing person


def export_onnx(checkpoint_path: Path | str, onnx_path: Path | str) -> Export:
    """Write a checkpoint's chosen network as ONNX; the same checkpoint gives the same bytes.

    The file's metadata names joints, skeleton, units, frame, normalisation, the 2D that the network was trained with,
    and the checkpoint's SHA-256. Before it is written, onnxruntime runs it against torch's prediction.

    Raises:
        InputError: the checkpoint cannot be read, `onnx_path` does not end in .onnx, the exported network deviates from
            torch by more than LARGEST_DEVIATION_M (of a coordinate beyond 1 m: by more than that share of it), or the
            disk is full.
    """
    if Path(onnx_path).suffix != ".onnx":
        raise InputError(f"{onnx_path}: is no name for an ONNX file; expected one that ends in .onnx.")
    checkpoint = load_checkpoint(checkpoint_path)
    network = checkpoint.network()
    model = onnx.load_from_string(_traced(network, len(checkpoint.skeleton.joints)))
    context = context_of(network)
    model.doc_string = (
        "Lifts the 2D joints of one person over time to 3D. B >= 1 sequences at a time."
        if context
        else "Lifts the 2D joints of one person in one picture to 3D. B >= 1 poses at a time."
    )
    [pose] = model.graph.output  # of whose shape tracing lost the last two axes
    for axis, size in enumerate((len(checkpoint.skeleton.joints), 3), start=2 if context else 1):
        pose.type.tensor_type.shape.dim[axis].dim_value = size
    onnx.helper.set_model_props(model, _metadata(checkpoint, file_sha256(checkpoint_path)))
    onnx.checker.check_model(model)
    content = model.SerializeToString(deterministic=True)
    deviation_m = _deviation_m(content, network, checkpoint)
    if not deviation_m <= LARGEST_DEVIATION_M:
        raise InputError(
            f"{checkpoint_path}: its network as ONNX deviates by {deviation_m:.2g} m from torch, more than "
            f"{LARGEST_DEVIATION_M:g} m, so nothing was written."
        )
    write_atomically(onnx_path, content)
    return Export(Path(onnx_path), deviation_m, _example(checkpoint.skeleton.joints, context))


class _PixelsToMetres(nn.Module):
    """The whole way of one pose, or of a sequence, as the top of the file describes it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self.is_over_time = bool(context_of(network))

    def forward(self, keypoints_px: Tensor, size_px_B2: Tensor) -> Tensor:
        size_px = size_px_B2[:, None, None] if self.is_over_time else size_px_B2[:, None]
        # `wsgcn.pose.camera.screen_units`
        keypoints = (2 * keypoints_px - size_px) / size_px.amax(-1, keepdim=True)
        if self.is_over_time:
            pose_BTJ3 = self.network.sequence(keypoints)
            return pose_BTJ3 - pose_BTJ3[:, :, :1]
        pose_BJ3 = self.network(keypoints)
        return pose_BJ3 - pose_BJ3[:, :1]


def _traced(network: nn.Module, joints: int) -> bytes:
    context, buffer = context_of(network), io.BytesIO()
    frames = {1: "T"} if context else {}
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing is deprecated in favour of one that needs a further package; and tracing warns of
        # every Python number taken from a shape, where all that depend on the batch are checked below.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _PixelsToMetres(network).eval(),
            (torch.zeros(2, *([context.frames + 1] if context else []), joints, 2), torch.ones(2, 2)),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=_OPSET,
            input_names=["keypoints_px", "size_px"],
            output_names=["pose_m"],
            dynamic_axes={
                "keypoints_px": {0: "B", **frames},
                "size_px": {0: "B_or_1"},
                "pose_m": {0: "B", **({1: "T_without_context"} if context else {})},
            },
        )
    return buffer.getvalue()


def _metadata(checkpoint: Checkpoint, checkpoint_sha256: str) -> dict[str, str]:
    return {
        "joints": json.dumps(checkpoint.skeleton.joints),
        "skeleton": checkpoint.skeleton.name,
        "units": "keypoints_px and size_px: pixels; pose_m: metres",
        "frame": "camera axes (x right, y down, z forward), relative to joint 0 (Hip)",
        "normalisation": f"inside the graph ({NORMALISATION}; h in place of w where the picture is higher than wide)",
        "source": checkpoint.source,
        "network": describe_network(checkpoint.model),
        "epoch": str(checkpoint.chosen.epoch),
        "checkpoint_sha256": checkpoint_sha256,
        **_over_time(checkpoint),
    }


def _over_time(checkpoint: Checkpoint) -> dict[str, str]:
    context = context_of_model(checkpoint.model)
    if not context:
        return {}
    return {
        "frames_before": str(context.before),
        "frames_after": str(context.after),
        "fps": "unknown" if checkpoint.fps is None else f"{checkpoint.fps:g}",
    }


def _example(joints: Sequence[str], context: Context = ALONE) -> dict[str, np.ndarray]:
    standing_px = np.array([[_STANDING_PX[joint] for joint in joints]], dtype=np.float32)
    return {
        "keypoints_px": standing_px[:, None].repeat(context.frames, axis=1) if context else standing_px,
        "size_px": np.array([[1000, 1000]], dtype=np.float32),
    }


def _deviation_m(content: bytes, network: nn.Module, checkpoint: Checkpoint) -> float:
    """The largest difference from `predict`: one person, and many, each in the middle of a picture of its own size.

    Of a network over time: a sequence of one frame, and one of many, with their ends repeated.
    """
    rng = np.random.default_rng(0)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    standing_px, standing_size_px = _example(checkpoint.skeleton.joints).values()
    context, deviations_m = context_of(network), []
    for batch in (1, 50):
        size_px = rng.integers(480, 3840, (batch, 1, 2))
        if context:  # the frames of a sequence are of pictures of one size
            size_px[:] = size_px[:1]
        moved_px = standing_px - standing_size_px / 2 + rng.normal(0, 30, (batch, *standing_px.shape[1:]))
        keypoints_px = (moved_px * size_px.max(-1, keepdims=True) / 1000 + size_px / 2).astype(np.float32)
        inputs = {"keypoints_px": keypoints_px, "size_px": size_px[:, 0].astype(np.float32)}
        if context:
            padded_px = np.pad(keypoints_px, ((context.before, context.after), (0, 0), (0, 0)), mode="edge")
            inputs = {"keypoints_px": padded_px[None], "size_px": size_px[:1, 0].astype(np.float32)}
        pose_m = session.run(None, inputs)[0].reshape(batch, -1, 3)
        keypoints_BJ2 = np.stack(
            [
                screen_units(pose_px.astype(float), (size[0, 0], size[0, 1]))
                for pose_px, size in zip(keypoints_px, size_px, strict=True)
            ]
        )
        with plain_layers():  # the ones that were traced
            expected_m = predict(network, keypoints_BJ2.astype(np.float32), checkpoint.skeleton)
        # float32 is as fine as the number is small, and a badly trained network's poses may be tens of metres large.
        deviations_m.append(np.abs(pose_m - expected_m).max() / max(1, np.abs(expected_m).max()))
    return float(np.max(deviations_m))  # NaN if any is
