"""What the ends of a call leave possible, held against its pairs one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attngen.analysis.calls import ENDS, possible
from attngen.emit.python import PythonPrinter
from attngen.ir.expr import TRUE
from attngen.ir.load import load
from attngen.schedule.guards import outside
from attngen.schedule.plan import plan

READS = {
    "blocks": "attention a(w: int = 2 in [1, inf)) { input x[r, s]: bool mask x[i div w, j div w] }",
    "guarded": "attention a(w: int = 2 in [1, inf)) { input x[r, s]: bool mask j > i or x[(i - j) div w, 0] }",
    "moduli": "attention a(w: int = 2 in [1, inf)) { input x[r, s]: bool mask x[i mod w, max(j - w, 0)] }",
}
SIZES = st.integers(1, 5)


@given(st.sampled_from(sorted(READS)), SIZES, SIZES, st.integers(-3, 4), SIZES, SIZES, SIZES)
def test_what_is_ruled_out_never_happens(
    name: str, queries: int, keys: int, offset: int, w: int, size_r: int, size_s: int
) -> None:
    variant = load(READS[name])
    fault = outside(variant.pairwise.mask, variant)
    sizes = {"N": queries, "M": keys, "w": w, "size_r": size_r, "size_s": size_s, "max": max, "min": min, "abs": abs}

    def holds(text: str, **values: int) -> bool:
        return bool(eval(text, {"__builtins__": {}}, {**sizes, **values}))

    pairs = [(i, j) for i in range(offset, offset + queries) for j in range(keys)]
    printer = PythonPrinter()
    happens = any(holds(printer.text(fault), i=i, j=j) for i, j in pairs)
    ends = dict(zip((end.name for end in ENDS), (offset, offset + queries - 1, 0, keys - 1), strict=True))
    assert holds(printer.text(possible(fault, variant)), **ends) or not happens


def test_blocks_that_all_have_an_element_are_ruled_out() -> None:
    text = PythonPrinter().text(plan(load(READS["blocks"])).suspected)
    fits = {"q0": 0, "q1": 7, "k0": 0, "k1": 7, "w": 2, "size_r": 4, "size_s": 4}
    assert eval(text, {}, fits) is False
    assert eval(text, {}, {**fits, "size_s": 3}) is True


def test_what_data_decide_stays_possible() -> None:
    variant = load("attention a { input x[m]: bool input at[i]: int mask x[at[i]] }")
    assert plan(variant).suspected == TRUE
