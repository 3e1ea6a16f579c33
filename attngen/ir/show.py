"""The checked tree as text in the language itself: for people, for docstrings, and between passes."""

from __future__ import annotations

from attngen.ir import nodes
from attngen.ir.expr import EARLIER, TRUE, Apply, Constant, Expr, Read, Size, of_token
from attngen.ir.functions import FUNCTIONS
from attngen.ir.printer import ATOM, Form, Infix, Printer, Table

LANGUAGE: Table = {
    **{name: Form(f"{name}({', '.join(f'{{{k}}}' for k in range(f.arity))})") for name, f in FUNCTIONS.items()},
    "float": Form("{0}", ATOM, ATOM),
    "if": Form("if {0} then {1} else {2}", 0, 1),
    "or": Infix("or", 1, associative=True),
    "and": Infix("and", 2, associative=True),
    "not": Form("not {0}", 3, 3),
    **{symbol: Infix(symbol, 4) for symbol in ("<", "<=", ">", ">=", "==", "!=")},
    "+": Infix("+", 5),
    "-": Infix("-", 5),
    **{symbol: Infix(symbol, 6) for symbol in ("*", "/", "div", "mod")},
    "neg": Form("-{0}", 7, 8),
    "^": Infix("^", 8),
}


class LanguagePrinter(Printer):
    table = LANGUAGE

    def constant(self, expr: Constant) -> tuple[str, int]:
        if isinstance(expr.value, bool):
            return str(expr.value).lower(), ATOM
        text = repr(expr.value).removesuffix(".0")
        return text, ATOM if expr.value >= 0 else 7

    def size(self, expr: Size) -> str:
        return expr.axis if len(expr.axis) == 1 and expr.axis.isupper() else f"size({expr.axis})"

    def read(self, expr: Read) -> str:
        if EARLIER not in expr.indices:
            return super().read(expr)
        return f"prev({super().read(of_token(expr))})"

    def apply(self, expr: Apply) -> tuple[str, int]:
        if expr.function == "and" and (chain := _chain(expr)):
            low, first, middle, second, high = chain
            parts = [self.tight(low, 5), first, self.tight(middle, 5), second, self.tight(high, 5)]
            return " ".join(parts), 4
        if expr.function in ("min", "max"):
            return f"{expr.function}({', '.join(map(self.text, _nested(expr)))})", ATOM
        text, tightness = super().apply(expr)
        if expr.function == "float":
            return self.part(expr.arguments[0])
        if expr.function == "or":
            parts = [
                self.tight(part, 3) if _is(part, "and") and not _chain(part) else self.tight(part, 1)
                for part in expr.arguments
            ]
            return " or ".join(parts), tightness
        return text, tightness


def _nested(expr: Expr) -> list[Expr]:
    """The operands of min(min(a, b), c) and the like, in a row."""
    if not isinstance(expr, Apply):
        return [expr]
    return [
        part
        for argument in expr.arguments
        for part in (_nested(argument) if _is(argument, expr.function) else [argument])
    ]


def _is(expr: Expr, function: str) -> bool:
    return isinstance(expr, Apply) and expr.function == function


def _chain(expr: Expr) -> tuple[Expr, str, Expr, str, Expr] | None:
    """`a < b and b <= c` was written, or reads better, as a chain."""
    if not isinstance(expr, Apply) or expr.function != "and":
        return None
    left, right = expr.arguments
    if not (isinstance(left, Apply) and isinstance(right, Apply)):
        return None
    orders = ({"<", "<="}, {">", ">="})
    for order in orders:
        if left.function in order and right.function in order and left.arguments[1] == right.arguments[0]:
            return left.arguments[0], left.function, left.arguments[1], right.function, right.arguments[1]
    return None


def show_expr(expr: Expr) -> str:
    return LanguagePrinter().text(expr)


def equation(variant: nodes.Variant) -> list[str]:
    """What a variant computes, one clause a line."""
    lines: list[str] = []
    if variant.order:
        lines.append(f"order {variant.order.name}({variant.order.variable}) = {show_expr(variant.order.step)}")
    if isinstance(variant.body, nodes.Recurrent):
        lines += [f"state {state.name} = {show_expr(state.update)}" for state in variant.body.states]
        return [*lines, f"out {show_expr(variant.body.out)}"]
    body = variant.body
    lines.append(f"{'score' if body.logit else 'weight'} {show_expr(body.score)}")
    if body.mask != TRUE:
        lines.append(f"mask {show_expr(body.mask)}")
    return lines + _normalization(body.normalization)


def _normalization(normalization: nodes.Normalization) -> list[str]:
    match normalization:
        case nodes.Softmax(sink=None):
            return []
        case nodes.Softmax(sink=sink):
            assert sink is not None
            return [f"sink {show_expr(sink)}"]
        case nodes.Sum(eps=eps):
            return [f"normalize sum({show_expr(eps)})"]
        case nodes.Count():
            return ["normalize count"]
        case nodes.Unnormalized():
            return ["normalize none"]
