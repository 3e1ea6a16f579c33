"""What launchers of recurrences show of a kernel as an operator of torch."""

from __future__ import annotations

import re

from attngen.emit import operators
from attngen.emit.checks import order_steps, own_axes
from attngen.emit.face import Face, host_lines
from attngen.emit.layout import laid_out
from attngen.emit.operators import SCHEMA_TYPES, SUPPORT, free, ordered_inputs, trained_inputs
from attngen.emit.python import size_name
from attngen.emit.render import functions
from attngen.emit.tokens import Landed, landed
from attngen.ir.nodes import Variant
from attngen.schedule.chunks import ChunkPlan, StatePlan
from attngen.schedule.returns import TOKEN_AXES

SIZES = {"c": "D", "e": "E"}


def axes(state: StatePlan) -> list[str]:
    """The sizes of a state of one head."""
    return [SIZES[axis] if axis in SIZES else size_name(axis) for axis in state.axes]


def values(plan: ChunkPlan, made: Face) -> dict[str, object]:
    """By the names that templates use."""
    variant, count = plan.variant, len(plan.states)
    inputs, trained = ordered_inputs(variant), trained_inputs(variant)
    first, others = [given.name for given in inputs[: len(trained)]], [given.name for given in inputs[len(trained) :]]
    carried = [f"{state.called}_in" for state in plan.states]
    tensors = ["q", "k", "v", *first, *carried, *others]
    options = ["debug"] if made.debugged else []
    numbers = ["scale", "position", *(parameter.name for parameter in variant.parameters), *options]
    states_from = 3 + len(trained)
    trained_count = states_from + count
    shown = ["q", "k", "v", *first, "*carried", *others, "positions", "scale", "position"]
    call = f"y, *states = _recur({', '.join([*shown, *(each.name for each in variant.parameters), *options])})"
    return {
        "schema": _schema(plan, first, others, options),
        "recur_lines": laid_out([call], 4),
        "trained_text": "".join(f", {name}" for name in trained),
        "trained_count": trained_count,
        "tensor_count": len(tensors) + 1,
        "others_count": len(tensors) + 1 + len(numbers) - trained_count,
        "states_in": f"{states_from}:{trained_count}",
        "states_wanted": f"{states_from}:{trained_count}",
        "state_count": count,
        "kept_slice": f"{count}:{2 * count}",
        "given_slice": f"{2 * count}:-1",
        "after_states": f"{1 + count}:",
        "before_kept": f":{1 + count}",
        "gradients_given": f"{1 + 2 * count}:{1 + 2 * count + trained_count}",
        "sized_given": f"*given[:{len(tensors)}]",
        "sized_arguments": ", ".join(tensors),
        "filling_lines": _filling_lines(plan, made, tensors),
        "inputs_passed": "inputs" if landed(plan) else "[]",
        "seen_argument": ", seen_before=True" if made.data else "",
        "seen_text": "; its data are looked at once" if made.data else "",
        "sized_parameters": [_typed(name, carried) for name in tensors],
        "state_tuple": ", ".join(carried) + ("," if count == 1 else ""),
        **operators.own_sizes(variant),
        "packed_parameters": [
            *(_typed(name, carried) for name in tensors),
            *("positions: Tensor | None", "scale: float | None", "position: int | None"),
            *(f"{given.name}: {given.kind.value}" for given in variant.parameters),
            *(f"{option}: bool" for option in options),
        ],
        "result_schema": ", ".join(["Tensor y", *_each(plan, "Tensor {}_out"), *_each(plan, "Tensor {}_kept")]),
        "shape_function": shape_function(
            variant, "_state_shapes", "Of the states of one head.", [axes(state) for state in plan.states]
        ),
        "state_docs": ", ".join(f"{state.name} [{', '.join(['B', 'H', *axes(state)])}]" for state in plan.states),
        "lacking": [(states_from - len(trained) + trained.index(name), name) for name in sorted(plan.lacking)],
        "operators": functions("attngen.emit.support", "operators.py", _support(trained)),
    }


def parts(values: dict[str, object]) -> dict[str, object]:
    """The parts of launchers that are the same for all backends."""
    return operators.parts(values, ("recurrence", "recurring", "of_recurrences", "registered_recurrences"))


def _support(trained: list[str]) -> list[str]:
    made = [name for name in SUPPORT if name != "_shaped_like"]
    return [*made, "_of_input"] if trained else made


def _schema(plan: ChunkPlan, first: list[str], others: list[str], options: list[str]) -> list[str]:
    """The arguments of the operator, in the language of torch, and the names of the states."""
    tensors = ["Tensor q", "Tensor k", "Tensor v", *(f"Tensor {free(name)}" for name in first)]
    tensors += [*_each(plan, "Tensor? {}_in"), *(f"Tensor {free(name)}" for name in others), "Tensor? positions"]
    numbers = ["float? scale", "SymInt? position"]
    numbers += [f"{SCHEMA_TYPES[given.kind]} {free(given.name)}" for given in plan.variant.parameters]
    numbers += [f"bool {option}" for option in options]
    by_states = [*_each(plan, "Tensor? d_{}_out"), *_each(plan, "Tensor {}_kept")]
    names = ", ".join(f'"{state.name}"' for state in plan.states)
    lines = [f'TENSORS = "{", ".join(tensors)}"', f'NUMBERS = "{", ".join(numbers)}"']
    lines += [f'BY_STATES = "{", ".join(by_states)}"', f"STATES = ({names}{',' * (len(plan.states) == 1)})"]
    return laid_out(lines, 0)


def _each(plan: ChunkPlan, text: str) -> list[str]:
    return [text.format(state.called) for state in plan.states]


def _typed(name: str, optional: list[str]) -> str:
    return f"{name}: Tensor | None" if name in optional else f"{name}: Tensor"


def shape_function(variant: Variant, name: str, of: str, shapes: list[list[str]]) -> list[str]:
    """Python for the shapes of something of each head."""
    tuples = [f"({', '.join(shape)}{',' * (len(shape) == 1)})" for shape in shapes]
    returned = f"({', '.join(tuples)}{',' * (len(tuples) == 1)})"
    own = [*map(size_name, own_axes(variant))]
    used = set(re.findall(r"\w+", returned))
    named = [each if each in used else f"_{each}" for each in ("B", "H", "N", "M", "D", "E", *own)]
    return [
        f"def {name}({', '.join(f'{each}: int' for each in named)}) -> tuple[tuple[int, ...], ...]:",
        f'    """{of}"""',
        f"    return {returned}",
    ]


def to_inputs(plan: ChunkPlan, of_head: str, before: tuple[str, ...] = ()) -> list[str]:
    """Python for the gradient by each input that gradients go to, from sums in `inputs`.

    Sums over the tokens of a head have an axis of their own for parts of these, `of_head`; axes of other parts stand
    `before` tokens.
    """
    made, trained = landed(plan), operators.trained_inputs(plan.variant)
    found = {each.input: (number, each) for number, each in enumerate(made)}
    # nothing that is derived reads what is not found
    return [
        _to_input(plan, 3 + k, *found[name], of_head, before) if name in found else "None"
        for k, name in enumerate(trained)
    ]


def _to_input(plan: ChunkPlan, index: int, number: int, made: Landed, of_head: str, before: tuple[str, ...]) -> str:
    sums = " ".join(["b", "h", *before, "t" if made.of_token else of_head, *made.axes])
    axes = " ".join("t" if axis in TOKEN_AXES else axis for axis in plan.variant.input(made.input).axes)
    return f'_of_input(inputs[{number}], given[{index}], "{sums}", "{axes}")'


def _filling_lines(plan: ChunkPlan, made: Face, tensors: list[str]) -> list[str]:
    """What all launchers know of a call before they launch."""
    sizes = operators.own_sizes(plan.variant)["unpacked_sizes"]
    lines = [f"B, H, N, M, D, E{sizes} = _sized({', '.join(tensors)})"]
    lines.append("scale = 1 / math.sqrt(D) if scale is None else scale")
    lines.append(f'position = _offset("{plan.variant.name}", position, positions, B, 0, q.device)')
    looked_at = ["if not seen_before:", *(f"    {line}" for line in laid_out(made.data, 8))] if made.data else []
    behind = [*made.rules, *host_lines(plan.host), *_order_lines(plan.variant)]
    return [*laid_out(lines, 4), *made.filled, *looked_at, *laid_out(behind, 4)]


def _order_lines(variant: Variant) -> list[str]:
    """Tokens in the order of time, for every head; positions and heads are there since the order was checked."""
    if variant.order is None:
        return []
    _, steps = order_steps(variant, variant.order)
    return [f"order = torch.argsort({steps}, dim=-1).expand(H, N).contiguous()"]
