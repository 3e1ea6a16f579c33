"""What checking takes grows no faster than the text: four times the text, four times the lines run and bytes held.

Times say little on a busy machine. Counted are the lines of Python that run, the characters of the text that its own
methods go through (a search from the start is one line, however long the text), and the most memory that is held.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from attngen.analysis.doubts import doubts
from attngen.errors import Source, SpecError
from attngen.ir.check import check, report

Shape = Callable[[int], str]


def inside(part: str, end: str = "}") -> Shape:
    """An attention with many clauses; `0000` becomes the number of each."""
    return lambda n: "attention a { " + numbered(part)(n) + end


def numbered(part: str) -> Shape:
    return lambda n: "".join(part.replace("0000", f"{k:04}") for k in range(n))


def tree(leaf: str, operator: str) -> Shape:
    """Many terms, nested no deeper than they must be."""

    def written(n: int) -> str:
        parts = [leaf.replace("0000", f"{1000 + k}") for k in range(n)]
        while len(parts) > 1:
            pairs = [parts[k : k + 2] for k in range(0, len(parts), 2)]
            parts = [f"({f' {operator} '.join(pair)})" for pair in pairs]
        return parts[0]

    return written


SHAPES: dict[str, tuple[int, Shape]] = {
    "mistakes on one line": (40, inside("let a = * 1 ")),
    "mistakes on lines": (60, inside("let a = * 1\n")),
    "heads": (40, numbered("attention a { ")),
    "strings with U+0000": (80, inside('doc "\0"\n')),
    "unknown names": (40, inside("let a0000 = b0000\n")),
    "unknown functions": (40, inside("let a0000 = b0000(i)\n")),
    "unknown inputs": (40, inside("let a0000 = b0000[i]\n")),
    "unknown axes": (40, inside("input x0000[m0000]: int\nassert size(z0000) > 1\n")),
    "an unknown name in one clause": (60, lambda n: "attention a { " + f"mask f({', '.join(['zz'] * n)}) }}"),
    "comments in an attention": (250, inside("# so\n")),
    "comments of a file": (250, numbered("# so\n")),
    "comments before clauses": (60, inside("# so\n\nlet a0000 = 1\n")),
    "comments behind clauses": (60, inside("let a0000 = 1 # so\n")),
    "comments in attentions": (40, numbered("attention a0000 { # so\n}\n")),
    "comments behind a far brace": (250, lambda n: "attention a " + " " * 40 * n + inside("# so\n")(n)[12:]),
    "one comment": (5000, lambda n: "# " + "so " * n + "\nattention a { }"),
    "one doc": (5000, lambda n: 'attention a { doc "' + "so " * n + '" }'),
    "blank lines": (5000, lambda n: "\n" * n + "attention a { }"),
    "the same clause": (60, inside("mask j <= i\n")),
    "the same let": (60, inside("let a = 1\n")),
    "orders": (60, inside("order p0000(x) = x\n")),
    "attentions": (30, numbered("attention a0000 { mask j <= i }\n")),
    "the same attention": (80, numbered("attention a { }\n")),
    "parameters": (30, lambda n: "attention a(" + numbered("p0000: int = 3 in [1, 9], ")(n)[:-2] + ") { }"),
    "inputs": (30, inside("input x0000[h]: float in [0, 1]\n")),
    "axes": (250, lambda n: "attention a { input x[" + numbered("m0000, ")(n)[:-2] + "]: int }"),
    "channels": (
        30,
        lambda n: inside("input x0000[m0000]: int\n", "")(n) + numbered("let a0000 = x0000[m0000]\n")(n) + "}",
    ),
    "states": (40, inside("state S0000 = S0000 + outer(k, v)\n", "out dot(q, S0000) }")),
    "states of states": (
        40,
        lambda n: (
            "attention a { "
            + "".join(f"state S{k:04} = S{k + 1:04} + 0 * S{k:04}\n" for k in range(n))
            + f"state S{n:04} = S{n:04} + outer(k, v) out dot(q, S0000) }}"
        ),
    ),
    "a sum": (200, lambda n: f"attention a {{ score {' + '.join(['i'] * n)} }}"),
    "parentheses": (150, lambda n: f"attention a {{ score {'(' * n}i{')' * n} }}"),
    "comparisons": (100, lambda n: f"attention a {{ mask {' < '.join(['i', '1.5'] * n)} }}"),
    "a tree": (25, lambda n: f"attention a {{ mask {tree('i < j + 0000', 'and')(n)} }}"),
    "places": (
        4,
        lambda n: f"attention a {{ mask {tree('(j - 0000) mod 8 <= (i - 0000) mod 8', 'and')(n)} and j <= i }}",
    ),
    "calls": (40, lambda n: "def f(x) = x + 1 " + inside("let a0000 = f(f(i))\n")(n)),
    "arguments": (80, lambda n: f"def f({numbered('x0000, ')(n)[:-2]}) = 1 attention a {{ score f({'i, ' * n}i) }}"),
    "a definition misused": (60, lambda n: f"def f({numbered('x0000, ')(n)[:-2]}) = 1 " + inside("let a0000 = f\n")(n)),
    "a chain of lets": (
        50,
        lambda n: "attention a { let a0000 = i " + "".join(f"let a{k + 1:04} = a{k:04} + 1\n" for k in range(n)) + "}",
    ),
    "asserts": (40, inside("assert M > 0000\n")),
    "asserts about a let": (
        30,
        lambda n: inside("assert x > 0000\n", "")(n) + f"let x = {tree('H + 0000', '+')(n)} }}",
    ),
    "asserts about what has no value": (
        30,
        lambda n: inside("assert x > 0000\n", "")(n) + f"let x = {tree('i + 0000', '+')(n)} }}",
    ),
}


class Text(str):
    """A text that counts how many of its characters are gone through."""

    seen = 0

    def count(self, *given: Any) -> int:
        Text.seen += len(self) if len(given) < 3 else given[2] - given[1]
        return super().count(*given)

    def find(self, *given: Any) -> int:
        found = super().find(*given)
        start = given[1] if len(given) > 1 else 0
        Text.seen += (found if found >= 0 else given[2] if len(given) > 2 else len(self)) - start
        return found

    def rfind(self, *given: Any) -> int:
        found = super().rfind(*given)
        Text.seen += (given[2] if len(given) > 2 else len(self)) - max(found, 0)
        return found

    def split(self, *given: Any) -> list[str]:
        Text.seen += len(self)
        return super().split(*given)

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        Text.seen += len(part)
        return part


def said(text: str) -> str:
    """All that `attngen check` has to say about a text."""
    try:
        found = [one for variant in check(Source("spec.attn", text)) for one in (*variant.warnings, *doubts(variant))]
    except SpecError as error:
        return str(error)
    return "\n".join(map(str, found))


def taken(text: str) -> tuple[int, int, int]:
    """Lines run, characters gone through, and bytes held at most."""
    lines = 0

    def count(_frame: FrameType, _event: str, _arg: object) -> Any:
        nonlocal lines
        lines += 1
        return count

    watched, Text.seen = Text(text), 0
    before = sys.gettrace()
    tracemalloc.start()
    sys.settrace(count)
    try:
        said(watched)
    finally:
        sys.settrace(before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return lines, Text.seen, peak


@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_text_takes_four_times_as_much(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_SHOWN", 10)  # names are compared slowly while lines are counted
    count, written = SHAPES[shape]
    said(written(1))  # what is made once: the grammar, the prelude
    small, large = (taken(written(n)) for n in (count, 4 * count))
    growth = [more / max(less, len(written(count))) for less, more in zip(small, large, strict=True)]
    assert max(growth) < 5, dict(zip(("lines", "characters", "bytes"), growth, strict=True))
