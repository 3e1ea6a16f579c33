"""Specs by people who had not seen the compiler's code: each compiles and agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attngen.ir.load import load
from attngen.ir.nodes import Parameter
from attngen.runtime.trial import trial

SPECS = sorted((Path(__file__).parent / "specs").glob("*.attn"))
LARGEST = 8
"""Sizes of windows and blocks, so that a small call holds several."""


def value(given: Parameter) -> Any:
    if given.kind.value == "int":
        return LARGEST if given.default is None else min(given.default, LARGEST)
    return 0.5 if given.default is None else given.default


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_agrees(path: Path, backend: str) -> None:
    variant = load(path)
    parameters = {given.name: value(given) for given in variant.parameters}
    found = trial(variant, [2, 4, 2, 33, 41, 16, 8], "float32", backend, 1, parameters)
    assert found.passed, found.text()
