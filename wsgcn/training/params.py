"""What the stages warmup and weak read of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from wsgcn.base.section import Batch, Count, Epochs, Part, Section, Seed, Share, Subject, Weight
from wsgcn.model.params import Model, Runtime
from wsgcn.pose.params import SkeletonName


class Training(Section):
    batch_labelled: Batch
    batch_unlabelled: Batch
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    decay_factor: Annotated[float, Field(gt=0, le=1)]
    decay_steps: Count
    gradient_clip: Weight
    supervised_weight: Weight
    choose_epoch: Literal["last", "validation"]


class Warmup(Section):
    epochs: Epochs


class Weak(Section):
    epochs: Epochs
    reprojection_weight: Weight
    bone_weight: Weight
    root: Literal["ground_truth", "solved"]


class TrainingSubjects(Part):
    labelled: list[Subject]
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
    training: Training
    runtime: Runtime


class WarmupParams(TrainingParams):
    """Of stage warmup."""

    warmup: Warmup


class WeakParams(TrainingParams):
    """Of stage weak."""

    weak: Weak
