"""Text on pictures that Pillow draws."""

from collections.abc import Mapping

from PIL import ImageDraw

from wsgcn.rendering import palette

SIZE_PX = 12


def draw_legend(draw: ImageDraw.ImageDraw, right_px: float, middle_px: float, colours: Mapping[str, str]) -> float:
    """Draw strokes with their names beside them, in one line that ends at `right_px`; returns where it begins."""
    font = palette.font(SIZE_PX)
    for name, colour in reversed(list(colours.items())):
        draw.text((right_px, middle_px), name, palette.QUIET, font, "rm")
        right_px -= round(font.getlength(name)) + 8
        draw.line((right_px - 16, middle_px, right_px, middle_px), colour, 4)
        right_px -= 34
    return right_px


def shortened(text: str, width_px: float, size_px: int = SIZE_PX) -> str:
    """The text, cut so that in letters of this size it is no wider than `width_px`."""
    font = palette.font(size_px)
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(f"{text} …") > width_px:
        text = text[:-1]
    return f"{text.rstrip()} …"
