"""The exported network behind MLflow's server: a request that cannot be right is answered 400 with one sentence.

MLflow puts this file beside the ONNX file and imports it from there, where nothing else of this project need be. Types
and shapes MLflow itself checks against the model's signature before.
"""

from typing import Any

import numpy as np
import onnxruntime
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

LARGEST_SIZE_PX = 100_000
FARTHEST_OUTSIDE = 4.0  # pictures' widths or heights; farther away no detector's guess lies


class BadRequest(MlflowException):
    """Status 400 with one sentence."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        super().__init__(sentence, error_code=BAD_REQUEST)

    @property
    def message(self) -> str:
        """The sentence."""
        return self._sentence

    @message.setter
    def message(self, message: str) -> None:
        """MLflow would put the whole of the data before it."""


class ServedModel:
    """The network of an ONNX file of `wsgcn.release.export`."""

    def __init__(self, path: str) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def predict(
        self, model_input: dict[str, np.ndarray], params: dict[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Lift B poses: keypoints_px (B, J, 2) and size_px (B or 1, 2), float32 pixels, to pose_m (B, J, 3) metres.

        Raises:
            BadRequest: there are no poses, or another number of sizes, or a value that no picture has.
        """
        keypoints_px_BJ2, size_px_B2 = model_input["keypoints_px"], model_input["size_px"]
        poses, sizes = len(keypoints_px_BJ2), len(size_px_B2)
        if poses == 0:
            raise BadRequest("keypoints_px: holds no poses, expected at least one.")
        if sizes not in (1, poses):
            raise BadRequest(f"size_px: holds {sizes} sizes for {poses} poses, expected one for each or one for all.")
        for name, values in (("keypoints_px", keypoints_px_BJ2), ("size_px", size_px_B2)):
            if not np.isfinite(values).all():
                place = np.argwhere(~np.isfinite(values))[0].tolist()
                raise BadRequest(f"{name}: is null, NaN or too large at {place}, expected numbers.")
        if not ((size_px_B2 >= 1) & (size_px_B2 <= LARGEST_SIZE_PX)).all():
            width, height = size_px_B2[((size_px_B2 < 1) | (size_px_B2 > LARGEST_SIZE_PX)).any(-1)][0].tolist()
            raise BadRequest(
                f"size_px: is {width:g} x {height:g}, expected width and height in pixels, 1 to {LARGEST_SIZE_PX}."
            )
        outside_BJ2 = np.abs(keypoints_px_BJ2 / size_px_B2[:, None] - 0.5) > 0.5 + FARTHEST_OUTSIDE
        if outside_BJ2.any():
            pose, joint, _ = np.argwhere(outside_BJ2)[0].tolist()
            x, y = keypoints_px_BJ2[pose, joint].tolist()
            width, height = size_px_B2[pose if sizes > 1 else 0].tolist()
            raise BadRequest(
                f"keypoints_px: joint {joint} of pose {pose} lies at ({x:g}, {y:g}), far outside the picture of "
                f"{width:g} x {height:g} pixels; is size_px right?"
            )
        [pose_m_BJ3] = self._session.run(None, {"keypoints_px": keypoints_px_BJ2, "size_px": size_px_B2})
        return {"pose_m": pose_m_BJ3}


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow calls with the ONNX file."""
    return ServedModel(path)
