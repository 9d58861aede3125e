"""The colours of every picture, told apart by colour-blind readers too, and the font they are labelled in."""

from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

LEFT = "#1f6fd0"
RIGHT = "#e4572e"
MIDDLE = "#3d4450"
SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}  # by wsgcn.pose.skeleton's names of the sides

TRUTH = "#a9b0ba"  # the truth where it stands behind a prediction
PAGE = "#ffffff"
PANEL = "#f3f5f8"
GRID = "#d5dae1"
SHADOW = "#dde1e7"
TEXT = "#1d232b"
QUIET = "#667080"  # captions and axes

# Curves and bars.
SERIES = ("#1f6fd0", "#e4572e", "#2a9d6f", "#8a5cc7")


@cache
def font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The sans-serif font that matplotlib brings along, so that pictures look the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    # Not the shaping engine of the system, which is there on one machine and not on the next.
    return ImageFont.truetype(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)
