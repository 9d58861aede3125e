"""The model card: what a checkpoint was made from, how well it does, and what it is not good for, as Markdown.

All of it follows from the checkpoint, the evaluation's report and the parameters; the same run gives the same card.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsgcn.base.files import file_sha256
from wsgcn.evaluation.metrics import METRICS
from wsgcn.evaluation.params import EvaluateParams
from wsgcn.model.checkpoint import NORMALISATION, Checkpoint, load_checkpoint
from wsgcn.model.networks import count_parameters, counted, describe_network
from wsgcn.release.checkpoint_info import describe_epoch, describe_recipe
from wsgcn.training.losses import TERMS

_SYNTHETIC = """\
> **Trained and tested on a synthetic capture.** A program made the bodies and the motions. These weights show that the
> pipeline works; the errors below say nothing about real people and compare with no published figure."""

_METRICS_EXPLAINED = """\
- MPJPE: mean distance of predicted and true joints, both relative to the root, without any alignment. P-MPJPE: the same
  after the best rotation, scale and shift of each frame; N-MPJPE: after the best scale of each frame. PCK@150: share of
  joints within 150 mm; AUC: its mean over the thresholds from 0 to 150 mm. MPJVE: error of the
  motion between frames; accel.: of its change from frame to frame.
- The mean over actions weighs every action alike, and is what most papers report; the mean over frames, every frame."""

_JITTERS = """\
- **Motion.** Each frame is lifted by itself, so the result jitters, and what one picture leaves open stays open."""
_OVER_TIME = """\
- **Single pictures, and other rates.** It sees frames around the one that it lifts. Near the ends of a clip, and beside
  cuts, it sees fewer; a clip of another rate is to be resampled first, as `wsgcn lift` does."""

_ROOTS = {
    "ground_truth": "- The true 3D root of the unlabelled subjects was used, as published: more than 2D alone.",
    "solved": "- The root was solved from the 2D: of the unlabelled subjects no 3D was used.",
    "model": "- The root was predicted from the 2D, as labels teach it: of the unlabelled subjects no 3D was used.",
}

_INTENDED = """\
Research and teaching on 3D pose from single pictures: one person, seen whole, upright in the picture, whose 2D joints
come from a detector and whose picture size is known. Look at the result before anything depends on it."""

_NOT_GOOD_FOR = """\
- **Absolute place and size.** The output is relative to the hip, and its size is that of the bodies in the training.
- **Other cameras.** Training and test share the same kind of camera: about 4 to 6 m away, 1.5 m up, a field of view of
  47 degrees. Wide angles, close-ups, cameras that look steeply down or are rolled are outside what it has seen, and it
  is not told the focal length.
- **Hidden or cut-off joints.** Every joint must be given; it knows no confidence and cannot say that it is unsure.
- **Several people.** It lifts one person at a time and knows nothing of which joints belong to whom.
{motion}
- **Bodies unlike those of the training**, children above all, and actions unlike those in the table.
- **Hands, fingers, faces, feet beyond the ankle, the rotation of limbs about themselves:** no such joints.
- **Decisions about people:** medical diagnosis, safety, identification, surveillance."""

_CONVERSIONS = """\
Other detectors' joints stand elsewhere than Human3.6M's, and the network takes the difference for pose. From COCO's 17
the head is the middle of the eyes, lower and further forward than Human3.6M's; spine and thorax lie on the line from
the middle of the hips to the middle of the shoulders, so a bent back looks straight."""


def model_card(checkpoint_path: Path | str, evaluation: Mapping[str, Any], params: EvaluateParams) -> str:
    """The card of an evaluated checkpoint.

    Args:
        checkpoint_path: the checkpoint that was evaluated.
        evaluation: the report that `wsgcn.evaluation.evaluate.evaluate` returns.
        params: of the evaluation; those of the training are in the checkpoint.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    is_over_time = checkpoint.fps is not None
    seen, motion = ("over time", _OVER_TIME) if is_over_time else ("in one picture", _JITTERS)
    sections = [
        "# Model card: WS-GCN",
        f"Lifts the 2D joints of one person {seen} to 3D: {len(checkpoint.skeleton.joints)} joints in metres, "
        "relative to the hip.",
        *([_SYNTHETIC] if params.data.is_synthetic else []),
        _model(checkpoint, file_sha256(checkpoint_path)),
        _training(checkpoint, params),
        _protocol(evaluation, params),
        _errors(evaluation, params),
        f"## Intended use\n\n{_INTENDED}",
        f"## What it is not good for\n\n{_NOT_GOOD_FOR.format(motion=motion)}\n\n{_CONVERSIONS}",
        _licence(params),
    ]
    return "\n\n".join(sections) + "\n"


def _model(checkpoint: Checkpoint, sha256: str) -> str:
    joints = len(checkpoint.skeleton.joints)
    axes = "B" if checkpoint.fps is None else f"B, T at {checkpoint.fps:g} frames a second"
    rows = [
        ("network", f"{describe_network(checkpoint.model)}; {count_parameters(checkpoint.network()):,} parameters"),
        ("skeleton", f"{checkpoint.skeleton.name}: {', '.join(checkpoint.skeleton.joints)}"),
        ("input", f"2D joints ({axes}, {joints}, 2), normalised by the picture's size; {NORMALISATION}"),
        ("output", f"(B, {joints}, 3) m, camera axes (x right, y down, z forward), relative to the root (Hip)"),
        ("epoch", describe_epoch(checkpoint)),
        ("checkpoint", f"SHA-256 `{sha256}`"),
    ]
    return "## Model\n\n" + _table(("", ""), rows)


def _training(checkpoint: Checkpoint, params: EvaluateParams) -> str:
    data = checkpoint.params["data"]
    subjects = data["subjects"]
    held_out = subjects["validation"]
    frames = "every frame" if data["stride"] == 1 else f"one frame in {data['stride']}"
    validation = _names(held_out) if isinstance(held_out, list) else f"{held_out:.0%} of the labelled takes"
    lines = [
        f"- Data: {params.data.capture}; {frames} of every camera.",
        f"- Subjects with 3D labels: {_names(subjects['labelled'])}{_of_takes(subjects)}; "
        f"without: {_names(subjects['unlabelled'])}; "
        f"for validation: {validation}.",
        f"- 2D: {checkpoint.source} ({checkpoint.source_words})."
        + (" No detector's errors were seen in training or test." if checkpoint.source == "gt" else ""),
    ]
    lines.append(f"- Recipe: {describe_recipe(checkpoint)}.")
    weak = checkpoint.params.get("weak")
    # The warm-up's has little of the section.
    if weak is None or "reprojection_weight" not in weak or not weak["epochs"] or not subjects["unlabelled"]:
        return "## Training\n\n" + "\n".join(
            [*lines, f"- {counted(checkpoint.epoch, 'epoch')} on the labelled subjects alone."]
        )
    share = weak.get("pseudo_labels", {}).get("share", 0.0)
    used = [f"pseudo-labels ({share:.0%} of each batch)"] if share else []
    used += [
        f"{term.words} (weight {weight:g})"
        for term in TERMS
        if term.of_unlabelled and (weight := weak[f"{term.name}_weight"])
    ]
    lines.append(
        f"- {counted(checkpoint.epoch - weak['epochs'], 'epoch')} on the labelled subjects alone, then "
        f"{weak['epochs']} with the unlabelled ones: {', '.join(used) or 'nothing of theirs weighed anything'}."
    )
    if share and weak["views"] == "synchronised":
        lines.append(
            "- The pseudo-labels are triangulated: the unlabelled subjects' cameras were calibrated and in step."
        )
    elif share or weak["reprojection_weight"]:
        lines.append(_ROOTS[weak["root"]])
    return "## Training\n\n" + "\n".join(lines)


def _of_takes(subjects: Mapping[str, Any]) -> str:
    takes = subjects.get("labelled_takes", 1.0)
    if isinstance(takes, list):
        return f" (only {', '.join(takes)})"
    return f" ({takes:.0%} of the takes)" if takes < 1 else ""


def _protocol(evaluation: Mapping[str, Any], params: EvaluateParams) -> str:
    root = "with the root, whose error is 0, among them" if evaluation["root_counted"] else "without the root"
    return "\n".join(
        [
            "## Protocol of the test",
            "",
            f"- Data: {evaluation['data']}, subjects {_names(params.data.subjects.test)}, who were used for nothing "
            f"else; every frame of every camera, {evaluation['frames']:,} in all.",
            f"- {evaluation['joints']} joints, {root}; 2D: {evaluation['detections']}; the mirrored input "
            + ("is averaged in." if evaluation["flip"] else "is not averaged in."),
            _METRICS_EXPLAINED,
        ]
    )


def _errors(evaluation: Mapping[str, Any], params: EvaluateParams) -> str:
    rows = [
        (action, *(f"{row[metric.name]:.2f}" for metric in METRICS), f"{row['frames']:,}")
        for action, row in evaluation["actions"].items()
    ]
    for mean in ("action_mean", "frame_mean"):
        label = f"**mean over {mean.removesuffix('_mean')}s** (`{mean}`)"
        rows.append(
            (label, *(f"**{evaluation[metric.name][mean]:.2f}**" for metric in METRICS), f"{evaluation['frames']:,}")
        )
    text = "## Errors\n\n" + _table(("action", *(metric.words for metric in METRICS), "frames"), rows)
    published = evaluation.get("published")
    if published is not None:
        text += (
            f"\n\nPublished for this setting on Human3.6M ({published['name']}), mean over actions: MPJPE "
            f"{published['mpjpe_mm']:.2f} mm, P-MPJPE {published['p_mpjpe_mm']:.2f} mm. It compares only if "
            f"{params.data.capture} is Human3.6M."
        )
    return text


def _licence(params: EvaluateParams) -> str:
    if params.data.is_synthetic:
        text = "The capture is this project's own and shows no real person, so no data's terms bind these weights."
    else:
        text = (
            f"The terms of the training data ({params.data.capture}) bind these weights, whatever the code's licence "
            "says. Human3.6M is for academic research only and may not be passed on: ask its owners before passing on "
            "or selling what was trained on it."
        )
    return f"## Licence\n\n{text}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:" if len(header) > 2 else "---"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
