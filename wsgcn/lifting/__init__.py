"""The user's way: 2D keypoints of their own clips in, 3D out."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`from wsgcn.lifting import Lifter`, whose import of torch nobody pays for who only reads keypoints."""
    if name == "Lifter":
        from wsgcn.lifting.lifter import Lifter

        return Lifter
    raise AttributeError(f"module 'wsgcn.lifting.lifter' has no attribute {name!r}")
