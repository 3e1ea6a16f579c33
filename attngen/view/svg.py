"""Tile maps as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from attngen.analysis.picture import TileMap
from attngen.view.scene import Fill, Frame, Label, Scene, scene


def drawing(maps: Sequence[tuple[str, TileMap]]) -> str:
    """The text of an SVG file of maps."""
    return svg(scene(maps))


def svg(drawn: Scene) -> str:
    """The text of an SVG file."""
    size = f'width="{drawn.width}" height="{drawn.height}" viewBox="0 0 {drawn.width} {drawn.height}"'
    parts = map(_element, drawn.shapes)
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *parts, "</svg>", ""])


def _element(shape: Fill | Frame | Label) -> str:
    match shape:
        case Fill(colour, boxes):
            path = "".join(f"M{x} {y}h{width}v{height}h-{width}z" for x, y, width, height in boxes)
            return f'<path fill="{colour}" d="{path}"/>'
        case Frame(colour, (x, y, width, height)):
            return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="{colour}"/>'
        case Label(x, y, text):
            return f'<text x="{x}" y="{y}" font-family="sans-serif" font-size="11">{escape(text)}</text>'
