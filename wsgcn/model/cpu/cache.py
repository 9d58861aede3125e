"""Where this package keeps what a machine computed or measured once."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Of the user; raises RuntimeError where the user has no home."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wsgcn"
