"""Tree to text, in one canonical form: `parse(format(tree)) == tree`, and formatting twice changes nothing.

Clauses of an attention are aligned behind their words; an expression that does not fit on a line is broken
before its loosest operators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from attngen.language import ast
from attngen.language.format_expr import SUM, WIDTH, flat, format_expr, laid_out

INDENT = "  "


def format_file(file: ast.File) -> str:
    """The canonical text of a file, comments included, ending in a line break."""
    blocks: list[str] = []
    previous: ast.Item | None = None
    for item in file.items:
        if previous is not None and (
            item.leading or isinstance(item, ast.Attention) or type(item) is not type(previous)
        ):
            blocks.append("")
        blocks += _item(item)
        previous = item
    if file.closing and previous is not None:
        blocks.append("")
    blocks += file.closing
    return "\n".join(blocks) + "\n" if blocks else ""


def format_clauses(attention: ast.Attention) -> list[str]:
    """What an attention computes: its clauses but for `doc`, aligned, without comments, one or more lines each."""
    clauses = tuple(
        replace(clause, leading=(), trailing="") for clause in attention.clauses if not isinstance(clause, ast.Doc)
    )
    lines = _attention(replace(attention, clauses=clauses, parameters=(), leading=(), trailing="", closing=()))
    return [line.removeprefix(INDENT) for line in lines[1:-1]]


def _item(item: ast.Item) -> list[str]:
    if isinstance(item, ast.Attention):
        return _attention(item)
    word, head, value = _parts(item)
    return _commented(item, laid_out(f"{word} {head}", value, indent=""))


def _attention(attention: ast.Attention) -> list[str]:
    lines = _head(attention)
    if not attention.clauses and not attention.closing:
        return _commented(attention, [*lines[:-1], lines[-1] + "}"])
    words = [_parts(clause)[0] for clause in attention.clauses]
    pad = max((len(word) for word in words if len(word) <= len("weight")), default=0)
    for clause, word in zip(attention.clauses, words, strict=True):
        _, start, value = _parts(clause)
        lines += _commented(clause, laid_out(f"{word:<{pad}} {start}", value, INDENT), INDENT)
    lines += _indented(attention.closing, INDENT)
    lines.append("}")
    return _commented(attention, lines)


def _head(attention: ast.Attention) -> list[str]:
    parameters = [_parameter(parameter) for parameter in attention.parameters]
    start = f"attention {attention.name.text}"
    flat = start + (f"({', '.join(parameters)})" if parameters else "") + " {"
    if len(flat) <= WIDTH or not parameters:
        return [flat]
    listed = [f"{INDENT}{parameter}," for parameter in parameters]
    return [start + "(", *listed[:-1], listed[-1].rstrip(","), ") {"]


def _commented(item: ast.Item, lines: list[str], indent: str = "") -> list[str]:
    if item.trailing:
        lines = [*lines[:-1], f"{lines[-1]}  {item.trailing}"]
    return _indented(item.leading, indent) + lines


def _indented(comments: Iterable[str], indent: str) -> list[str]:
    return [indent + comment if comment else "" for comment in comments]


def _parts(item: ast.Item) -> tuple[str, str, ast.Expr | None]:
    """A clause as its word, what stands before its expression, and the expression."""
    match item:
        case ast.Doc():
            return "doc", f'"{item.text}"', None
        case ast.Let():
            return "let", f"{item.name.text} = ", item.value
        case ast.State():
            return "state", f"{item.name.text} = ", item.value
        case ast.Def():
            names = ", ".join(name.text for name in item.parameters)
            return "def", f"{item.name.text}({names}) = ", item.body
        case ast.Order():
            return "order", f"{item.name.text}({item.parameter.text}) = ", item.body
        case ast.Plain():
            return item.word, "", item.value
        case ast.Input():
            return "input", _input(item), None
        case ast.Normalize():
            argument = "" if item.argument is None else f"({format_expr(item.argument)})"
            return "normalize", item.method.text + argument, None
        case ast.Partition():
            hints = f"({_hints(item.hints)})" if item.hints else ""
            return "partition", item.method.text + hints, None
        case ast.Schedule():
            return "schedule", f"{{ {_hints(item.hints)} }}" if item.hints else "{}", None
    raise TypeError(f"no clause: {item!r}")


def _parameter(parameter: ast.Parameter) -> str:
    default = "" if parameter.default is None else f" = {format_expr(parameter.default)}"
    bounds = "" if parameter.range is None else f" {_range(parameter.range)}"
    return f"{parameter.name.text}: {parameter.type.text}{default}{bounds}"


def _input(item: ast.Input) -> str:
    axes = ", ".join(axis.text for axis in item.axes)
    bounds = ""
    if isinstance(item.range, ast.Range):
        bounds = f" {_range(item.range)}"
    elif item.range is not None:
        bounds = f" {item.range.operator} {flat(item.range.value, SUM)}"
    flag = "" if item.flag is None else f" {item.flag.text}"
    return f"{item.name.text}[{axes}]: {item.type.text}{bounds}{flag}"


def _range(bounds: ast.Range) -> str:
    left, right = "[" if bounds.closed_low else "(", "]" if bounds.closed_high else ")"
    return f"in {left}{format_expr(bounds.low)}, {format_expr(bounds.high)}{right}"


def _hints(hints: tuple[ast.Hint, ...]) -> str:
    return ", ".join(hint.name.text + ("" if hint.value is None else f" = {format_expr(hint.value)}") for hint in hints)
