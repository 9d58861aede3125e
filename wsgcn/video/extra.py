"""The packages of the extra `video`, imported when they are needed and missed with one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from wsgcn.base.errors import InputError

INSTALL = "pip install 'wsgcn[video]'"


@contextmanager
def extra(what: str) -> Iterator[None]:
    """Stands around the import of a package of the extra.

    Args:
        what: the file or the thing that needs it, for the message.

    Raises:
        InputError: the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise InputError(f"{what}: needs the extra video ({error.name} is not installed): {INSTALL}.") from error
