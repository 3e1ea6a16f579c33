"""Host expressions as Python: what launchers compute before a launch."""

from __future__ import annotations

from attngen.ir.expr import Apply, Constant, Expr, Size
from attngen.ir.printer import ATOM, Form, Infix, Printer, Table

PYTHON: Table = {
    "if": Form("{1} if {0} else {2}", 1, 2),
    "or": Infix("or", 2, associative=True),
    "and": Infix("and", 3, associative=True),
    "not": Form("not {0}", 4, 4),
    **{symbol: Infix(symbol, 5) for symbol in ("<", "<=", ">", ">=", "==", "!=")},
    "+": Infix("+", 10),
    "-": Infix("-", 10),
    "*": Infix("*", 11),
    "/": Infix("/", 11),
    "div": Infix("//", 11),
    "mod": Infix("%", 11),
    "neg": Form("-{0}", 12, 12),
    "^": Form("math.pow({0}, {1})"),
    "min": Form("min({0}, {1})"),
    "max": Form("max({0}, {1})"),
    "abs": Form("abs({0})"),
    "clamp": Form("min(max({0}, {1}), {2})"),
    "float": Form("{0}"),
    "floor": Form("math.floor({0})"),
    "ceil": Form("math.ceil({0})"),
    "exp": Form("math.exp({0})"),
    "log": Form("math.log({0})"),
    "log2": Form("math.log2({0})"),
    "tanh": Form("math.tanh({0})"),
    "sigmoid": Form("1 / (1 + math.exp(min(-{0}, 700.0)))", 11, 12),  # e^710 is too large
    "softplus": Form("max({0}, 0.0) + math.log1p(math.exp(-abs({0})))", 10),
    "relu": Form("max({0}, 0.0)"),
    "elu": Form("(max({0}, 0.0) + math.expm1(min({0}, 0.0)))"),
    "silu": Form("{0} / (1 + math.exp(min(-{0}, 700.0)))", 11, 12),
    "sqrt": Form("math.sqrt({0})"),
    "rsqrt": Form("1 / math.sqrt({0})", 11),
    "sin": Form("math.sin({0})"),
    "cos": Form("math.cos({0})"),
}


class PythonPrinter(Printer):
    """Sizes by their letters, own axes as `size_m`."""

    table = PYTHON

    def apply(self, expr: Apply) -> tuple[str, int]:
        # Python promotes by itself
        return self.part(expr.arguments[0]) if expr.function == "float" else super().apply(expr)

    def constant(self, expr: Constant) -> tuple[str, int]:
        return repr(expr.value), ATOM if expr.value >= 0 else 12

    def size(self, expr: Size) -> str:
        return size_name(expr.axis)


def may_be_int(expr: Expr) -> bool:
    """Whether the Python of a float expression may give an int, because promotion is left to Python."""
    match expr:
        case Apply(function="float"):
            return True
        case Apply(function="if", arguments=(_, then, otherwise)):
            return may_be_int(then) or may_be_int(otherwise)
        case Apply(function="min" | "max" | "clamp"):
            return any(map(may_be_int, expr.arguments))
        case Apply(function="+" | "-" | "*" | "neg" | "abs"):
            return all(map(may_be_int, expr.arguments))
    return False


def size_name(axis: str) -> str:
    """How a size is called in generated code."""
    return axis if len(axis) == 1 and axis.isupper() else f"size_{axis}"
