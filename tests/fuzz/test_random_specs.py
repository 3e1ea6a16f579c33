"""Random specs reach the whole language, and what is made of them is wrong where it is said to be."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from attngen.errors import Source
from attngen.fuzz.language.damage import damaged, ill_typed
from attngen.fuzz.language.front import assert_refused
from attngen.fuzz.language.specs import specs
from attngen.language.parse import parse

MANY = settings(max_examples=40, phases=[Phase.generate], suppress_health_check=[*HealthCheck], deadline=None)
SEEDS = 12
PARTS = {
    "docs": r'^  doc "',
    "hints": r"^  schedule \{",
    "comments": r"^  #",
    "comments behind clauses": r"\S  #",
    "sizes of inputs": r"size\(\w+\)",
    "several attentions": r"^attention another",
    "functions before attentions": r"\Adef ",
    "functions of two": r"def \w+\(x, y\)",
    "sinks of inputs": r"sink .*\w\[[bh]\]",
    "eps that is computed": r"normalize sum\((?!1e-3)",
    "projections": r"state S = .*dot\(\w+\[f_, c\]",
    "documents that end states": r"== prev\(",
    "orders": r"^  order ",
    "partitions": r"^  partition ",
}
COMMENTED = """attention a {
  mask j <= 2  # h <= 3
  # score h
  score scale  # 4
}
"""


def test_random_specs_have_all_that_there_is() -> None:
    seen: Counter[str] = Counter()

    def look(text: str) -> None:
        seen.update(name for name, form in PARTS.items() if re.search(form, text, re.MULTILINE))

    for each in range(SEEDS):  # specs of one seed are alike
        seed(each)(MANY(given(specs())(look)))()
    assert set(PARTS) == set(seen)


@MANY
@given(st.data())
def test_what_stands_in_a_comment_is_left_as_it_is(data: st.DataObject) -> None:
    misfit = data.draw(ill_typed(COMMENTED))
    assert misfit is not None
    assert_refused(misfit)
    assert "#" not in data.draw(damaged(COMMENTED))


@MANY
@given(specs())
def test_random_specs_are_written_as_the_grammar_has_them(text: str) -> None:
    assert parse(Source("random.attn", text)).items
