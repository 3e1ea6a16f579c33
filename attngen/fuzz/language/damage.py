"""Specs that are wrong by construction, and such as are wrong or mean something else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

TOKENS = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|<=|>=|==|!=|[^\s\w]")
VALUES = (
    "q", "k", "v", "i", "j", "h", "t", "b", "c", "e", "true", "false", "0", "1", "0.5", "-3", "1e400", "1e-400", "S",
    "M", "D", "inf", "causal", "nothing", "dot(q, k)", "dot(q, v)", "prev(q)", "outer(k, v)", "l2norm(v)", "size(m)",
    "exp(k)", "(1 div 0)", "(i / 0)", "(i mod (j - j))", "x", "9223372036854775807", "99999999999999999999", "(not i)",
    "(i + true)", "(2 ^ 1e9)", "floor(1e300)", "k[c + 1]", "q[i]", "(i < j < true)", "min(q, k)", "log(-1)",
    "(if i then q else k)",
)  # fmt: skip
"""What stands instead of a name or a number: of another kind, too large, undefined."""
WORDS = (
    *VALUES, "mask", "score", "(", ")", "{", "}", "+", "and", "div", "not", "if", "<", "==", "[", "]", ",", "sorted",
    "int", "float", "bool", "=", "in", "-", "^", "normalize sum(0)", "normalize none", "order p(x) = x * 2", "sink q",
    "state S = S * S", "out v", "weight i", "score mask", "assert q", "partition ring(layout=round)", "schedule { x }",
)  # fmt: skip
"""What stands anywhere."""


LEAF = re.compile(r"(?<![\w.])(?:[ijhtqkvNMH]|scale|causal|\d+(?:\.\d+)?)(?![\w.(])")
"""Names and numbers that may stand in an expression."""
CLAUSES = ("let", "mask", "score", "weight", "state", "out", "sink", "assert")
"""What holds expressions whose kinds are known as they stand; those of functions depend on their calls."""
ILL_TYPED = (
    "(h and h)", "(not scale)", "(1.5 + (h < 1))", "unknown_name", "(if h then 1 else 2)", "min(h, (h < 1))",
    "exp(h < 1)", "unknown_function(h)", "dot(h, h)", "outer(h, h)", "(1 div (h < 2))", "(1.5 mod 2)", "((h < 1) < 2)",
    "unknown_input[h]", "abs(h, h)", "cos()", "l2norm(scale)", "(h or 1)", "(-(h < 1))", "(if h < 1 then 1 else h < 1)",
)  # fmt: skip
"""What has no kind, wherever it stands."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A spec that is wrong at one place, from one character of the text to another."""

    text: str
    start: int
    stop: int


@st.composite
def ill_typed(draw: st.DrawFn, text: str) -> Misfit | None:
    """A right spec with one leaf of an expression exchanged; None where there is none."""
    places, first = [], 0
    for line in text.splitlines(keepends=True):
        words = line.split(maxsplit=1)
        if words and words[0] in CLAUSES:
            after = line.index(words[0]) + len(words[0])
            stop = line.find("#") if "#" in line else len(line)
            places += [(first + found.start(), first + found.end()) for found in LEAF.finditer(line, after, stop)]
        first += len(line)
    if not places:
        return None
    start, stop = draw(st.sampled_from(places))
    wrong = draw(st.sampled_from(ILL_TYPED))
    return Misfit(text[:start] + wrong + text[stop:], start, start + len(wrong))


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """One to three words less, more, changed or swapped."""
    words = [word for line in text.splitlines() for word in TOKENS.findall(line.partition("#")[0])]  # all on one line
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from(["value"] * 6 + ["change", "drop", "add", "swap", "twice"])):
            case "value":
                places = [place for place, word in enumerate(words) if word[0].isalnum()][3:] or [at]
                words[draw(st.sampled_from(places))] = draw(st.sampled_from(VALUES))
            case "change":
                words[at] = draw(st.sampled_from(WORDS))
            case "drop" if len(words) > 1:
                del words[at]
            case "add":
                words.insert(at, draw(st.sampled_from(WORDS)))
            case "swap":
                other = draw(st.integers(0, len(words) - 1))
                words[at], words[other] = words[other], words[at]
            case _:
                words[at:at] = words[at : at + draw(st.integers(1, 8))]
    return " ".join(words)
