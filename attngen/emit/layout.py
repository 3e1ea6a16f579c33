"""Long lines of generated code, broken as ruff would break them (Python), or behind a bracket (C++)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

WIDTH = 120
STEP = " " * 4


def laid_out(lines: Iterable[str], indent: int) -> list[str]:
    """Python statements as lines that fit, when each gets `indent` columns before it."""
    return [short for line in lines for short in _python(line, indent)]


def laid_out_cpp(lines: Iterable[str], indent: int) -> list[str]:
    """The same for C++ statements; a continuation is four columns deeper."""
    return [short for line in lines for short in _cpp(line, indent)]


def laid_out_blocks(lines: Iterable[str], indent: int) -> list[str]:
    """C++ lines that are indented already, as deep as they stand in their blocks."""
    found = []
    for line in lines:
        depth = len(line) - len(line.lstrip())
        found += [" " * depth + short for short in laid_out_cpp([line.lstrip()], indent + depth)]
    return found


def deeper(lines: Iterable[str]) -> list[str]:
    """The same one level of C++ deeper."""
    return [f"  {line}" for line in lines]


def _python(line: str, indent: int) -> list[str]:
    if indent + len(line) <= WIDTH:
        return [line]
    statement = ast.parse(line).body[0]
    assert isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)), line
    value = statement.value
    return _Broken(line).lines(value, line[: value.col_offset], line[value.end_col_offset :], indent, bracketed=False)


class _Broken:
    """The expressions of one line of text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def lines(self, node: ast.expr, before: str, after: str, indent: int, bracketed: bool = True) -> list[str]:
        """An expression between two texts; `bracketed`: inside of a bracket, where it may break at its operators."""
        flat = before + self.source(node) + after
        if indent + len(flat) <= WIDTH:
            return [flat]
        if isinstance(node, ast.Call):
            return self.call(node, before, after, indent)
        if isinstance(node, ast.ListComp):
            loop = self.text[node.elt.end_col_offset : node.end_col_offset].strip().removesuffix("]")
            inside = [*self.lines(node.elt, "", "", indent + len(STEP)), loop]
            return [f"{before}[", *(STEP + line for line in inside), f"]{after}"]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.operand(node.operand, f"{before}-", after, indent)
        pieces = self.pieces(node)
        if len(pieces) == 1:
            return [flat]
        if not bracketed and len(pieces) == 2 and isinstance(node, ast.BinOp):
            broken = self.at_last_bracket(node, before, after, indent)
            if not broken and self.in_parentheses(node.left):
                broken = self.at_first_bracket(node, before, after, indent)
            if broken:
                return broken
        if not bracketed:
            inside = self.lines(node, "", "", indent + len(STEP))
            return [f"{before}(", *(STEP + line for line in inside), f"){after}"]
        last = len(pieces) - 1
        return [
            line
            for k, (operator, operand) in enumerate(pieces)
            for line in self.operand(operand, operator if k else before, after if k == last else "", indent)
        ]

    def at_last_bracket(self, node: ast.expr, before: str, after: str, indent: int) -> list[str]:
        """Broken inside of the bracket that ends the expression, if it ends with one and all before that fits."""
        last = node
        while isinstance(last, ast.BinOp) and not (last is not node and self.in_parentheses(last)):
            last = last.right
        start = last.col_offset - self.in_parentheses(last)
        head = before + self.text[node.col_offset : start]
        if isinstance(last, ast.Call) and not self.in_parentheses(last):
            fits = indent + len(head) + len(self.source(last.func)) < WIDTH
            return self.call(last, head, after, indent) if fits else []
        if not self.in_parentheses(last) or indent + len(head) >= WIDTH:
            return []
        return self.opened(last, f"{head}(", f"){after}", indent)

    def at_first_bracket(self, node: ast.BinOp, before: str, after: str, indent: int) -> list[str]:
        """Broken inside of the bracket that starts the expression, if what follows fits behind it."""
        rest = self.text[(node.left.end_col_offset or 0) + 1 : node.end_col_offset]
        fits = indent + len(rest) + len(after) < WIDTH
        return self.opened(node.left, f"{before}(", f"){rest}{after}", indent) if fits else []

    def opened(self, node: ast.expr, first: str, last: str, indent: int) -> list[str]:
        """The inside of parentheses on lines of its own."""
        inside = self.text[node.col_offset : node.end_col_offset]
        if indent + len(STEP) + len(inside) <= WIDTH:
            return [first, STEP + inside, last]
        return [first, *(STEP + line for line in self.broken(node, indent + len(STEP))), last]

    def broken(self, node: ast.expr, indent: int) -> list[str]:
        """One operand of the loosest operator on a line."""
        return [line for operator, operand in self.pieces(node) for line in self.operand(operand, operator, "", indent)]

    def operand(self, node: ast.expr, before: str, after: str, indent: int) -> list[str]:
        if indent + len(before + self.source(node) + after) <= WIDTH or not self.in_parentheses(node):
            return self.lines(node, before, after, indent)
        inside = self.lines(node, "", "", indent + len(STEP))
        # `lines` of the node itself: the parentheses stand here
        return [f"{before}(", *(STEP + line for line in inside), f"){after}"]

    def call(self, node: ast.Call, before: str, after: str, indent: int) -> list[str]:
        """All arguments on a line of their own, or each."""
        arguments = [("", argument) for argument in node.args]
        arguments += [(f"{keyword.arg}=", keyword.value) for keyword in node.keywords]
        first, last = f"{before}{self.source(node.func)}(", f"){after}"
        together = ", ".join(name + self.source(value) for name, value in arguments)
        if indent + len(STEP) + len(together) <= WIDTH:
            return [first, STEP + together, last]
        each = [line for name, value in arguments for line in self.lines(value, name, ",", indent + len(STEP))]
        return [first, *(STEP + line for line in each), last]

    def pieces(self, node: ast.expr) -> list[tuple[str, ast.expr]]:
        """The operands of the loosest operator, each with the operator before it."""
        if isinstance(node, ast.IfExp):
            return [("", node.body), ("if ", node.test), ("else ", node.orelse)]
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return [("", node.left), (self.between(node.left, node.comparators[0]), node.comparators[0])]
        if isinstance(node, ast.BoolOp):
            word = "and " if isinstance(node.op, ast.And) else "or "
            return [(word if k else "", value) for k, value in enumerate(node.values)]
        if isinstance(node, ast.BinOp):
            alike = isinstance(node.left, ast.BinOp) and _level(node.left.op) == _level(node.op)
            left = self.pieces(node.left) if alike and not self.in_parentheses(node.left) else [("", node.left)]
            return [*left, (self.between(node.left, node.right), node.right)]
        return [("", node)]

    def source(self, node: ast.expr) -> str:
        """The text of a node, with the parentheses around it."""
        start, stop = node.col_offset, node.end_col_offset or 0
        return self.text[start - 1 : stop + 1] if self.in_parentheses(node) else self.text[start:stop]

    def in_parentheses(self, node: ast.expr) -> bool:
        """Whether parentheses stand around a node that belong to no call."""
        start, stop = node.col_offset, node.end_col_offset or 0
        called = start >= 2 and (self.text[start - 2].isalnum() or self.text[start - 2] in "_)]")
        return self.text[start - 1 : start] == "(" and self.text[stop : stop + 1] == ")" and not called

    def between(self, left: ast.expr, right: ast.expr) -> str:
        return self.text[left.end_col_offset or 0 : right.col_offset].strip("() ") + " "


def _level(operator: ast.operator) -> int:
    for level, kinds in enumerate(((ast.BitOr,), (ast.BitAnd,), (ast.Add, ast.Sub))):
        if isinstance(operator, kinds):
            return level
    return 3


def _cpp(line: str, indent: int) -> list[str]:
    """Broken behind an `=`, behind the first bracket, and between the arguments in it, as far as is needed."""
    opening = line.find("(")
    if indent + len(line) <= WIDTH or opening < 0:
        return [line]
    _, equals, value = line.partition(" = ")
    if equals and indent + len(STEP) + len(value) <= WIDTH:
        return [f"{line.removesuffix(value).rstrip()}", STEP + value]
    parts = _arguments(line[opening + 1 :])
    lines = [line[: opening + 1]]
    for k, part in enumerate(parts):
        text = part + ("," if k < len(parts) - 1 else "")
        if len(lines) > 1 and indent + len(lines[-1]) + 1 + len(text) <= WIDTH:
            lines[-1] += f" {text}"
        else:
            lines += [STEP + short for short in _cpp(text, indent + len(STEP))]
    return lines


def _arguments(text: str) -> list[str]:
    """The parts between the commas that stand in no bracket."""
    depth, start = 0, 0
    parts = []
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]
