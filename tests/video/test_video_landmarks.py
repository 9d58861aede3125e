import math

import numpy as np

from wsgcn.video.landmarks import refine


def literal_refine(points, heatmap):
    height, width, count = heatmap.shape
    refined = points.copy()
    for k in range(count):
        column, row = math.trunc(points[k, 0] * width), math.trunc(points[k, 1] * height)
        if column < 0 or column >= width or row < 0 or row >= height:
            continue
        total = x = y = largest = 0.0
        for r in range(max(0, row - 3), min(height, row + 4)):
            for c in range(max(0, column - 3), min(width, column + 4)):
                confidence = 1 / (1 + math.exp(-heatmap[r, c, k]))
                total += confidence
                x += c * confidence
                y += r * confidence
                largest = max(largest, confidence)
        if largest >= 0.5:
            refined[k] = x / width / total, y / height / total
    return refined


def test_refinement_is_that_of_the_literal_form():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.1, 1.1, (39, 2))
    heatmap = rng.normal(-4, 2.5, (64, 64, 39))
    refined = refine(points, heatmap)
    moved = (refined != points).any(-1)
    assert 5 < moved.sum() < 39
    np.testing.assert_allclose(refined, literal_refine(points, heatmap), atol=1e-12)


def test_a_landmark_moves_to_the_peak_beside_it():
    heatmap = np.full((64, 64, 1), -20.0)
    heatmap[12, 21] = 5
    np.testing.assert_allclose(refine(np.array([[20.5 / 64, 10.5 / 64]]), heatmap), [[21 / 64, 12 / 64]], atol=1e-5)


def test_points_that_are_no_numbers_or_outside_stay():
    points = np.array([[np.nan, 0.5], [0.5, np.inf], [1.5, 0.5], [0.5, 1.0]])
    np.testing.assert_array_equal(refine(points, np.full((64, 64, 4), 9.0)), points)
