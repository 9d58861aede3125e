import argparse
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.lifting.keypoints.test_keypoints_alphapose import entries
from tests.lifting.test_lifter import checkpoint_path  # noqa: F401
from tests.people import triples
from tests.tiny import ROOT
from wsgcn import cli
from wsgcn.cli import build_parser, main


def wsgcn(*arguments, **more):
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "wsgcn.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **more)


@pytest.fixture
def clip_path(tmp_path):
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(entries(triples(12))), encoding="utf-8")
    return path


def test_the_process_exits_with_0_1_and_2(clip_path, checkpoint_path, tmp_path):  # noqa: F811
    out = tmp_path / "out.npz"
    good = wsgcn("lift", clip_path, "--size", "1000x1000", "--checkpoint", checkpoint_path, "-o", out)
    assert (good.returncode, good.stdout) == (0, f"{out}: 12 frames of person 1, root-relative\n")
    assert out.is_file()
    bad = wsgcn("lift", tmp_path / "none.json", "--size", "1000x1000", "-o", out)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == f"wsgcn lift: {tmp_path / 'none.json'}: not found.\n"
    wrong = wsgcn("lift", clip_path, "--size", "huge", "-o", out)
    assert wrong.returncode == 2
    assert "argument --size: 'huge' is no size such as 1920x1080" in wrong.stderr


@pytest.mark.parametrize("place", ["before", "behind"])
def test_debug_shows_the_traceback(tmp_path, capsys, place):
    command = ["lift", str(tmp_path / "none.json"), "-o", "out.npz"]
    assert main(["--debug", *command] if place == "before" else [*command, "--debug"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "InputError" in error
    assert "none.json: not found." in error


def test_an_error_of_our_own_is_not_hidden(monkeypatch):
    def slip(_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli.info, "run", slip)
    with pytest.raises(ZeroDivisionError):
        main(["info", "weak.pt"])


@pytest.mark.parametrize("command", [[], ["lift"], ["info"], ["render"], ["view"], ["export"]])
def test_every_help_shows_an_example(capsys, command):
    assert main([*command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "example" in out
    assert f"\n  wsgcn {' '.join(command)}" in out


@pytest.mark.parametrize("command", [[], ["fly"], ["lift"], ["lift", "a.json", "--format", "koko"], ["info"]])
def test_wrong_usage_is_status_2(capsys, command):
    assert main(command) == 2
    assert "usage: wsgcn" in capsys.readouterr().err


def test_every_subcommand_of_the_folder_is_there():
    modules = {path.stem for path in (ROOT / "wsgcn" / "cli").glob("*.py")} - {"__init__", "__main__"}
    subparsers = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert set(subparsers.choices) == modules == {"lift", "info", "render", "view", "export", "detector"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completion_knows_subcommands_and_options(capsys, shell):
    assert main(["--print-completion", shell]) == 0
    out = capsys.readouterr().out
    for word in ("lift", "info", "render", "view", "export", "--max-gap"):
        assert word in out


def test_bash_takes_the_completion(capsys, tmp_path):
    main(["--print-completion", "bash"])
    (tmp_path / "complete.sh").write_text(capsys.readouterr().out, encoding="utf-8")
    script = (
        f"source {tmp_path / 'complete.sh'}; COMP_WORDS=(wsgcn li); COMP_CWORD=1; _shtab_wsgcn wsgcn li; "
        'echo "${COMPREPLY[@]}"'
    )
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["lift"]


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from wsgcn.cli import main; main(['lift', '--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for module in ("torch", "numpy", "scipy", "pyarrow", "mlflow", "matplotlib"):
        assert f"'{module}'" not in result.stderr


@pytest.mark.parametrize("option", ["--help", "--print-completion=bash"])
def test_what_the_parser_itself_prints_is_flushed_where_a_broken_pipe_is_caught(option, monkeypatch, tmp_path):
    """Left to the interpreter's exit it would be an exception that nobody can catch."""

    class Broken(io.TextIOWrapper):
        is_written = False

        def write(self, text):
            self.is_written = True
            return super().write(text)

        def flush(self):
            if self.is_written:
                raise BrokenPipeError

    with (tmp_path / "out").open("wb") as file:
        stdout = Broken(io.BytesIO())
        stdout.fileno = file.fileno
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main([option]) == 1


def test_whoever_reads_the_output_may_stop_early():
    script = f"{sys.executable} -m wsgcn.cli --print-completion bash | head -n 1"
    result = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_info_describes_a_checkpoint(checkpoint_path, capsys):  # noqa: F811
    assert main(["info", str(checkpoint_path)]) == 0
    out = capsys.readouterr().out
    assert "h36m16 (16 joints)" in out
    assert "SHA-256" in out


def test_info_of_something_else_is_one_sentence(tmp_path, capsys):
    path = tmp_path / "a.pt"
    np.save(path.open("wb"), np.zeros(3))
    assert main(["info", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
