"""The kind rules: what a function takes, what is promoted, and what is said when it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attngen.errors import Span, shortened
from attngen.ir.check.report import Report, written
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Read, children
from attngen.ir.functions import FUNCTIONS, OPERATORS, Takes

NUMBERS = (Kind.INT, Kind.FLOAT)
ANY = tuple(Kind)
KINDS: dict[Takes, tuple[tuple[Kind, ...], ...]] = {
    Takes.NUMBERS: (NUMBERS,),
    Takes.INTS: ((Kind.INT,),),
    Takes.FLOATS: (NUMBERS,),
    Takes.ALIKE: (ANY,),
    Takes.ORDERED: (NUMBERS,),
    Takes.BOOLS: ((Kind.BOOL,),),
    Takes.CHOICE: ((Kind.BOOL,), ANY),
    Takes.ROWS: (NUMBERS,),
}
"""The kinds that each argument may have, whatever the others are; the last entry holds for all that follow."""


@dataclass(frozen=True, slots=True)
class Use:
    """A function where it stands."""

    name: str
    span: Span
    report: Report


def to_float(expr: Expr) -> Expr:
    """The same number as a float; int constants become float constants."""
    if expr.kind is Kind.FLOAT:
        return expr
    if isinstance(expr, Constant):
        return Constant(Kind.FLOAT, value=float(expr.value), span=expr.span)
    return Apply(Kind.FLOAT, expr.channels, span=expr.span, function="float", arguments=(expr,))


def apply(name: str, arguments: Sequence[Expr | None], span: Span, report: Report) -> Expr | None:
    """A function applied to arguments that fit, promoted; or a diagnostic and `None`.

    An argument that is `None` was wrong and is reported already; the others are checked all the same.
    """
    use = Use(name, span, report)
    function = FUNCTIONS[name]
    fit = _fit(use, KINDS[function.takes], arguments)
    present = tuple(argument for argument in arguments if argument is not None)
    if not fit or len(present) < len(arguments):
        return None
    related = _related(use, function.takes, present)
    channels = None if related is None else _aligned(use, related)
    if related is None or channels is None:
        return None
    return Apply(function.gives or related[-1].kind, channels, span=span, function=name, arguments=related)


def _fit(use: Use, legal: tuple[tuple[Kind, ...], ...], arguments: Sequence[Expr | None]) -> bool:
    """Whether each argument has a kind that the function takes."""
    fit = True
    for number, argument in enumerate(arguments):
        kinds = legal[min(number, len(legal) - 1)]
        if argument is not None and argument.kind not in kinds:
            wanted = " or ".join(an(kind) for kind in kinds)
            message = f"`{_spelled(use.name)}` takes {wanted}, not {an(argument.kind)}"
            help = _conversion(kinds, argument)
            use.report.error("E0204", message, argument.span, label=described(argument), help=help)
            fit = False
    return fit


def _related(use: Use, takes: Takes, arguments: tuple[Expr, ...]) -> tuple[Expr, ...] | None:
    """The arguments, promoted where they differ; `None` if they don't go together."""
    match takes:
        case Takes.FLOATS:
            return tuple(map(to_float, arguments))
        case Takes.NUMBERS:
            return _promoted(arguments)
        case Takes.ALIKE | Takes.ORDERED:
            return _alike(use, arguments)
        case Takes.CHOICE:
            return _choice(use, arguments)
        case Takes.ROWS:
            return _rows(use, tuple(map(to_float, arguments)))
        case _:
            return arguments


def _promoted(arguments: tuple[Expr, ...]) -> tuple[Expr, ...]:
    floats = any(argument.kind is Kind.FLOAT for argument in arguments)
    return tuple(map(to_float, arguments)) if floats else arguments


def _alike(use: Use, arguments: tuple[Expr, ...]) -> tuple[Expr, ...] | None:
    left, right = arguments
    if left.kind is right.kind:
        _warn_of_quotients(use, arguments)
        return arguments
    message = f"`{written(use.span)}` compares {an(left.kind)} with {an(right.kind)}"
    odd = right if right.kind is not Kind.INT else left
    help = _way_to_int(odd)
    literals = [one for one in arguments if isinstance(one, Constant) and one.kind is Kind.INT]
    if literals and odd.kind is Kind.FLOAT:
        odd, help = literals[0], f"write `{literals[0].value}.0`"
    use.report.error("E0203", message, odd.span, label=described(odd), help=help)
    return None


def _warn_of_quotients(use: Use, arguments: tuple[Expr, ...]) -> None:
    """`i / group == j / group` is legal, and hardly ever meant."""
    quotients = [side for side in arguments if isinstance(side, Apply) and side.function == "/"]
    of_ints = any(all(map(_is_promoted, quotient.arguments)) for quotient in quotients)
    if use.name in ("==", "!=") and of_ints:
        message = f"`{written(use.span)}` compares fractions of ints"
        use.report.warning("W0202", message, use.span, help="floor division is written `a div b`")


def _choice(use: Use, arguments: tuple[Expr, ...]) -> tuple[Expr, ...] | None:
    condition, then, otherwise = arguments
    if then.kind is otherwise.kind:
        return arguments
    if Kind.BOOL in (then.kind, otherwise.kind):
        message = f"`if` chooses between {an(then.kind)} and {an(otherwise.kind)}"
        use.report.error("E0204", message, use.span, help="both branches must be numbers, or both bools")
        return None
    return condition, to_float(then), to_float(otherwise)


def _rows(use: Use, arguments: tuple[Expr, ...]) -> tuple[Expr, ...] | None:
    scalars = [argument for argument in arguments if not argument.channels]
    for scalar in scalars:
        help = "rows are `q`, `k`, `v`, states, and inputs whose channel axes `c` or `e` are left out"
        use.report.error("E0213", f"`{use.name}` takes rows", scalar.span, label="this has no channels", help=help)
    return None if scalars else arguments


def _aligned(use: Use, arguments: tuple[Expr, ...]) -> tuple[str, ...] | None:
    """The channel axes of the result: elementwise operations align axes by name."""
    sets = [frozenset(argument.channels) for argument in arguments]
    union = frozenset[str]().union(*sets)
    if use.name not in ("dot", "outer"):
        return tuple(sorted(union))
    shared = sets[0] & sets[1]
    axes = " and ".join(map(listed_axes, arguments))
    if use.name == "dot" and not shared:
        message = "`dot` sums over the channels that both rows have, and these share none"
        use.report.error("E0213", message, use.span, label=axes)
        return None
    if use.name == "outer" and shared:
        message = "`outer` takes rows without a common channel axis"
        use.report.error("E0213", message, use.span, label=axes, help="for example `outer(k, v)`")
        return None
    return tuple(sorted(union - shared))


def _spelled(name: str) -> str:
    return "-" if name == "neg" else name


def an(kind: Kind) -> str:
    return f"an {kind.value}" if kind is Kind.INT else f"a {kind.value}"


def listed_axes(expr: Expr) -> str:
    return f"[{shortened(', '.join(expr.channels))}]" if expr.channels else "no channels"


def described(expr: Expr) -> str:
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
        same = [child for child in children(expr) if child.kind is expr.kind and not _is_pliant(child)]
        if len(same) == 1:
            return _culprit(same[0])
    return expr


def _is_pliant(expr: Expr) -> bool:
    """Whether an operand follows the kind of the other one: a number, or what was promoted."""
    return isinstance(expr, Constant) or _is_promoted(expr)


def _is_promoted(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.function == "float"


def _way_to_int(expr: Expr) -> str:
    culprit = _culprit(expr)
    if isinstance(culprit, Parameter) and culprit.name != "scale" and culprit.kind is Kind.FLOAT:
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
