import math

import numpy as np
import pytest

from wsgcn.video import detection
from wsgcn.video.detection import INPUT_PIXELS, PersonDetector, anchors, decode, merge
from wsgcn.video.regions import Region


def test_the_anchors_are_those_of_the_literal_form():
    expected = []
    for stride, layers in ((8, 1), (16, 1), (32, 3)):
        cells = math.ceil(INPUT_PIXELS / stride)
        for y in range(cells):
            for x in range(cells):
                for _ in range(2 * layers):  # aspect ratio 1, twice in each layer
                    expected.append(((x + 0.5) / cells, (y + 0.5) / cells))
    assert anchors().shape == (2254, 2)
    np.testing.assert_allclose(anchors(), expected, atol=1e-12)


def literal_decode(raw, logits, places):
    found, scores = [], []
    for values, logit, (x, y) in zip(raw.tolist(), logits.tolist(), places.tolist(), strict=True):
        score = 1 / (1 + math.exp(-min(max(logit, -100), 100)))
        if score < 0.5:
            continue
        cx, cy, w, h = values[0] / 224 + x, values[1] / 224 + y, values[2] / 224, values[3] / 224
        points = [(values[k] / 224 + x, values[k + 1] / 224 + y) for k in (4, 6, 8, 10)]
        found.append([(cx - w / 2, cy - h / 2), (cx + w / 2, cy + h / 2), *points])
        scores.append(score)
    return found, scores


def test_boxes_and_points_are_those_of_the_literal_form():
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 40, (2254, 12)).astype(np.float32)
    logits = rng.normal(-3, 3, 2254).astype(np.float32)
    logits[:2] = 1e30, -1e30  # beyond what exp can do
    found, scores = decode(raw, logits, anchors())
    expected, expected_scores = literal_decode(raw, logits, anchors())
    assert len(found) > 100
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-9)


def literal_overlap(a, b):
    w = min(a[1][0], b[1][0]) - max(a[0][0], b[0][0])
    h = min(a[1][1], b[1][1]) - max(a[0][1], b[0][1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (sum((box[1][0] - box[0][0]) * (box[1][1] - box[0][1]) for box in (a, b)) - w * h)


def literal_merge(found, scores):
    left = sorted(range(len(scores)), key=lambda index: -scores[index])
    merged = []
    while left:
        same = [index for index in left if literal_overlap(found[left[0]], found[index]) > 0.3]
        total = sum(scores[index] for index in same)
        merged.append([[sum(scores[i] * found[i][p][axis] for i in same) / total for axis in (0, 1)] for p in range(6)])
        left = [index for index in left if index not in same]
    return merged


def test_suppression_is_that_of_the_literal_form():
    rng = np.random.default_rng(1)
    centres = rng.uniform(0, 1, (6, 2))[rng.integers(0, 6, 80)] + rng.normal(0, 0.02, (80, 2))
    sizes = rng.uniform(0.1, 0.3, (80, 1))
    found = np.concatenate(
        [(centres - sizes / 2)[:, None], (centres + sizes / 2)[:, None], rng.uniform(0, 1, (80, 4, 2))], axis=1
    )
    scores = rng.uniform(0.5, 1, 80)
    merged = merge(found, scores)
    assert 2 < len(merged) < 80
    np.testing.assert_allclose(merged, literal_merge(found.tolist(), scores.tolist()), atol=1e-12)


def test_nobody_gives_nobody_and_a_box_without_area_ends():
    assert merge(np.zeros((0, 6, 2)), np.zeros(0)).shape == (0, 6, 2)
    assert len(merge(np.zeros((3, 6, 2)), np.array([0.9, 0.8, 0.7]))) == 3


@pytest.mark.parametrize("logit", [-0.001, np.nan])
def test_what_is_not_sure_is_left_out(logit):
    found, scores = decode(np.zeros((1, 12), np.float32), np.array([logit], np.float32), anchors()[:1])
    assert len(found) == len(scores) == 0


class BrightSpot:
    """A network that has one person, of a third of the side, where the picture is brightest; nobody in the dark."""

    def __init__(self, file, folder):
        pass

    def __call__(self, seen_HWC, *outputs):
        raw, logits = np.zeros((2254, 12), np.float32), np.full((2254, 1), -10, np.float32)
        if seen_HWC.max() > 0:
            row, column = np.argwhere(seen_HWC[..., 0] == seen_HWC.max()).mean(0)
            place = np.array([column, row]) - anchors()[0] * INPUT_PIXELS
            raw[0] = [*place, 75, 75, *place, *place - [0, 30], *place, *place]
            logits[0] = 3
        return raw, logits


def test_a_person_seen_in_several_views_is_one_and_lies_where_the_picture_has_them(monkeypatch):
    monkeypatch.setattr(detection, "Model", BrightSpot)
    detector = PersonDetector()
    picture = np.zeros((600, 1000, 3), dtype=np.uint8)
    assert detector(picture) == []
    picture[296:304, 396:404] = 255
    views = [Region(400, 300, 300), Region(450, 330, 300), Region(900, 100, 200)]
    [region] = detector(picture, views)
    assert (region.x_px, region.y_px) == pytest.approx((400, 300), abs=2)
    assert region.side_px == pytest.approx(2 * 1.25 * 30 / 224 * 300, rel=0.01)
    [larger] = detector(picture)
    assert (larger.x_px, larger.y_px) == pytest.approx((400, 300), abs=4)
