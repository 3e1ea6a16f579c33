"""What is measured on a GPU: every spec of a folder, with parameters and data for a call of some size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import attngen
from attngen.bench import recurrences, recurrent_peers, variants
from attngen.bench.cpu import TRAINED
from attngen.bench.further_variants import further_subjects
from attngen.bench.peers import Sizes
from attngen.ir.load import load_all
from attngen.ir.nodes import Recurrent, Variant
from attngen.reference.scope import Scope
from attngen.runtime.draws import dtype_of, tensors
from attngen.runtime.kernel import Kernel

KEY_HEADS = {"gqa": 4, "mqa": 1}
"""Specs that are about shared keys: how many heads of these they have."""
CARRIED = ("linear_transformer", "lightning", "retention")
"""Weights over pairs that run as recurrences."""
COUNTED_PAIRS = 2**26
"""Pairs of all heads that are counted at a time."""


class Job(NamedTuple):
    """One row that is asked for."""

    spec: Path
    name: str
    sizes: Sizes
    dtype: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A spec with all that its call needs, on the device.

    Attributes:
        rules: its mask and score as FlexAttention's users write them, if they do.
        carried: whether it runs as a recurrence.
        live: the fraction of pairs that are live; 1 for a recurrence.
        work: FLOPs of the forward pass: of live pairs, or of the recurrence token by token.
        trained_work: the same with the backward pass.
    """

    variant: Variant
    kernel: Kernel
    sizes: Sizes
    rows: tuple[Tensor, Tensor, Tensor]
    inputs: Mapping[str, Tensor]
    rules: variants.Subject | None
    carried: bool
    live: float
    work: float
    trained_work: float


def variants_of(folder: Path, only: Sequence[str]) -> list[tuple[Path, Variant]]:
    """The specs whose name holds one of these words; all, if there are none."""
    found = [(path, variant) for path in sorted(folder.glob("*.attn")) for variant in load_all(path)]
    return [each for each in found if not only or any(word in each[1].name for word in only)]


def jobs(
    chosen: Sequence[tuple[Path, Variant]],
    tokens: Sequence[int],
    widths: Sequence[int],
    heads: Sequence[tuple[int, int]],
    dtypes: Sequence[str],
) -> list[Job]:
    """The most important ones first: all specs at one middle size, then at sizes that differ in one thing, in two...

    Recurrences, and specs that choose the heads of keys themselves, are not asked for with shared keys.
    """
    lengths = sorted(tokens)
    middle = lengths[(len(lengths) - 1) // 2]
    lengths.sort(key=lambda each: abs(each.bit_length() - middle.bit_length()))
    every = product(heads, dtypes, widths, lengths)
    base = (heads[0], dtypes[0], widths[0], middle)
    ordered = sorted(every, key=lambda each: sum(a != b for a, b in zip(each, base, strict=True)))
    found: list[Job] = []
    for (count, keys), dtype, width, length in ordered:
        for path, variant in chosen:
            if keys == count or not (is_carried(variant) or variant.name in KEY_HEADS):
                of_keys = min(KEY_HEADS.get(variant.name, keys), count)
                found.append(Job(path, variant.name, Sizes(count, length, width, of_keys), dtype))
    return found


def is_carried(variant: Variant) -> bool:
    """Whether a variant runs as a recurrence where queries are keys' tokens."""
    return isinstance(variant.body, Recurrent) or variant.name in CARRIED


def subject(job: Job, device: str) -> Subject:
    """Build the kernel, and draw data."""
    variant = next(each for each in load_all(job.spec) if each.name == job.name)
    sizes, carried = job.sizes, is_carried(variant)
    rules = _rules(job.spec.parent, sizes.tokens, sizes.heads, device).get(job.name)
    given = dict(rules.parameters) if rules else {}
    kernel = attngen.build(variant, backend="triton", **given)
    shape = [1, sizes.heads, sizes.key_heads or sizes.heads, sizes.tokens, sizes.tokens, sizes.width, sizes.width]
    torch.manual_seed(0)
    q, k, v, inputs = tensors(variant, shape, dtype_of(job.dtype), device, kernel.parameters)
    if rules is not None:
        inputs |= rules.inputs
    steps = next((each for each in recurrent_peers.SUBJECTS if each.name == job.name), None)
    if steps is not None:
        inputs |= {name: x.to(device) for name, x in steps.draw(sizes).items()}
    live = 1.0 if carried else live_pairs(variant, kernel.parameters, inputs, sizes, device)
    return Subject(variant, kernel, sizes, (q, k, v), inputs, rules, carried, live, *_work(steps, sizes, carried, live))


@lru_cache(maxsize=2)
def _rules(folder: Path, tokens: int, heads: int, device: str) -> dict[str, variants.Subject]:
    """Kept, because jobs of one size follow each other."""
    found = [*variants.subjects(folder, tokens, heads, device), *further_subjects(folder, tokens, heads, device)]
    return {each.name: each for each in found}


def _work(steps: recurrent_peers.Subject | None, sizes: Sizes, carried: bool, live: float) -> tuple[float, float]:
    """FLOPs, forward and trained; a recurrence's backward pass counts twice as many as its forward pass."""
    if carried:
        erases = steps is not None and steps.erases
        forward = recurrences.flops(erases, sizes)
        return forward, 3 * forward
    of_channels = sizes.heads * sizes.tokens**2 * live * sizes.width
    return 4 * of_channels, TRAINED * of_channels


def live_pairs(
    variant: Variant, parameters: Mapping[str, Any], inputs: Mapping[str, Tensor], sizes: Sizes, device: str
) -> float:
    """The fraction of pairs that the mask lets through, by the interpreter, some query rows at a time."""
    total, rows = 0.0, max(1, COUNTED_PAIRS // (sizes.heads * sizes.tokens))
    keys = torch.empty(1, 1, sizes.tokens, 1, device=device)
    for first in range(0, sizes.tokens, rows):
        count = min(rows, sizes.tokens - first)
        part = {
            name: x.narrow(axes.index("i"), first, count) if "i" in (axes := variant.input(name).axes) else x
            for name, x in inputs.items()
        }
        q = torch.empty(1, sizes.heads, count, 1, device=device)
        scope = Scope(variant, q, keys, keys, parameters, part, 1.0, first)
        total += count * scope.evaluate(variant.pairwise.mask).tensor.double().mean().item()
    return total / sizes.tokens
