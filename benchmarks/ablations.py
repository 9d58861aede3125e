"""The published table's ablations as DVC experiments, and one Markdown table of what they measured.

Run it as `make ablations`, or `python -m benchmarks.ablations --seeds 3 -S data.stride=2`. Each row and seed is one
`dvc exp run --temp` from the current workspace. An experiment that is already there for the same parameters and commit
is not run again, so a table that broke off goes on where it stopped.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException  # type: ignore[import-untyped]
from dvc.utils.hydra import apply_overrides  # type: ignore[import-untyped]

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.base.foreign import brief
from wsgcn.running.params import Params, read_params

TABLE = Path("metrics/ablations.md")


@dataclass(frozen=True)
class Ablation:
    """A row of the table, and what it changes."""

    name: str
    title: str
    overrides: tuple[str, ...]


def ablations(params: Params) -> list[Ablation]:
    """The rows. All train for as many epochs as `params` does in both stages together."""
    subjects = params.data.subjects
    epochs = params.warmup.epochs + params.weak.epochs
    everyone = ",".join([*subjects.labelled, *subjects.unlabelled])
    no_warmup = ("warmup.epochs=0", f"weak.epochs={epochs}")
    return [
        Ablation(
            "full",
            f"full supervision ({everyone.replace(',', ', ')} labelled)",
            (f"data.subjects.labelled=[{everyone}]", "data.subjects.unlabelled=[]"),
        ),
        Ablation("weak-no-bone", "weak, no bone loss, warm-up", ("weak.bone_weight=0",)),
        Ablation("weak", "weak, bone loss, warm-up", ()),
        Ablation("weak-no-warmup", "weak, bone loss, no warm-up", no_warmup),
        Ablation(
            "labelled-only",
            f"{', '.join(subjects.labelled)} alone (not in the paper)",
            (f"warmup.epochs={epochs}", "weak.epochs=0"),
        ),
    ]


def run(ablation: Ablation, seed: int, overrides: Sequence[str]) -> dict[str, Any] | None:
    """Run one experiment unless it is there; returns its evaluation, None if it failed."""
    settings = [*overrides, *ablation.overrides, f"seed={seed}"]
    fingerprint = [_output("git", "rev-parse", "HEAD"), _output("git", "diff", "HEAD", "--", "params.yaml"), *settings]
    name = f"{ablation.name}-seed{seed}-{hashlib.sha256(repr(fingerprint).encode()).hexdigest()[:6]}"
    evaluation = _evaluation(name)
    if evaluation is not None:
        print(f"{name}: is there already", flush=True)
        return evaluation
    print(f"{name}: {' '.join(settings)}", flush=True)
    flags = [flag for setting in settings for flag in ("-S", setting)]
    if subprocess.run(["dvc", "exp", "run", "--temp", "--name", name, *flags], check=False).returncode:
        print(f"{name}: failed, see above", file=sys.stderr, flush=True)
        return None
    return _evaluation(name)


def _evaluation(experiment: str) -> dict[str, Any] | None:
    """metrics/evaluation.json as an experiment left it, None if there is no such experiment."""
    refs = _output("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    for ref in refs:
        if ref.endswith(f"/{experiment}"):
            return json.loads(_output("git", "show", f"{ref}:metrics/evaluation.json"))
    return None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def table(overrides: Sequence[str], results: dict[Ablation, list[dict[str, Any]]], failed: int) -> str:
    """The Markdown table: mean and spread over the seeds, measured and published side by side.

    Raises:
        InputError: there is no result at all.
    """
    anything = next((evaluation for evaluations in results.values() for evaluation in evaluations), None)
    if anything is None:
        raise InputError("ablations: every experiment failed; there is nothing to tabulate.")
    lines = [
        "# Ablations",
        "",
        f"Data: {anything['data']}; 2D: {anything['detections']}; {anything['joints']} joints, the root among them; "
        f"{anything['frames']} test frames; epoch chosen by: {anything['epoch_chosen_by']}.",
        f"Changed from params.yaml: {', '.join(overrides) or 'nothing'}.",
        "Measured: mean +- sample standard deviation over the seeds, mm. Published: shown only beside a run that "
        "repeats the paper's protocol in every setting; comparable only if the data are Human3.6M.",
        "",
        "| supervision | seeds | MPJPE, mean over actions | P-MPJPE, mean over actions | MPJPE, mean over frames "
        "| published MPJPE | published P-MPJPE |",
        "|---|---|---|---|---|---|---|",
    ]
    for ablation, evaluations in results.items():
        published = next((evaluation["published"] for evaluation in evaluations if "published" in evaluation), None)
        lines.append(
            f"| {ablation.title} | {len(evaluations)} | "
            + " | ".join(
                _mean_and_spread(evaluation[metric][mean] for evaluation in evaluations)
                for metric, mean in (
                    ("mpjpe_mm", "action_mean"),
                    ("p_mpjpe_mm", "action_mean"),
                    ("mpjpe_mm", "frame_mean"),
                )
            )
            + (f" | {published['mpjpe_mm']:.2f} | {published['p_mpjpe_mm']:.2f} |" if published else " | - | - |")
        )
    if failed:
        lines += ["", f"{failed} experiments failed and are missing from the table."]
    return "\n".join(lines) + "\n"


def _mean_and_spread(values: Iterable[float]) -> str:
    numbers = list(values)
    if not numbers:
        return "failed"
    spread = f" +- {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else ""
    return f"{statistics.mean(numbers):.1f}{spread}"


def overridden_params(overrides: Sequence[str]) -> Params:
    """params.yaml with changes as `dvc exp run -S` takes them.

    Raises:
        InputError: see `read_params`; or a change is not of that form, or of a key that is not there.
    """
    read_params()  # so that what is wrong in the file itself is not blamed on the changes
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy("params.yaml", folder)
        with chdir(folder):
            try:
                apply_overrides("params.yaml", list(overrides))
            except DvcException as error:
                raise InputError(
                    f"ablations: -S {' -S '.join(overrides)}: {brief(error.__cause__ or error)}."
                ) from error
            return read_params()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1 (default: %(default)s)")
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="as in dvc exp run")
    parser.add_argument("--only", action="append", metavar="ROW", help="run only this row, e.g. weak (repeatable)")
    parser.add_argument("--output", type=Path, default=TABLE, help="where the table goes (default: %(default)s)")
    arguments = parser.parse_args()
    params = overridden_params(arguments.set_param)
    rows = [row for row in ablations(params) if arguments.only is None or row.name in arguments.only]
    results: dict[Ablation, list[dict[str, Any]]] = {row: [] for row in rows}
    failed = 0
    for seed in range(arguments.seeds):
        for row in rows:
            evaluation = run(row, seed, arguments.set_param)
            if evaluation is None:
                failed += 1
            else:
                results[row].append(evaluation)
    text = table(arguments.set_param, results, failed)
    write_atomically(arguments.output, text)
    print(text)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
