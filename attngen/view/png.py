"""Tile maps as PNG, drawn by Pillow, which `pip install 'attngen[view]'` brings."""

from __future__ import annotations

from pathlib import Path

from attngen.view.scene import Box, Fill, Frame, Label, Scene

SCALE = 2
"""Pixels of the picture for each of the scene: letters stay sharp."""


def write_png(path: Path, drawn: Scene) -> None:
    """Draw a scene on white.

    Raises:
        RuntimeError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise RuntimeError("a PNG is drawn by Pillow: pip install 'attngen[view]', or write an .svg") from error
    image = Image.new("RGB", (max(1, drawn.width * SCALE), max(1, drawn.height * SCALE)), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11 * SCALE)
    for shape in drawn.shapes:
        match shape:
            case Fill(colour, boxes):
                for box in boxes:
                    if box[2] and box[3]:
                        pen.rectangle(_corners(box), fill=colour)
            case Frame(colour, box):
                pen.rectangle(_corners(box), outline=colour, width=SCALE)
            case Label(x, y, text):
                pen.text((x * SCALE, y * SCALE), text, fill="black", font=font, anchor="ls")
    image.save(path, "PNG")


def _corners(box: Box) -> tuple[int, int, int, int]:
    """The first and the last pixel of a box."""
    x, y, width, height = (value * SCALE for value in box)
    return x, y, x + width - 1, y + height - 1
