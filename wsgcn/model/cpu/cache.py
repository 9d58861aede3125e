"""Where this package keeps what a machine computed or measured once, and which machine that was."""

import os
import platform
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """Of the user; raises RuntimeError where the user has no home."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wsgcn"


def processor() -> str:
    """Its name, which may be no more than the vendor's, and what it can do: another one rounds differently."""
    with suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
        if found := [line for line in first.splitlines() if line.startswith(("model name", "flags"))]:
            return "\n".join((platform.machine(), *found))
    return f"{platform.machine()} {platform.processor()}"
