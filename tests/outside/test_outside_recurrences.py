"""Recurrences by someone who had read the language's page alone: each compiles and agrees, or is refused at a term."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings
from torch import Generator, Tensor

import attngen
from attngen.fuzz.recurrent_oracle import Given, agrees, gradients_agree
from attngen.ir.load import load
from attngen.ir.nodes import Input, Variant

FOLDER = Path(__file__).parent / "recurrences"
SPECS = sorted(FOLDER.glob("*.attn"))
REFUSED = sorted((FOLDER / "refused").glob("*.attn"))
SIZES = {"b": 2, "h": 2, "t": 37, "c": 8, "e": 5}
OWN = 6
DEEP = settings.default.max_examples >= 1000
SMALL = {"eta": 0.1, "x": 0.2, "y": 0.2}
"""Inputs that multiply states or rows without a range of their own, where whole numbers would let them grow."""


def shape(variant: Variant, given: Input) -> list[int]:
    own = SIZES["c"] ** 2 if variant.name == "based" else OWN
    return [SIZES.get(axis, own) for axis in given.axes]


def drawn(variant: Variant, given: Input, generator: Generator) -> Tensor:
    """Numbers in the range that is declared; documents, where they are ints."""
    if given.kind.value == "int":
        return (torch.arange(SIZES["t"]) // 9).expand(shape(variant, given))
    if variant.name == "based":  # the products of two channels, each once
        place = torch.arange(SIZES["c"] ** 2)
        return torch.eye(SIZES["c"])[place // SIZES["c"] if given.name == "p" else place % SIZES["c"]]
    low, high = (None if end is None else float(end.value) for end in (given.range.low, given.range.high))  # type: ignore[union-attr]
    some = torch.rand(shape(variant, given), generator=generator)
    if low is None and high is None:
        return torch.randn(shape(variant, given), generator=generator) * SMALL.get(given.name, 0.5)
    if low is None or high is None:
        return some + low if low is not None else (high or 0) - some
    return low + (high - low) * (0.05 + 0.9 * some)


def a_call(variant: Variant) -> Given:
    generator = Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, SIZES["t"], SIZES[axis], generator=generator) for axis in "cce")
    return Given((q, 0.5 * k, v), {given.name: drawn(variant, given, generator) for given in variant.inputs}, {})


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_agrees(path: Path) -> None:
    variant = load(path)
    agrees(variant, a_call(variant), 0)


@pytest.mark.parametrize("path", SPECS if DEEP else SPECS[::4], ids=lambda path: path.stem)
def test_gradients_agree(path: Path) -> None:
    """Each compiles a file: all of them in the deep profile."""
    variant = load(path)
    gradients_agree(variant, a_call(variant), 0)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_is_refused(path: Path) -> None:
    """With the code on the first line, at a place that its author wrote."""
    with pytest.raises(attngen.SpecError) as caught:
        attngen.build(path, backend="cpp")
    (problem,) = caught.value.diagnostics
    assert f"# {problem.code}" == path.read_text(encoding="utf-8").split("\n")[0].strip()
    assert problem.span.text and problem.help
