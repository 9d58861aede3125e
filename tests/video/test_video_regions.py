import numpy as np
import pytest

from wsgcn.video.regions import Region, around, parts, whole


def noise(height=40, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def literal_sample(picture, region, pixels, outside):
    """Pixel by pixel, between the four neighbours."""
    height, width = picture.shape[:2]

    def at(row, column):
        if outside is not None and not (0 <= row < height and 0 <= column < width):
            return np.full(3, outside, dtype=float)
        return picture[min(max(row, 0), height - 1), min(max(column, 0), width - 1)].astype(float)

    seen = np.zeros((pixels, pixels, 3))
    for j in range(pixels):
        for i in range(pixels):
            u, v = (i / pixels - 0.5) * region.side_px, (j / pixels - 0.5) * region.side_px
            x = region.x_px + u * np.cos(region.angle) - v * np.sin(region.angle)
            y = region.y_px + u * np.sin(region.angle) + v * np.cos(region.angle)
            column, row = int(np.floor(x)), int(np.floor(y))
            a, b = x - column, y - row
            upper = (1 - a) * at(row, column) + a * at(row, column + 1)
            lower = (1 - a) * at(row + 1, column) + a * at(row + 1, column + 1)
            seen[j, i] = (1 - b) * upper + b * lower
    return seen


@pytest.mark.parametrize("outside", [None, 0, 90])
@pytest.mark.parametrize(
    "region",
    [
        Region(30, 20, 16),
        Region(31.3, 18.7, 25, 0.4),
        Region(2, 3, 30, -2.5),
        Region(58, 39, 45, 1.9),
        Region(30, 20, 90, 0.1),
        Region(30.5, 20.5, 3, 3.0),
    ],
    ids=["inside", "turned", "over the upper left", "over the lower right", "larger than the picture", "tiny"],
)
def test_what_a_region_shows_is_that_of_the_literal_form(region, outside):
    picture = noise()
    seen = region.sample(picture, 24, outside=outside)
    assert seen.shape == (24, 24, 3)
    assert np.abs(seen - literal_sample(picture, region, 24, outside)).max() <= 1.01  # rounded to whole shades


def test_a_point_that_a_region_shows_lies_there_in_the_picture():
    picture = np.zeros((200, 300, 3), dtype=np.uint8)
    picture[88:92, 148:152] = 255  # around (149.5, 89.5)
    region = Region(140, 100, 80, 0.7)
    row, column = np.argwhere(region.sample(picture, 256)[..., 0] > 128).mean(0)
    x, y = region.to_picture(np.array([column, row]) / 256)
    assert (x, y) == pytest.approx((149.5, 89.5), abs=0.3)


def test_the_whole_of_a_wide_picture_has_bars_above_and_below():
    picture = np.full((50, 100, 3), 200, dtype=np.uint8)
    seen = whole(picture).sample(picture, 20, outside=0)[..., 0]
    assert (seen[:4] == 0).all()
    assert (seen[6:14, 1:-1] == 200).all()
    assert (seen[-4:] == 0).all()


@pytest.mark.parametrize(
    ("reach", "angle"), [((50, 20), 0), ((80, 50), np.pi / 2), ((50, 80), np.pi), ((20, 50), -np.pi / 2)]
)
def test_the_region_around_a_person_turns_with_them(reach, angle):
    region = around(np.array([50.0, 50.0]), np.array(reach, dtype=float), 1.25)
    assert (region.x_px, region.y_px, region.side_px) == (50, 50, pytest.approx(75))
    assert np.cos(region.angle - angle) == pytest.approx(1)
    # whoever reaches in that direction has their head at the region's upper side
    assert region.to_picture(np.array([0.5, 0.1])) == pytest.approx(reach)


@pytest.mark.parametrize(
    ("region", "usable"),
    [
        (Region(30, 20, 30), True),
        (Region(-10, 20, 30, 0.5), True),
        (Region(30, 20, np.nan), False),
        (Region(30, 20, 0), False),
        (Region(30, 20, 1e9), False),
        (Region(500, 20, 30), False),
        (Region(30, -400, 30), False),
        (Region(np.inf, 20, 30), False),
    ],
)
def test_regions_without_size_or_beside_the_picture_are_not_usable(region, usable):
    assert region.is_usable(noise()) is usable
    if usable:
        region.sample(noise(), 8)


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (1920, 1080), (500, 500), (100, 1000), (7, 3)])
def test_the_parts_of_a_picture_cover_it_and_neighbours_share_what_was_asked_for(height, width):
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    shown = parts(picture, 1 / 3, 1 / 3)
    side_px = max(height, width) / 3
    assert [region.side_px for region in shown] == pytest.approx([side_px] * len(shown))
    for length, centres_px in ((width, {region.x_px for region in shown}), (height, {region.y_px for region in shown})):
        ordered_px = np.array(sorted(centres_px))
        assert ordered_px[0] - side_px / 2 <= 1e-9
        assert ordered_px[-1] + side_px / 2 >= length - 1e-9
        assert (np.diff(ordered_px) <= 2 / 3 * side_px + 1e-9).all()
    assert len(shown) <= 16
