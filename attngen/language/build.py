"""The parser's productions, each turned into its tree node as soon as it is reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark import Token, Transformer, v_args
from lark.tree import Meta

from attngen.errors import Source, Span
from attngen.language import ast


@v_args(meta=True)
class TreeBuilder(Transformer[Token, Any]):
    """One method per rule of `grammar.lark`; a missing optional part arrives as `None`."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def _at(self, meta: Meta) -> Span:
        if meta.empty:
            return Span(self._source, 0, 0)
        return Span(self._source, meta.start_pos, meta.end_pos)

    def _word(self, token: Token) -> ast.Word:
        assert token.start_pos is not None and token.end_pos is not None
        return ast.Word(str(token), span=Span(self._source, token.start_pos, token.end_pos))

    # items

    def start(self, meta: Meta, parts: list[Any]) -> ast.File:
        return ast.File(tuple(parts), span=self._at(meta))

    def attention(self, meta: Meta, parts: list[Any]) -> ast.Attention:
        _, name, *rest = parts
        parameters = tuple(part for part in rest if isinstance(part, ast.Parameter))
        clauses = tuple(part for part in rest if isinstance(part, ast.Item))
        return ast.Attention(self._word(name), parameters, clauses, span=self._at(meta))  # type: ignore[arg-type]

    def parameter(self, meta: Meta, parts: list[Any]) -> ast.Parameter:
        name, kind, default, bounds = parts
        return ast.Parameter(self._word(name), self._word(kind), default, bounds, span=self._at(meta))

    # clauses

    def doc(self, meta: Meta, parts: list[Any]) -> ast.Doc:
        return ast.Doc(str(parts[1])[1:-1], span=self._at(meta))

    def let(self, meta: Meta, parts: list[Any]) -> ast.Let:
        return ast.Let(self._word(parts[1]), parts[2], span=self._at(meta))

    def state(self, meta: Meta, parts: list[Any]) -> ast.State:
        return ast.State(self._word(parts[1]), parts[2], span=self._at(meta))

    def def_(self, meta: Meta, parts: list[Any]) -> ast.Def:
        _, name, *parameters, body = parts
        words = tuple(self._word(parameter) for parameter in parameters)
        return ast.Def(self._word(name), words, body, span=self._at(meta))

    def order(self, meta: Meta, parts: list[Any]) -> ast.Order:
        _, name, parameter, body = parts
        return ast.Order(self._word(name), self._word(parameter), body, span=self._at(meta))

    def input(self, meta: Meta, parts: list[Any]) -> ast.Input:
        _, name, *axes, kind, bounds, flag = parts
        return ast.Input(
            self._word(name),
            tuple(self._word(axis) for axis in axes),
            self._word(kind),
            bounds,
            None if flag is None else self._word(flag),
            span=self._at(meta),
        )

    def plain(self, meta: Meta, parts: list[Any]) -> ast.Plain:
        return ast.Plain(str(parts[0]), parts[1], span=self._at(meta))

    def normalize(self, meta: Meta, parts: list[Any]) -> ast.Normalize:
        return ast.Normalize(self._word(parts[1]), parts[2], span=self._at(meta))

    def partition(self, meta: Meta, parts: list[Any]) -> ast.Partition:
        hints = tuple(part for part in parts[2:] if part is not None)
        return ast.Partition(self._word(parts[1]), hints, span=self._at(meta))

    def schedule(self, meta: Meta, parts: list[Any]) -> ast.Schedule:
        hints = tuple(part for part in parts[1:] if part is not None)
        return ast.Schedule(hints, span=self._at(meta))

    def range(self, meta: Meta, parts: list[Any]) -> ast.Range:
        _, left, low, _, high, right = parts
        return ast.Range(low, high, left == "[", right == "]", span=self._at(meta))

    def bound(self, meta: Meta, parts: list[Any]) -> ast.Bound:
        return ast.Bound(str(parts[0]), parts[1], span=self._at(meta))

    def hint(self, meta: Meta, parts: list[Any]) -> ast.Hint:
        return ast.Hint(self._word(parts[0]), parts[1], span=self._at(meta))

    # expressions

    def conditional(self, meta: Meta, parts: list[Any]) -> ast.Conditional:
        return ast.Conditional(parts[1], parts[3], parts[5], span=self._at(meta))

    def binary(self, meta: Meta, parts: list[Any]) -> ast.Binary:
        left, operator, right = parts
        return ast.Binary(str(operator), left, right, span=self._at(meta))

    def unary(self, meta: Meta, parts: list[Any]) -> ast.Unary:
        operator, operand = parts
        return ast.Unary(str(operator), operand, span=self._at(meta))

    def compare(self, meta: Meta, parts: list[Any]) -> ast.Compare:
        operators: Sequence[Any] = parts[1::2]
        return ast.Compare(tuple(parts[0::2]), tuple(map(str, operators)), span=self._at(meta))

    def number(self, meta: Meta, parts: list[Any]) -> ast.Number:
        return ast.Number(str(parts[0]), span=self._at(meta))

    def truth(self, meta: Meta, parts: list[Any]) -> ast.Truth:
        return ast.Truth(parts[0] == "true", span=self._at(meta))

    def name(self, meta: Meta, parts: list[Any]) -> ast.Name:
        return ast.Name(str(parts[0]), span=self._at(meta))

    def call(self, meta: Meta, parts: list[Any]) -> ast.Call:
        function, *arguments = parts
        return ast.Call(self._word(function), tuple(arguments), span=self._at(meta))

    def index(self, meta: Meta, parts: list[Any]) -> ast.Index:
        name, *indices = parts
        return ast.Index(self._word(name), tuple(indices), span=self._at(meta))

    def group(self, meta: Meta, parts: list[Any]) -> Any:
        return parts[0]


setattr(TreeBuilder, "def", TreeBuilder.def_)  # `def` is a keyword of Python and the name of the rule
