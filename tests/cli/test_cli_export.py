import argparse
import subprocess
import sys

import pytest

from tests.tiny import ROOT
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.errors import InputError
from wsgcn.cli.export import add_parser


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="wsgcn")
    add_parser(parser.add_subparsers())
    return parser


def test_it_writes_the_file_and_says_so(parser, tmp_path, capsys):
    write_tiny_checkpoint(tmp_path / "weak.pt")
    arguments = parser.parse_args(["export", str(tmp_path / "weak.pt"), "-o", str(tmp_path / "pose.onnx")])
    assert arguments.run(arguments) == 0
    assert (tmp_path / "pose.onnx").is_file()
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'pose.onnx'}: 0.")


def test_without_an_output_it_stands_beside_the_checkpoint(parser, tmp_path):
    write_tiny_checkpoint(tmp_path / "weak.pt")
    arguments = parser.parse_args(["export", str(tmp_path / "weak.pt")])
    assert arguments.run(arguments) == 0
    assert (tmp_path / "weak.onnx").is_file()


def test_a_missing_checkpoint_is_bad_input(parser, tmp_path):
    arguments = parser.parse_args(["export", str(tmp_path / "none.pt")])
    with pytest.raises(InputError, match=r"none\.pt: not found"):
        arguments.run(arguments)


def test_help_shows_an_example_and_needs_no_torch():
    code = (
        "import argparse, sys; from wsgcn.cli.export import add_parser\n"
        "parser = argparse.ArgumentParser(prog='wsgcn'); add_parser(parser.add_subparsers())\n"
        "try: parser.parse_args(['export', '--help'])\n"
        "finally: print({'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "wsgcn export models/weak.pt -o pose.onnx" in result.stdout
    assert result.stdout.endswith("set()\n")
