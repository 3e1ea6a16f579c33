"""Reads of inputs in C++: elements of their tensors, an index of an own axis kept inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attngen.emit.cpp.arguments import Computed, input_type
from attngen.emit.cpp.printer import CppPrinter
from attngen.emit.python import size_name
from attngen.ir.expr import Expr, Kind, Read
from attngen.ir.nodes import AXIS_SIZES
from attngen.schedule.names import kernel_name


class KernelPrinter(CppPrinter):
    """Expressions of a plan: an input is called with its indices."""

    def __init__(self, plan: Computed, exact: bool, kept: Mapping[str, str] | None = None) -> None:
        super().__init__(exact, kept)
        self.plan = plan

    def read(self, expr: Read) -> str:
        given = self.plan.variant.input(expr.input)
        element = f"call.{kernel_name(expr.input)}({self.place(expr.input, expr.indices)})"
        if given.kind is Kind.BOOL:
            return f"static_cast<bool>({element})"
        if given.kind is Kind.FLOAT and not self.exact and input_type(self.plan, expr.input) == "double":
            return f"static_cast<float>({element})"
        return element

    def place(self, name: str, indices: Sequence[Expr], share: str | None = None) -> str:
        """The indices of an element of an input; `share` is how many heads share one of it."""
        share = share or f"call.{kernel_name(name)}.share"
        axes = self.plan.variant.input(name).axes
        return ", ".join(self.index(axis, index, share) for axis, index in zip(axes, indices, strict=True))

    def index(self, axis: str, index: Expr, share: str) -> str:
        """Where an axis of an input is read."""
        if axis == "h":
            return f"h / {share}"
        if axis == "i":
            return "row"
        text = self.text(index)
        return text if axis in AXIS_SIZES else f"inside({text}, {size_name(axis)})"
