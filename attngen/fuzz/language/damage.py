"""Specs that are wrong, or mean something else: some words of a right one are changed."""

from __future__ import annotations

import re

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


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """One to three words less, more, changed or swapped."""
    words = TOKENS.findall(text)
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
