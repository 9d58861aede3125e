import numpy as np
import pytest

from wsgcn.base.errors import InputError
from wsgcn.captures.checks import bad_frames, describe_frames
from wsgcn.captures.human36m.checks import to_metres
from wsgcn.pose.skeleton import H36M32_INDEX


def body_m(thigh_m: float, frames: int = 5) -> np.ndarray:
    positions_m = np.random.default_rng(0).normal(size=(frames, 32, 3))
    positions_m[:, H36M32_INDEX["RKnee"]] = positions_m[:, H36M32_INDEX["RHip"]] + [0, 0, thigh_m]
    return positions_m


@pytest.mark.parametrize("thigh_m", [0.21, 0.45, 0.79])
def test_bodies_of_any_size_pass(thigh_m: float) -> None:
    positions_m = body_m(thigh_m)
    np.testing.assert_array_equal(to_metres(positions_m, "m", "x"), positions_m)
    np.testing.assert_allclose(to_metres(positions_m * 1000, "mm", "x"), positions_m, rtol=1e-15)


def test_metres_in_a_file_of_millimetres_are_told() -> None:
    with pytest.raises(
        InputError, match=r"^S1/x\.h5: .* seems to be in metres where millimetres are expected\.$"
    ) as caught:
        to_metres(body_m(0.45), "mm", "S1/x.h5")
    assert "0.00045 m" in str(caught.value)


def test_millimetres_in_a_file_of_metres_are_told() -> None:
    with pytest.raises(InputError, match=r"^x: .*450 m long; .* in millimetres where metres are expected\.$"):
        to_metres(body_m(450), "m", "x")


@pytest.mark.parametrize("thigh_m", [0.0, 0.045, 4.5])
def test_other_sizes_are_told_with_the_expected_range(thigh_m: float) -> None:
    for unit, scale in (("mm", 1000), ("m", 1)):
        with pytest.raises(InputError, match=r"expected 0\.2 to 0\.8 m"):
            to_metres(body_m(thigh_m) * scale, unit, "x")  # type: ignore[arg-type]


def test_a_few_odd_frames_do_not_decide_on_the_unit() -> None:
    positions_m = body_m(0.45, frames=9)
    positions_m[:3] *= 1000
    to_metres(positions_m, "m", "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("joint", "axis"), [(0, 0), (31, 2)])
def test_one_bad_coordinate_makes_a_bad_frame(value: float, joint: int, axis: int) -> None:
    positions_m = body_m(0.45)
    positions_m[3, joint, axis] = value
    assert bad_frames(positions_m).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([3, 17, 18, 19, 20], "frames 3, 17-20 (5 of 110)"),
        ([0], "frame 0 (1 of 110)"),
        ([0, 1, 109], "frames 0-1, 109 (3 of 110)"),
        (list(range(110)), "frames 0-109 (110 of 110)"),
        (list(range(0, 40, 2)), "frames 0, 2, 4, 6, 8, 10, 12, 14, ... (20 of 110)"),
    ],
)
def test_frames_are_described_by_their_runs(frames: list[int], expected: str) -> None:
    chosen = np.zeros(110, dtype=bool)
    chosen[frames] = True
    assert describe_frames(chosen) == expected
