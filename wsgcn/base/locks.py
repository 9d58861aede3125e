"""Locks of open files, of which the system lets go when their process ends, however it ends.

Where there are none, as on Windows and on some network drives, nobody is known to have ended.
"""

from contextlib import suppress
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Handle = int | IO[str]


def hold(handle: Handle) -> None:
    """Lock a file or folder until it is closed, where that can be done."""
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)


def is_abandoned(handle: Handle) -> bool:
    """Whether nobody holds a file or folder any more; this process then does."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
