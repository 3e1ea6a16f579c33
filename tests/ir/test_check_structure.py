"""Clauses: given twice, missing, not fitting together; ranges and defaults; what has a value where; warnings."""

from __future__ import annotations

import pytest
from marked import assert_marked, checked, diagnostics, only

CASES = {
    "clauses that stand twice": """
attention a {
  doc "one"
  doc "two"
  ^^^ E0301 first on line 2
  mask j <= i
  mask i - j < 4
  ^^^^ E0301 first on line 4
  normalize softmax
  normalize count
  ^^^^^^^^^ E0301 first on line 6
  order p(x) = x
  order r(x) = x
  ^^^^^ E0301 first on line 8
}
""",
    "score and weight": """
attention a {
  score true
        ^^^^ E0204
  weight foo
  ^^^^^^^^^^ E0302 the score is on line 2
         ^^^ E0201
  mask bar
       ^^^ E0201
}
""",
    "a weight without normalisation": """
attention a { weight dot(q, k) }
              ^^^^^^^^^^^^^^^^ E0303
""",
    "a weight under softmax": """
attention a { weight dot(q, k)  normalize softmax }
                                ^^^^^^^^^^^^^^^^^ E0303
""",
    "a sink without softmax": """
attention a { sink 0  normalize count }
              ^^^^^^ E0304
""",
    "a state without out": """
attention a { state S = S + outer(k, foo) }
          ^ E0305
                                     ^^^ E0201
""",
    "an out without state": """
attention a { out v + foo }
          ^ E0305
                      ^^^ E0201
""",
    "no such way": """
attention a {
  normalize sofmax
            ^^^^^^ E0306
  partition rings(size = 2)
            ^^^^^ E0306
}
""",
    "a partition": """
attention a {
  partition ring(size = 2, layout = zigzak, send, block = 0)
                 ^^^^ E0306
                                    ^^^^^^ E0306
                                            ^^^^ E0306
                                                          ^ E0306
}
""",
    "sum takes eps": """
attention a { normalize sum }
              ^^^^^^^^^^^^^ E0306
""",
    "count takes nothing": """
attention a { normalize count(foo) }
              ^^^^^^^^^^^^^^^^^^^^ E0306
                              ^^^ E0201
""",
    "defaults": """
attention a(a0: int = 0 in [1, 4], a1: int = true, a2: float = M, a3: float = 1 / 0, a4: bool = 1) {
                      ^ E0307 in [1, 4]
                                             ^^^^ E0307
                                                               ^ E0307
                                                                              ^^^^^ E0307
                                                                                                ^ E0307
}
attention z(a5: int = 1 mod 0) { mask i < a5 }
                      ^^^^^^^ E0307
""",
    "an open end excludes the default": """
attention a(x: float = 1.0 in (1, 2)) { score x }
                       ^^^ E0307 in (1, 2)
""",
    "ends that are not constant": """
attention a(x: int in [1, M], g: int in [1, x]) {
                          ^ E0307
                                            ^ E0307
  input z[h]: int < x * M
                    ^^^^^ E0307
}
""",
    "ranges": """
attention a(x: int in [4, 1], g: bool in [0, 1], z: int in [0.5, 2], w: float in [inf, 3], u: float in [true, 3]) {
                   ^^^^^^^^^ E0308
                                      ^^^^^^^^^ E0308
                                                            ^^^ E0308
                                                                                  ^^^ E0308
                                                                                                        ^^^^ E0308
  input s[h]: float == 0
                    ^^^^ E0308
  input m[h]: bool >= 0
                   ^^^^ E0308
  input o[h]: float in (1, 1]
                    ^^^^^^^^^ E0308
}
""",
    "a recurrence has no pairs": """
attention a {
  state S = S + outer(k, v)
  out dot(q, S)
  mask j <= i
  ^^^^^^^^^^^ E0310
  normalize none
  ^^^^^^^^^^^^^^ E0310
}
""",
    "states without effect": """
attention a {
  state S = S + outer(k, v)
  state T = T + R
  ^^^^^^^^^^^^^^^ E0312
  state R = P + outer(k, v)
  ^^^^^^^^^^^^^^^^^^^^^^^^^ E0312
  state P = P + outer(k, v)
  ^^^^^^^^^^^^^^^^^^^^^^^^^ E0312
  state U = U + outer(k, v)
  state W = W + U
  out dot(q, S + prev(W))
}
""",
    "what has no value": """
attention a {
  score t
        ^ E0212
  sink i + dot(q, k)
       ^ E0212
               ^ E0212
                  ^ E0212
  assert b == 0
         ^ E0212
  order p(x) = x + i
                   ^ E0212
  normalize softmax
}
""",
    "eps is one number": """
attention a { input g[m]: float  normalize sum(h + g[0]) }
                                               ^ E0212
                                                   ^^^^ E0212
""",
    "positions of pairs in a recurrence": """
attention a {
  state S = S + outer(k, v) * i
                              ^ E0212
  out dot(q, S) * j
                  ^ E0212
}
""",
    "prev stands in out": """
attention a { state S = prev(S) + outer(k, v)  out dot(q, prev(S)) }
                        ^^^^^^^ E0212
""",
    "states stand in state and out": """
attention a {
  state S = S + outer(k, v)
  out dot(q, S)
  assert dot(k, dot(S, v)) > 0.0
             ^ E0212
                    ^ E0212
                       ^ E0212
}
""",
    "a value that comes from a definition": """
let distance = i - j
attention a { sink 2 * distance }
                   ^^^^^^^^^^^^ E0212
                   ^^^^^^^^^^^^ E0212
""",
    "nothing to compile": """
let x = 1
^ E0309
""",
    "fractions of ints compared": """
attention a(group: int) {
  mask i / group == j / group and i / 2.5 == 1.0
       ^^^^^^^^^^^^^^^^^^^^^^ W0202
}
""",
    "unused": """
attention a(window: int, unused: int) {
                         ^^^^^^ W0201
  input slope[h]: float
        ^^^^^ W0201
  let unused_let = slope[h] + unused
  mask i - j < window
}
""",
}


@pytest.mark.parametrize("marked", CASES.values(), ids=CASES)
def test_marked(marked: str) -> None:
    assert_marked(marked)


HELP = {
    "attention a { mask i < j mask j < i }": "join them with `and`",
    "attention a { sink 1 sink 2 }": "keep one",
    "attention a { normalize sofmax }": "did you mean `softmax`?",
    "attention a { normalize l2 }": "there is `softmax`, `sum`, `count`, `none`",
    "attention a { normalize sum }": "write `normalize sum(1e-6)`",
    "attention a { normalize none(1) }": "write `normalize none`",
    "attention a { weight 1 }": "add `normalize sum(1e-6)`, `normalize count` or `normalize none`",
    "attention a { weight 1 normalize softmax }": "write `score log(...)`",
    "attention a { sink i }": "it may depend on `b`, `h`, inputs, parameters and sizes",
    "attention a { normalize sum(h) }": "it may depend on parameters and sizes",
    "attention a { mask t < 1 }": "it may depend on `b`, `h`, `i`, `j`, rows, inputs, parameters and sizes",
    "attention a(x: int = 0.5) { mask i < x }": "write an int",
    "attention a(x: int in [3, 1]) { mask i < x }": "the lower end comes first",
    "attention a { input x[h]: int == 0 sink x[h] }": "write `>= 0`, or `in [0, 1]`",
    "attention a(x: int) { }": "the call would ask for it in vain",
}


@pytest.mark.parametrize(("text", "help"), HELP.items())
def test_help(text: str, help: str) -> None:
    assert only(text).help == help


def test_a_definition_is_named_where_it_has_no_value() -> None:
    (error, _) = diagnostics("attention a { sink causal }")
    assert (error.code, error.span.text, error.message) == ("E0212", "causal", "`j` has no value in `sink`")
    ((note, span),) = error.notes
    assert note == "`j` comes from a definition" and span.source.name == "prelude/masks.attn"


def test_no_warnings_beside_errors() -> None:
    assert [one.code for one in diagnostics("attention a(x: int) { mask foo }")] == ["E0201"]


@pytest.mark.parametrize(
    "text",
    [
        "attention a(x: int) { input s[h]: int in [0, x] sink s[h] }",
        "attention a(x: int) { assert x < M }",
        "attention a(x: int) { order p(y) = (y + x) mod M }",
        "attention a(x: float) { weight 1 normalize sum(x) }",
        "attention a(x: float) { sink x }",
    ],
)
def test_used_everywhere(text: str) -> None:
    assert checked(text).warnings == ()


def test_an_infinite_end_is_no_end() -> None:
    bounds = checked("attention a(x: float = 3 in (-inf, inf)) { score x }").parameters[0].range
    assert (bounds.low, bounds.high) == (None, None)
