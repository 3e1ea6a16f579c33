"""Names: unknown, reserved, defined twice, circular; functions and definitions called the wrong way."""

from __future__ import annotations

import pytest
from marked import assert_marked, checked, diagnostics, only

CASES = {
    "an unknown name": """
attention a { score dot(q, k) * scaling }
                                ^^^^^^^ E0201
""",
    "infinity outside of a range": """
attention a { score if j <= i then 0 else -inf }
                                           ^^^ E0201
""",
    "an axis that is no position": """
attention a { mask n < M }
                   ^ E0201
""",
    "an own axis that is no value": """
attention a {
  input table[bucket]: float
  score table[0] + bucket
                   ^^^^^^ E0201
}
""",
    "a function without its arguments": """
attention a { score exp }
                    ^^^ E0201
""",
    "names that are taken": """
attention a(scale: float, class: int, exp: float, backend: int) {
            ^^^^^ E0202
                          ^^^^^ E0202
                                                  ^^^^^^^ E0202
  let exp = 1
      ^^^ E0202
  let size = 1
      ^^^^ E0202
  def f(i) = 1
        ^ E0202
  def g(x, x) = x
           ^ E0202 first on line 5
  order p(j) = 0
          ^ E0202
  state k = 0
        ^ E0202
  state tanh = 0
        ^^^^ E0202
  out v
}
""",
    "a name of the file is taken in the attention": """
let near = 4
let near = 5
    ^^^^ E0202 first on line 1
attention a(window: int) {
  let window = 3
      ^^^^^^ E0202 first on line 3
  let near = 6
  mask i - j < near + window
}
""",
    "two attentions of one name": """
attention a { }
attention a { }
          ^ E0202 first on line 1
""",
    "an attention named by a keyword": """
attention lambda { }
          ^^^^^^ E0202
""",
    "a keyword is bound all the same": """
attention a { input lambda[h]: float  score lambda[h] }
                    ^^^^^^ E0202
""",
    "the wrong number of arguments": """
attention a {
  def f(x, y) = x + y
  let one = 1
  mask f(i) < clamp(j, 0) + abs(i, j) + one(2) + size(i, j)
       ^^^^ E0205
              ^^^^^^^^^^^ E0205
                            ^^^^^^^^^ E0205
                                        ^^^^^^ E0205
                                                 ^^^^^^^^^^ E0205
}
""",
    "a definition without its arguments": """
attention a { mask sliding }
                   ^^^^^^^ E0205
""",
    "no function": """
attention a(window: int) {
  input slope[h]: float
  mask slidng(3) and window(3) < i and slope(h) < scale
       ^^^^^^ E0206
                     ^^^^^^ E0206
                                       ^^^^^ E0206
}
""",
    "the arguments of a wrong call": """
attention a { score foo(bar) + exp(1, baz) }
                    ^^^ E0206
                        ^^^ E0201
                               ^^^^^^^^^^^ E0205
                                      ^^^ E0201
""",
    "circular lets, reported once": """
let first = second + 1
    ^^^^^ E0207
let second = third + 1
let third = first + 1
attention a { mask third < i }
attention z { mask second < i }
""",
    "a definition that calls itself": """
attention a {
  def f(x) = if x < 1 then 1 else f(x - 1)
      ^ E0207
  mask f(i) < 3
}
""",
    "an order that calls itself": """
attention a { order p(x) = p(x) }
                    ^ E0207
""",
    "definitions that nothing uses": """
let wrong = foo
            ^^^ E0201
def f(x) = x + bar + (true + 1)
               ^^^ E0201
                      ^^^^ E0204 this is a bool
attention a {
  def g(x) = h2(x) + x[0] + x
             ^^ E0206
}
""",
    "the attention's names are not the file's": """
def near(w) = i - j < w + window
                          ^^^^^^ E0201
def count(x) = x < size(m)
                        ^ E0215
attention a(window: int) {
  input table[m]: float
  let i0 = table[0]
  mask near(window) and count(window)
}
""",
    "errors on every side": """
attention a(x: int = 1.5) {
                     ^^^ E0307
  let y = one + two
          ^^^ E0201
                ^^^ E0201
  score three * y
        ^^^^^ E0201
  mask j <= i and four
                  ^^^^ E0201
  sink five
       ^^^^ E0201
  assert six
         ^^^ E0201
}
""",
}


@pytest.mark.parametrize("marked", CASES.values(), ids=CASES)
def test_marked(marked: str) -> None:
    assert_marked(marked)


HELP = {
    "attention a(window: int) { mask i < windw }": "did you mean `window`?",
    "attention a { mask cusal }": "did you mean `causal`?",
    "attention a { score skale }": "did you mean `scale`?",
    "attention a { score tnh(0) }": "did you mean `tanh`?",
    "attention a { mask slidin(3) }": "did you mean `sliding`?",
    "attention a { score zzz }": "",
    "attention a { score zzz(1) }": "functions of your own are `def name(x) = ...`",
    "attention a { mask n < 3 }": "use `i` or `j`, or the size `M`",
    "attention a { score inf }": "leave pairs out with `mask`",
    "attention a { score exp }": "write `exp(...)`",
    "attention a { mask sliding }": "write `sliding(w)`",
    "attention a { mask causal(i) }": "write `causal`",
    "attention a { let x = 1 def f(y) = y score f[x] }": "write `f(y)`",
    "attention a { input s[h]: float score s(h) }": "an input is read with brackets: `s[...]`",
    "attention a(w: int) { score w(2) }": "`w` is a value",
    "attention a { let q = 1 }": "choose another name",
    "attention a(lambda: int) { mask i < lambda }": "generated code is Python: call it `lambda_`",
}


@pytest.mark.parametrize(("text", "help"), HELP.items())
def test_help(text: str, help: str) -> None:
    assert only(text).help == help


def test_notes_lead_from_a_definition_to_its_uses() -> None:
    text = "def inner(x) = x and 1\ndef outer2(x) = inner(x < 2)\nattention a { mask outer2(i) }"
    error = only(text)
    assert (error.code, str(error.span)) == ("E0204", "spec.attn:1:22")
    assert [(note, str(span)) for note, span in error.notes] == [
        ("in `inner`, used", "spec.attn:2:17"),
        ("in `outer2`, used", "spec.attn:3:20"),
    ]


def test_long_chains_of_notes_are_cut_to_the_ends() -> None:
    chain = " ".join(f"def f{k}(x) = f{k - 1}(x)" for k in range(1, 20))
    error = only(f"def f0(x) = x + true {chain} attention a {{ mask f19(i) }}")
    assert [note for note, _ in error.notes] == [f"in `f{k}`, used" for k in (0, 1, 2, 19)]


def test_a_prelude_definition_is_blamed_on_the_argument() -> None:
    error = only("attention a { mask sliding(2.5) }")
    assert (error.code, error.span.text, error.label) == ("E0203", "2.5", "this is a float")
    assert [note for note, _ in error.notes] == ["in `sliding`, used"]


def test_a_definition_sees_the_names_where_it_was_written() -> None:
    outer = "let limit = 3 def near(x) = x < limit "
    hygienic = checked(outer + "attention a { let limit = 5 mask near(i) }")
    assert hygienic.pairwise.mask == checked("attention a { mask i < 3 }").pairwise.mask


def test_an_argument_is_elaborated_where_it_stands() -> None:
    shadowed = checked("attention a { let w = 5 def f(x) = x < w def g(w) = f(w + 1) mask g(i) }")
    assert shadowed.pairwise.mask == checked("attention a { mask i + 1 < 5 }").pairwise.mask


def test_the_use_of_a_let_is_blamed_and_not_its_definition() -> None:
    error = only("let half = 2.5\nattention a { mask i < half }")
    assert (str(error.span), error.span.text) == ("spec.attn:2:24", "half")


def test_one_mistake_of_a_shared_definition_is_said_once() -> None:
    text = "let bad = foo attention a { mask bad } attention b2 { mask bad and i < bad }"
    assert [error.code for error in diagnostics(text)] == ["E0201"]
