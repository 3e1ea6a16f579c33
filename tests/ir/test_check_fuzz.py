"""Whatever is written, the checker gives variants or says what is wrong; it never fails in another way."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from attngen.errors import Source, SpecError
from attngen.ir.check import check
from attngen.ir.functions import CALLABLE

NAMES = st.sampled_from([*"qkvbhijtnceBHNMDEfgpxyzSTmw", "scale", "inf", "causal", "sliding", "rotate", "slope", "doc"])
NUMBERS = st.sampled_from("0 1 2 0.5 1e-6 3.0 64 1e300 9223372036854775807 99999999999999999999 1e999".split())
FUNCTIONS = st.sampled_from([*sorted(CALLABLE), "size", "f", "g", "p", "sliding", "same_block", "rotate", "theta"])
OPERATORS = st.sampled_from("+ - * / ^ div mod and or < <= > >= == !=".split())
AXES = st.lists(st.sampled_from([*"bhijntcemw", "bucket", "M", "q", "lambda"]), min_size=1, max_size=4)
TYPES = st.sampled_from(["int", "float", "bool", "flaot"])


def _operations(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3).map(", ".join)
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} < {parts[1]} <= {parts[2]})"),
        st.tuples(inner, inner, inner).map(lambda parts: "(if {} then {} else {})".format(*parts)),
        st.tuples(st.sampled_from(["-", "not "]), inner).map(lambda parts: f"({''.join(parts)})"),
        st.tuples(FUNCTIONS, several).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(NAMES, several).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
    )


EXPRESSIONS = st.recursive(NAMES | NUMBERS | st.sampled_from(["true", "false"]), _operations, max_leaves=12)
RANGES = st.one_of(
    st.just(""),
    st.tuples(st.sampled_from("(["), EXPRESSIONS, EXPRESSIONS, st.sampled_from(")]")).map(
        lambda parts: f" in {parts[0]}{parts[1]}, {parts[2]}{parts[3]}"
    ),
)
PARAMETERS = st.tuples(NAMES, TYPES, st.just("") | EXPRESSIONS.map(lambda value: f" = {value}"), RANGES).map(
    lambda parts: f"{parts[0]}: {parts[1]}{parts[2]}{parts[3]}"
)
ITEMS = st.one_of(
    st.tuples(NAMES, EXPRESSIONS).map(lambda parts: f"let {parts[0]} = {parts[1]}"),
    st.tuples(st.sampled_from("fgp"), NAMES, EXPRESSIONS).map(lambda parts: "def {}({}) = {}".format(*parts)),
)
CLAUSES = st.one_of(
    ITEMS,
    st.tuples(st.sampled_from("score weight mask sink out assert".split()), EXPRESSIONS).map(" ".join),
    st.tuples(st.sampled_from("STz"), EXPRESSIONS).map(lambda parts: f"state {parts[0]} = {parts[1]}"),
    st.tuples(st.sampled_from("pf"), NAMES, EXPRESSIONS).map(lambda parts: "order {}({}) = {}".format(*parts)),
    st.tuples(NAMES, AXES.map(", ".join), TYPES, RANGES, st.sampled_from(["", " sorted", " srted"])).map(
        lambda parts: "input {}[{}]: {}{}{}".format(*parts)
    ),
    st.tuples(st.sampled_from(["softmax", "sum", "count", "none", "max"]), st.just("") | EXPRESSIONS).map(
        lambda parts: f"normalize {parts[0]}" + (f"({parts[1]})" if parts[1] else "")
    ),
)
ATTENTIONS = st.tuples(
    st.sampled_from(["a", "other", "lambda"]),
    st.lists(PARAMETERS, max_size=3).map(", ".join),
    st.lists(CLAUSES, max_size=8).map("\n  ".join),
).map(lambda parts: "attention {}({}) {{\n  {}\n}}".format(*parts).replace("()", ""))
FILES = st.lists(ITEMS | ATTENTIONS, max_size=4).map("\n".join)
WORDS = st.sampled_from(
    "attention { } ( ) [ ] , : = in let def state order input score mask weight sink out normalize if then else not "
    "and or div mod + - * ^ < <= == q k v i j t S f x int float sorted true 1 0.5 inf dot outer prev a".split()
)


@given(FILES)
@example("attention a { score f(1) def f(x) = f(f(x)) }")
@example("attention a { state S = S[S] out S[S[S]] state T = prev(T) }")
@example("attention a(x: float = 9223372036854775807 * 9223372036854775807 * 9223372036854775807) { score x }")
@example("attention a(x: int = floor(1e300 * 1e300) in [floor(0 / 0), ceil(1 / 0)]) { mask i < x }")
@example("attention a(x: float = rsqrt(0) in (exp(1e300), log(-1))) { score x }")
def test_well_formed_nonsense(text: str) -> None:
    _says_what_is_wrong(text)


@given(st.lists(WORDS | NAMES | NUMBERS, max_size=40).map(" ".join))
def test_words_in_any_order(text: str) -> None:
    _says_what_is_wrong(text)
    _says_what_is_wrong("attention a { " + text + " }")


def _says_what_is_wrong(text: str) -> None:
    try:
        variants = check(Source("fuzz.attn", text))
    except SpecError as error:
        diagnostics = error.diagnostics
    else:
        diagnostics = tuple(warning for variant in variants for warning in variant.warnings)
        assert variants
    assert all(diagnostic.message and str(diagnostic) for diagnostic in diagnostics)
    assert all(0 <= diagnostic.span.start <= diagnostic.span.stop for diagnostic in diagnostics)
