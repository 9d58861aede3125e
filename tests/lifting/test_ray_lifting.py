import os
import sys

import numpy as np
import pytest

from tests.lifting.test_batch_lifting import PEOPLE, write_parquet
from tests.lifting.test_lifter import checkpoint_path  # noqa: F401
from tests.people import triples
from tests.tiny import ROOT, write_tiny_capture
from wsgcn.base.errors import InputError
from wsgcn.lifting.batch_lifting import lift_file
from wsgcn.lifting.lifter import Lifter, Options
from wsgcn.lifting.ray_lifting import Settings, lift_folder
from wsgcn.lifting.writers.formats import read_lifted


@pytest.fixture(scope="module")
def local_ray():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray", reason="Ray is an optional extra")
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )
    yield
    ray.shutdown()


@pytest.mark.usefixtures("local_ray")
def test_a_folder_is_lifted_file_by_file_and_one_bad_file_does_not_stop_the_others(checkpoint_path, tmp_path):  # noqa: F811
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    write_parquet(source / "one.parquet", PEOPLE)
    (write_tiny_capture(tmp_path, subjects=("S9",), takes=("Eating",))[1]).rename(source / "two.h5")
    far = triples(5)
    far[3, 9, :2] = 9000
    write_parquet(source / "bad.parquet", {"a": far})
    settings = Settings(checkpoint=checkpoint_path, options=Options(max_gap=4))
    with pytest.raises(InputError, match=r"1 of 3 files could not be lifted: .*bad\.parquet: in frame 3 LWrist lies"):
        lift_folder(source, target, settings, suffix=".h5", workers=1)
    assert sorted(path.name for path in target.iterdir()) == ["one.h5", "two.h5"]

    lifter = Lifter.load(checkpoint_path)
    lift_file(lifter, source / "one.parquet", tmp_path / "alone.h5", options=settings.options)
    for lifted, alone in zip(read_lifted(target / "one.h5"), read_lifted(tmp_path / "alone.h5"), strict=True):
        np.testing.assert_allclose(lifted.pose_m, alone.pose_m, atol=1e-5)
        assert lifted.metadata == alone.metadata


def test_without_ray_one_sentence_names_the_extra(checkpoint_path, tmp_path, monkeypatch):  # noqa: F811
    write_parquet(tmp_path / "one.parquet", PEOPLE)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"ray: is not installed; .* `pip install wsgcn\[ray\]`"):
        lift_folder(tmp_path, tmp_path / "out", Settings(checkpoint=checkpoint_path))


def test_folders_that_cannot_be_lifted_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.parquet or \.h5 file"):
        lift_folder(tmp_path, tmp_path / "out", Settings())
    write_parquet(tmp_path / "one.parquet", PEOPLE)
    with pytest.raises(InputError, match="over the keypoints"):
        lift_folder(tmp_path, tmp_path, Settings())
    with pytest.raises(InputError, match=r"suffix: is '\.csv', expected"):
        lift_folder(tmp_path, tmp_path / "out", Settings(), suffix=".csv")
