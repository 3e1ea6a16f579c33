"""Whether a call that generated functions refuse is refused for what its spec asks, and not by mistake."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from attngen.emit.checks import POSITIONS
from attngen.fuzz.call import Call
from attngen.fuzz.recipes import ends
from attngen.ir import nodes
from attngen.ir.evaluate import evaluate, named
from attngen.ir.nodes import AXIS_SIZES

ASSERTED, OF_DATA = "does not hold", ("holds a value", "is declared sorted")
BELIEVED = (
    "[0, M - N]",
    "is no bijection",
    "visits the position",
    "is outside of the input",
    "an int is divided by it",
    "2^60 positions",
    "a row is a power",
    "a row grows or shrinks",
)
"""What else functions say of calls whose shapes, dtypes and parameters are right; that it is true is not looked at."""


def is_due(variant: nodes.Variant, call: Call, refusal: str) -> bool:
    """Whether a refusal is for an assertion that does not hold, for data that don't fit, or for what is believed."""
    if ASSERTED in refusal:
        return not all(_asserted(variant, call))
    if any(words in refusal for words in OF_DATA):
        return not all(_fits(variant.input(name), given, call) for name, given in call.inputs.items())
    return any(words in refusal for words in BELIEVED)


def _asserted(variant: nodes.Variant, call: Call) -> Iterator[bool]:
    """Of each assertion and head, whether it holds."""
    batch, heads, queries, width = call.shape
    sizes = {"B": batch, "H": heads, "N": queries, "M": call.k.shape[2], "D": call.q.shape[3], "E": width}
    for name, given in call.inputs.items():
        own = dict(zip(variant.input(name).axes, given.shape, strict=True))
        sizes |= {axis: size for axis, size in own.items() if axis not in AXIS_SIZES}
    scale = call.q.shape[3] ** -0.5 if call.scale is None else call.scale
    names = {**named(call.parameters, sizes), "scale": scale}
    for assertion in variant.assertions:
        for h in range(heads):
            yield bool(evaluate(assertion.condition, {**names, "h": h}))


def _fits(given: nodes.Input, data: Tensor, call: Call) -> bool:
    """Whether elements are finite, in their range, and sorted if they have to be."""
    low, high = ends(given.range, call.parameters)
    wide = data.double()
    inside = (wide >= low if given.range.closed_low else wide > low) & (
        wide <= high if given.range.closed_high else wide < high
    )
    bounded = given.range.low is not None or given.range.high is not None
    if not bool(wide.isfinite().all()) or (bounded and not bool(inside.all())):
        return False
    along = next((k for k, axis in enumerate(given.axes) if axis in POSITIONS), None) if given.sorted else None
    return along is None or bool((data.diff(dim=along) >= 0).all())
