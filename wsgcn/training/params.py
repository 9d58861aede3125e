"""What the stages warmup and weak read of params.yaml."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from wsgcn.base.section import Batch, Count, Epochs, Part, Section, Seed, Share, Subject, Weight
from wsgcn.model.params import Model, Runtime
from wsgcn.pose.params import SkeletonName, TakeChoice


def _in_order(ends: list[float]) -> list[float]:
    if ends[0] > ends[1]:
        raise ValueError(f"a range is its lower and its upper end, found {ends}")
    return ends


Number = TypeVar("Number")
Range = Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_in_order)]
Spread = Annotated[float, Field(ge=0, le=0.5)]  # a standard deviation
Likelihood = Annotated[float, Field(ge=0, le=1)]  # a share of the poses, or of their limbs


class AnyCamera(Section):
    """What `camera: any` draws from, uniformly."""

    pitch_deg: Range[Annotated[float, Field(ge=-60, le=60)]]
    roll_deg: Annotated[float, Field(ge=0, le=45)]
    focal: Range[Annotated[float, Field(ge=0.5, le=20)]]
    apparent: Range[Annotated[float, Field(ge=0.05, le=3)]]
    centre: Annotated[float, Field(ge=0, le=1)]


_WIDENING = ("trunk", "recombine", "sway", "limbs", "tip", "noise", "outliers", "coco", "missing")


class Augmentation(Section):
    """How labelled poses are drawn anew, see `wsgcn.training.augmentation`."""

    mirror: bool
    turn: bool
    place: bool
    size: Spread
    bones: Spread
    tilt_rad: Spread
    distance: Spread
    camera: Literal["capture", "any"]
    any: AnyCamera
    trunk: Spread
    recombine: Likelihood
    sway: Spread
    limbs: Likelihood
    tip: Likelihood
    noise: Spread
    outliers: Annotated[float, Field(ge=0, le=0.5)]
    coco: Likelihood
    missing: Likelihood

    @property
    def is_widened(self) -> bool:
        """Whether anything of `wsgcn.training.widening` is on."""
        return any(getattr(self, name) for name in _WIDENING)

    @property
    def is_on(self) -> bool:
        """Whether anything is drawn anew; `any` counts where it is read."""
        return self.camera == "any" or any(self.model_dump(exclude={"camera", "any"}).values())


class Training(Section):
    batch_labelled: Batch
    batch_unlabelled: Batch
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    decay_factor: Annotated[float, Field(gt=0, le=1)]
    decay_steps: Count
    gradient_clip: Weight
    supervised_weight: Weight
    choose_epoch: Literal["last", "validation"]
    loss: Literal["mse", "mean_distance"]
    schedule: Literal["staircase", "cosine"]
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)]
    final_share: Annotated[float, Field(ge=0, le=1)]
    average: Annotated[float, Field(ge=0, lt=1)]
    epoch_steps: Annotated[int, Field(ge=0, le=10**9)]


class Warmup(Section):
    epochs: Epochs


class PseudoLabels(Section):
    """How unlabelled 2D becomes 3D to learn from, see `wsgcn.training.teacher`."""

    share: Annotated[float, Field(ge=0, le=0.9)]
    poses: Annotated[int, Field(ge=2, le=2**20)]
    bone_sd_m: Annotated[float, Field(gt=0, le=1)]
    depth_sd_m: Annotated[float, Field(gt=0, le=10)]


Root = Literal["ground_truth", "solved", "model"]


class Weak(Section):
    epochs: Epochs
    reprojection_weight: Weight
    bone_weight: Weight
    root: Root
    views: Literal["independent", "synchronised"]
    pseudo_labels: PseudoLabels

    @property
    def uses_2d(self) -> bool:
        """Whether the unlabelled poses are part of each batch, for the losses of their 2D."""
        return self.reprojection_weight + self.bone_weight > 0

    @model_validator(mode="after")
    def _views_are_read(self) -> Self:
        if self.views == "synchronised" and not self.pseudo_labels.share:
            raise ValueError("views is synchronised, which pseudo_labels alone reads, but pseudo_labels.share is 0")
        return self


class TrainingSubjects(Part):
    labelled: list[Subject]
    labelled_takes: TakeChoice
    unlabelled: list[Subject]
    validation: list[Subject] | Share


class TrainingData(Part):
    skeleton: SkeletonName
    stride: Count
    subjects: TrainingSubjects


class TrainingParams(Part):
    """What both stages read."""

    seed: Seed
    data: TrainingData
    model: Model
    augmentation: Augmentation
    training: Training
    runtime: Runtime


class WeakAhead(Part):
    epochs: Epochs
    root: Root


class WarmupParams(TrainingParams):
    """Of stage warmup: it knows the length of the other stage, because the cosine of the rate spans both, and whether
    that needs a trajectory network.
    """

    warmup: Warmup
    weak: WeakAhead


class WeakParams(TrainingParams):
    """Of stage weak."""

    weak: Weak
