import pytest

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.names import ACTIONS
from wsgcn.captures.human36m.quirks import canonical_take, is_calibration_take, is_corrupted_take, rule_against


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Directions", "Directions"),
        ("Directions 1", "Directions 1"),
        ("TakingPhoto", "Photo"),
        ("TakingPhoto 1", "Photo 1"),
        ("WalkingDog", "WalkDog"),
        ("WalkingDog_2", "WalkDog 2"),
        ("SittingDown_2", "SittingDown 2"),
    ],
)
def test_takes_have_one_name_however_they_are_spelt(name: str, expected: str) -> None:
    assert canonical_take(name, "x") == expected


def test_canonical_names_stay_as_they_are() -> None:
    for action in ACTIONS:
        for name in (action, f"{action} 1", f"{action} 2"):
            assert canonical_take(name, "x") == name


@pytest.mark.parametrize("name", ["Dancing", "directions", "Directions 1 copy", "Walking1", "", "Walking  1", "1"])
def test_an_unknown_action_is_told_with_its_file(name: str) -> None:
    with pytest.raises(InputError, match=r"^S1/file\.cdf: .* is no take of Human3\.6M; its actions are Directions, "):
        canonical_take(name, "S1/file.cdf")


def test_only_the_first_directions_of_s11_is_corrupted() -> None:
    assert is_corrupted_take("S11", "Directions")
    assert not is_corrupted_take("S11", "Directions 1")
    assert not is_corrupted_take("S9", "Directions")


def test_only_all_is_a_calibration_take() -> None:
    assert is_calibration_take("S1", "_ALL")
    assert is_calibration_take("S1", "_ALL 1")
    assert not is_calibration_take("S1", "Directions")


def test_a_rule_is_known_by_its_name() -> None:
    assert rule_against("S11", "Directions") == "corrupted_take"
    assert rule_against("S5", "_ALL") == "calibration_take"
    assert rule_against("S11", "Directions 1") is None
