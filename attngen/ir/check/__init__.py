"""Tree to IR: names, kinds, channels and read rules; every error of a file is collected."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from attngen.errors import Diagnostic, Source, Span, SpecError
from attngen.ir.check.attention import attention
from attngen.ir.check.definitions import check_definitions, define
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.measure import Work
from attngen.ir.check.report import Report
from attngen.ir.check.scope import Scope
from attngen.ir.nodes import Variant
from attngen.language import ast
from attngen.language.parse import parse


def check(source: Source) -> tuple[Variant, ...]:
    """The variants of a text, checked.

    Raises:
        SpecError: with every diagnostic of the file.
    """
    file = parse(source)
    report = Report()
    names = Scope(prelude())
    define(file.items, names, report)
    work = Work.of(source.text)
    checked = [attention(node, names, report, work) for node in file.attentions]
    check_definitions(names, Elaborator(report, work))
    if not file.attentions:
        report.error("E0309", "there is no attention here", Span(source, 0, 0), help="write `attention name { ... }`")
    _distinct(file, report)
    if report.failed():
        raise SpecError(sorted(report.diagnostics, key=_place))
    return tuple(variant for variant in checked if variant is not None)


@cache
def prelude() -> Scope:
    """The definitions that every spec may use, from the `.attn` text that comes with the package."""
    names = Scope()
    report = Report()
    for path in sorted(files("attngen.language").joinpath("prelude").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".attn"):
            source = Source(f"prelude/{path.name}", path.read_text(encoding="utf-8"))
            define(parse(source).items, names, report)
    check_definitions(names, Elaborator(report))
    if report.diagnostics:
        raise SpecError(report.diagnostics)
    return names


def _distinct(file: ast.File, report: Report) -> None:
    seen: dict[str, ast.Attention] = {}
    for node in file.attentions:
        first = seen.setdefault(node.name.text, node)
        if first is not node:
            message, label = f"`{node.name.text}` is defined twice", f"first on line {first.name.span.line}"
            report.error("E0202", message, node.name.span, label=label, help="rename one")


def _place(diagnostic: Diagnostic) -> tuple[str, int]:
    return diagnostic.span.source.name, diagnostic.span.start
