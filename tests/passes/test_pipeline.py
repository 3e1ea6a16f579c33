"""Every pass, and all of them in a row: the tree stays valid and means what it meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from predicates import MORE
from written import assert_same_meaning, checked_spec, specs

from attngen import passes
from attngen.ir import nodes
from attngen.ir.expr import Apply, Constant, Kind
from attngen.ir.verify import InvalidTree, verify
from attngen.passes import PIPELINE, Pass, simplify


@pytest.mark.parametrize("rewriting", PIPELINE, ids=lambda each: each.__name__)
@MORE
@given(text=specs())
def test_a_pass_keeps_the_meaning(rewriting: Pass, text: str) -> None:
    before = checked_spec(text)
    after = rewriting(before)
    verify(after)
    assert_same_meaning(before, after)
    assert replace(after, body=before.body, lets=before.lets, order=before.order) == before


@MORE
@given(text=specs())
def test_the_pipeline_keeps_the_meaning_and_changes_nothing_more_when_run_again(text: str) -> None:
    before = checked_spec(text)
    after = simplify(before)
    assert_same_meaning(before, after)
    assert_same_meaning(before, simplify(after))


def test_the_watcher_sees_every_pass() -> None:
    seen: list[tuple[str, nodes.Variant]] = []
    spec = checked_spec("attention a { score 1 * dot(q, k) ^ 2 * scale }")
    after = simplify(spec, lambda name, variant: seen.append((name, variant)))
    assert [name for name, _ in seen] == ["fold", "powers", "factors"]
    assert seen[-1][1] == after


def test_a_pass_that_breaks_the_tree_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(variant: nodes.Variant) -> nodes.Variant:
        score = Apply(Kind.FLOAT, function="exp", arguments=(Constant(Kind.INT, value=1),))
        return replace(variant, body=replace(variant.pairwise, score=score))

    monkeypatch.setattr(passes, "PIPELINE", (broken,))
    with pytest.raises(InvalidTree, match=r"a: in `score`: `exp` of int"):
        simplify(checked_spec("attention a { }"))
