"""Long lines of generated code, broken as a formatter would.

A statement that does not fit is broken behind its first bracket that closes at its end; what stands in it goes to a
line of its own, or each argument to one. Python statements without such a bracket get one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

WIDTH = 120
STEP = 4
OPENING, CLOSING = "([{", ")]}"


def laid_out(lines: Iterable[str], indent: int) -> list[str]:
    """Python statements as lines that fit, when each gets `indent` columns before it."""
    return [short for line in lines for short in _python(line, indent)]


def laid_out_cpp(lines: Iterable[str], indent: int) -> list[str]:
    """The same for C++ statements; a continuation is four columns deeper."""
    return [short for line in lines for short in _cpp(line, indent)]


def _python(line: str, indent: int) -> list[str]:
    if indent + len(line) <= WIDTH:
        return [line]
    if " = " in line and len(operands := _operands(line.split(" = ", 1)[1])) > 1:
        name = line.split(" = ", 1)[0]
        return [f"{name} = (", *(f"{' ' * STEP}{operand}" for operand in operands), ")"]
    return _split(line, indent) or [line]


def _split(line: str, indent: int) -> list[str] | None:
    """Broken behind the first bracket that closes at the end of the line (but for a comma)."""
    tail = "," if line.endswith(",") else ""
    body = line.removesuffix(",")
    opening = _last_opening(body)
    if opening is None:
        return None
    inside = body[opening + 1 : -1]
    first, last = body[: opening + 1], body[-1] + tail
    if indent + STEP + len(inside) <= WIDTH:
        return [first, " " * STEP + inside, last]
    parts = [f"{part}," for part in _arguments(inside)]
    shown = [short for part in parts for short in (_split(part, indent + STEP) if _is_long(part, indent) else [part]) or [part]]
    return [first, *(" " * STEP + part for part in shown), last]


def _is_long(part: str, indent: int) -> bool:
    return indent + STEP + len(part) > WIDTH


def _last_opening(text: str) -> int | None:
    """Where the bracket opens that closes at the end of the text."""
    stack: list[int] = []
    found = None
    for position, character in _code(text):
        if character in OPENING:
            stack.append(position)
        elif character in CLOSING:
            found = stack.pop()
    return found if text and text[-1] in CLOSING and found is not None and not stack else None


def _arguments(text: str) -> list[str]:
    """The parts between the commas that stand in no bracket."""
    depth, start = 0, 0
    parts = []
    for position, character in _code(text):
        depth += (character in OPENING) - (character in CLOSING)
        if character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def _code(text: str) -> Iterable[tuple[int, str]]:
    """The characters that stand in no string."""
    quoted = False
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted:
            yield position, character


def _operands(text: str) -> list[str]:
    """The operands of the loosest operator of a Python expression, each but the first behind its operator."""
    node = ast.parse(text, mode="eval").body
    if not isinstance(node, ast.BinOp):
        return []
    kind = type(node.op)
    starts = []
    while isinstance(node, ast.BinOp) and _binds_like(node.op, kind):
        starts.append(_operator(text, node))
        node = node.left
    edges = [0, *reversed(starts), len(text)]
    return [text[a:b].strip() for a, b in zip(edges, edges[1:], strict=False)]


def _binds_like(operator: ast.operator, kind: type[ast.operator]) -> bool:
    sums, products = (ast.Add, ast.Sub), (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
    return any(isinstance(operator, group) and issubclass(kind, group) for group in (sums, products, (ast.BitAnd,), (ast.BitOr,)))


def _operator(text: str, node: ast.BinOp) -> int:
    """Where the operator of a node stands: the last one before its right operand that is in no bracket of it."""
    assert node.left.end_col_offset is not None
    between = text[node.left.end_col_offset : node.right.col_offset]
    return node.left.end_col_offset + next(k for k, character in enumerate(between) if character in "+-*/%&|")


def _cpp(line: str, indent: int) -> list[str]:
    if indent + len(line) <= WIDTH or not line.endswith(";"):
        return [line]
    opening = _last_opening(line.removesuffix(";"))
    if opening is None:
        return [line]
    inside = line[opening + 1 : -2]
    if indent + STEP + len(inside) + 2 <= WIDTH:
        return [line[: opening + 1], f"{' ' * STEP}{inside});"]
    parts = _arguments(inside)
    return [line[: opening + 1], *(f"{' ' * STEP}{part}," for part in parts[:-1]), f"{' ' * STEP}{parts[-1]});"]
