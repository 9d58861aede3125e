import subprocess
import sys
import zipfile

import pytest

from tests.video.films import model_folder
from wsgcn.base.errors import InputError
from wsgcn.cli import main
from wsgcn.video import models


def wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"mediapipe/__init__.py": b""}, "holds no mediapipe/modules/pose_detection/pose_detection.tflite"),
        ({models.DETECTION.member: b"TFL3"}, "is not the pose_detection.tflite of mediapipe==0.10.21 (SHA-256"),
        ({models.DETECTION.member: bytes(4_000_000)}, "the limit is 2.96 MB"),
    ],
)
def test_another_wheel_is_refused_and_leaves_nothing(tmp_path, capsys, members, message):
    path = wheel(tmp_path / "other.whl", members)
    kept = tmp_path / "kept"
    assert main(["detector", "install", "--wheel", str(path), "--models", str(kept)]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not kept.exists() or not list(kept.iterdir())


def test_a_pip_that_cannot_fetch_is_told_in_one_sentence(tmp_path, monkeypatch):
    said = "WARNING: something\nERROR: No matching distribution found for mediapipe==0.10.21\n"

    def run(command, **_):
        assert "--no-deps" in command
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(InputError, match=r"could not fetch its wheel \(ERROR: No matching .*give a copy with --wheel"):
        models.install(tmp_path)


@pytest.mark.parametrize("package", ["platformdirs", "ai_edge_litert.interpreter"])
def test_without_the_extra_one_sentence_says_what_to_install(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"the detector: needs the extra video .*: pip install 'wsgcn\[video\]'\.$"):
        models.Model(models.DETECTION)


def test_a_file_that_is_missing_or_another_is_named(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra video is not installed")
    with pytest.raises(InputError, match=r"pose_detection\.tflite: not found; `wsgcn detector install` puts"):
        models.Model(models.DETECTION, tmp_path)
    (tmp_path / models.DETECTION.name).write_bytes(b"TFL3")
    with pytest.raises(InputError, match=r"is not the pose_detection\.tflite of mediapipe"):
        models.Model(models.DETECTION, tmp_path)


def test_the_installed_networks_run_quietly(capfd):
    import numpy as np

    folder = model_folder()
    [points, scores] = models.Model(models.DETECTION, folder)(
        np.zeros((224, 224, 3), np.float32), "Identity", "Identity_1"
    )
    assert (points.shape, scores.shape) == ((2254, 12), (2254, 1))
    shapes = [
        each.shape
        for each in models.Model(models.LANDMARK, folder)(
            np.zeros((256, 256, 3), np.float32), "Identity", "Identity_1", "Identity_3"
        )
    ]
    assert shapes == [(195,), (1,), (64, 64, 39)]
    assert capfd.readouterr().err == ""
