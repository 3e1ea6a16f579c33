"""Ranks agree on what a call is before anything travels: a message of another size or dtype would be silent garbage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.parallel.ranks import Ranks


def agreed(
    ranks: Ranks, name: str, facts: Mapping[str, str], counts: Sequence[int], device: torch.device
) -> list[list[int]]:
    """The counts that each rank has, where all else is the same on all of them.

    Args:
        name: of the spec, for errors.
        facts: what must be the same, in words.
        counts: numbers that may differ.

    Raises:
        CallError: on all ranks, if a fact differs; it names the ranks and what they have.
    """
    text = json.dumps(facts, sort_keys=True)
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    mine = torch.tensor([digest, *counts], dtype=torch.int64, device=device)
    rows: list[list[int]] = [each.tolist() for each in ranks.gather(mine)]
    if any(row[0] != digest for row in rows):
        raise CallError(f"{name}: the ranks don't agree: {_difference(ranks.gather_words(dict(facts)))}")
    return [row[1:] for row in rows]


def _difference(facts: Sequence[Mapping[str, str]]) -> str:
    """Who has what, for all that is not the same."""
    names = sorted({name for each in facts for name in each})
    found = []
    for name in names:
        holders: dict[str, list[int]] = {}
        for rank, each in enumerate(facts):
            holders.setdefault(each.get(name, "missing"), []).append(rank)
        if len(holders) > 1:
            said = (f"{value} on {_ranks(of)}" for value, of in sorted(holders.items(), key=lambda item: -len(item[1])))
            found.append(f"{name} is {', '.join(said)}")
    return "; ".join(found)


def _ranks(numbers: Sequence[int]) -> str:
    text = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
    return f"rank {text}" if len(numbers) == 1 else f"ranks {text}"


def facts_of(kind: str, tensors: Mapping[str, Tensor], token_axes: Mapping[str, int]) -> dict[str, str]:
    """What must be alike in tensors of a kind: shapes but for tokens, dtypes, and whether they are trained."""
    found = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            found[kind + name] = type(tensor).__name__
            continue
        shape = [str(size) for size in tensor.shape]
        if token_axes.get(name, len(shape)) < len(shape):
            shape[token_axes[name]] = "tokens"
        trained = ", trained" if tensor.requires_grad else ""
        found[kind + name] = f"[{', '.join(shape)}] {str(tensor.dtype).removeprefix('torch.')}{trained}"
    return found
