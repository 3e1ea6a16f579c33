"""Plans: what is computed where, under which name; and on numbers they give the score and the mask of the spec."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given
from marked import checked
from predicates import MORE
from written import PARAMETERS, PLAIN_LEAVES, checked_spec, specs, tensors

from attngen.analysis.walk import Range, tile_classes
from attngen.ir import nodes
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import FALSE, TRUE, Apply, Expr, Kind, Parameter, distinct, variables
from attngen.ir.show import show_expr
from attngen.reference import attention
from attngen.schedule.levels import Level, level
from attngen.schedule.names import KERNEL_NAMES, kernel_name
from attngen.schedule.plan import Plan, forward, plan, reads
from attngen.schedule.statements import Statement

EVERYTHING = """attention everything(window: int = 4 in [1, inf), cap: float = 50.0, group: int = 8 in [2, inf)) {
  input slope[h]: float
  input seen[b, i, j]: bool
  let   shift = if h >= H div 2 then group div 2 else 0
  score cap * tanh(scale * dot(q, k) / cap) - slope[h] * (i - j)
  mask  j <= i and (i + shift) div group == (j + shift) div group and seen[b, i, j]
  sink  slope[h]
}"""


def lines(statements: tuple[Statement, ...]) -> list[str]:
    return [f"{one.level.name} {one.name} = {show_expr(one.value)}" for one in statements]


def test_everything_is_computed_where_it_can_be() -> None:
    made = forward(plan(checked(EVERYTHING)))
    assert [(one.name, show_expr(one.value), one.per_head, one.exact) for one in made.host] == [
        ("cap_log2", f"{math.log2(math.e)!r} * cap", False, False),
        ("scale_over_cap", "scale / cap", False, False),
    ]
    assert lines(made.mask.statements) == [
        "HEAD shift = if h >= H div 2 then group div 2 else 0",
        "HEAD live_start = max((q0 + shift) div group * group - shift, 0)",
        "HEAD live_stop = min(q1 + 1, M)",
        "HEAD start = live_start div KEY_TILE",
        "HEAD stop = max(if live_start < live_stop then (live_stop + KEY_TILE - 1) div KEY_TILE else 0, start)",
        "QUERY query_div = (i + shift) div group",
        "KEY key_div = (j + shift) div group",
        "PAIR pair_seen = seen[b, i, j]",
    ]
    assert show_expr(made.mask.result) == "j <= i and query_div == key_div and pair_seen"
    assert made.masked
    assert lines(made.score.statements) == [
        "PAIR pair_tanh = tanh(scale_over_cap * qk)",
        "HEAD head_slope = slope[h]",
        f"HEAD head_product = {math.log2(math.e)!r} * head_slope",
        "PAIR pair_value = i - j",
    ]
    assert show_expr(made.score.result) == "cap_log2 * pair_tanh - head_product * pair_value"
    assert made.once_per_row is not None and show_expr(made.once_per_row) == "head_product"
    assert {one.name for one in made.head} >= {"shift", "live_start", "live_stop", "start", "stop"}
    assert all(one.exact for one in made.mask.statements)
    assert made.fault.result == FALSE
    assert {read.input for read in reads(made)} == {"slope", "seen"}
    assert made.mask.at(Level.KEY) == tuple(one for one in made.mask.statements if one.level is Level.KEY)


def test_a_plan_without_a_mask() -> None:
    made = forward(plan(checked("attention a { }")))
    assert made.mask.result == TRUE and not made.masked
    assert [one.name for one in made.host] == ["scale_log2"]
    assert show_expr(made.score.result) == "scale_log2 * qk"
    assert made.once_per_row is None and made.score.statements == ()


def test_the_product_is_no_factor_of_a_head() -> None:
    """What is gathered before the loop is the same for all pairs; dot(q, k) is not."""
    made = plan(checked("attention a { input f[h]: float  score dot(q, k) * (f[h] * (i - j)) }"))
    head = [one for one in made.score.statements if one.level is Level.HEAD]
    assert not any("qk" in variables(one.value) for one in head)
    fixed = forward(plan(checked("attention a(x: float) { score x * (scale * (dot(q, k) * 2)) }")))
    assert show_expr(fixed.score.result) == f"{fixed.host[0].name} * qk" and len(fixed.host) == 1


# on numbers


def number(value: Any) -> int | float | bool:
    found = value.item()
    assert isinstance(found, (int, float, bool))
    return found


def run(made: Plan, spec: nodes.Variant, b: int, h: int, r: int, j: int) -> tuple[bool, float, float | None]:
    """Mask, score and sink of one pair as a kernel would compute them, in float64."""
    q, k, _, inputs = tensors()
    n, m = q.shape[2], k.shape[2]
    i = r + m - n
    names: dict[str, Any] = {"b": b, "h": h, "i": i, "j": j, "B": 1, "H": 2, "N": n, "M": m, "D": 4, "E": m}
    names |= {**PARAMETERS, "scale": 0.5, "q0": i, "q1": i, "KEY_TILE": 2}
    names["qk"] = number(q[b, h, r].double() @ k[b, h, j].double())

    def read(name: str, indices: tuple[int, ...]) -> int | float | bool:
        row = tuple(r if axis == "i" else index for axis, index in zip(spec.input(name).axes, indices, strict=True))
        return number(inputs[name].double()[row] if inputs[name].is_floating_point() else inputs[name][row])

    for value in made.host:
        names[value.name] = evaluate(value.value, names)
    for tile in (made.mask, made.fault, made.score):
        for statement in tile.statements:
            names[statement.name] = evaluate(statement.value, names, read)
    assert not evaluate(made.fault.result, names, read)
    sink = None if made.once_per_row is None else float(evaluate(made.once_per_row, names, read))
    return bool(evaluate(made.mask.result, names, read)), float(evaluate(made.score.result, names, read)), sink


SOFTMAX = ("score {} sink slope[h] * x", "score {}", "score {} sink log(x) + scale")


def close(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9) or found != found != wanted != wanted


@MORE
@given(text=specs(SOFTMAX, PLAIN_LEAVES))
def test_a_plan_gives_scores_in_base_two_and_the_mask(text: str) -> None:
    spec = checked_spec(text)
    made = plan(spec)
    q, k, v, inputs = tensors()
    plain = nodes.Pairwise(spec.pairwise.score, False, TRUE, nodes.Unnormalized())
    score = attention(replace(spec, body=plain), q, k, v, parameters=PARAMETERS, inputs=inputs).y
    live = attention(spec, q, k, v, parameters=PARAMETERS, inputs=inputs).live
    for h, r, j in ((0, 0, 0), (1, 3, 4), (0, 2, 3), (1, 1, 0)):
        mask, found, sink = run(made, spec, 0, h, r, j)
        wanted = number(score[0, h, r, j]) * math.log2(math.e)
        assert mask == live[0, h, r, j]
        assert close(found, wanted), (found, wanted)
        softmax = spec.pairwise.normalization
        assert isinstance(softmax, nodes.Softmax)
        if softmax.sink is not None:
            names = {**PARAMETERS, "scale": 0.5, "h": h}
            value = float(evaluate(softmax.sink, names, lambda _, at: number(inputs["slope"][at])))
            assert sink is not None and close(sink, value * math.log2(math.e))


@MORE
@given(text=specs(SOFTMAX, PLAIN_LEAVES))
def test_statements_stand_at_their_level_under_their_own_name(text: str) -> None:
    spec = checked_spec(text)
    made = plan(spec)
    statements = (*made.mask.statements, *made.score.statements, *made.fault.statements)
    names = [one.name for one in made.host] + [one.name for one in statements]
    passed = [each for each in spec.parameters if each.kind is not Kind.FLOAT]  # the others are values of the host
    given_names = [kernel_name(each.name) for each in (*passed, *spec.inputs)]
    assert len({*names, *given_names}) == len(names) + len(given_names)
    assert {name for name in names if name in KERNEL_NAMES} <= ends_of(made)
    known = {product.name: Level.PAIR for product in made.products}
    for one in statements:
        assert level(one.value, known) == one.level
        assert not any(name in names and name not in known and name not in hosts(made) for name in variables(one.value))
        known[one.name] = one.level
    for tile in (made.mask, made.score, made.fault):
        assert all(name in known or name in hosts(made) or name in "bhij" for name in variables(tile.result))


def ends_of(made: Plan) -> set[str]:
    """The names that a walk in closed form gives to its ends."""
    return {one.name for one in made.walk.definitions} if isinstance(made.walk, Range) else set()


def hosts(made: Plan) -> set[str]:
    return {one.name for one in made.host}


def test_the_walk_of_a_plan_is_that_of_its_statements() -> None:
    made = plan(checked("attention a(start_0: int, hole_stop_0_1: int) { let live_stop_1 = start_0 * 3  "
                        "mask j <= i and (j < live_stop_1 or i - j < hole_stop_0_1) }"))  # fmt: skip
    names = [one.name for one in made.mask.statements]
    assert len(made.walk.partial) == 2 and len(set(names)) == len(names)
    assert {kernel_name("start_0"), kernel_name("hole_stop_0_1")}.isdisjoint(names)
    environment: dict[str, Any] = {"start_0": 1, "hole_stop_0_1": 4, "M": 16, "KEY_TILE": 2, "q0": 12, "q1": 13}
    classes = tile_classes(made.walk, environment, 8)
    for one in made.mask.at(Level.HEAD):
        environment[one.name] = evaluate(one.value, environment)
    runs = [range(environment[run.start], environment[run.stop]) for run in made.walk.partial]
    assert [k for k in range(8) if classes[k]] == [k for run in runs for k in run] == [0, 1, 4, 5, 6]


def test_nothing_is_computed_twice() -> None:
    made = plan(
        checked("attention a(w: int) { let far = (i - j) * (i - j) + w  mask far < 9 or far > 20 and far != 30 }")
    )
    assert [one.name for one in made.mask.at(Level.PAIR)] == ["pair_difference", "far"]
    parts: list[Expr] = [
        part for one in made.mask.statements for part in distinct(one.value) if isinstance(part, Apply)
    ]
    assert len(parts) == len(set(parts))
    assert not any(isinstance(part, Parameter) for part in distinct(made.mask.result))


def test_ints_that_are_rounded_from_floats_are_exact() -> None:
    text = "attention a { input bias[h, m]: float  score dot(q, k) + bias[h, t5_bucket(max(i - j, 0))]  mask causal }"
    made = plan(checked(text))
    exact = [one for one in made.score.statements if one.exact]
    assert exact and all(one.value.kind.value == "int" for one in exact)
    assert any("floor" in show_expr(one.value) for one in exact)
