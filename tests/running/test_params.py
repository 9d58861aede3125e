import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import shown
from wsgcn.base.section import Part, declared_keys
from wsgcn.captures.params import PreprocessParams
from wsgcn.detections.sources import SOURCES
from wsgcn.pose.params import validation_subjects
from wsgcn.running.params import Params, parse_params, read_params
from wsgcn.running.stage import STAGES, stage_module

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT / "params.yaml"
TREE: dict[str, Any] = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))

# Not the repository's own words: data, weights, results and whatever tools keep in hidden folders.
NOT_SEARCHED = ("data", "models", "metrics", "mlruns", "build")


def params_files() -> Iterator[Path]:
    """Every YAML file of the repository that has one of params.yaml's sections."""
    folders = [
        path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in NOT_SEARCHED
    ]
    for path in [*ROOT.glob("*.y*ml"), *(file for folder in folders for file in folder.rglob("*.y*ml"))]:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(tree, dict) and tree.keys() & Params.model_fields.keys():
            yield path


def sections(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of a tree's sections, '' for the tree itself."""
    yield prefix
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from sections(value, f"{prefix}.{key}".lstrip("."))


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def section_of(tree: dict[str, Any], names: list[str]) -> dict[str, Any]:
    for name in names:
        tree = tree[name]
    return tree


def changed(**values: Any) -> dict[str, Any]:
    """The default tree with values put at dotted names; `__` stands for the dot."""
    tree = copy.deepcopy(TREE)
    for name, value in values.items():
        *above, last = name.replace("__", ".").split(".")
        section_of(tree, above)[last] = value
    return tree


def with_value(key: str, value: Any) -> dict[str, Any]:
    return changed(**{key.replace(".", "__"): value})


def message(tree: object) -> str:
    """The error that a tree gives."""
    with pytest.raises(InputError) as caught:
        parse_params(tree, "params.yaml")
    return str(caught.value)


def assert_one_sentence(sentence: str) -> None:
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert "pydantic" not in sentence.lower()


# Files


@pytest.mark.parametrize("path", sorted(params_files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_params_file_of_the_repository_parses(path: Path) -> None:
    read_params(path)


def test_the_default_is_among_the_files_that_are_checked() -> None:
    assert DEFAULT in list(params_files())


def test_the_parsed_tree_says_what_the_file_says() -> None:
    assert read_params(DEFAULT).model_dump() == TREE


def test_every_key_of_the_default_has_a_comment() -> None:
    lines = [line for line in DEFAULT.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    values = [line for line in lines if line.strip() and not line.split("#")[0].rstrip().endswith(":")]
    assert len(values) == len(leaves(TREE))
    assert [line for line in values if "#" not in line or not line.split("#")[1].strip()] == []


def test_a_missing_file_is_one_sentence_naming_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: not found") as caught:
        read_params(tmp_path / "params.yaml")
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"seed: [0", id="unclosed bracket"),
        pytest.param(b"seed: 0\n\tdata: 1", id="tab"),
        pytest.param(b"seed: \xff\xfe", id="not UTF-8"),
        pytest.param(b"seed: !!python/object/apply:os.getcwd []", id="code"),
    ],
)
def test_a_file_that_is_not_yaml_is_one_sentence_naming_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"params\.yaml: is not YAML \(") as caught:
        read_params(path)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("content", ["", "[1, 2]", "text", "3"])
def test_a_file_without_keys_is_one_sentence_naming_it(content: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"params\.yaml: ") as caught:
        read_params(path)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0.001", 0.001),
        ("1e-3", 0.001),
        ("1E-3", 0.001),
        ("1.0e-3", 0.001),
        ("1.5e-3", 0.0015),
        ("1e3", 1000.0),
        ("1e+3", 1000.0),
        ("1.5e3", 1500.0),
        (".5e1", 5.0),
        ("2", 2.0),
    ],
)
def test_scientific_notation_is_a_number(written: str, value: float, tmp_path: Path) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert "learning_rate: 0.03 " in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("learning_rate: 0.03 ", f"learning_rate: {written} "), encoding="utf-8")
    assert read_params(path).training.learning_rate == pytest.approx(value, rel=1e-15)


# Keys


@pytest.mark.parametrize("section", list(sections(TREE)))
def test_an_unknown_key_is_named(section: str) -> None:
    key = f"{section}.epoch".lstrip(".")
    assert message(with_value(key, 3)) == f"params.yaml: {key}: is not a known key."


@pytest.mark.parametrize("key", [*leaves(TREE), *filter(None, sections(TREE))])
def test_a_missing_key_is_named(key: str) -> None:
    tree = copy.deepcopy(TREE)
    *above, last = key.split(".")
    del section_of(tree, above)[last]
    assert message(tree) == f"params.yaml: {key}: is missing."


@pytest.mark.parametrize("key", [*leaves(TREE), *filter(None, sections(TREE))])
@pytest.mark.parametrize("value", [None, {"a": 1}, [[]]], ids=repr)
def test_a_value_of_a_wrong_type_is_named(key: str, value: object) -> None:
    sentence = message(with_value(key, value))
    assert sentence.startswith(f"params.yaml: {key}")
    assert_one_sentence(sentence)


def test_every_wrong_key_is_named_at_once() -> None:
    sentence = message(changed(seed=-1, data__stride=0, weak__root="guessed"))
    assert_one_sentence(sentence)
    assert all(key in sentence for key in ("seed: ", "data.stride: ", "weak.root: "))


# Values

# fmt: off
WRONG = [
    ("seed", -1), ("seed", 1.0), ("seed", True), ("seed", "0"), ("seed", 2**31),
    ("data.raw", ""), ("data.raw", 3),
    ("data.layout", ""), ("data.layout", 3),
    ("data.drop_bad_frames", 1), ("data.drop_bad_frames", "true"),
    ("data.skeleton", "h36m18"), ("data.skeleton", 16),
    ("data.stride", 0), ("data.stride", 2.5), ("data.stride", True),
    ("data.subjects.labelled", "S1"), ("data.subjects.labelled", [1]), ("data.subjects.labelled", ["S1 "]),
    ("data.subjects.labelled", [""]), ("data.subjects.labelled", ["S1/a"]), ("data.subjects.labelled", ["cameras"]),
    ("data.subjects.labelled", ["."]), ("data.subjects.labelled", ["S\n1"]), ("data.subjects.labelled", [101 * "S"]),
    ("data.subjects.labelled_takes", 0), ("data.subjects.labelled_takes", 1.01), ("data.subjects.labelled_takes", []),
    ("data.subjects.labelled_takes", [""]), ("data.subjects.labelled_takes", True),
    ("data.subjects.labelled_takes", float("nan")),
    ("data.subjects.unlabelled", [5]), ("data.subjects.unlabelled", "S5"),
    ("data.subjects.validation", 0), ("data.subjects.validation", 0.6), ("data.subjects.validation", -0.1),
    ("data.subjects.validation", "S5"), ("data.subjects.validation", True), ("data.subjects.validation", float("nan")),
    ("data.subjects.test", []), ("data.subjects.test", ["a/s9"]),
    ("demo.seconds", 0.5), ("demo.seconds", 601), ("demo.seconds", "6"), ("demo.seconds", float("nan")),
    ("detections.source", "openpose"), ("detections.joints", "koko"), ("detections.path", ""),
    ("model.name", "SemGCN"), ("model.name", "name"), ("model.semgcn.channels", 0), ("model.semgcn.channels", 127),
    ("model.semgcn.channels", 128.0), ("model.semgcn.blocks", 0), ("model.semgcn.non_local", "yes"),
    ("model.semgcn.channelwise", 0), ("model.semgcn.dropout", 1), ("model.semgcn.dropout", -0.1),
    ("model.semgcn.dropout", True),
    ("model.linear.width", 0), ("model.linear.blocks", 0), ("model.linear.dropout", 1.0),
    ("training.batch_labelled", 1), ("training.batch_unlabelled", 1), ("training.batch_labelled", 2.0),
    ("training.learning_rate", 0), ("training.learning_rate", -1e-3), ("training.learning_rate", float("inf")),
    ("training.learning_rate", float("nan")), ("training.learning_rate", "fast"),
    ("training.decay_factor", 0), ("training.decay_factor", 1.01), ("training.decay_steps", 0),
    ("training.gradient_clip", -1), ("training.gradient_clip", float("inf")),
    ("training.supervised_weight", -1.0), ("training.choose_epoch", "best"), ("training.choose_epoch", "test"),
    ("training.loss", "mae"), ("training.schedule", "linear"), ("training.warmup_steps", -1),
    ("training.warmup_steps", 1.5), ("training.final_share", 1.1), ("training.final_share", -0.1),
    ("training.average", 1), ("training.average", -0.1), ("training.average", float("nan")),
    ("training.epoch_steps", -1), ("training.epoch_steps", 2.0),
    ("weak.views", "stereo"), ("weak.pseudo_labels.share", 0.91), ("weak.pseudo_labels.share", -0.1),
    ("weak.pseudo_labels.poses", 1), ("weak.pseudo_labels.poses", 2**20 + 1), ("weak.pseudo_labels.bone_sd_m", 0),
    ("weak.pseudo_labels.depth_sd_m", 0), ("weak.pseudo_labels.depth_sd_m", 11),
    ("model.sees", "people"), ("augmentation.mirror", 1), ("augmentation.turn", None),
    ("augmentation.place", 0), ("augmentation.size", 0.6), ("augmentation.bones", -0.1),
    ("augmentation.tilt_rad", 0.51), ("augmentation.distance", True), ("augmentation.camera", "all"),
    ("augmentation.any.pitch_deg", [-61, 0]), ("augmentation.any.pitch_deg", 3), ("augmentation.any.roll_deg", 46),
    ("augmentation.any.focal", [0.4, 1]), ("augmentation.any.apparent", [0]), ("augmentation.any.centre", 1.1),
    ("augmentation.trunk", 0.6), ("augmentation.sway", -0.1), ("augmentation.recombine", 1.1),
    ("augmentation.limbs", -0.1), ("augmentation.tip", 2), ("augmentation.noise", 0.6),
    ("augmentation.outliers", 0.6), ("augmentation.coco", True), ("augmentation.missing", float("nan")),
    ("warmup.epochs", -1), ("warmup.epochs", 1.5), ("weak.epochs", -1), ("weak.epochs", True),
    ("weak.reprojection_weight", -1), ("weak.bone_weight", -0.1), ("weak.bone_weight", float("nan")),
    ("weak.bone_weight", False), ("weak.root", "true"), ("weak.root", "trajectory"),
    ("evaluate.flip", None), ("evaluate.flip", 1), ("evaluate.batch", 0),
    ("tracking.mlflow", "no"), ("tracking.experiment", ""),
    ("runtime.device", "gpu"), ("runtime.device", "cuda:1"), ("runtime.threads", -1), ("runtime.threads", 1.0),
    ("runtime.precision", "bf16"), ("runtime.precision", "bfloat16"), ("runtime.precision", "TF32"),
    ("runtime.precision", 32), ("runtime.product", "MKL"), ("runtime.product", "blis"), ("runtime.product", True),
]
RIGHT = [
    ("seed", 2**31 - 1), ("data.stride", 1), ("data.skeleton", "h36m17"), ("data.drop_bad_frames", True),
    ("data.subjects.labelled_takes", 1), ("data.subjects.labelled_takes", ["Walking", "Tai Chi"]),
    ("training.epoch_steps", 0), ("weak.views", "synchronised"), ("weak.pseudo_labels.share", 0.9),
    ("data.subjects.unlabelled", []), ("data.subjects.validation", 0.5), ("data.subjects.validation", 0.01),
    ("data.subjects.validation", ["S20"]), ("data.subjects.test", ["S11"]), ("data.subjects.test", ["s9", "Müller 3"]),
    ("demo.seconds", 1), ("demo.seconds", 600), ("demo.seconds", 2.5),
    ("model.name", "linear"), ("model.sees", "person"), ("model.semgcn.channels", 2), ("model.semgcn.dropout", 0),
    ("model.semgcn.dropout", 0.99),
    ("training.batch_labelled", 2), ("training.learning_rate", 1), ("training.decay_factor", 1),
    ("training.gradient_clip", 0), ("training.supervised_weight", 0),
    ("training.loss", "mean_distance"), ("training.schedule", "cosine"), ("training.warmup_steps", 50),
    ("training.final_share", 0), ("training.final_share", 1), ("training.average", 0), ("training.average", 0.999),
    ("augmentation.size", 0.5), ("augmentation.bones", 0), ("augmentation.camera", "any"),
    ("augmentation.any.pitch_deg", [-60, 60]), ("augmentation.any.focal", [2, 2]),
    ("augmentation.trunk", 0.5), ("augmentation.sway", 0.5), ("augmentation.recombine", 1), ("augmentation.limbs", 1.0),
    ("augmentation.tip", 0), ("augmentation.noise", 0.5),
    ("augmentation.outliers", 0.5), ("augmentation.coco", 1), ("augmentation.missing", 0),
    ("warmup.epochs", 0), ("weak.epochs", 0), ("weak.bone_weight", 0), ("weak.reprojection_weight", 0),
    ("weak.root", "solved"), ("weak.root", "model"), ("runtime.threads", 0), ("runtime.device", "cuda"),
    ("runtime.precision", "tf32"), ("runtime.product", "mkl"), ("runtime.product", "openblas"),
]
# fmt: on


@pytest.mark.parametrize(("key", "value"), WRONG, ids=repr)
def test_a_wrong_value_is_one_sentence_naming_key_and_value(key: str, value: object) -> None:
    sentence = message(with_value(key, value))
    assert sentence.startswith(f"params.yaml: {key}")
    assert_one_sentence(sentence)
    found = value[0] if isinstance(value, list) and value else value
    assert f"found {shown(found)}" in sentence or f"found {shown(value)}" in sentence


@pytest.mark.parametrize(("key", "value"), RIGHT, ids=repr)
def test_values_at_the_edge_of_their_range_are_accepted(key: str, value: object) -> None:
    params = parse_params(with_value(key, value), "params.yaml")
    assert params.flat()[key] == value


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("labelled", "unlabelled"),
        ("labelled", "validation"),
        ("labelled", "test"),
        ("unlabelled", "validation"),
        ("unlabelled", "test"),
        ("validation", "test"),
    ],
)
def test_overlapping_subjects_are_named(first: str, second: str) -> None:
    lists = {"labelled": ["S1"], "labelled_takes": 1.0, "unlabelled": ["S5"], "validation": ["S6"], "test": ["S9"]}
    lists[first] = [*lists[first], "S7"]
    lists[second] = ["S7", *lists[second]]
    sentence = message(changed(data__subjects=lists))
    assert sentence.startswith("params.yaml: data.subjects: S7 stands more than once")
    assert "S1" not in sentence
    assert_one_sentence(sentence)


def test_a_subject_twice_in_one_list_is_named() -> None:
    sentence = message(changed(data__subjects__unlabelled=["S5", "S6", "S5"]))
    assert sentence.startswith("params.yaml: data.subjects: S5 stands more than once")


def test_no_labelled_subject_is_refused() -> None:
    sentence = message(changed(data__subjects__labelled=[]))
    assert sentence.startswith("params.yaml: data.subjects: labelled is empty")
    assert_one_sentence(sentence)


# Sections that must fit each other


SOURCES_WITHOUT_NECK = [name for name, source in SOURCES.items() if source.lacks]


def test_two_sources_have_no_neck() -> None:
    assert SOURCES_WITHOUT_NECK == ["hourglass_pretrained", "hourglass_finetuned"]


@pytest.mark.parametrize("source", SOURCES_WITHOUT_NECK)
def test_17_joints_with_hourglass_detections_are_refused(source: str) -> None:
    sentence = message(changed(data__skeleton="h36m17", detections__source=source))
    assert "data.skeleton is h36m17" in sentence
    assert f"detections.source {source}" in sentence
    assert_one_sentence(sentence)
    parse_params(changed(data__skeleton="h36m16", detections__source=source), "params.yaml")


def test_17_joints_with_a_named_order_of_16_are_refused() -> None:
    tree = {"detections__source": "detectron", "detections__joints": "stacked_hourglass"}
    assert "has no Neck/Nose" in message(changed(data__skeleton="h36m17", **tree))
    parse_params(changed(data__skeleton="h36m16", **tree), "params.yaml")


@pytest.mark.parametrize("source", ["gt", "cpn", "detectron", "hrnet", "evoskeleton"])
def test_17_joints_go_with_every_other_source(source: str) -> None:
    parse_params(changed(data__skeleton="h36m17", detections__source=source), "params.yaml")


def test_choosing_the_epoch_by_validation_needs_validation_subjects() -> None:
    sentence = message(changed(training__choose_epoch="validation"))
    assert "training.choose_epoch" in sentence
    assert "data.subjects.validation" in sentence
    assert_one_sentence(sentence)
    parse_params(changed(training__choose_epoch="validation", data__subjects__validation=0.1), "params.yaml")


def test_no_epoch_at_all_is_refused() -> None:
    sentence = message(changed(warmup__epochs=0, weak__epochs=0))
    assert "warmup.epochs" in sentence
    assert "weak.epochs" in sentence
    assert_one_sentence(sentence)


# What the rest of the code asks


def test_the_used_subjects_are_those_of_all_lists() -> None:
    subjects = parse_params(changed(data__subjects__validation=["S20"]), "p").data.subjects
    assert subjects.used == ["S1", "S5", "S6", "S7", "S8", "S20", "S9", "S11"]
    assert validation_subjects(subjects.validation) == ["S20"]
    subjects = parse_params(changed(data__subjects__validation=0.2), "p").data.subjects
    assert validation_subjects(subjects.validation) == []
    assert subjects.used == ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]


def test_parameters_cannot_be_changed_after_they_were_checked() -> None:
    params = read_params(DEFAULT)
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        params.weak.epochs = 3  # type: ignore[misc]


def test_flat_gives_every_value_under_its_dotted_name() -> None:
    assert read_params(DEFAULT).flat() == leaves(TREE)


# What a stage sees


def seen_by(stage: str, tree: dict[str, Any] = TREE) -> Part:
    """The part of the parameters that a stage is given."""
    return stage_module(stage).Params.of(parse_params(tree, "params.yaml"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_sees_exactly_the_keys_that_it_declares(stage: str) -> None:
    declared = declared_keys(stage_module(stage).Params)
    assert leaves(seen_by(stage).model_dump()) == {
        key: value
        for key, value in leaves(TREE).items()
        if any(key == name or key.startswith(f"{name}.") for name in declared)
    }


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("key", [*leaves(TREE), *filter(None, sections(TREE))])
def test_a_key_that_a_stage_does_not_declare_cannot_be_read(stage: str, key: str) -> None:
    declared = declared_keys(stage_module(stage).Params)
    is_seen = any(f"{key}.".startswith(f"{name}.") or f"{name}.".startswith(f"{key}.") for name in declared)
    part: Any = seen_by(stage)
    *above, last = key.split(".")
    for section in above:
        part = getattr(part, section, None)
    assert hasattr(part, last) == is_seen
    if not is_seen and part is not None:
        with pytest.raises(AttributeError, match=last):
            getattr(part, last)


def test_the_stages_are_those_of_the_pipeline() -> None:
    stages = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "__main__"}
    assert set(STAGES) == stages


def test_preprocessing_uses_the_raw_data_and_the_subjects_and_nothing_else() -> None:
    keys = leaves(seen_by("preprocess").model_dump())
    assert {key.split(".")[0] for key in keys} == {"data"}
    assert keys.keys() == leaves(TREE["data"], "data.").keys() - {"data.skeleton", "data.stride"}


@pytest.mark.parametrize("stage", ["warmup", "weak"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.subjects.test", ["S11"]),
        ("data.subjects.test", ["s9", "Müller 3"]),
        ("data.raw", "h36m.zip"),
        ("detections.path", "2d.zip"),
        ("evaluate.flip", True),
        ("visualize.fps", 10),
        ("tracking.experiment", "other"),
    ],
)
def test_training_does_not_depend_on_how_it_is_tested_shown_or_tracked(stage: str, key: str, value: object) -> None:
    assert seen_by(stage, with_value(key, value)) == seen_by(stage)


def test_the_evaluation_does_not_depend_on_how_it_was_trained() -> None:
    """All of that stands in the checkpoint."""
    of_data = {"data__stride": 3, "data__subjects__labelled": ["S5"], "data__subjects__unlabelled": []}
    other = changed(weak__epochs=50, training__batch_labelled=7, model__name="linear", **of_data)
    assert seen_by("evaluate", other) == seen_by("evaluate")


def test_warmup_depends_on_the_length_of_the_weak_stage_alone_and_weak_on_the_warmup_but_by_its_checkpoint() -> None:
    """Its length, because a cosine of the learning rate spans both stages."""
    other = changed(weak__bone_weight=0, weak__reprojection_weight=0.5, weak__root="solved")
    assert seen_by("warmup", other) == seen_by("warmup")
    assert seen_by("weak", other) != seen_by("weak")
    other = changed(weak__epochs=50)
    assert seen_by("warmup", other) != seen_by("warmup")
    assert seen_by("weak", other) != seen_by("weak")
    other = changed(warmup__epochs=50)
    assert seen_by("weak", other) == seen_by("weak")
    assert seen_by("warmup", other) != seen_by("warmup")


def test_changing_what_a_stage_was_given_leaves_the_parameters_alone() -> None:
    params = read_params(DEFAULT)
    PreprocessParams.of(params).data.subjects.test.append("S1")
    assert params.data.subjects.test == ["S9", "S11"]
