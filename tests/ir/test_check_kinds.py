"""Kinds and channels: what functions take, comparisons, rows, numbers and types."""

from __future__ import annotations

import pytest
from marked import assert_marked, only

CASES = {
    "an int against a float": """
attention a(window: float) { mask 0 <= i - j < window }
                                               ^^^^^^ E0203 this is `window: float`
""",
    "a float on the left": """
attention a { input span[h]: float  mask span[h] + 1 > i - j }
                                         ^^^^^^^^^^^ E0203 `span` is a float
""",
    "every link of a chain": """
attention a { mask 0.5 < i < 1.5 }
                   ^^^ E0203 this is a float
                             ^^^ E0203 this is a float
""",
    "a literal gives way": """
attention a { mask scale > 0 }
                           ^ E0203 this is an int
""",
    "a bool against an int": """
attention a { mask (i == 0) == j }
                    ^^^^^^ E0203 this is a bool
""",
    "bools are not ordered": """
attention a { mask (i == 0) < (j == 0) }
                    ^^^^^^ E0204 this is a bool
                               ^^^^^^ E0204 this is a bool
""",
    "arithmetic on a bool": """
attention a(flag: bool) { score flag + 1 * (i < j) + -(i < j) }
                                ^^^^ E0204 this is `flag: bool`
                                            ^^^^^ E0204 this is a bool
                                                       ^^^^^ E0204 this is a bool
""",
    "logic on a number": """
attention a { mask i and not 2.5 }
                   ^ E0204 this is an int
                             ^^^ E0204 this is a float
""",
    "div and mod of floats": """
attention a { mask scale div 2 == i mod 2.0 }
                   ^^^^^ E0204 this is `scale: float`
                                        ^^^ E0204 this is a float
""",
    "the condition of an if": """
attention a { score if i then 1 else 2 }
                       ^ E0204 this is an int
""",
    "the branches of an if": """
attention a { score if j < i then 1 else true }
                    ^^^^^^^^^^^^^^^^^^^^^^^^^ E0204
""",
    "the kind of a clause": """
attention a {
  score j <= i
        ^^^^^^ E0204
  mask i - j
       ^^^^^ E0204
  sink h == 0
       ^^^^^^ E0204
  assert M div 2
         ^^^^^^^ E0204
}
""",
    "the kinds of a recurrence": """
attention a {
  state S = h == 0
            ^^^^^^ E0204
  out e == 0
      ^^^^^^ E0204
}
""",
    "an order is an int": """
attention a { order p(x) = x / 2 }
                           ^^^^^ E0204
""",
    "the other arguments of a wrong one": """
attention a { score foo + true + max(bar, false) }
                    ^^^ E0201
                          ^^^^ E0204 this is a bool
                                     ^^^ E0201
                                          ^^^^^ E0204 this is a bool
""",
    "a clause is one value": """
attention a {
  score q * k
        ^^^^^ E0209 this has the channels [c]
  mask v > 0.0
       ^^^^^^^ E0209 this has the channels [e]
  assert c < 3
         ^^^^^ E0209 this has the channels [c]
}
""",
    "out is a row of values": """
attention a { state S = S + outer(k, v)  out dot(S, v) }
                                             ^^^^^^^^^ E0209 this has [c]
""",
    "out without channels": """
attention a { state z = z + k  out dot(q, z) }
                                   ^^^^^^^^^ E0209 this has no channels
""",
    "a state that loses channels": """
attention a { state A = dot(A, outer(k, v)) + k  out dot(q, A) * v }
                        ^^^^^^^^^^^^^^^^^^^^^^^ E0209 this has [c], the state [c, e]
""",
    "rows": """
attention a { score dot(q, 1) + dot(scale, i) + dot(l2norm(2), k) }
                           ^ E0213 this has no channels
                                    ^^^^^ E0213 this has no channels
                                           ^ E0213 this has no channels
                                                           ^ E0213 this has no channels
""",
    "dot shares no channel": """
attention a { score dot(q, v) }
                    ^^^^^^^^^ E0213 [c] and [e]
""",
    "outer shares a channel": """
attention a { state S = S + outer(k, k)  out v }
                            ^^^^^^^^^^^ E0213 [c] and [c]
""",
    "prev of what is no state": """
attention a { state S = S + outer(k, v)  out dot(q, prev(S + S)) + prev(v) + prev(foo) }
                                                         ^^^^^ E0213
                                                                        ^ E0213
                                                                                  ^^^ E0201
""",
    "no such type": """
attention a(x: integer = 3) {
               ^^^^^^^ E0214
  input s[h, h]: real
             ^ E0215
                 ^^^^ E0214
  mask i < x and s[h] > 0
}
""",
    "numbers that don't fit": """
attention a { score 9223372036854775807 + 9223372036854775808 + 1e308 + 1e309 }
                                          ^^^^^^^^^^^^^^^^^^^ E0216
                                                                        ^^^^^ E0216
""",
    "a default that grows too large": """
attention a(x: int = 9223372036854775807 * 2) { mask i < x }
                     ^^^^^^^^^^^^^^^^^^^^^^^ E0216
""",
}


@pytest.mark.parametrize("marked", CASES.values(), ids=CASES)
def test_marked(marked: str) -> None:
    assert_marked(marked)


HELP = {
    "attention a(w: float) { mask i < w }": "declare it as `w: int`, or round it with `floor` or `ceil`",
    "attention a { mask i < scale }": "round it with `floor` or `ceil`, or write both sides as floats (`0.0`)",
    "attention a { mask scale > 1 }": "write `1.0`",
    "attention a { mask (i < j) == 1 }": "compare values of one kind",
    "attention a { score true + 1 }": "`if condition then 1 else 0` makes a number of a bool",
    "attention a { mask not i }": "compare it: `x > 0`",
    "attention a { score if i < j then 0 else true }": "both branches must be numbers, or both bools",
    "attention a { score q }": "`dot(x, y)` sums over channels",
    "attention a(x: flaot) { score x }": "did you mean `float`?",
    "attention a(x: tensor) { score x }": "types are `int`, `float` and `bool`",
}


@pytest.mark.parametrize(("text", "help"), HELP.items())
def test_help(text: str, help: str) -> None:
    assert only(text).help == help


def test_messages_name_both_kinds() -> None:
    message = only("attention a(w: float) { mask i -\n   j < w }").message
    assert message == "`i - j < w` compares an int with a float"
    assert only("attention a { score not i + 1 }").message == "`not` takes a bool, not an int"


def test_a_number_of_thousands_of_digits() -> None:
    assert only(f"attention a {{ mask i < {'9' * 5000} }}").code == "E0216"
