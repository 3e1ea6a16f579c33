"""The backends: for each, the files that it makes of a plan."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from attngen.analysis.separable import NotSeparable
from attngen.emit.cpp import lower as cpp_lower
from attngen.emit.cpp import recurrent
from attngen.emit.triton import lower as triton_lower
from attngen.emit.triton import recurrent as triton_recurrent
from attngen.ir.nodes import Recurrent, Variant
from attngen.schedule.chunks import ChunkPlan, chunk_plan
from attngen.schedule.linear_time import linear_time
from attngen.schedule.plan import Plan, plan

Files = dict[str, str]
"""Text by file name; the launcher, which holds the public function, is `<variant>.py`."""


def _triton(made: Plan | ChunkPlan) -> Files:
    if isinstance(made, ChunkPlan):
        return {f"{made.variant.name}.py": triton_recurrent.generate(made)}
    files = {f"{made.variant.name}.py": triton_lower.generate(made)}
    with suppress(NotSeparable):
        chunks = linear_time(made.variant)
        files[f"{chunks.variant.name}.py"] = triton_recurrent.generate(chunks)
    return files


def _cpp(made: Plan | ChunkPlan) -> Files:
    if isinstance(made, ChunkPlan):
        return _named(made.variant.name, recurrent.generate(made))
    files = _named(made.variant.name, cpp_lower.generate(made))
    with suppress(NotSeparable):
        chunks = linear_time(made.variant)
        files |= _named(chunks.variant.name, recurrent.generate(chunks))
    return files


def _named(name: str, texts: tuple[str, str, str]) -> Files:
    forward, backward, launcher = texts
    return {f"{name}.py": launcher, f"{name}.cpp": forward, f"{name}_backward.cpp": backward}


BACKENDS: dict[str, Callable[[Plan | ChunkPlan], Files]] = {"triton": _triton, "cpp": _cpp}


def generate(variant: Variant, backend: str) -> Files:
    """The generated files of a variant.

    Raises:
        SpecError: the variant can't be compiled yet.
        KeyError: there is no such backend.
    """
    return BACKENDS[backend](decide(variant))


def decide(variant: Variant) -> Plan | ChunkPlan:
    """The plan of a variant of any kind.

    Raises:
        SpecError: the variant can't be compiled yet.
    """
    return chunk_plan(variant) if isinstance(variant.body, Recurrent) else plan(variant)
