"""Expressions as text: on one line, or broken before their loosest operators and aligned."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from attngen.language import ast

WIDTH = 100

LOOSEST, OR, AND, NOT, COMPARE, SUM, TERM, NEGATE, POWER, ATOM = range(10)
BINARY = {
    "or": OR,
    "and": AND,
    "+": SUM,
    "-": SUM,
    "*": TERM,
    "/": TERM,
    "div": TERM,
    "mod": TERM,
    "^": POWER,
}


def format_expr(expr: ast.Expr) -> str:
    """An expression on one line."""
    return flat(expr, LOOSEST)


def flat(expr: ast.Expr, outer: int) -> str:
    """One line; parenthesised if it binds looser than its surroundings `outer` ask."""
    return "".join(_words(expr, outer))


Piece = str | tuple[ast.Expr, int]


def _words(expr: ast.Expr, outer: int) -> Iterator[str]:
    """The text of one line, bit by bit."""
    waiting: list[Piece] = [(expr, outer)]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, str):
            yield piece
            continue
        pieces, level = _pieces(piece[0])
        waiting += reversed(["(", *pieces, ")"] if level < piece[1] else pieces)


def _fits(expr: ast.Expr, outer: int, room: int) -> bool:
    """Whether one line holds an expression; a long one is not written out to find that, for its parts are asked too."""
    ends = accumulate(map(len, _words(expr, outer)))
    return all(end <= room for end in ends)


def _pieces(expr: ast.Expr) -> tuple[list[Piece], int]:
    """Text and operands (each with the tightness that its place asks) in order, and the tightness of the whole."""
    match expr:
        case ast.Number() | ast.Name():
            return [expr.text], ATOM
        case ast.Truth():
            return ["true" if expr.value else "false"], ATOM
        case ast.Call():
            return [expr.function.text, "(", *_listed(expr.arguments), ")"], ATOM
        case ast.Index():
            return [expr.name.text, "[", *_listed(expr.indices), "]"], ATOM
        case ast.Unary("not"):
            return ["not ", (expr.operand, NOT)], NOT
        case ast.Unary():
            return ["-", (expr.operand, NEGATE)], NEGATE
        case ast.Binary("^"):
            return [(expr.left, ATOM), " ^ ", (expr.right, NEGATE)], POWER
        case ast.Binary():
            level = BINARY[expr.operator]
            left, right = _operand_levels(expr)
            return [(expr.left, left), f" {expr.operator} ", (expr.right, right)], level
        case ast.Compare():
            chain: list[Piece] = [(expr.operands[0], SUM)]
            for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
                chain += [f" {operator} ", (operand, SUM)]
            return chain, COMPARE
        case ast.Conditional():
            condition = (expr.condition, OR)
            then: Piece = (expr.then, OR)
            return ["if ", condition, " then ", then, " else ", (expr.otherwise, LOOSEST)], LOOSEST


def _operand_levels(expr: ast.Binary) -> tuple[int, int]:
    """How tight the operands must bind; beyond the grammar's needs, mixed `and`/`or` and `div`/`*` get parentheses."""
    level = BINARY[expr.operator]
    if expr.operator == "or":
        return (OR if isinstance(expr.left, ast.Binary) and expr.left.operator == "or" else NOT), NOT
    if level == TERM and isinstance(expr.left, ast.Binary) and BINARY[expr.left.operator] == TERM:
        pair = {expr.operator, expr.left.operator}
        return (TERM if pair <= {"*", "/"} else NEGATE), NEGATE
    return level, level + 1


def _listed(expressions: tuple[ast.Expr, ...]) -> list[Piece]:
    pieces: list[Piece] = []
    for expression in expressions:
        pieces += [", "] * bool(pieces) + [(expression, LOOSEST)]
    return pieces


def laid_out(head: str, value: ast.Expr | None, indent: str) -> list[str]:
    """`head` and its expression, broken over lines aligned under the expression if one line is too short."""
    start = indent + head
    if value is None:
        return [start.rstrip()]
    return _broken(start, value, LOOSEST, tail="")


def _broken(start: str, expr: ast.Expr, outer: int, tail: str) -> list[str]:
    """Lines that hold `start`, the expression and `tail`; every line after the first is aligned behind `start`."""
    _, level = _pieces(expr)
    if level >= NEGATE or _fits(expr, outer, WIDTH - len(start) - len(tail)):
        return [start + flat(expr, outer) + tail]
    if level < outer:
        start, tail = start + "(", ")" + tail
    lines: list[str] = []
    margin = " " * len(start)
    for chunk in _chunks(expr, level):
        prefix = (start if not lines else margin) + chunk[0]
        lines += _broken(prefix, chunk[1], chunk[2], "")
    lines[-1] += tail
    return lines


def _chunks(expr: ast.Expr, level: int) -> list[tuple[str, ast.Expr, int]]:
    """The operands of one chain of equally tight operators, each behind its operator."""
    if isinstance(expr, ast.Conditional):
        return [
            ("if ", expr.condition, OR),
            ("then ", expr.then, OR),
            ("else ", expr.otherwise, LOOSEST),
        ]
    if isinstance(expr, ast.Binary) and expr.operator != "^":
        left, right = _operand_levels(expr)
        same = isinstance(expr.left, ast.Binary) and BINARY[expr.left.operator] == level == left
        chain = _chunks(expr.left, level) if same else [("", expr.left, left)]
        return [*chain, (f"{expr.operator} ", expr.right, right)]
    if isinstance(expr, ast.Compare):
        rest = zip(expr.operators, expr.operands[1:], strict=True)
        return [("", expr.operands[0], SUM), *((f"{op} ", operand, SUM) for op, operand in rest)]
    return [("not ", expr.operand, NOT)] if isinstance(expr, ast.Unary) else [("", expr, level)]
