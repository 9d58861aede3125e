"""How a stage gets the keys that it declares, and no others."""

import pytest
from pydantic import ValidationError

from wsgcn.base.section import Part, Section, declared_keys, flat


class Inner(Section):
    width: int
    depth: int


class Data(Section):
    path: str
    stride: int
    inner: Inner


class Shown(Section):
    flip: bool


class Whole(Section):
    seed: int
    data: Data
    shown: Shown


class InnerPart(Part):
    width: int


class DataPart(Part):
    stride: int
    inner: InnerPart


class StageParams(Part):
    """Two single keys out of sections, one of them two sections deep."""

    data: DataPart


class WholeSections(Part):
    seed: int
    data: Data


def whole(**changes: object) -> Whole:
    data = {"path": "raw.zip", "stride": 5, "inner": {"width": 3, "depth": 2}}
    return Whole.model_validate({"seed": 1, "data": data, "shown": {"flip": True}, **changes})


def test_a_part_has_its_keys_and_their_values() -> None:
    part = StageParams.of(whole())
    assert part.model_dump() == {"data": {"stride": 5, "inner": {"width": 3}}}
    assert WholeSections.of(whole()).data == whole().data


@pytest.mark.parametrize("name", ["seed", "shown"])
def test_a_key_that_is_not_declared_is_not_there(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(StageParams.of(whole()), name)


def test_nor_is_one_of_a_section_of_which_others_are() -> None:
    part = StageParams.of(whole())
    with pytest.raises(AttributeError, match="path"):
        _ = part.data.path  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="depth"):
        _ = part.data.inner.depth  # type: ignore[attr-defined]


def test_the_declared_keys_are_single_keys_and_whole_sections_by_their_dotted_names() -> None:
    assert declared_keys(StageParams) == ("data.stride", "data.inner.width")
    assert declared_keys(WholeSections) == ("seed", "data")


def test_a_part_that_extends_another_declares_the_keys_of_both() -> None:
    class Further(StageParams):
        shown: Shown

    assert declared_keys(Further) == ("data.stride", "data.inner.width", "shown")


def test_a_new_key_in_another_section_changes_neither_what_a_stage_sees_nor_what_it_declares() -> None:
    class LargerData(Data):
        unheard_of: int

    class LargerShown(Shown):
        scales: list[float]

    class LargerWhole(Whole):
        data: LargerData
        shown: LargerShown

    tree = whole().model_dump()
    tree["data"]["unheard_of"] = 3
    tree["shown"]["scales"] = [0.5, 2.0]
    larger = LargerWhole.model_validate(tree)
    assert StageParams.of(larger) == StageParams.of(whole())
    assert declared_keys(StageParams) == ("data.stride", "data.inner.width")
    with pytest.raises(AttributeError, match="unheard_of"):
        _ = StageParams.of(larger).data.unheard_of  # type: ignore[attr-defined]


def test_a_part_whose_key_the_whole_does_not_have_is_a_slip() -> None:
    class Wrong(Part):
        no_such_key: int

    with pytest.raises(KeyError, match="no_such_key"):
        Wrong.of(whole())


def test_a_part_does_not_change_and_takes_no_other_keys() -> None:
    part = StageParams.of(whole())
    with pytest.raises(ValidationError, match="frozen"):
        part.data.stride = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="not permitted"):
        InnerPart.model_validate({"width": 3, "depth": 2})


def test_flat_gives_every_value_under_its_dotted_name() -> None:
    assert flat(whole().model_dump()) == {
        "seed": 1,
        "data.path": "raw.zip",
        "data.stride": 5,
        "data.inner.width": 3,
        "data.inner.depth": 2,
        "shown.flip": True,
    }
