"""The ablations of both recipes as DVC experiments, and one Markdown table of what they measured, side by side.

Run it as `make ablations`, or `python -m benchmarks.ablations --seeds 3 -S data.stride=2`. Each row and seed is one
`dvc exp run --temp` from the current workspace. An experiment that is already there for the same parameters and commit
is not run again, so a table that broke off goes on where it stopped.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.recipes import PUBLISHED, changed_params, changes_of
from wsgcn.base.errors import InputError
from wsgcn.base.files import write_atomically
from wsgcn.running.params import Params

TABLE = Path("metrics/ablations.md")


@dataclass(frozen=True)
class Ablation:
    """A row of the table, and what it changes in params.yaml, before and after the user's own changes."""

    name: str
    recipe: str
    title: str
    changes: tuple[str, ...]
    first: tuple[str, ...] = ()


_PUBLISHED = ("full", "weak-no-bone", "weak", "weak-no-warmup", "labelled-only")
_OURS = ("ours-full", "ours", "ours-labelled-only")
ROWS = (*_PUBLISHED, *_OURS)


def ablations(changes: Sequence[str], names: Collection[str] = ROWS) -> list[Ablation]:
    """The rows with these names: of the published table and the one that it lacks with its recipe, and three with ours.

    All rows of a recipe train for as many epochs as it does in both stages together.

    Raises:
        InputError: see `changed_params`.
    """
    rows: list[Ablation] = []
    if any(name in names for name in _PUBLISHED):
        recipe = tuple(changes_of(PUBLISHED))
        params = changed_params([*recipe, *changes])
        epochs = params.warmup.epochs + params.weak.epochs
        no_warmup = ("warmup.epochs=0", f"weak.epochs={epochs}")
        rows += [
            Ablation("full", "published", _title_of_all(params), _labelling_all(params), recipe),
            Ablation("weak-no-bone", "published", "weak, no bone loss, warm-up", ("weak.bone_weight=0",), recipe),
            Ablation("weak", "published", "weak, bone loss, warm-up", (), recipe),
            Ablation("weak-no-warmup", "published", "weak, bone loss, no warm-up", no_warmup, recipe),
            Ablation("labelled-only", "published", f"{_alone(params)} (not in the paper)", _NOBODY_ELSE, recipe),
        ]
    if any(name in names for name in _OURS):
        params = changed_params(changes)
        rows += [
            Ablation("ours-full", "ours", _title_of_all(params), _labelling_all(params)),
            Ablation("ours", "ours", "weak", ()),
            Ablation("ours-labelled-only", "ours", _alone(params), _NOBODY_ELSE),
        ]
    return [row for row in rows if row.name in names]


_NOBODY_ELSE = ("data.subjects.unlabelled=[]",)


def _title_of_all(params: Params) -> str:
    return f"full supervision ({', '.join(_everyone(params))} labelled)"


def _alone(params: Params) -> str:
    return f"{', '.join(params.data.subjects.labelled)} alone"


def _everyone(params: Params) -> list[str]:
    return [*params.data.subjects.labelled, *params.data.subjects.unlabelled]


def _labelling_all(params: Params) -> tuple[str, ...]:
    return (f"data.subjects.labelled=[{','.join(_everyone(params))}]", "data.subjects.unlabelled=[]")


def run(ablation: Ablation, seed: int, changes: Sequence[str]) -> dict[str, Any] | None:
    """Run one experiment unless it is there; returns its evaluation, None if it failed."""
    settings = [*ablation.first, *changes, *ablation.changes, f"seed={seed}"]
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
    """metrics/evaluation.json and protocol.json as an experiment left them, None if there is no such experiment."""
    refs = _output("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    for ref in refs:
        if ref.endswith(f"/{experiment}"):
            files = (f"{ref}:metrics/{name}.json" for name in ("evaluation", "protocol"))
            return {key: value for file in files for key, value in json.loads(_output("git", "show", file)).items()}
    return None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def table(changes: Sequence[str], results: dict[Ablation, list[dict[str, Any]]], failed: int) -> str:
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
        f"Changed from params.yaml and from recipes/published: {', '.join(changes) or 'nothing'}.",
        "Measured: mean +- sample standard deviation over the seeds, mm. Published: shown only beside a run that "
        "repeats the paper's protocol in every setting; comparable only if the data are Human3.6M.",
        "",
        "| recipe | supervision | seeds | MPJPE, mean over actions | P-MPJPE, mean over actions "
        "| MPJPE, mean over frames | P-MPJPE, mean over frames | published MPJPE | published P-MPJPE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for ablation, evaluations in results.items():
        published = next((evaluation["published"] for evaluation in evaluations if "published" in evaluation), None)
        lines.append(
            f"| {ablation.recipe} | {ablation.title} | {len(evaluations)} | "
            + " | ".join(
                _mean_and_spread(evaluation[metric][mean] for evaluation in evaluations)
                for metric, mean in (
                    ("mpjpe_mm", "action_mean"),
                    ("p_mpjpe_mm", "action_mean"),
                    ("mpjpe_mm", "frame_mean"),
                    ("p_mpjpe_mm", "frame_mean"),
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


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1 (default: %(default)s)")
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="as in dvc exp run")
    parser.add_argument("--only", action="append", choices=ROWS, help="run only this row (repeatable)")
    parser.add_argument("--output", type=Path, default=TABLE, help="where the table goes (default: %(default)s)")
    arguments = parser.parse_args()
    rows = ablations(arguments.set_param, arguments.only or ROWS)
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
