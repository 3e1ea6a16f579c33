"""From a recipe to tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite

import torch
from torch import Tensor

from attngen.emit.checks import POSITIONS
from attngen.fuzz.call import Call, interpreted
from attngen.fuzz.oracle import Disagreement
from attngen.fuzz.recipes import Recipe, ends
from attngen.fuzz.refusals import is_due
from attngen.fuzz.rough import InFloat32, left_open
from attngen.ir import nodes
from attngen.ir.evaluate import Number
from attngen.ir.expr import Kind
from attngen.reference import Result
from attngen.runtime.draws import dtype_of

MOST = 512
"""Times as many elements along axes of inputs' own are tried as a recipe says."""
HOPELESS = ("does not hold", "[0, M - N]", "no bijection")
"""What longer axes don't mend."""
ROOM = 1 << 20
"""Elements of an input, at most."""
BEYOND = 1e30
"""Numbers that products of float32 may not hold."""
FAR, SELDOM = 2**33 + 1, 0.2
"""An int of an input that 32 bits don't hold, and how often there is one, or an end of its range, among large ones."""
LARGE = {torch.float32: 30.0, torch.bfloat16: 30.0, torch.float16: 8.0}
"""Scores by such numbers are far beyond what e^score can hold."""


class NotAcceptedError(Exception):
    """A variant asks more of its calls than a recipe gives; with what it says."""


class NotDueError(Disagreement):
    """Kernels refuse a call that the variant accepts."""

    def __init__(self, call: Call, message: str) -> None:
        super().__init__(message)
        self.call = call


def made(variant: nodes.Variant, recipe: Recipe) -> Call:
    """The call, with axes of inputs long enough for what is read.

    Raises:
        NotAcceptedError: the variant refuses it, or its inputs can't be that large.
        NotDueError: kernels refuse it, and the variant doesn't.
    """
    refusal = "its inputs would be too large"
    for own in _longer(recipe.own):
        larger = replace(recipe, own=own)
        if max((math.prod(_shape(given, larger)) for given in variant.inputs), default=0) > ROOM:
            break
        call = _made(variant, larger)
        try:
            found = _numbers(variant, call)
        except ValueError as error:
            refusal = str(error)
            if any(words in refusal for words in HOPELESS):
                break
            continue
        if not all(bool((x.nan_to_num(nan=torch.inf).abs() < BEYOND).all()) for x in found):
            raise NotAcceptedError("its numbers grow beyond what float32 holds")
        return call
    raise NotAcceptedError(refusal)


def _longer(own: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Twice as many elements each time, where there are such axes."""
    factor = 1
    while factor == 1 or (own and factor <= MOST):
        yield {axis: length * factor for axis, length in own.items()}
        factor *= 2


def _numbers(variant: nodes.Variant, call: Call) -> list[Tensor]:
    """y, and the states of a recurrence, which grow with each token where nothing bounds them.

    Raises:
        ValueError: kernels refuse the call, or a pair reads beside an input.
        NotDueError: kernels refuse it by mistake.
    """
    try:
        call.check(variant)
    except ValueError as refusal:
        if not is_due(variant, call, str(refusal)):
            raise NotDueError(call, f"it is refused, and the spec does not ask for that: {refusal}") from refusal
        raise
    found = interpreted(variant, call)
    if isinstance(found, Result):
        if why := left_open(variant, call, found.live):
            raise NotAcceptedError(why)
        return [found.y]
    with InFloat32():  # rows that features are made of may be larger than all that comes of them
        rough = interpreted(variant, call)
    return [found.y, *found.largest.values(), rough.y]


def _made(variant: nodes.Variant, recipe: Recipe) -> Call:
    generator = torch.Generator().manual_seed(recipe.seed)
    dtype = dtype_of(recipe.dtype)
    lengths = [(recipe.queries, recipe.width), (recipe.keys, recipe.width), (recipe.keys, recipe.value_width)]
    q, k, v = (
        laid_out(numbers(style, (recipe.batch, heads, *shape), generator, LARGE[dtype]).to(dtype), strides)
        for style, heads, shape, strides in zip(recipe.styles, recipe.heads, lengths, recipe.strides, strict=True)
    )
    sizes = _sizes(recipe)
    inputs = {}
    for given in variant.inputs:
        found = values(given, recipe.inputs[given.name], _shape(given, recipe), recipe.parameters, generator)
        inputs[given.name] = formed(found, recipe.forms.get(given.name, "plain"))
    offset = _offset(recipe.offset) if isinstance(recipe.offset, tuple) else recipe.offset
    states = {}
    if isinstance(variant.body, nodes.Recurrent) and recipe.states:
        for state in variant.body.states:
            shape = (recipe.batch, sizes["h"], *(sizes[axis] for axis in state.channels))
            states[state.name] = numbers("normal", shape, generator)
    return Call(q, k, v, recipe.parameters, inputs, recipe.scale, offset, states)


def _offset(each: tuple[int, ...]) -> Tensor:
    """Of each batch row, in as few bits as kernels take."""
    found = torch.tensor(each, dtype=torch.int64)
    return found.int() if torch.equal(found.int(), found) and sum(each) % 2 else found


def _sizes(recipe: Recipe) -> dict[str, int]:
    """Elements along each axis."""
    of_queries, of_keys = dict.fromkeys("it", recipe.queries), dict.fromkeys("jn", recipe.keys)
    fixed = {"b": recipe.batch, "h": max(recipe.heads), "c": recipe.width, "e": recipe.value_width}
    return {**of_queries, **of_keys, **fixed, **recipe.own}


def _shape(given: nodes.Input, recipe: Recipe) -> tuple[int, ...]:
    """Of an input, whose heads may be fewer."""
    most = max(recipe.heads)
    divisors = [heads for heads in range(1, most + 1) if most % heads == 0][::-1]
    sizes = {**_sizes(recipe), "h": divisors[recipe.shared.get(given.name, 0) % len(divisors)]}
    return tuple(sizes[axis] for axis in given.axes)


def formed(given: Tensor, form: str) -> Tensor:
    """An input in memory as `FORMS` says; floats of few bits are rounded."""
    match form:
        case "few bits" if given.is_floating_point():
            return given.bfloat16()
        case "few bits" if given.dtype == torch.int64:
            kinds = (torch.uint8, torch.int8, torch.int16, torch.int32)
            return next((x for x in map(given.to, kinds) if torch.equal(x.long(), given)), given)
        case "many bits" if given.is_floating_point():
            return given.double()
        case "sliced":
            return _sliced(given, 1)
        case "shared":
            return given[..., :1].expand(given.shape)
    return given


def laid_out(rows: Tensor, strides: str) -> Tensor:
    """The same numbers with other strides; `shared` gives every batch row those of the first."""
    match strides:
        case "token first":
            return rows.transpose(1, 2).contiguous().transpose(1, 2)
        case "channel first":
            return rows.transpose(2, 3).contiguous().transpose(2, 3)
        case "sliced":
            return _sliced(rows, torch.nan)
        case "shared":
            return rows[:1].expand(rows.shape)
    return rows.contiguous()


def _sliced(given: Tensor, between: float) -> Tensor:
    """Every other element of a larger tensor, in which something else lies between."""
    wide = given.new_full([2 * size + 1 for size in given.shape], between)
    view = wide[tuple(slice(1, 2 * size + 1, 2) for size in given.shape)]
    view.copy_(given)
    return view


def numbers(style: str, shape: tuple[int, ...], generator: torch.Generator, large: float = 30.0) -> Tensor:
    """Floats, float32."""
    match style:
        case "ones":
            return torch.ones(shape)
        case "steps":
            return torch.randint(-4, 5, shape, generator=generator) / 4
    found = torch.randn(shape, generator=generator)
    if style == "sparse":
        return torch.where(torch.rand(shape, generator=generator) < 0.2, found, 0.0)
    return found * large if style == "large" else found


def values(
    given: nodes.Input, style: str, shape: tuple[int, ...], parameters: Mapping[str, Number], generator: torch.Generator
) -> Tensor:
    """Of an input, in its range and sorted if it is."""
    if given.kind is Kind.BOOL:
        share = {"ones": 1.0, "steps": 0.5, "normal": 0.3, "sparse": 0.05, "large": 0.0}[style]
        return torch.rand(shape, generator=generator) < share
    low, high = ends(given.range, parameters)
    found = (
        _ints(given.range, style, shape, low, high, generator)
        if given.kind is Kind.INT
        else _floats(given.range, style, shape, low, high, generator)
    )
    along = next((k for k, axis in enumerate(given.axes) if axis in POSITIONS), None) if given.sorted else None
    return found if along is None else found.sort(dim=along).values


def _ints(
    bounds: nodes.Range, style: str, shape: tuple[int, ...], low: float, high: float, generator: torch.Generator
) -> Tensor:
    """Small ones around 0 or the end that there is; if large, some at both ends, or far out."""
    room = {"ones": 0, "steps": 3, "normal": 9, "sparse": 1, "large": 200}[style]
    low = math.floor(low) + (not bounds.closed_low) if isfinite(low) else low
    high = math.ceil(high) - (not bounds.closed_high) if isfinite(high) else high
    first = int(low) if isfinite(low) else (int(high) - room if isfinite(high) else -(room // 3))
    last = min(first + room, int(high)) if isfinite(high) else first + room
    found = torch.randint(first, max(first, last) + 1, shape, generator=generator)
    if style != "large":
        return found
    farthest = [int(end) for end, none in ((low, -FAR), (high, FAR)) for end in [end if isfinite(end) else none]]
    ends = torch.tensor(farthest)[torch.randint(2, shape, generator=generator)]
    return torch.where(torch.rand(shape, generator=generator) < SELDOM, ends, found)


def _floats(
    bounds: nodes.Range, style: str, shape: tuple[int, ...], low: float, high: float, generator: torch.Generator
) -> Tensor:
    """Any, or between the ends, and at those that are closed."""
    if not (isfinite(low) or isfinite(high)):
        return numbers(style, shape, generator)
    first = low if isfinite(low) else high - (1000.0 if style == "large" else 2.0)
    last = high if isfinite(high) else first + (1000.0 if style == "large" else 2.0)
    parts = torch.rand(shape, generator=generator)
    if style in ("ones", "sparse"):
        closed = [1.0] * bounds.closed_high + [0.0] * bounds.closed_low
        at = torch.tensor([*closed, 0.5])[: 1 if style == "ones" else None]
        parts = at[torch.randint(len(at), shape, generator=generator)]
    found = first + (last - first) * (0.01 + 0.98 * parts if style in ("normal", "steps", "large") else parts)
    return found.clamp(torch.tensor(first, dtype=torch.float32), torch.tensor(last, dtype=torch.float32))
