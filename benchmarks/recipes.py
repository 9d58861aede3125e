"""The recipes beside params.yaml: files of `-S KEY=VALUE`, as `dvc exp run $(cat recipes/NAME)` takes them."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from dvc.exceptions import DvcException  # type: ignore[import-untyped]
from dvc.utils.hydra import apply_overrides  # type: ignore[import-untyped]

from wsgcn.base.errors import InputError
from wsgcn.base.foreign import brief
from wsgcn.running.params import Params, read_params

PUBLISHED = Path("recipes/published")


def changes_of(recipe: Path) -> list[str]:
    """The `KEY=VALUE` of a recipe's file."""
    return [word for word in recipe.read_text(encoding="utf-8").split() if word != "-S"]


def published_params() -> Params:
    """params.yaml with the published recipe."""
    return changed_params(changes_of(PUBLISHED))


def changed_params(changes: Sequence[str]) -> Params:
    """params.yaml with changes as `dvc exp run -S` takes them.

    Raises:
        InputError: see `read_params`; or a change is not of that form, or of a key that is not there.
    """
    read_params()  # so that what is wrong in the file itself is not blamed on the changes
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy("params.yaml", folder)
        with chdir(folder):
            try:
                apply_overrides("params.yaml", list(changes))
            except DvcException as error:
                raise InputError(f"-S {' -S '.join(changes)}: {brief(error.__cause__ or error)}.") from error
            return read_params()
