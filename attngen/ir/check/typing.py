"""The kind rules: what a function takes, what is promoted, and what is said when it does not fit."""

from __future__ import annotations

from attngen.errors import Span
from attngen.ir.check.scope import Report
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Read, children
from attngen.ir.functions import FUNCTIONS, OPERATORS, Takes

NUMBERS = (Kind.INT, Kind.FLOAT)


def to_float(expr: Expr) -> Expr:
    """The same number as a float; int constants become float constants."""
    if expr.kind is Kind.FLOAT:
        return expr
    if isinstance(expr, Constant):
        return Constant(Kind.FLOAT, value=float(expr.value), span=expr.span)
    return Apply(Kind.FLOAT, expr.channels, span=expr.span, function="float", arguments=(expr,))


def apply(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> Expr | None:
    """A function applied to arguments that fit, promoted; or a diagnostic and `None`."""
    function = FUNCTIONS[name]
    checker = _CHECKERS[function.takes]
    checked = checker(name, arguments, span, report)
    if checked is None:
        return None
    channels = _aligned(name, checked, span, report)
    if channels is None:
        return None
    kind = function.gives or (checked[-1].kind if name != "clamp" else checked[0].kind)
    return Apply(kind, channels, span=span, function=name, arguments=checked)


def _numbers(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    if not _all_of(NUMBERS, name, arguments, report):
        return None
    floats = any(argument.kind is Kind.FLOAT for argument in arguments)
    return tuple(map(to_float, arguments)) if floats else arguments


def _ints(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    return arguments if _all_of((Kind.INT,), name, arguments, report) else None


def _floats(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    return tuple(map(to_float, arguments)) if _all_of(NUMBERS, name, arguments, report) else None


def _bools(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    return arguments if _all_of((Kind.BOOL,), name, arguments, report) else None


def _ordered(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    if not _all_of(NUMBERS, name, arguments, report):
        return None
    return _alike(name, arguments, span, report)


def _alike(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    left, right = arguments
    if left.kind is right.kind:
        return arguments
    kinds = [f"{an(argument.kind)}" for argument in arguments]
    odd = right if right.kind is not Kind.INT else left
    report.error(
        "E0203",
        f"`{span.text}` compares {kinds[0]} with {kinds[1]}",
        odd.span,
        label=_described(odd),
        help=_way_to_int(odd),
    )
    return None


def _choice(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    condition, then, otherwise = arguments
    if not _all_of((Kind.BOOL,), name, (condition,), report):
        return None
    if then.kind is otherwise.kind:
        return arguments
    if Kind.BOOL in (then.kind, otherwise.kind):
        report.error(
            "E0204",
            f"`if` chooses between {an(then.kind)} and {an(otherwise.kind)}",
            span,
            help="both branches must be numbers, or both bools",
        )
        return None
    return condition, to_float(then), to_float(otherwise)


def _rows(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[Expr, ...] | None:
    promoted = _floats(name, arguments, span, report)
    for argument in promoted or ():
        if not argument.channels:
            report.error(
                "E0213",
                f"`{name}` takes rows",
                argument.span,
                label="this has no channels",
                help="rows are `q`, `k`, `v`, states, and inputs whose channel axes `c` or `e` are left out",
            )
            return None
    return promoted


_CHECKERS = {
    Takes.NUMBERS: _numbers,
    Takes.INTS: _ints,
    Takes.FLOATS: _floats,
    Takes.BOOLS: _bools,
    Takes.ORDERED: _ordered,
    Takes.ALIKE: _alike,
    Takes.CHOICE: _choice,
    Takes.ROWS: _rows,
}


def _all_of(kinds: tuple[Kind, ...], name: str, arguments: tuple[Expr, ...], report: Report) -> bool:
    fits = True
    for argument in arguments:
        if argument.kind not in kinds:
            wanted = " or ".join(an(kind) for kind in kinds)
            report.error(
                "E0204",
                f"`{_spelled(name)}` takes {wanted}, not {an(argument.kind)}",
                argument.span,
                label=_described(argument),
                help=_conversion(kinds, argument),
            )
            fits = False
    return fits


def _aligned(name: str, arguments: tuple[Expr, ...], span: Span, report: Report) -> tuple[str, ...] | None:
    """The channel axes of the result: elementwise operations align axes by name."""
    sets = [frozenset(argument.channels) for argument in arguments]
    union = frozenset[str]().union(*sets)
    if name == "dot":
        shared = sets[0] & sets[1]
        if not shared:
            axes = " and ".join(f"[{', '.join(argument.channels)}]" for argument in arguments)
            report.error(
                "E0213", "`dot` sums over the channels that both rows have, and these share none", span, label=axes
            )
            return None
        return tuple(sorted(union - shared))
    if name == "outer" and sets[0] & sets[1]:
        report.error(
            "E0213", "`outer` takes rows without a common channel axis", span, help="for example `outer(k, v)`"
        )
        return None
    return tuple(sorted(union))


def _spelled(name: str) -> str:
    return "-" if name == "neg" else name


def an(kind: Kind) -> str:
    return f"an {kind.value}" if kind is Kind.INT else f"a {kind.value}"


def _described(expr: Expr) -> str:
    """What stands behind a caret: the declaration, where the expression is a plain name, or the kind."""
    culprit = _culprit(expr)
    if isinstance(culprit, Parameter):
        return f"this is `{culprit.name}: {culprit.kind.value}`"
    if isinstance(culprit, Read):
        return f"`{culprit.input}` is {an(culprit.kind)}"
    return f"this is {an(expr.kind)}"


def _culprit(expr: Expr) -> Expr:
    """The parameter or input that alone makes an expression what it is."""
    if isinstance(expr, Apply) and expr.function in OPERATORS:
        same = [child for child in children(expr) if child.kind is expr.kind and not _was_promoted(child)]
        if len(same) == 1:
            return _culprit(same[0])
    return expr


def _was_promoted(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.function == "float"


def _way_to_int(expr: Expr) -> str:
    culprit = _culprit(expr)
    if isinstance(culprit, Parameter) and culprit.name != "scale":
        return f"declare it as `{culprit.name}: int`, or round it with `floor` or `ceil`"
    if culprit.kind is Kind.FLOAT:
        return "round it with `floor` or `ceil`, or write both sides as floats (`0.0`)"
    return "compare values of one kind"


def _conversion(kinds: tuple[Kind, ...], argument: Expr) -> str:
    if argument.kind is Kind.BOOL:
        return "`if condition then 1 else 0` makes a number of a bool"
    if kinds == (Kind.BOOL,):
        return "compare it: `x > 0`"
    return _way_to_int(argument)
