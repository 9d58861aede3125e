"""The README's experiments, in order, in a clone whose stages are stood in for: DVC runs what each line says."""

import re
import shlex
import time

import pytest
import yaml

from benchmarks.clone import ROOT, call, change_params, clone_working_tree, run
from wsgcn.base.section import flat
from wsgcn.evaluation.metrics import METRICS
from wsgcn.running.params import parse_params

# Real stages take minutes for all of these experiments, and tests/test_pipeline.py runs some of them. What is asked
# here is which parameters an experiment has; so each stage writes at once what dvc.yaml says it writes.
STAND_IN = """
import hashlib, pathlib, re, subprocess, sys, yaml

params = pathlib.Path("params.yaml").read_bytes()
stage = yaml.safe_load(pathlib.Path("dvc.yaml").read_text())["stages"][sys.argv[1]]
for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
    path = pathlib.Path(out if isinstance(out, str) else next(iter(out)))
    digest = hashlib.sha256(params + str(path).encode()).hexdigest()
    if path.parts[0] == "metrics":
        content = subprocess.check_output(["git", "show", f"HEAD:{path}"], text=True)
        if path.name == "evaluation.json":
            add = int(digest[:4], 16) / 1e4
            content = re.sub(r"\\d+\\.\\d+", lambda match: f"{float(match[0]) + add:.4f}", content)
    else:
        content = digest
    if not path.suffix:
        path = path / "file"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
"""
NOT_RUN = {
    "make ablations": "runs 24 experiments; tests/test_pipeline.py runs two of its rows",
    "dvc exp show": "is run after all others, below",
}


def commands():
    """The lines of code under "Your data" and "Experiments" that are run by hand, in their order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = [text.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("Your data", "Experiments")]
    return [line.strip() for part in parts for line in part.splitlines() if re.match(r" {4}(dvc|make) ", line)]


def said(command, recipe):
    """The parameters that a command says it changes, by dotted name: a list of them, one for each experiment."""
    command = command.replace("$(cat recipes/published)", recipe)
    words = shlex.split(command, comments=True)
    for word in list(words):
        if word.startswith("ARGS="):
            words += shlex.split(word.removeprefix("ARGS="))
    if words[:2] == ["make", "published"]:
        words = [*shlex.split(recipe), *words]
    settings = [words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-S"]
    changes = {name: yaml.safe_load(value) for name, value in settings}
    if "--queue" not in words:
        return [changes]
    [(name, values)] = settings
    return [{name: yaml.safe_load(value)} for value in values.split(",")]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone on branch main with two commits, whose metrics differ."""
    folder = tmp_path_factory.mktemp("clones") / "project"
    clone_working_tree(folder)
    (folder / "stages/__main__.py").write_text(STAND_IN)
    for seed in (7, 8):
        call(folder, "git", "add", "--all")
        call(folder, "git", "commit", "--quiet", "--allow-empty", "-m", f"before seed {seed}")
        change_params(folder, {("seed",): seed})
        call(folder, "dvc", "repro")
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "-m", "seed 8")
    call(folder, "git", "branch", "--move", "--force", "main")
    return folder


def experiments(project):
    refs = call(project, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref for ref in refs if ref.count("/") == 4 and "/exec/" not in ref and "/celery/" not in ref}


def differences(project, ref):
    """What an experiment's params.yaml has otherwise than the commit's."""
    own, base = (yaml.safe_load(call(project, "git", "show", f"{at}:params.yaml")) for at in (ref, "HEAD"))
    parse_params(own, "params.yaml")  # the stages would take it
    before = flat(base)
    return {name: value for name, value in flat(own).items() if value != before[name]}


def wait_for_queue(project):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = call(project, "dvc", "queue", "status")
        if not re.search(r"Queued|Running", status):
            return status
        time.sleep(1)
    raise AssertionError(status)


@pytest.mark.parametrize("command", commands())
def test_each_experiment_differs_in_what_it_says_and_in_nothing_else(project, command):
    for start, reason in NOT_RUN.items():
        if command.startswith(start):
            pytest.skip(reason)
    before = experiments(project)
    line = re.sub("^make ", "make -o .venv/ready ", command)
    result = run(project, "bash", "-c", line, variables={"RAW": str(project / "data/raw/demo")})
    if command.startswith("dvc queue start"):
        assert "Failed" not in wait_for_queue(project)
    assert call(project, "git", "status", "--porcelain") == "", "the workspace is left alone"
    if "-S" in command and "--queue" not in command:
        [ref] = experiments(project) - before
        base = flat(yaml.safe_load(call(project, "git", "show", "HEAD:params.yaml")))
        [changes] = said(command, (project / "recipes/published").read_text())
        changes = {
            name: value.replace("$RAW", str(project / "data/raw/demo")) if isinstance(value, str) else value
            for name, value in changes.items()
        }
        assert differences(project, ref) == {name: value for name, value in changes.items() if value != base[name]}
    elif command.startswith("dvc queue start"):
        queued = [one for other in commands() if "--queue" in other for one in said(other, "")]
        assert len(queued) == 3
        shown = [differences(project, ref) for ref in experiments(project)]
        assert [one for one in queued if one not in shown] == []
    elif command.startswith("dvc metrics diff"):
        rows = [row for row in result.stdout.splitlines() if "evaluation.json" in row]
        assert len(rows) <= 2 * len(METRICS) + 1, "the two means of each, and no table of actions"
    elif command.startswith("dvc plots diff"):
        page = (project / "dvc_plots/index.html").read_text(encoding="utf-8")
        assert page.count("vegaEmbed('#") == 1
    else:
        assert "-S" in command or command.startswith("dvc queue")


def test_the_table_of_experiments_has_each_of_them_and_the_parameters_that_changed(project):
    [command] = [shlex.split(command, comments=True) for command in commands() if command.startswith("dvc exp show")]
    header, *rows = call(project, *command, "--csv").splitlines()
    assert len(rows) >= 1 + 9
    # DVC puts the file before what lifter/params.yaml has with another value.
    columns = [column.removeprefix("params.yaml:") for column in header.split(",")]
    assert {"data.subjects.unlabelled", "data.subjects.labelled_takes", "weak.views", "seed"} <= set(columns)
    assert len(columns) < 120
    assert not any(column.startswith(("lifter/", "actions.")) for column in columns)
