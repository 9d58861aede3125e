"""What is peculiar to Human3.6M's files: each quirk a function, with its reason."""

import re
from collections.abc import Callable

from wsgcn.base.errors import InputError
from wsgcn.captures.human36m.names import ACTIONS


def canonical_take(name: str, origin: str) -> str:
    """The pipeline's name of a take, 'WalkDog 1', from the spelling of any file: 'WalkingDog 1', 'WalkDog_1'.

    Args:
        name: a file name without its ending, or a key of an npz file.
        origin: the file, and the member in it, for the message.

    Raises:
        InputError: the action is none of Human3.6M's.
    """
    matched = re.fullmatch(r"([A-Za-z]+)( \d+)?", _without_underscores(name))
    action = _one_name_an_action(matched[1]) if matched else None
    if matched is None or action not in ACTIONS:
        raise InputError(f"{origin}: {name!r} is no take of Human3.6M; its actions are {', '.join(ACTIONS)}.")
    return f"{action}{matched[2] or ''}"


def _without_underscores(name: str) -> str:
    """The files of 2D detections put an underscore where those of the motion capture have a blank."""
    return name.replace("_", " ")


def _one_name_an_action(action: str) -> str:
    """The first subject's files, recorded before the names were settled, call two actions differently."""
    return {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}.get(action, action)


def is_calibration_take(subject: str, name: str) -> bool:
    """`_ALL` is no action: it spans the session, for the calibration of the cameras."""
    return name.startswith("_ALL")


def is_corrupted_take(subject: str, name: str) -> bool:
    """The video of S11's first 'Directions' is corrupted in one camera; published figures leave the take out.

    The second, 'Directions 1', is sound.
    """
    return subject == "S11" and name == "Directions"


_LEFT_OUT: tuple[Callable[[str, str], bool], ...] = (is_calibration_take, is_corrupted_take)


def rule_against(subject: str, name: str) -> str | None:
    """The name of the rule by which a take is left out, or None if it is to be used."""
    return next((rule.__name__.removeprefix("is_") for rule in _LEFT_OUT if rule(subject, name)), None)
