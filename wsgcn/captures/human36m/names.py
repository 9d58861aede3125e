"""Human3.6M's names: subjects, actions and takes, as the pipeline spells them."""

FPS = 50.0

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")

ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "Walking",
    "WalkTogether",
)

TAKES_PER_ACTION = 2  # of each subject


def action_of(take: str) -> str:
    """The action of a take: 'Sitting' of 'Sitting 2'."""
    return take.split(" ")[0]
