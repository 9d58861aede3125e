"""The published figures on Human3.6M, 2D ground truth unless said otherwise, for comparison with measured ones."""

from dataclasses import dataclass

from wsgcn.captures.human36m.names import SUBJECTS
from wsgcn.running.params import Params


@dataclass(frozen=True)
class Row:
    """A row of a published table: MPJPE and P-MPJPE in mm, S9 and S11, mean over actions."""

    name: str
    mpjpe_mm: float
    p_mpjpe_mm: float


# WS-GCN's own table.
FULL = Row("full supervision (S1, S5-S8 labelled)", 41.95, 33.40)
WEAK_WITHOUT_BONE = Row("weak, no bone loss, warm-up", 53.16, 43.77)
WEAK = Row("weak, bone loss, warm-up", 49.23, 39.88)
WEAK_WITHOUT_WARMUP = Row("weak, bone loss, no warm-up", 63.50, 52.14)

# The supervised baselines (Zhao et al. 2019, Martinez et al. 2017).
SEMGCN_GT = Row("SemGCN, supervised", 42.14, 33.53)
SEMGCN_NON_LOCAL_GT = Row("SemGCN with non-local layers, supervised", 40.78, 31.46)
SEMGCN_HOURGLASS = Row("SemGCN with non-local layers, supervised, fine-tuned Stacked Hourglass", 61.24, 47.71)
LINEAR_GT = Row("Martinez et al., supervised", 44.40, 35.25)
LINEAR_HOURGLASS = Row("Martinez et al., supervised, fine-tuned Stacked Hourglass", 63.48, 48.15)

_TRAINING_SUBJECTS = {subject for subject in SUBJECTS if subject not in ("S9", "S11")}


def published_row(params: Params) -> Row | None:
    """The published row that the parameters correspond to, None if they are nobody's setting."""
    data, subjects, source = params.data, params.data.subjects, params.detections.source
    if data.skeleton != "h36m16" or set(subjects.test) != {"S9", "S11"} or subjects.validation:
        return None
    fully_labelled = set(subjects.labelled) == _TRAINING_SUBJECTS and not subjects.unlabelled
    if params.model.name == "linear":
        return {"gt": LINEAR_GT, "hourglass_finetuned": LINEAR_HOURGLASS}.get(source) if fully_labelled else None
    if params.model.channelwise:
        return None
    if fully_labelled:
        if not params.model.non_local:
            return SEMGCN_GT if source == "gt" else None
        return {"gt": FULL, "hourglass_finetuned": SEMGCN_HOURGLASS}.get(source)
    split = set(subjects.labelled) == {"S1"} and set(subjects.unlabelled) == _TRAINING_SUBJECTS - {"S1"}
    weak = params.weak
    published_terms = weak.epochs and weak.reprojection_weight and weak.root == "ground_truth"
    if not split or source != "gt" or not params.model.non_local or not published_terms:
        return None
    if not weak.bone_weight:
        return WEAK_WITHOUT_BONE if params.warmup.epochs else None
    return WEAK if params.warmup.epochs else WEAK_WITHOUT_WARMUP
