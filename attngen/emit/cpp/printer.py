"""Kernel expressions in C++: 64-bit ints, float scores, double where a mask is decided."""

from __future__ import annotations

from collections.abc import Mapping

from attngen.emit.python import size_name
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Row, Size, Variable
from attngen.ir.printer import ATOM, Form, Infix, Printer, Table
from attngen.schedule.names import kernel_name

CPP: Table = {
    "if": Form("{0} ? {1} : {2}", 1, 2),
    "or": Infix("||", 2, associative=True),
    "and": Infix("&&", 3, associative=True),
    "==": Infix("==", 7),
    "!=": Infix("!=", 7),
    **{symbol: Infix(symbol, 8) for symbol in ("<", "<=", ">", ">=")},
    "+": Infix("+", 10),
    "-": Infix("-", 10),
    "*": Infix("*", 11),
    "/": Infix("/", 11),
    "not": Form("!{0}", 12, 12),
    "neg": Form("-{0}", 12, 13),
    "div": Form("floor_div({0}, {1})"),
    "mod": Form("floor_mod({0}, {1})"),
    "min": Form("smaller({0}, {1})"),
    "max": Form("larger({0}, {1})"),
    "clamp": Form("smaller(larger({0}, {1}), {2})"),
    "abs": Form("std::abs({0})"),
    "^": Form("std::pow({0}, {1})"),
    **{name: Form(f"std::{name}({{0}})") for name in ("log", "log2", "sqrt", "sin", "cos")},
    "exp": Form("exp_of({0})"),
    "tanh": Form("tanh_of({0})"),
    "sigmoid": Form("sigmoid({0})"),
    "softplus": Form("softplus({0})"),
    "relu": Form("relu({0})"),
    "elu": Form("elu({0})"),
    "silu": Form("silu({0})"),
    "rsqrt": Form("1 / std::sqrt({0})", 11),
    "sine": Form("sine({0})"),
    "cosine": Form("cosine({0})"),
    "float": Form("static_cast<float>({0})"),
    "floor": Form("static_cast<int64_t>(std::floor({0}))"),
    "ceil": Form("static_cast<int64_t>(std::ceil({0}))"),
}
EXACT: Table = {
    **CPP,
    "exp": Form("std::exp({0})"),
    "tanh": Form("std::tanh({0})"),
    "float": Form("static_cast<double>({0})"),
}


TERM, FACTOR = 10, 12
"""How tight what stands left of a minus binds, and right of a product."""


class CppPrinter(Printer):
    """`exact` expressions compute in double; `kept` says where the values of some names are."""

    def __init__(self, exact: bool, kept: Mapping[str, str] | None = None) -> None:
        self.exact = exact
        self.kept = kept or {}
        self.table = EXACT if exact else CPP

    def constant(self, expr: Constant) -> tuple[str, int]:
        if expr.kind is Kind.BOOL:
            return str(expr.value).lower(), ATOM
        text = repr(expr.value)
        if expr.kind is Kind.FLOAT and not self.exact:
            text += "f"
        elif expr.kind is Kind.INT and abs(expr.value) >= 2**31:
            text = f"int64_t{{{text}}}"
        return text, ATOM if expr.value >= 0 else 12

    def name(self, expr: Variable | Parameter | Row) -> str:
        if isinstance(expr, Parameter):
            return kernel_name(expr.name)
        return self.kept.get(expr.name, expr.name)

    def size(self, expr: Size) -> str:
        return size_name(expr.axis)

    def apply(self, expr: Apply) -> tuple[str, int]:
        if expr.function == "*" and expr.kind is Kind.FLOAT and self.exact:
            return f"rounded({super().apply(expr)[0]})", ATOM
        if expr.function == "or":  # compilers warn where `&&` stands bare in `||`
            sides = (self.tight(side, 2 if _is_or(side) else 4) for side in expr.arguments)
            return " || ".join(sides), 2
        return super().apply(expr)


def _is_or(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.function == "or"
