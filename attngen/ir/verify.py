"""Whether a tree is valid: run after every pass, so that a wrong pass is named and not its victim."""

from __future__ import annotations

from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Kind, Parameter, Read, distinct
from attngen.ir.functions import FUNCTIONS, Takes


class InvalidTree(AssertionError):
    """A pass made a tree that no spec could mean."""


def verify(variant: nodes.Variant) -> None:
    """Raise `InvalidTree` for a node whose arity, kind, channels or name does not fit."""
    for clause, expr, kind in _clauses(variant):
        if expr.kind is not kind:
            raise InvalidTree(f"{variant.name}: `{clause}` is a {expr.kind.value}, not a {kind.value}")
        for node in distinct(expr):
            _verify_node(variant, clause, node)


def _clauses(variant: nodes.Variant) -> list[tuple[str, Expr, Kind]]:
    found = [("assert", assertion.condition, Kind.BOOL) for assertion in variant.assertions]
    if variant.order:
        found.append(("order", variant.order.step, Kind.INT))
    if isinstance(variant.body, nodes.Recurrent):
        found += [("state", state.update, Kind.FLOAT) for state in variant.body.states]
        return [*found, ("out", variant.body.out, Kind.FLOAT)]
    body = variant.body
    found += [("score", body.score, Kind.FLOAT), ("mask", body.mask, Kind.BOOL)]
    if isinstance(body.normalization, nodes.Softmax) and body.normalization.sink is not None:
        found.append(("sink", body.normalization.sink, Kind.FLOAT))
    if isinstance(body.normalization, nodes.Sum):
        found.append(("normalize", body.normalization.eps, Kind.FLOAT))
    return found


def _verify_node(variant: nodes.Variant, clause: str, node: Expr) -> None:
    where = f"{variant.name}: in `{clause}`"
    match node:
        case Parameter() if node.name != "scale" and node.name not in {given.name for given in variant.parameters}:
            raise InvalidTree(f"{where}: there is no parameter `{node.name}`")
        case Read() if node.input not in {given.name for given in variant.inputs}:
            raise InvalidTree(f"{where}: there is no input `{node.input}`")
        case Read() if len(variant.input(node.input).axes) != len(node.indices):
            raise InvalidTree(f"{where}: `{node.input}` is read with {len(node.indices)} indices")
        case Apply():
            _verify_application(where, node)


def _verify_application(where: str, node: Apply) -> None:
    function = FUNCTIONS.get(node.function)
    if function is None or function.arity != len(node.arguments):
        raise InvalidTree(f"{where}: `{node.function}` with {len(node.arguments)} arguments")
    kinds = [argument.kind for argument in node.arguments]
    if function.takes is Takes.CHOICE:
        fits = kinds[0] is Kind.BOOL and kinds[1] is kinds[2] is node.kind
    elif function.takes in (Takes.NUMBERS, Takes.ALIKE, Takes.ORDERED):
        fits = len(set(kinds)) == 1
    else:
        wanted = {Takes.INTS: Kind.INT, Takes.FLOATS: Kind.FLOAT, Takes.BOOLS: Kind.BOOL, Takes.ROWS: Kind.FLOAT}
        fits = set(kinds) == {wanted[function.takes]}
    given = ", ".join(kind.value for kind in kinds)
    if not fits:
        raise InvalidTree(f"{where}: `{node.function}` of {given}")
    if node.kind is not (function.gives or kinds[-1]):
        raise InvalidTree(f"{where}: `{node.function}` of {given} gives {node.kind.value}")
    channels = sorted({channel for argument in node.arguments for channel in argument.channels})
    if function.takes is not Takes.ROWS and sorted(node.channels) != channels:
        has, should = ", ".join(node.channels), ", ".join(channels)
        raise InvalidTree(f"{where}: `{node.function}` has the channels [{has}], not [{should}]")
