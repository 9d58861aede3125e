import argparse

import pytest
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.cli import render
from wsgcn.lifting.lifted import FORMAT
from wsgcn.lifting.writers import h5


def called(*arguments):
    parser = argparse.ArgumentParser()
    render.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["render", *map(str, arguments)])
    return parsed.run(parsed)


def test_the_command_renders_what_is_asked_for_and_says_so(predictions_path, tmp_path, capsys):
    clip = tmp_path / "walking.gif"
    choice = ["--subject", "S11", "--take", "Walking", "--serial", "55011271"]
    assert called(predictions_path, *choice, "-o", clip, "--seconds", 0.2, "--fps", 50, "--start", 0.1) == 0
    assert capsys.readouterr().out == f"{clip}: S11 Walking, 0.2 s, {clip.stat().st_size / 1e6:.1f} MB\n"
    with Image.open(clip) as picture:
        assert (picture.n_frames, picture.info["duration"]) == (10, 20)


def test_without_a_choice_the_first_sequence_is_rendered(predictions_path, tmp_path, capsys):
    called(predictions_path, "-o", tmp_path / "a.gif", "--seconds", 0.1)
    assert "S9 Eating" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.png"], r"a\.png: has the suffix '\.png'; expected \.gif or \.mp4"),
        (["-o", "a.gif", "--take", "Sitting"], "has no take Sitting"),
        (["-o", "a.gif", "--fps", "100"], "fps: is 100"),
    ],
)
def test_what_cannot_be_rendered_is_one_sentence(predictions_path, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        called(predictions_path, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_anybody_is_one_sentence(tmp_path):
    with h5.create(tmp_path / "empty.h5", {"format": FORMAT}):
        pass
    with pytest.raises(InputError, match=r"empty\.h5: holds no poses; there is nothing to render"):
        called(tmp_path / "empty.h5", "-o", tmp_path / "a.gif")
