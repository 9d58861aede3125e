"""The initial values that SemGCN's and Modulated GCN's published convolutions have in common."""

import math

import pytest
from torch import nn


def assert_published_initial_values(layer: nn.Module) -> None:
    """Of a graph convolution of 64 channels to 128."""
    # Xavier by PyTorch's rule on (2, 64, 128): 128 is the receptive field of 64 inputs and 2 outputs.
    bound = 1.414 * math.sqrt(6 / (64 * 128 + 2 * 128))
    assert layer.weight.shape == (2, 64, 128)
    assert 0.99 * bound < layer.weight.abs().max().item() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert 0.9 / math.sqrt(128) < layer.bias.abs().max().item() <= 1 / math.sqrt(128)
    assert layer.bias.min() < 0 < layer.bias.max()
