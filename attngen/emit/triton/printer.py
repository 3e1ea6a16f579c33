"""Kernel expressions in Triton's Python: tensors and scalars alike."""

from __future__ import annotations

from attngen.emit.python import size_name
from attngen.emit.triton.widths import FAR, FILLED, Widths
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Row, Size, Variable
from attngen.ir.printer import ATOM, Form, Infix, Printer, Table
from attngen.schedule.names import kernel_name

TRITON: Table = {
    # `&`, `|` and comparisons bind as in Python: a comparison looser than `&`.
    **{symbol: Infix(symbol, 5) for symbol in ("<", "<=", ">", ">=", "==", "!=")},
    "or": Infix("|", 6, associative=True),
    "and": Infix("&", 8, associative=True),
    "not": Form("{0} == 0", 5, 9),  # `~` would be wrong for parameters, which are Python's own bools
    "+": Infix("+", 10),
    "-": Infix("-", 10),
    "*": Infix("*", 11),
    "/": Infix("/", 11),
    "neg": Form("-{0}", 12, 12),
    "div": Form("_floor_div({0}, {1})"),
    "mod": Form("_floor_mod({0}, {1})"),
    "if": Form("tl.where({0}, {1}, {2})"),
    "min": Form("tl.minimum({0}, {1})"),
    "max": Form("tl.maximum({0}, {1})"),
    "clamp": Form("tl.minimum(tl.maximum({0}, {1}), {2})"),
    "abs": Form("tl.abs({0})"),
    "^": Form("_power({0}, {1})"),
    "exp": Form("tl.exp({0})"),
    "log": Form("tl.log({0})"),
    "log2": Form("tl.log2({0})"),
    "tanh": Form("_tanh({0})"),
    "sigmoid": Form("tl.sigmoid({0})"),
    "softplus": Form("_softplus({0})"),
    "relu": Form("tl.maximum({0}, 0.0)"),
    "elu": Form("_elu({0})"),
    "silu": Form("_silu({0})"),
    "sqrt": Form("tl.sqrt({0})"),
    "rsqrt": Form("tl.rsqrt({0})"),
    "sin": Form("tl.sin({0})"),
    "cos": Form("tl.cos({0})"),
    "sine": Form("_sine({0})"),
    "cosine": Form("_cosine({0})"),
    "float": Form("tl.cast({0}, tl.float32)"),
    "floor": Form("tl.cast(tl.floor({0}), tl.int64)"),
    "ceil": Form("tl.cast(tl.ceil({0}), tl.int64)"),
}
EXACT: Table = {**TRITON, "float": Form("tl.cast({0}, tl.float64)")}
NOT_NEGATIVE: Table = {"div": Infix("//", 11), "mod": Infix("%", 11)}
"""Triton truncates where the language floors: the same for what is not negative."""


class TritonPrinter(Widths, Printer):
    """`exact` expressions compute in float64; the others in float32."""

    ints = "tl.int64"
    """What holds all ints."""

    def __init__(self, exact: bool) -> None:
        super().__init__()
        self.exact = exact
        self.table = EXACT if exact else TRITON

    def form(self, expr: Apply) -> Infix | Form:
        if expr.function == FAR:
            return Form(f"tl.cast({{0}}, {self.ints})")
        if expr.function == FILLED:
            return Form(f"tl.full([], {{0}}, {self.ints})")
        if expr.function in NOT_NEGATIVE and _is_not_negative(expr):
            return NOT_NEGATIVE[expr.function]
        return self.table[expr.function]

    def apply(self, expr: Apply) -> tuple[str, int]:
        if expr.function == "or":
            return self.either(expr)
        if expr.function == "^" and expr.arguments[1].kind is Kind.INT:  # Python's own ints have no dtype
            exponent = Apply(Kind.FLOAT, function="float", arguments=expr.arguments[1:])
            expr = Apply(expr.kind, function="^", arguments=(expr.arguments[0], exponent))
        expr = self.widened(expr)
        form = self.form(expr)
        if self.exact and isinstance(form, Form):
            return form.template.format(*(self._argument(part, form.inner) for part in expr.arguments)), form.tightness
        return super().apply(expr)

    def _argument(self, expr: Expr, inner: int) -> str:
        """An argument of a function in float64: functions take a bare number for a float32."""
        if isinstance(expr, Constant) and expr.kind is Kind.FLOAT:
            return f"tl.full([], {self.text(expr)}, tl.float64)"
        return self.tight(expr, inner)

    def constant(self, expr: Constant) -> tuple[str, int]:
        return repr(expr.value), ATOM if expr.value >= 0 else 12

    def name(self, expr: Variable | Parameter | Row) -> str:
        return kernel_name(expr.name) if isinstance(expr, Parameter) else expr.name

    def size(self, expr: Size) -> str:
        return size_name(expr.axis)


def _is_not_negative(expr: Apply) -> bool:
    """Sizes and keys divided by a constant above 0."""
    value, divisor = expr.arguments
    positive = isinstance(divisor, Constant) and divisor.value > 0
    counted = isinstance(value, Size) or (getattr(value, "name", "") == "j" and value.kind is Kind.INT)
    return positive and counted
