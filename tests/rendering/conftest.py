import pytest

from tests.rendering.capture import write_predictions


@pytest.fixture(scope="session")
def predictions_path(tmp_path_factory):
    """predictions.h5, detections.h5 beside it: S9 and S11, Eating and Walking, 4 cameras, 20 frames, 50 mm off."""
    return write_predictions(tmp_path_factory.mktemp("capture"))
