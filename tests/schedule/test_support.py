"""What can't be compiled yet is said with a code, at its place, with a way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from marked import checked, place, split

from attngen.errors import SpecError
from attngen.schedule.plan import plan
from attngen.schedule.support import unsupported

TABLE = (Path(__file__).parents[2] / "docs" / "diagnostics.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^\| (E04\d\d) \| .+ \| `(.+)` \|$", TABLE, re.MULTILINE))
CASES = {
    "a matrix of each token": """
attention a {
  input omega[t, m, c]: float
  state S = S + outer(dot(omega[t, m, c], k), v)
                          ^^^^^^^^^^^^^^ E0406
  out   dot(dot(omega[t, m, c], q), S)
}""",
    "values over an axis of an input": """
attention a {
  input x[t, m]: float
  state S = S + outer(k, x[t, m])
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ E0406
  out   v * dot(x[t, m], dot(q, S))
}""",
    "a row of an input at another channel": """
attention a {
  input x[b, h, t, c]: float
  let   r = x[b, h, t]
  state S = S + outer(k * r[c + 1], v)
                          ^^^^^^^^ E0406
  out   dot(q, S)
}""",
    "a row of an input at another channel of a product": """
attention a {
  input x[b, h, i, c]: float
  let   r = x[b, h, i]
  score dot(q * r[c + 1], k)
        ^^^^^^^^^^^^^^^^^^^^ E0402
}""",
    "a value at another channel": """
attention a {
  state S = S + outer(k, v)
  out   dot(q, S) * v[(e + 1) mod E]
                    ^^^^^^^^^^^^^^^^ E0406
}""",
    "an index that may leave its axis": """
attention a {
  input table[m]: float
  state S = table[t div 2] * S + outer(k, v)
            ^^^^^^^^^^^^^^ E0406
  out   dot(q, S)
}""",
    "a recurrence that is not linear": """
attention a {
  state S = tanh(S) + outer(k, v)
            ^^^^^^^ E0401
  out   dot(q, S)
}""",
    "a product of changed rows": """
attention a {
  score scale * dot(l2norm(q) + k, k)
                ^^^^^^^^^^^^^^^^^^^^^ E0402
}""",
    "a power that grows": """
attention a {
  mask  causal
  score dot(q * 0.5 ^ (i * i), k) * scale
        ^^^^^^^^^^^^^^^^^^^^^^^^^ E0402
}""",
    "a norm": """
attention a {
  score dot(q, k) - dot(k, k) / 2
                    ^^^^^^^^^ E0402
}""",
    "one channel": """
attention a {
  let   first = q
  score first[0] + dot(q, k)
        ^^^^^^^^ E0402
}""",
    "one channel, once it is simplified": """
attention a {
  score scale * dot(q[0 mod D] * q, k)
                ^^^^^^^^^^^^^^^^^^^^^^ E0402
}""",
    "an index by a product": """
attention a {
  input table[m]: float
  score table[clamp(floor(dot(q, k)), 0, 6)]
                          ^^^^^^^^^ E0402
}""",
    "a mask over scores": """
attention a {
  mask j <= i and dot(q, k) > 0.0
                  ^^^^^^^^^ E0405
}""",
    "a mask over a row": """
attention a {
  let  first = q
  mask first[0] > 0.5
       ^^^^^^^^ E0405
}""",
    "both": """
attention a {
  score dot(q, q)
        ^^^^^^^^^ E0402
  mask  dot(k, k) > 0.0
        ^^^^^^^^^ E0405
}""",
}


@pytest.mark.parametrize("case", CASES)
def test_codes_and_places(case: str) -> None:
    text, places = split(CASES[case])
    variant = checked(text)
    with pytest.raises(SpecError) as error:
        plan(variant)
    found = error.value.diagnostics
    assert [(*place(one)[:2], place(one)[3]) for one in found] == [
        (line, column, code) for line, column, _, code, _ in places
    ]
    for one, (_, _, width, *_) in zip(found, places, strict=True):
        assert one.help and one.severity == "error"
        assert width == len(one.span.text.split("\n")[0])


@pytest.mark.parametrize("code", ["E0401", "E0402", "E0405", "E0406"])
def test_the_example_of_the_table_gives_its_code(code: str) -> None:
    assert [one.code for one in unsupported(checked(EXAMPLES[code]))] == [code]


@pytest.mark.parametrize(
    "text",
    ["", "score dot(k, q)", "input x[b, h, i, j]: float score x[b, h, i, j]", "sink 0", "weight 1 normalize count"],
)
def test_what_can_be_compiled(text: str) -> None:
    assert unsupported(checked(f"attention a {{ {text} }}")) == ()
