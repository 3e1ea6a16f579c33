"""Masks with a name, and the parameters for which their tiles are classed exactly. (An empty window is no such case:
each of its queries sees nothing, but the hull of several does not know.)"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check

SHIFT = "let shift = if h >= H div 2 then group div 2 else 0"


@dataclass(frozen=True)
class Named:
    """`text` is what stands between the braces; `names` are the parameters to draw.

    Where two segments of one row touch, at the key `seam`, a tile over the seam is not found to be full.
    """

    parameters: str
    text: str
    names: tuple[tuple[str, int, int], ...] = ()
    seam: str = ""

    @property
    def variant(self) -> nodes.Variant:
        return check(Source("named.attn", f"attention named{self.parameters} {{ {self.text} }}"))[0]

    @property
    def strategies(self) -> dict[str, st.SearchStrategy[int]]:
        return {name: st.integers(low, high) for name, low, high in self.names}


WINDOW = ("window", 1, 12)
GROUP = ("group", 2, 9)
MASKS = {
    "full": Named("", ""),
    "causal": Named("", "mask causal"),
    "anticausal": Named("", "mask j >= i"),
    "sliding_window": Named("(window: int in [1, inf))", "mask 0 <= i - j < window", (WINDOW,)),
    "symmetric_window": Named("(window: int in [0, inf))", "mask abs(i - j) <= window", (("window", 0, 9),)),
    "block_local": Named("(group: int in [1, inf))", "mask same_block(group)", (("group", 1, 9),)),
    "block_causal": Named("(group: int in [1, inf))", "mask j div group <= i div group", (("group", 1, 9),)),
    "s2attn": Named(
        "(group: int in [2, inf))",
        f"{SHIFT} mask j <= i and (i + shift) div group == (j + shift) div group",
        (GROUP,),
    ),
    "streaming_llm": Named(
        "(sinks: int in [0, inf), window: int in [1, inf))",
        "mask j <= i and (j < sinks or i - j < window)",
        (("sinks", 0, 6), WINDOW),
        seam="sinks",
    ),
    "prefix_lm": Named("", "input length[b]: int in [1, inf)  mask j <= i or j < length[b]"),
    "natten": Named(
        "(radius: int in [0, inf))",
        "let first = clamp(i - radius, 0, max(M - 1 - 2 * radius, 0))  mask first <= j <= first + 2 * radius",
        (("radius", 0, 6),),
    ),
    "padding": Named("", "input length[b]: int in [0, inf)  mask j < length[b]"),
    "chunked_window": Named(
        "(group: int in [1, inf))", "mask 0 <= i div group - j div group <= 1 and j <= i", (("group", 1, 9),)
    ),
    "striped": Named(
        "(group: int in [1, inf), every: int in [1, inf))",
        "mask j <= i and (j div group) mod every == 0",
        (("group", 1, 12), ("every", 1, 4)),
    ),
    "dilated_blocks": Named(
        "(group: int in [1, inf), every: int in [1, inf))",
        "mask (i div group - j div group) mod every == 0",
        (("group", 1, 12), ("every", 2, 4)),  # a remainder modulo 1 asks for nothing, which the core does not know
    ),
    "first_of_each": Named(
        "(group: int in [1, inf), few: int in [0, inf))", "mask j mod group < few", (("group", 1, 20), ("few", 0, 21))
    ),
}
