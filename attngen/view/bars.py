"""Bar charts."""

from __future__ import annotations

from collections.abc import Sequence

from attngen.view.scene import Box, Fill, Label, Scene

COLOURS = ("#2b5c8a", "#d1862c", "#8c8c8c", "#b9b9b9", "#5f9e6e", "#a3668f")
LINE, GAP, NAMES, WIDTH, NUMBERS = 14, 8, 190, 420, 60


def bars(title: str, groups: Sequence[tuple[str, Sequence[float | None]]], series: Sequence[str]) -> Scene:
    """Horizontal bars, one group per name, one bar per series; `None` leaves a bar out. Lengths are relative to 0."""
    largest = max((value for _, values in groups for value in values if value is not None), default=1.0)
    boxes: list[list[Box]] = [[] for _ in series]
    labels = [Label(8, 18, title)]
    top = 30
    for k, name in enumerate(series):
        boxes[k].append((8 + 110 * k, top, LINE - 3, LINE - 3))
        labels.append(Label(24 + 110 * k, top + LINE - 4, name))
    top += LINE + GAP
    for name, values in groups:
        labels.append(Label(8, top + LINE - 4, name))
        for k, value in enumerate(values):
            if value is None:
                continue
            length = max(1, round(WIDTH * value / largest))
            boxes[k].append((NAMES, top, length, LINE - 3))
            labels.append(Label(NAMES + length + 4, top + LINE - 4, f"{value:.3g}"))
            top += LINE
        top += GAP
    fills = [Fill(COLOURS[k % len(COLOURS)], tuple(found)) for k, found in enumerate(boxes)]
    return Scene(NAMES + WIDTH + NUMBERS, top, (*fills, *labels))
