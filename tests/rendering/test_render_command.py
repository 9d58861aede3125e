import argparse
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from wsgcn.base.errors import InputError
from wsgcn.cli import render
from wsgcn.lifting.lifted import FORMAT
from wsgcn.lifting.writers import h5
from wsgcn.rendering import animation as render_animation
from wsgcn.rendering.painter import ClipPainter


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


def test_predictions_stand_beside_each_other_under_the_names_by_which_their_paths_differ(
    predictions_path, tmp_path, monkeypatch
):
    other = tmp_path / "wider" / predictions_path.name
    other.parent.mkdir()
    shutil.copy(predictions_path, other)
    with h5py.File(other, "r+") as file:
        for serial in file["S9/Eating"].values():
            serial["predicted_m"][:] *= 1.5
    painted = []
    monkeypatch.setattr(render_animation, "write_clip", lambda path, sequence, **_: painted.append(sequence) or 1)
    (tmp_path / "a.gif").touch()
    called(predictions_path, "--beside", other, "-o", tmp_path / "a.gif")
    (sequence,) = painted
    titles = [sequence.predicted_title, *sequence.others_m]
    assert titles == [path.parent.name for path in (predictions_path, other)]
    near_mm, wide_mm = sequence.all_mpjpe_mm
    assert np.array_equal(near_mm, sequence.mpjpe_mm)
    assert (wide_mm > near_mm).all()
    panels = [panel.title for panel in ClipPainter(sequence)._panels]
    assert panels[-3:] == [*titles, "3D truth"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x/p.h5", "b/x/p.h5", "a/y/p.h5"], ["a/x", "b/x", "a/y"]),
        (["a/one.h5", "a/two.npz"], ["one", "two"]),
        (["a/p.h5", "a/p.h5"], ["1: p.h5", "2: p.h5"]),
    ],
)
def test_the_shortest_names_that_differ(paths, names):
    assert render._short_names([Path(path) for path in paths]) == names


def test_what_is_not_of_the_same_frames_cannot_stand_beside(predictions_path, tmp_path):
    other = tmp_path / "shorter.h5"
    shutil.copy(predictions_path, other)
    with h5py.File(other, "r+") as file:
        for serial in file["S9/Eating"].values():
            for name in ("predicted_m", "truth_m"):
                kept = serial[name][:3]
                del serial[name]
                serial[name] = kept
    with pytest.raises(InputError, match=r"shorter: has S9 Eating, 3 frames of 16 joints; to stand beside predictions"):
        called(predictions_path, "--beside", other, "-o", tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


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
