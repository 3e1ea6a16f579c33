"""Expressions as torch code: what launchers compute of whole tensors of positions, heads and batch rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attngen.analysis.facts import Facts
from attngen.emit.python import PythonPrinter, size_name
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Read, Row, Size, Variable, distinct
from attngen.ir.nodes import Variant
from attngen.ir.printer import ATOM, Form, Infix, Printer, Table
from attngen.schedule.host import HostValue
from attngen.schedule.names import kernel_name

TENSORS: Table = {
    **{symbol: Infix(symbol, 5) for symbol in ("<", "<=", ">", ">=", "==", "!=")},
    "or": Infix("|", 6, associative=True),
    "and": Infix("&", 8, associative=True),
    "not": Form("~{0}", 12, 12),
    "+": Infix("+", 10),
    "-": Infix("-", 10),
    "*": Infix("*", 11),
    "/": Infix("/", 11),
    "div": Infix("//", 11),
    "mod": Infix("%", 11),
    "neg": Form("-{0}", 12, 12),
    "if": Form("torch.where({0}, {1}, {2})"),
    "min": Form("torch.minimum({0}, {1})"),
    "max": Form("torch.maximum({0}, {1})"),
    "^": Form("torch.pow({0}, {1})"),
    "abs": Form("torch.abs({0})"),
    "float": Form("{0}.double()", ATOM, ATOM),
    "floor": Form("{0}.floor().long()", ATOM, ATOM),
    "ceil": Form("{0}.ceil().long()", ATOM, ATOM),
    "softplus": Form("torch.nn.functional.softplus({0})"),
    "elu": Form("torch.nn.functional.elu({0})"),
    "silu": Form("torch.nn.functional.silu({0})"),
    **{name: Form(f"torch.{name}({{0}})") for name in "exp log log2 tanh sigmoid relu sqrt rsqrt sin cos".split()},
}
WITH_NUMBER = {"min": "max", "max": "min"}
"""The least of a tensor and a number is the tensor clamped from above."""


def called_by(lines: Iterable[str]) -> list[str]:
    """The functions of `support/live.py` that printed lines call."""
    text = " ".join(lines)
    return [name for name in ("_nearest", "_not_zero") if f"{name}(" in text]


class TensorPrinter(Printer):
    """Ints and bools keep their kinds, floats are float64; what holds no tensor is Python.

    `positive` are names of values that are proved to be 1 or more, `numbers` names of what is no tensor. `called` gives
    the name of a parameter or input where the code stands, `device` says where its tensors lie. There is at least one
    token, head and batch row.
    """

    table = TENSORS

    def __init__(
        self,
        variant: Variant,
        host: tuple[HostValue, ...] = (),
        positive: frozenset[str] = frozenset(),
        called: Callable[[str], str] = kernel_name,
        device: str = "device",
    ) -> None:
        self.variant = variant
        self.positive = positive
        self.called = called
        self.device = device
        self.facts = Facts.of(variant)
        self.per_head = {value.name: value.per_head for value in host}
        self.numbers = {value.name for value in host if not value.per_head}

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, Apply) and not self.is_tensor(expr):
            return _Numbers(self.called).part(expr)
        return super().part(expr)

    def is_tensor(self, expr: Expr) -> bool:
        """Whether an expression holds a tensor, and not only numbers."""
        return any(
            isinstance(part, Read) or (isinstance(part, Variable) and part.name not in self.numbers)
            for part in distinct(expr)
        )

    def apply(self, expr: Apply) -> tuple[str, int]:
        match expr:
            case Apply(function="or"):
                return self.either(expr)
            case Apply(function="clamp", arguments=(operand, low, high)):
                raised = Apply(expr.kind, function="max", arguments=(operand, low))
                return self.part(Apply(expr.kind, function="min", arguments=(raised, high)))
            case Apply(function="min" | "max", arguments=(left, right)) if not all(map(self.is_tensor, expr.arguments)):
                tensor, number = (left, right) if self.is_tensor(left) else (right, left)
                return f"torch.clamp({self.text(tensor)}, {WITH_NUMBER[expr.function]}={self.text(number)})", ATOM
            case Apply(function="if"):
                return self._choice(expr)
            case Apply(function="div" | "mod", arguments=(left, right)) if not self._is_positive(right):
                # A divisor may be 0 where nobody asks for the quotient.
                symbol = "//" if expr.function == "div" else "%"
                return f"{self.tight(left, 11)} {symbol} _not_zero({self.text(right)})", 11
        return super().apply(expr)

    def _choice(self, expr: Apply) -> tuple[str, int]:
        """One of two values: a tensor, even if the one that is taken is a number."""
        condition, then, otherwise = expr.arguments
        chosen = self.text(condition)
        if not self.is_tensor(condition):
            if self.is_tensor(then) and self.is_tensor(otherwise):
                return f"{self.tight(then, 2)} if {self.tight(condition, 2)} else {self.tight(otherwise, 2)}", 1
            chosen = f"torch.tensor({chosen}, device={self.device})"
        first = self.text(then)
        if isinstance(then, Constant) and then.kind is Kind.FLOAT:  # two bare numbers would make a float32
            first = f"torch.full([], {first}, dtype=torch.float64)"
        return f"torch.where({chosen}, {first}, {self.text(otherwise)})", ATOM

    def _is_positive(self, divisor: Expr) -> bool:
        known = isinstance(divisor, Size) and divisor.axis in "HDE"  # there may be no batch rows, and no tokens
        return known or self.facts.at_least(divisor, 1) or getattr(divisor, "name", "") in self.positive

    def constant(self, expr: Constant) -> tuple[str, int]:
        return repr(expr.value), ATOM if expr.value >= 0 else 12

    def name(self, expr: Variable | Parameter | Row) -> str:
        if isinstance(expr, Parameter):
            return self.called(expr.name)
        return f"{expr.name}[h]" if self.per_head.get(expr.name) else expr.name

    def size(self, expr: Size) -> str:
        return size_name(expr.axis)

    def read(self, expr: Read) -> str:
        given = self.variant.input(expr.input)
        exact = {Kind.FLOAT: ".double()", Kind.INT: ".long()"}.get(given.kind, "")
        return f"{self.called(given.name)}[{', '.join(self.place(expr))}]{exact}"

    def place(self, expr: Read) -> list[str]:
        """The indices of an element."""
        given = self.variant.input(expr.input)
        name = self.called(given.name)
        return [self._index(name, k, axis, expr.indices[k]) for k, axis in enumerate(given.axes)]

    def _index(self, name: str, k: int, axis: str, index: Expr) -> str:
        match axis:
            case "h":
                return f"h // (H // {name}.shape[{k}])"
            case "b" | "j":
                return axis
            case "i":
                return "rows"
        text = self.text(index)
        return text if axis == "n" and text == "j" else f"_nearest({text}, {name}.shape[{k}])"


class _Numbers(PythonPrinter):
    """Python, with the names that parameters have where the code stands."""

    def __init__(self, called: Callable[[str], str]) -> None:
        self.called = called

    def name(self, expr: Variable | Parameter | Row) -> str:
        return self.called(expr.name) if isinstance(expr, Parameter) else expr.name
