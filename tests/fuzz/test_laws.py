"""Laws speak where they hold, are silent where a spec knows more, and notice a kernel that breaks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import attngen
from attngen.fuzz import attempt, recurrent_oracle
from attngen.fuzz.attempt import assert_right
from attngen.fuzz.call import Call, interpreted
from attngen.fuzz.case import Case
from attngen.fuzz.laws import keep
from attngen.fuzz.oracle import Disagreement, assert_y_close, expected
from attngen.fuzz.ways import Way
from attngen.runtime.recurrent import RecurrentKernel

FULL = "attention full { score scale * dot(q, k) }"
WINDOW = "attention window { mask 0 <= i - j < 3 }"
SLOPES = "attention slopes { input bias[h, j]: float  score scale * dot(q, k) + bias[h, j] }"
BY_HEAD = "attention by_head { score scale * dot(q, k) + 0.1 * h }"
EVEN = "attention even { assert M mod 2 == 0  mask 0 <= i - j < 3 and j mod 2 == 0 }"
PLACES = "attention places { score scale * dot(q, k) + 0.1 * j  mask j <= i }"
DECAY = "attention decay { state S = 0.9 * S + outer(k, v)  out dot(q, S) }"
NEAR = "attention near { input bias[h, j]: float  score scale * dot(q, k) + bias[h, j]  mask 0 <= i - j < 3 }"
SHOWN = "attention shown { input a[h, j]: float  mask a[h, j] > 0.3 and j < 10 }"
GATED = "attention gated { input g[h, t]: float  state S = sigmoid(g[h, t]) * S + outer(k, v)  out dot(q, S) }"
CLOCK = "attention clock { state S = 0.9 * S + outer(k, v)  out dot(q, S) * cos(t) }"


def call(text: str, queries: int = 4, keys: int = 20) -> Call:
    variant = attngen.load(text)
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, rows, 8) for rows in (queries, keys, keys))
    inputs = {given.name: torch.randn(2, keys) for given in variant.inputs}
    return Call(q, k, v, inputs=inputs)


def case(text: str, given: Call, run: Callable[[Call], Tensor] | None = None) -> Case:
    """Judged by what the interpreter gives, in float32, which keeps all laws; or by another kernel."""
    variant = attngen.load(text)
    run = run or (lambda other: interpreted(variant, other).y.float())
    if "state" in text:
        return Case(variant, given, run(given), interpreted(variant, given).y, None, run, lambda _: None)
    meaning = expected(variant, given)
    return Case(variant, given, run(given), meaning.y, meaning.live, run, partial(assert_y_close, meaning))


@pytest.mark.parametrize(
    ("text", "queries", "laws"),
    [
        (FULL, 4, "scaled, turned batch, turned heads, turned keys"),
        (WINDOW, 4, "unseen, scaled, turned batch, turned heads, shifted"),
        (SLOPES, 4, "scaled, turned batch, turned heads, turned keys"),
        (BY_HEAD, 4, "scaled, turned batch, turned keys"),
        (EVEN, 4, "unseen, scaled, turned batch, turned heads, shifted"),
        (PLACES, 4, "unseen, scaled, turned batch, turned heads"),
        (DECAY, 20, "unseen, scaled, turned batch, turned heads, shifted"),
        (CLOCK, 20, "unseen, scaled, turned batch, turned heads"),
        (NEAR, 4, "unseen, unseen inputs, scaled, turned batch, turned heads, shifted"),
        (GATED, 20, "unseen, unseen inputs, scaled, turned batch, turned heads, shifted"),
        (SHOWN, 4, "unseen, scaled, turned batch, turned heads"),
    ],
)
def test_laws_speak_where_they_hold(text: str, queries: int, laws: str) -> None:
    assert ", ".join(keep(case(text, call(text, queries)))) == laws


def some(wrong: Callable[[Call, Tensor], Tensor], text: str) -> Callable[[Call], Tensor]:
    variant = attngen.load(text)
    return lambda given: wrong(given, interpreted(variant, given).y.float())


@pytest.mark.parametrize(
    ("text", "queries", "wrong", "message"),
    [
        (WINDOW, 4, lambda given, y: y + given.k[0, 0, -1, 0], "row 2 changes with keys that it can't see"),
        (FULL, 4, lambda _, y: y + 1, "half of v doesn't give half of y"),
        (FULL, 4, lambda given, y: y + given.v[:1].mean(), "batch rows in another order change"),
        (FULL, 4, lambda given, y: y + given.v[:, :1].mean((2, 3), keepdim=True), "heads in another order change"),
        (SLOPES, 4, lambda given, y: y + given.v[:, :, :1], "times what is allowed"),
        (WINDOW, 4, lambda given, y: y * (1 + given.k.shape[2]), "times what is allowed"),
        (NEAR, 4, lambda given, y: y + given.inputs["bias"][:, :1, None], "times what is allowed"),
        (GATED, 20, lambda given, y: y + given.inputs["g"][:, -1:, None], "row 10 changes with inputs of later tokens"),
        (DECAY, 20, lambda given, y: y * (1 + (given.offset or 0)), "tokens that don't know where they stand do"),
    ],
)
def test_what_breaks_a_law_is_noticed(
    text: str, queries: int, wrong: Callable[[Call, Tensor], Tensor], message: str
) -> None:
    with pytest.raises(Disagreement, match=message):
        list(keep(case(text, call(text, queries), some(wrong, text))))


ORDERED = "attention ordered { order back(x) = M - 1 - x  mask (i - j) mod 3 == 0 }"


def test_an_order_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = attngen.build(ORDERED, backend="cpp")
    seen = assert_right(kernel, call(ORDERED, 20), Way("at once"), backward=False)
    assert seen["law: in any order"] == 1
    attended = attempt.attended

    def forgetful(kernel: Any, *given: Any) -> Any:
        found = attended(kernel, *given)
        return found if kernel.variant.order is not None else replace(found, y=found.y + 1)

    monkeypatch.setattr(attempt, "attended", forgetful)
    with pytest.raises(Disagreement, match="times what is allowed"):
        assert_right(kernel, call(ORDERED, 20), Way("at once"), backward=False)


SORTED = "attention sorted_ { input d[j]: int sorted  mask d[j] < 5 }"
TINY = "attention tiny { weight 1e-15 * (j + 1)  normalize none }"
BEFORE = "attention before { state S = (if t < N then 0.9 else 0.3) * S + outer(k, v)  out dot(q, prev(S)) }"


def test_keys_whose_inputs_are_sorted_are_not_turned() -> None:
    given = replace(call(SORTED, 4), inputs={"d": torch.arange(20)})
    assert_right(attngen.build(SORTED, backend="cpp"), given, Way("at once"), backward=False)


def test_small_results_are_alike_only_if_they_are() -> None:
    assert_right(attngen.build(TINY, backend="cpp"), call(TINY, 4), Way("at once"), backward=False)


def test_calls_are_cut_only_where_states_are_the_same() -> None:
    assert_right(attngen.build(BEFORE, backend="cpp"), call(BEFORE, 20), Way("in pieces"), backward=False)


def test_states_behind_no_tokens_are_compared() -> None:
    given = replace(call(DECAY, 0, 0), states={"S": torch.ones(2, 2, 8, 8)})
    kernel = attngen.build(DECAY, backend="cpp")
    assert isinstance(kernel, RecurrentKernel)
    assert_right(kernel, given, Way("at once"), backward=False)

    def forgetful(*whole: Any) -> tuple[Tensor, dict[str, Tensor]]:
        y, states = recurrent_oracle.compiled(*whole)
        return y, {name: torch.zeros_like(state) for name, state in states.items()}

    with pytest.raises(Disagreement, match="the state S is off by"):
        recurrent_oracle.kernel_agrees(
            kernel, recurrent_oracle.Given((given.q, given.k, given.v), {}, dict(given.states)), 0, "cpp", forgetful
        )


@pytest.mark.parametrize(("backend", "factor"), [("cpp", 1.01), ("triton", 1.06)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_recurrences_in_half_precision_are_judged_as_exactly_as_they_are_computed(
    dtype: torch.dtype, backend: str, factor: float
) -> None:
    """Triton rounds rows and states before it multiplies, C++ results alone."""
    given = call(DECAY, 20, 20)
    rows = tuple((x * torch.linspace(0.2, 1, 20)[:, None]).to(dtype) for x in (given.q, given.k, given.v))
    kernel = attngen.build(DECAY, backend=backend)
    assert isinstance(kernel, RecurrentKernel)
    asked = kernel, recurrent_oracle.Given((rows[0], rows[1], rows[2]), {}, {}), 0, backend
    recurrent_oracle.kernel_agrees(*asked)

    def off(*whole: Any) -> tuple[Tensor, dict[str, Tensor]]:
        y, states = recurrent_oracle.compiled(*whole)
        y[:, :, -1] *= factor
        return y, dict(states)

    with pytest.raises(Disagreement, match="y is off by"):
        recurrent_oracle.kernel_agrees(*asked, off)


@pytest.mark.parametrize(("asserted", "way"), [("D mod 2 == 0", "in pieces"), ("N == 20", "at once")])
def test_calls_are_cut_unless_the_number_of_queries_is_asserted(asserted: str, way: str) -> None:
    text = WINDOW.replace("mask", f"assert {asserted}  mask")
    seen = assert_right(attngen.build(text, backend="cpp"), call(text, 20), Way("in pieces"), backward=False)
    assert seen[way] == 1


def test_shapes_that_a_spec_asserts_are_left_alone() -> None:
    text = WINDOW.replace("mask", "assert M == 20  mask")
    assert "shifted" not in list(keep(case(text, call(text))))


def test_recurrences_are_right_on_ranks() -> None:
    given = replace(call(DECAY, 20), offset=7)
    kernel = attngen.build(DECAY, backend="cpp")
    assert_right(kernel, given, Way("on ranks", ranks=3), backward=True)


def test_recurrences_that_are_wrong_on_ranks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank forgets what the ranks before have left."""
    from attngen.parallel import state_part

    def nothing(_: object, passings: list[state_part.Passing], *__: object) -> list[Tensor]:
        return [torch.zeros_like(passing.left) for passing in passings]

    monkeypatch.setattr(state_part, "given_by_ranks_before", nothing)
    kernel = attngen.build(DECAY, backend="cpp")
    with pytest.raises(Disagreement, match="y is off by"):
        assert_right(kernel, call(DECAY, 20), Way("on ranks", ranks=3), backward=False)
