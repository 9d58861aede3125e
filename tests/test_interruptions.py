"""Ctrl-C while a command still imports what it needs: status 130 and no traceback."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.tiny import ROOT

# As a command does, but Ctrl-C comes when a module is about to be imported.
INTERRUPTED = """
import os, runpy, signal, sys

class Interruption:
    def find_spec(name, path=None, target=None):
        if name == {moment!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background has it ignored
sys.meta_path.insert(0, Interruption)
sys.argv[1:] = {arguments!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
MOMENTS = {
    "stages": ["argparse", "wsgcn.running.stage", "yaml", "pydantic_core", "filelock", "stages.evaluate", "torch"],
    "wsgcn.cli": ["argparse", "wsgcn.base.errors", "wsgcn.cli.view", "shtab", "wsgcn.release.checkpoint_info", "torch"],
}
ARGUMENTS = {"stages": ["evaluate"], "wsgcn.cli": ["info", str(ROOT / "wsgcn/lifting/general_lifter.pt")]}


@pytest.mark.parametrize(("module", "moment"), [(module, moment) for module in MOMENTS for moment in MOMENTS[module]])
def test_an_interruption_at_the_start_is_status_130_and_at_most_a_line(module, moment, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    code = INTERRUPTED.format(moment=moment, arguments=ARGUMENTS[module], module=module)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr in ("", "evaluate: interrupted.\n", "wsgcn: interrupted.\n")
