"""What a random spec goes through before it is compiled: text, checks, passes, analysis, tiles, generated code."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from zlib import crc32

import torch

from attngen.emit.backends import BACKENDS, decide
from attngen.errors import Source, SpecError
from attngen.fuzz.call import Call, interpreted
from attngen.fuzz.choices import choices
from attngen.fuzz.language.damage import Misfit
from attngen.fuzz.making import NotAcceptedError, made
from attngen.fuzz.oracle import Disagreement
from attngen.fuzz.recipes import Recipe
from attngen.fuzz.tile_oracle import tiles_of
from attngen.ir import nodes
from attngen.ir.check import check
from attngen.language.format import format_file
from attngen.language.parse import parse
from attngen.passes import simplify
from attngen.reference import Result, Trace
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.plan import Plan

TILES = ((4, 4), (8, 16), (16, 8))
"""Queries and keys of tiles whose classes are compared with all of their pairs."""
GENERATED = 4
"""Of so many specs, code is generated for one: it takes longer than all the rest."""


@dataclass(frozen=True, slots=True)
class Front:
    """What the front end makes of a spec.

    Attributes:
        codes: of the diagnostics, if it was refused.
        features: what was decided, in words: a spec with others than were seen before is of interest.
        variant, simple, plan: what the text means, what passes make of it, and how that is computed.
        others: plans of the attentions that stand behind the first in the file.
    """

    codes: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    variant: nodes.Variant | None = None
    simple: nodes.Variant | None = None
    plan: Plan | ChunkPlan | None = None
    others: tuple[Plan | ChunkPlan, ...] = ()

    @property
    def decisions(self) -> str:
        """The features as one name; of those of one set, one spec is enough."""
        return ", ".join(sorted(self.features))


def planned(text: str) -> Front:
    """A file as far as its plans; what is said of one spec is that of the first.

    Raises:
        Disagreement: a printer or a diagnostic is wrong.
        Exception: anything else that isn't a diagnostic is a fault, too.
    """
    _is_printed_as_it_is(text)
    try:
        variants = check(Source("random.attn", text))
        plans = [decide(variant) for variant in variants]
    except SpecError as error:
        explained(error, text)
        return Front(codes=tuple(sorted({each.code for each in error.diagnostics})))
    if not plans:
        return Front()
    variant, (plan, *others) = variants[0], plans
    features = choices(plan)
    return Front((), features, variant, simplify(variant), plan, tuple(others))


def accepted(front: Front, recipe: Recipe) -> Call | None:
    """The call of a recipe, if the spec takes it."""
    assert front.variant is not None
    try:
        return made(front.variant, recipe)
    except NotAcceptedError:
        return None


def assert_front(front: Front, call: Call) -> None:
    """Passes keep what a call means, and tiles are what analysis says.

    Raises:
        Disagreement: they don't, or aren't.
    """
    assert front.variant is not None
    assert front.simple is not None
    found = interpreted(front.variant, call)
    _is_the_same(found, interpreted(front.simple, call))
    if isinstance(front.plan, Plan) and isinstance(found, Result):
        for tile in TILES:
            for head in range(found.live.shape[1]):
                tiles_of(front.plan, call, found.live, tile, head)


def _is_printed_as_it_is(text: str) -> None:
    """Formatting changes nothing, and twice is once."""
    file = parse(Source("random.attn", text))
    printed = format_file(file)
    again = parse(Source("random.attn", printed))
    if again != file:
        raise Disagreement("what is printed means something else")
    if format_file(again) != printed:
        raise Disagreement("printed twice, it is not the same")


def explained(error: SpecError, text: str) -> None:
    """Every diagnostic has something to say, and a place in the text: its own, or that of a call that led to it."""
    if not error.diagnostics:
        raise Disagreement("a spec is refused without a reason")
    for each in error.diagnostics:
        places = [each.span, *(place for _, place in each.notes)]
        exist = all(0 <= place.start <= place.stop <= len(place.source.text) for place in places)
        if not (each.message and str(each) and exist and any(place.source.text == text for place in places)):
            raise Disagreement(f"{each.code} says nothing, or nowhere")


def assert_refused(misfit: Misfit) -> None:
    """What is wrong by construction is refused where it is wrong.

    Raises:
        Disagreement: it is taken, or a diagnostic points elsewhere.
    """
    wrong = misfit.text[misfit.start : misfit.stop]
    try:
        check(Source("random.attn", misfit.text))
    except SpecError as error:
        explained(error, misfit.text)
        places = [each.span for each in error.diagnostics]
        if any(misfit.start <= place.start and place.stop <= misfit.stop for place in places):
            return
        raise Disagreement(f"no diagnostic points at {wrong}: {error}") from None
    raise Disagreement(f"{wrong} is taken, and has no kind")


def _is_the_same(found: Result | Trace, simple: Result | Trace) -> None:
    """What passes leave means what was written, NaN in the same places."""
    for before, after in zip(_numbers(found), _numbers(simple), strict=True):
        if not torch.allclose(before, after, rtol=1e-6, atol=1e-9, equal_nan=True):
            raise Disagreement("the passes change what the spec means")


def _numbers(found: Result | Trace) -> list[torch.Tensor]:
    """y, and the mask and log-sum-exp of pairs or the states of a recurrence."""
    if isinstance(found, Result):
        return [found.y, found.live.double(), *([] if found.lse is None else [found.lse])]
    return [found.y, *found.states.values()]


def assert_generated(front: Front, text: str, *, always: bool = False) -> None:
    """Of some specs, or `always`: every backend makes files of them, and Python reads those that are Python."""
    if front.plan is None or (crc32(text.encode()) % GENERATED and not always):
        return
    for name in BACKENDS:
        for plan in (front.plan, *front.others):
            for file, made_of in BACKENDS[name](plan).items():
                if file.endswith(".py"):
                    ast.parse(made_of)
