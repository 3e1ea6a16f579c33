"""Canonical forms of recurrences: they mean what was written, and what has none is refused where it goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recurrences import compared, random_call, spec
from test_check_accepts import variants

from attngen.analysis.laws import ONE
from attngen.analysis.recurrence import Recurrence, canonical, equation
from attngen.errors import SpecError
from attngen.ir import nodes
from attngen.ir.show import show_expr
from attngen.reference import recurrence

BEYOND = {"mamba1", "mamba_backward"}
"""Catalogued recurrences that decay by both axes of their state."""
COMPILED = [
    name for name, variant in variants().items() if isinstance(variant.body, nodes.Recurrent) and name not in BEYOND
]


@pytest.mark.parametrize("name", COMPILED)
def test_the_canonical_form_means_what_was_written(name: str) -> None:
    compared(variants()[name])


TERMS = st.sampled_from(
    [
        "S",
        "-S",
        "0.5 * S",
        "a[b, h, t] * S",
        "x[b, h, t] * S",
        "S * exp(-abs(x[b, h, t]))",
        "S / (2 + abs(a[b, h, t]))",
        "outer(k, dot(k, S))",
        "-a[b, h, t] * outer(x[b, h, t], dot(k, S))",
        "outer(k, a[b, h, t] * dot(2 * k, x[b, h, t] * S))",
        "(if t mod 2 == 0 then S else 0.5 * S)",
        "(if t mod 3 == 0 then outer(k, dot(k, S)) else 0 * S)",
        "(if t mod 3 == 0 then 0.5 * S else outer(k, dot(k, S)))",
        "dot(x[b, h, t], k) * S",
        "outer(k, v)",
        "-outer(v, k)",
        "outer(k, v) / (2 + a[b, h, t] ^ 2)",
        "(if t == 2 then 0 * outer(k, v) else outer(k, v))",
        "a[b, h, t] * (outer(k, 2 * v) - outer(k, v * w[b, h, t]))",
        "outer(k, dot(k, S + outer(k, v)))",
    ]
)
OUTS = st.sampled_from(
    [
        "dot(q, S)",
        "scale * dot(2 * q, prev(S)) + dot(q, k) * v",
        "dot(q, S) / (1 + dot(q, q)) + tanh(dot(x[b, h, t], S))",
        "dot(q, S - prev(S)) * w[b, h, t]",
        "dot(q, x[b, h, t] * S)",
        "(if t == 1 then v else dot(q, S))",
    ]
)


@given(st.lists(TERMS, min_size=1, max_size=3), OUTS, st.integers(0, 99))
def test_random_updates(terms: list[str], out: str, seed: int) -> None:
    """An update is refused, or its canonical form means the same."""
    variant = spec(
        f"""input a[b, h, t]: float  input x[b, h, t, c]: float  input w[b, h, t, e]: float
        state S = {" + ".join(["outer(k, v)", *terms])}  out {out}"""
    )
    try:
        canonical(variant)
    except SpecError as error:
        (problem,) = error.diagnostics
        assert problem.code == "E0401" and problem.span.text
        return
    compared(variant, seed)


def test_two_ways_to_write_one_update_are_one_program() -> None:
    inputs = "input g[b, h, t]: float  input beta[b, h, t]: float  let u = l2norm(k) "
    first = spec(
        inputs + "state S = exp(g[b, h, t]) * (S - beta[b, h, t] * outer(u, dot(u, S))) + beta[b, h, t] * outer(u, v)"
        " out dot(q, S) * scale"
    )
    second = spec(
        inputs + "state S = outer(u, v * beta[b, h, t]) + S * exp(g[b, h, t])"
        " - outer(u * beta[b, h, t], dot(u, S) * exp(g[b, h, t]))  out dot(scale * q, S)"
    )
    assert canonical(first) == canonical(second)


def test_each_branch_of_a_choice_counts() -> None:
    compared(spec("state S = (if t mod 2 == 0 then 0.5 * S else outer(k, dot(k, S))) + outer(k, v)  out dot(q, S)"))


def test_the_parts_of_a_gated_delta_rule() -> None:
    found = canonical(variants()["kda"])
    (state,), (reading,) = found.states, found.readings
    shown = {part: show_expr(getattr(state, part)) for part in ("decay", "key", "value", "erases", "erased")}
    assert shown == {
        "decay": "exp(g[b, h, t, c])",
        "key": "l2norm(k)",
        "value": "beta[b, h, t] * v",
        "erases": "exp(g[b, h, t, c]) * l2norm(k)",
        "erased": "-(beta[b, h, t] * l2norm(k))",
    }
    assert (state.key_axis, state.value_axis) == ("c", "e")
    assert show_expr(reading.row) == "q" and show_expr(found.out) == "S_read" and not reading.before


def test_vectors_and_numbers_are_states_with_fewer_axes() -> None:
    found = canonical(spec("state x = x + 1  state m = 0.5 * m + v  state z = z + k  out m * dot(q, z) / x"))
    axes = {state.name: (state.key_axis, state.value_axis) for state in found.states}
    assert axes == {"m": (None, "e"), "z": ("c", None), "x": (None, None)}
    assert {state.name: state.key == ONE for state in found.states} == {"m": True, "z": False, "x": True}
    compared(spec("state x = x + 1  state m = 0.5 * m + v  state z = z + k  out m * dot(q, z) / x"))


def test_vectors_may_be_read_as_they_are() -> None:
    turned = spec("state z = 0.5 * z + k  let turned = z[(c + 1) mod D]  out dot(q, tanh(turned)) * v")
    found = canonical(turned)
    assert [(state.key_axis, state.value_axis) for state in found.states] == [(None, "c")]
    assert show_expr(found.out) == "dot(q, tanh(z_read[(c + 1) mod D])) * v"
    compared(turned)


def test_what_is_read_twice_is_read_once() -> None:
    found = canonical(spec("state S = S + outer(k, v)  out tanh(dot(q, S)) + dot(q, S) + dot(k, S) + dot(k, prev(S))"))
    assert [(each.name, show_expr(each.row), each.before) for each in found.readings] == [
        ("S_read", "q", False),
        ("S_read_1", "k", False),
        ("S_read_2", "k", True),
    ]


OUT = "  out dot(q, S)"
REFUSED = [
    ("state S = tanh(S) + outer(k, v)" + OUT, "tanh(S)", "`tanh` of a state"),
    ("state S = S * S + outer(k, v)" + OUT, "S * S", "states are multiplied with each other"),
    ("state z = dot(z, k) * z + k  out dot(q, z) * v", "dot(z, k) * z", "states are multiplied with each other"),
    ("state S = S + outer(k, v) / (1 + S)" + OUT, "outer(k, v) / (1 + S)", "something is divided by a state"),
    ("state S = if S > 0.0 then S else outer(k, v)" + OUT, "S > 0.0", "a state decides"),
    ("state T = T + outer(k, v)  state S = S + T" + OUT, "T", "the update of `S` reads another state"),
    (
        "state S = S * sigmoid(v) + outer(k, v)" + OUT,
        "S * sigmoid(v)",
        "`S` is scaled by a factor over `e`, along which `out` does not read it",
    ),
    (
        "state S = S + outer(k, v) + outer(q, tanh(v))" + OUT,
        "outer(q, tanh(v))",
        "a state takes two outer products of one token",
    ),
    (
        "state S = S + tanh(outer(k, v))" + OUT,
        "tanh(outer(k, v))",
        "what a token writes is no outer product of a key and a value",
    ),
    (
        "state S = outer(k, v) + S - outer(k, dot(k, S)) - outer(q, dot(q, S))" + OUT,
        "outer(q, dot(q, S))",
        "`S` is read by two rows in its update",
    ),
    (
        "state S = S + outer(k, v)  out dot(q, S) * dot(q, dot(v, S))",
        "dot(q, dot(v, S))",
        "a state is summed over all its axes",
    ),
    ("state z = z + k  out dot(q, z) * v * dot(k, tanh(z))", "tanh(z)", "`tanh` of a state"),
    ("state S = S + outer(k, v)  out dot(q, tanh(S))", "tanh(S)", "`tanh` of a state"),
    (
        "state S = S + outer(k, v)  out dot(k, tanh(outer(k, v)) * S)",
        "tanh(outer(k, v)) * S",
        "a state decays by both its axes before it is read",
    ),
]


@pytest.mark.parametrize(("clauses", "term", "reason"), REFUSED)
def test_refusals(clauses: str, term: str, reason: str) -> None:
    """At the term that is in the way, with a way out."""
    with pytest.raises(SpecError) as caught:
        canonical(spec(clauses, whole=False))
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0401" and problem.message.endswith(reason) and "outer(b, dot(a, S))" in problem.help
    assert problem.span.text == term and problem.span.line == 2


def test_a_form_is_compared_by_its_meaning() -> None:
    """The comparison above can fail: without decay the numbers differ."""
    variant = variants()["gla"]
    call = random_call(variant)
    found = canonical(variant)
    wrong = Recurrence((replace(found.states[0], decay=ONE),), found.readings, found.out)
    right, other = (
        recurrence(replace(variant, body=equation(form)), *call.qkv, parameters={}, inputs=call.inputs)
        for form in (found, wrong)
    )
    assert not torch.allclose(right.y, other.y)
