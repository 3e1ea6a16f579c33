"""Inputs: their axes and flags, where each axis is read, and rows that are read at another channel."""

from __future__ import annotations

import pytest
from marked import assert_marked, checked, only

from attngen.ir.expr import Read, Rechannel, walk

CASES = {
    "axes are read where they stand": """
attention a {
  input x[b, h, i, j]: float
  score x[h, b, j, i]
          ^ E0210
             ^ E0210
                ^ E0210
                   ^ E0210
}
""",
    "positions are not shifted": """
attention a {
  input doc[b, n]: int
  mask doc[b, i - 1] == doc[0, M]
              ^^^^^ E0210
                            ^ E0210
                               ^ E0210
}
""",
    "time is read at t": """
attention a {
  input g[b, h, t]: float
  state S = exp(g[b, h, t - 1]) * S + outer(k, v)
                        ^^^^^ E0210
  out dot(q, S)
}
""",
    "channels are read at themselves": """
attention a {
  input u[h, c]: float
  input w[h, e]: float
  score dot(u[h, (c + 1) mod D], k) + dot(w[h, c], v)
                 ^^^^^^^^^^^^^ E0210
                                               ^ E0210
}
""",
    "an index is an int": """
attention a {
  input table[bucket]: float
  score table[i / 2] + table[i < j] + table[foo]
              ^^^^^ E0204 this is a float
                             ^^^^^ E0204 this is a bool
                                            ^^^ E0201
}
""",
    "the number of indices": """
attention a {
  input u[b, h, c]: float
  input w[c]: float
  score dot(u[h] * w, k) + u + w[1, 2]
            ^^^^ E0211 1 given
                           ^ E0211 0 given
                               ^^^^^^^ E0211 2 given
}
""",
    "what is no input": """
attention a(cap: float) {
  score cap[h] + scale[h] + dot(q[c, c], k) + dot(q[true], k)
        ^^^^^^ E0211 this has no channels
                 ^^^^^^^^ E0211 this has no channels
                                ^^^^^^^ E0211 this has [c]
                                                    ^^^^ E0204 this is a bool
}
""",
    "a matrix has no single channel": """
attention a {
  state S = S + outer(k, v)
  out dot(q, S[c])
             ^^^^ E0211 this has [c, e]
}
""",
    "axes": """
attention a {
  input x[b, b, H, q, if0, scale, class, n, t, c]: float
             ^ E0215
                ^ E0215
                   ^ E0215
                           ^^^^^ E0215
                                  ^^^^^ E0215
}
""",
    "the size of what is no own axis": """
attention a {
  input table[bucket, h]: float
  score table[size(h), h] + size(buckets)
                   ^ E0215
                                 ^^^^^^^ E0215
}
""",
    "size takes a name": """
attention a { score size(i + 1) }
                    ^^^^^^^^^^^ E0205
""",
    "flags": """
attention a {
  input x[b, n]: int srted
                     ^^^^^ E0306
  input g[h]: float sorted
                    ^^^^^^ E0311
  input z[i, j]: float sorted
                       ^^^^^^ E0311
  input w[n]: bool sorted
                   ^^^^^^ E0311
}
""",
    "rows have no value where there is no pair": """
attention a {
  input table[m]: float
  input x[b, n]: int
  mask x[b, t] == 0
            ^ E0212
  assert table[0] > 0.0
         ^^^^^^^^ E0212
}
""",
}


@pytest.mark.parametrize("marked", CASES.values(), ids=CASES)
def test_marked(marked: str) -> None:
    assert_marked(marked)


HELP = {
    "attention a { input s[h]: float score s }": "write `s[h]`",
    "attention a { input s[h, c]: float score s[h, c, 1] }": "write `s[h, c]`, or the row `s[h]`",
    "attention a { input s[e, c]: float score s[1] }": "write `s[e, c]`, or the row `s`",
    "attention a { input s[b, n]: int mask s[b, i - 1] == 0 }": (
        "an axis with a name of your own takes any integer expression"
    ),
    "attention a { input s[m]: float score s[0.5] }": "round it with `floor`",
    "attention a { input s[m]: float score s[true] }": "write `if condition then 1 else 0`",
    "attention a { input s[m]: float score s[size(mm)] }": "did you mean `m`?",
    "attention a { score size(i) }": "the lengths of `i`, `j` and `n` are N, M and M",
    "attention a { score dot(q[c, c], k) }": "write `row[channel]`",
    "attention a { score kk[0] }": "did you mean `k`?",
    "attention a { score bias[h, i, j] }": "declare it: `input bias[h, i, j]: float`",
    "attention a { score table[h, i - j] }": "declare it: `input table[h, m]: float`",
    "attention a { score lengths[b, i] }": "declare it: `input lengths[b, n]: float`",
    "attention a { input doc[b, n]: int mask doc[i] == 0 }": "write `doc[b, i]`",
    "attention a { score dot(q[i], k) }": "write `q`, as in `dot(q, k)`",
    "attention a { mask True }": "write `true`",
    "attention a { score where(i > j, 1.0, 0.0) }": "a choice is written `if condition then a else b`",
    "attention a { score softmax(dot(q, k)) }": (
        "softmax over the keys is what a `score` has anyway; `normalize` names another normalizer"
    ),
    "attention a { input x[b, N]: int mask x[b, i] == 0 }": (
        "`b h i j n t c e` have a meaning (`n`: any position); any other name is an axis of its own"
    ),
    "attention a { input x[b, n]: int sort mask x[b, i] == 0 }": "did you mean `sorted`?",
    "attention a { input x[b, n]: int unique mask x[b, i] == 0 }": "the only word here is `sorted`",
}


@pytest.mark.parametrize(("text", "help"), HELP.items())
def test_help(text: str, help: str) -> None:
    assert only(text).help == help


@pytest.mark.parametrize("axis", ["i", "j"])
def test_a_position_axis_is_read_at_i_and_j(axis: str) -> None:
    mask = checked(f"attention a {{ input doc[b, n]: int mask doc[b, {axis}] == 0 }}").pairwise.mask
    (found,) = [part for part in walk(mask) if isinstance(part, Read)]
    assert found.channels == () and len(found.indices) == 2


def test_channel_axes_may_be_left_out() -> None:
    short = checked("attention a { input u[h, c]: float score dot(u[h] * q, k) }")
    full = checked("attention a { input u[h, c]: float score dot(u[h, c] * q, k) }")
    assert short.pairwise == full.pairwise


def test_an_own_axis_under_its_own_name_is_a_channel() -> None:
    score = checked(
        "attention a { input w[m, c]: float score dot(dot(w[m, c], q), dot(w[m], k)) / size(m) }"
    ).pairwise.score
    rows = [part for part in walk(score) if isinstance(part, Read)]
    assert {row.channels for row in rows} == {("c", "m")}


def test_an_own_axis_whose_name_is_defined_is_an_index() -> None:
    score = checked("attention a { input w[m]: float let m = i div 2 score w[m] }").pairwise.score
    assert score.channels == ()


def test_a_row_is_read_at_another_channel() -> None:
    score = checked("attention a { def swap(x) = x[(c + D div 2) mod D] score dot(swap(q), k) }").pairwise.score
    (found,) = [part for part in walk(score) if isinstance(part, Rechannel)]
    assert (found.axis, found.channels, found.row.channels) == ("c", ("c",), ("c",))


def test_one_channel_of_a_row_is_a_scalar() -> None:
    assert checked("attention a { score q[0] * k[D - 1] }").pairwise.score.channels == ()


def test_the_variable_of_an_order_reads_inputs_of_its_head() -> None:
    order = checked("attention a { input shift[h]: int order p(x) = (x + shift[h]) mod M }").order
    assert order is not None and (order.name, order.variable) == ("p", "x")
