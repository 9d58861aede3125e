"""The learning rate as a function of the step alone, so that a resumed run has the rate of the unbroken one."""

import math

from wsgcn.training.params import Training


def learning_rate(settings: Training, step: int, steps: int) -> float:
    """The rate of a step.

    Args:
        settings: the section `training`.
        step: counted from 0 over both stages.
        steps: of both stages together, which the cosine spans; beyond, its final share stays.
    """
    if settings.schedule == "staircase":
        share = settings.decay_factor ** (step // settings.decay_steps)
    else:
        falling = (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2
        share = settings.final_share + (1 - settings.final_share) * falling
    rise = min((step + 1) / settings.warmup_steps, 1.0) if settings.warmup_steps else 1.0
    return settings.learning_rate * share * rise
