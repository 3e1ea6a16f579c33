"""Reads of inputs in C++: elements of their tensors, an index of an own axis kept inside."""

from __future__ import annotations

from collections.abc import Mapping

from attngen.emit.cpp.arguments import input_type
from attngen.emit.cpp.printer import CppPrinter
from attngen.emit.python import size_name
from attngen.ir.expr import Kind, Read
from attngen.ir.nodes import AXIS_SIZES
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan


class KernelPrinter(CppPrinter):
    """Expressions of a plan: an input is called with its indices."""

    def __init__(self, plan: Plan, exact: bool, kept: Mapping[str, str] | None = None) -> None:
        super().__init__(exact, kept)
        self.plan = plan

    def read(self, expr: Read) -> str:
        given = self.plan.variant.input(expr.input)
        indices = (self._index(expr, k, axis) for k, axis in enumerate(given.axes))
        element = f"call.{kernel_name(expr.input)}({', '.join(indices)})"
        if given.kind is Kind.BOOL:
            return f"static_cast<bool>({element})"
        if given.kind is Kind.FLOAT and not self.exact and input_type(self.plan, expr.input) == "double":
            return f"static_cast<float>({element})"
        return element

    def _index(self, expr: Read, k: int, axis: str) -> str:
        if axis == "h":
            return f"h / call.{kernel_name(expr.input)}.share"
        if axis == "i":
            return "row"
        index = self.text(expr.indices[k])
        return index if axis in AXIS_SIZES else f"inside({index}, {size_name(axis)})"
