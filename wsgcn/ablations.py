"""The published table's ablations as DVC experiments, and one Markdown table of what they measured.

Run it as `make ablations`, or `python -m wsgcn.ablations --seeds 3 -S data.stride=2`. Each row and seed is one `dvc exp
run --temp` from the current workspace. An experiment that is already there for the same parameters and commit is not
run again, so a table that broke off goes on where it stopped.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.evaluation import published
from wsgcn.running.params import Params, read_params

TABLE = Path("metrics/ablations.md")


@dataclass(frozen=True)
class Ablation:
    """A row of the table: what it changes, and what was published for it."""

    name: str
    title: str
    overrides: tuple[str, ...]
    published: published.Row | None


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
            published.FULL,
        ),
        Ablation("weak-no-bone", "weak, no bone loss, warm-up", ("weak.bone_weight=0",), published.WEAK_WITHOUT_BONE),
        Ablation("weak", "weak, bone loss, warm-up", (), published.WEAK),
        Ablation("weak-no-warmup", "weak, bone loss, no warm-up", no_warmup, published.WEAK_WITHOUT_WARMUP),
        Ablation(
            "labelled-only",
            f"{', '.join(subjects.labelled)} alone (not in the paper)",
            (f"warmup.epochs={epochs}", "weak.epochs=0"),
            None,
        ),
    ]


def run(ablation: Ablation, seed: int, overrides: list[str]) -> dict[str, Any] | None:
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


def table(params: Params, overrides: list[str], results: dict[Ablation, list[dict[str, Any]]], failed: int) -> str:
    """The Markdown table: mean and spread over the seeds, measured and published side by side."""
    anything = next((evaluation for evaluations in results.values() for evaluation in evaluations), None)
    if anything is None:
        raise InputError("ablations: every experiment failed; there is nothing to tabulate.")
    lines = [
        "# Ablations",
        "",
        f"Data: {anything['data']}; 2D: {anything['detections']}; {anything['joints']} joints, the root among them; "
        f"{anything['frames']} test frames; epoch chosen by: {anything['epoch_chosen_by']}.",
        f"Changed from params.yaml: {', '.join(overrides) or 'nothing'}.",
        f"Measured: mean +- sample standard deviation over the seeds, mm. {_caveat(params, anything)}",
        "",
        "| supervision | seeds | MPJPE, mean over actions | P-MPJPE, mean over actions | MPJPE, mean over frames "
        "| published MPJPE | published P-MPJPE |",
        "|---|---|---|---|---|---|---|",
    ]
    for ablation, evaluations in results.items():
        row = ablation.published
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
            + (f" | {row.mpjpe_mm:.2f} | {row.p_mpjpe_mm:.2f} |" if row else " | - | - |")
        )
    if failed:
        lines += ["", f"{failed} experiments failed and are missing from the table."]
    return "\n".join(lines) + "\n"


def _caveat(params: Params, evaluation: dict[str, Any]) -> str:
    if evaluation["data"] == params.data.capture and params.data.is_synthetic:
        return "These are figures of a synthetic capture: the published ones, on Human3.6M, are no target for them."
    return "The published figures are on Human3.6M with 2D ground truth, and comparable only with that."


def _mean_and_spread(values: Iterable[float]) -> str:
    numbers = list(values)
    if not numbers:
        return "failed"
    spread = f" +- {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else ""
    return f"{statistics.mean(numbers):.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m wsgcn.ablations", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1 (default: %(default)s)")
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="as in dvc exp run")
    parser.add_argument("--only", action="append", metavar="ROW", help="run only this row, e.g. weak (repeatable)")
    parser.add_argument("--output", type=Path, default=TABLE, help="where the table goes (default: %(default)s)")
    arguments = parser.parse_args()
    params = read_params()
    epochs = dict(
        setting.split("=", 1) for setting in arguments.set_param if setting.split(".")[-1].startswith("epochs")
    )
    params = params.model_copy(
        update={
            stage: getattr(params, stage).model_copy(update={"epochs": int(epochs[f"{stage}.epochs"])})
            for stage in ("warmup", "weak")
            if f"{stage}.epochs" in epochs
        }
    )
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
    text = table(params, arguments.set_param, results, failed)
    write_atomically(arguments.output, text)
    print(text)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
